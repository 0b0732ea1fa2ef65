"""Where an image came from, inside the image: XMP with the IPTC digital source type, and an sRGB profile.

Whoever knows the data versions of the inputs adds them under ``data_versions`` before saving.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from pipeline.refine.types import RefinerIdentity
from pipeline.render.types import ControlPasses

SCHEMA = 1

# IPTC NewsCodes, scheme digitalsourcetype; the http address is the term's name, not a page to be fetched.
_SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# A raster or path trace of a 3D model made by people is "media created by a human using non-generative tools";
# algorithmicMedia is for pictures that come from a formula alone.
RENDERED = _SCHEME + "digitalCreation"
# Every pixel was decoded from a model's latents, which Google Merchant Center wants called by this word. It stays
# the word after the identity lock: what the lock puts back is little of the picture, and the stronger word is safe.
GENERATED = _SCHEME + "trainedAlgorithmicMedia"
# A picture that existed before, our render, changed by a trained model: "modification of existing media with
# generative AI", a word that Google's image search knows. It fits a model that only multiplies and adds light and
# relief: shape, framing, colours and print are the render's own. trainedAlgorithmicMedia would say that a model
# made the product up; digitalCreation and algorithmicallyEnhanced would hide that one was asked.
MODULATED = _SCHEME + "compositeWithTrainedAlgorithmicMedia"
# "Composite including synthetic elements": a photo in which our render stands. One whose product a trained model
# has refined keeps the stronger word.
COMPOSED = _SCHEME + "compositeSynthetic"

_XMP_KEY = "XML:com.adobe.xmp"
_NAMESPACE = "urn:packshot:provenance:1/"
_PNG_LEVEL = 4               # 1.2 MP with noise: 0.15 s; level 6 takes 0.5 s and is no smaller
_PROFILE_DATE = bytes((7, 0xE8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 2024-01-01 00:00:00, six big-endian u16


def provenance(identity: RefinerIdentity, passes: ControlPasses, used: Sequence[str], *, refined: bool,
               source_type: str, seed: int | None = None, prompt: str = "", negative_prompt: str = "",
               settings: Mapping[str, str | int | float | bool] | None = None,
               libraries: Sequence[str] = ("numpy",)) -> dict[str, object]:
    """The JSON-able record of one image.

    Args:
        used: names of the passes the image was made from; each is recorded with its sha256.
        refined: False where the picture is only the raster, whatever the file is called.
        seed: None where nothing is drawn at random.
        settings: what the image depends on beyond the identity, such as device and actual batch size.
        libraries: distributions whose versions are recorded; none of them is imported for it.
    """
    return {
        "schema": SCHEMA,
        "packshot": _version("packshot"),
        "refined": refined,
        "digital_source_type": source_type,
        "preset": identity.preset,
        "preset_version": identity.version,
        "model": identity.model,
        "revision": identity.revision,
        "model_sha256": identity.model_sha256,
        "parameters": {**identity.parameters, **(settings or {})},
        "seed": seed,
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "shot": passes.shot.name,
        "stage_hash": passes.stage_hash,
        "light": "traced" if passes.traced else "raster",
        "input_sha256": {name: array_sha256(getattr(passes, name)) for name in used},
        "libraries": {name: _version(name) for name in libraries},
    }


def array_sha256(array: NDArray[np.generic]) -> str:
    """Hash of an array's type, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save_png(pixels: NDArray[np.uint8], path: str | os.PathLike[str], provenance: Mapping[str, object]) -> None:
    """Write (H, W, 3) sRGB pixels with their profile and provenance; equal input gives equal bytes."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt(_XMP_KEY, xmp_packet(provenance).decode())
    Image.fromarray(pixels).save(path, "PNG", pnginfo=text, icc_profile=srgb_profile(), compress_level=_PNG_LEVEL)


def xmp_packet(provenance: Mapping[str, object]) -> bytes:
    """An XMP packet (UTF-8) for any container: PNG iTXt, or Pillow's ``xmp=`` for JPEG and WebP.

    Holds ``Iptc4xmpExt:DigitalSourceType`` for everybody and the whole record as JSON for Packshot.
    """
    source_type = escape(str(provenance["digital_source_type"]))
    record = escape(json.dumps(provenance, sort_keys=True, allow_nan=False))
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:packshot="{_NAMESPACE}">
   <xmp:CreatorTool>Packshot</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <packshot:provenance>{record}</packshot:provenance>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB with the same bytes every time: LittleCMS writes the date of today into it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + _PROFILE_DATE + profile[36:]


def read_provenance(path: str | os.PathLike[str]) -> dict[str, object]:
    """The record inside a PNG, JPEG or WebP; {} for an image that Packshot did not make."""
    with Image.open(Path(path)) as image:
        packet = image.info.get("xmp", b"")
    try:
        found = ElementTree.fromstring(packet).find(f".//{{{_NAMESPACE}}}provenance") if packet else None
        record = json.loads(found.text or "") if found is not None else {}
    except (ElementTree.ParseError, json.JSONDecodeError):
        return {}  # somebody else's packet, or one cut short: not ours to read
    return record if isinstance(record, dict) else {}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "checkout" if distribution == "packshot" else "absent"  # run from its sources, not installed
