"""What leaves the house: which shots, encoded how, and the manifest a shop system reads.

Deciding, encoding and describing are three functions over plain values; the asset layer feeds
them and writes the files. Nothing here knows a clock, so the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import CatalogueError, StoreError
from pipeline.sentinel.channels import Channel, takes
from pipeline.sentinel.types import Verdict
from pipeline.settings import DeliverySettings

SCHEMA = "packshot.delivery/1"
UNREFINED_PRESET = "none"

# libwebp's effort 0..6. 4 is the knee: 6 takes twice as long for 1 % fewer bytes.
WEBP_METHOD = 4

# Below it JPEG shows its blocks on print and stitching: no channel is worth that.
LEAST_QUALITY, QUALITY_STEP = 60, 4

MIME = {"webp": "image/webp", "jpg": "image/jpeg"}
ROLES = {"hero": "homepage", "square": "square_ad", "lifestyle": "lifestyle", "top": "top", "detail": "detail"}
VIEWS = {"hero": "studio view", "square": "on a white background", "lifestyle": "in a lifestyle setting",
         "top": "seen from above", "detail": "close-up"}

Outcome = Literal["passed", "warned", "failed", "warning_not_delivered", "unrefined", "shot_removed"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one shot. ``withdraw`` means an image of it is out there and has to go."""

    shot: str
    deliver: bool
    withdraw: bool
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DeliveredShot:
    """One image that leaves the house, in every encoding."""

    shot: str
    width: int                             # pixels
    height: int
    encodings: Mapping[str, bytes]         # what :func:`encode` returned, by suffix
    verdict: Verdict
    score: float | None                    # 0..100, lowest of the image's required checks
    preset: str                            # refiner preset
    digital_source_type: str               # IPTC code or address, as in the image's XMP
    channels: Mapping[str, str] = field(default_factory=dict)  # suffix of the file that each chosen channel takes


def select(verdicts: Mapping[str, Verdict], preset: str, settings: DeliverySettings,
           previous_manifest: Mapping[str, Any] | None = None) -> tuple[Decision, ...]:
    """Decide every shot: the current ones in their order, then those only the previous manifest knows.

    Whatever a previous manifest delivered or withdrew is delivered or withdrawn by this one, so a
    shop that skips a manifest never keeps an image that failed since.
    """
    outside = _outside(previous_manifest)
    decisions = []
    for shot, verdict in verdicts.items():
        outcome = _outcome(verdict, preset, settings)
        deliver = outcome in ("passed", "warned")
        decisions.append(Decision(shot, deliver, not deliver and shot in outside, outcome))
    decisions += [Decision(shot, False, True, "shot_removed") for shot in outside if shot not in verdicts]
    return tuple(decisions)


def encode(pixels: NDArray[np.uint8], settings: DeliverySettings, xmp: bytes, icc: bytes,
           channels: Sequence[Channel] = ()) -> dict[str, bytes]:
    """One sRGB image (H, W, 3) as WebP and JPEG, each with its colour profile and provenance.

    JPEG keeps full chroma (4:4:4): half-resolution chroma frays saturated print and stitching. Lossy
    WebP has no such mode; it is the smaller file for screens, JPEG the one to crop and zoom.

    Each of ``channels`` takes at least one of the files: a file too large for it is encoded again at lower quality,
    down to 60. Raises CatalogueError ``channel_format`` or ``channel_bytes`` where that does not help.

    Returns the file's bytes by suffix, ``webp`` and ``jpg``; equal pixels give equal bytes.
    """
    image = Image.fromarray(pixels, "RGB")
    qualities = {"webp": settings.webp_quality, "jpg": settings.jpeg_quality}
    encodings = {suffix: _encoded(image, suffix, quality, xmp, icc) for suffix, quality in qualities.items()}
    for channel in channels:
        if channel.name in files_for(encodings, (channel,)):
            continue
        suffix = _suffix_for(channel)
        while not takes(channel, suffix, len(encodings[suffix])):
            qualities[suffix] -= QUALITY_STEP
            if qualities[suffix] < LEAST_QUALITY:
                raise CatalogueError("channel_bytes", f"{channel.title} does not take a file of "
                                     f"{len(encodings[suffix])} bytes, this picture's at the lowest quality.",
                                     "Make the shot smaller, or take the channel out of `channels:`.")
            encodings[suffix] = _encoded(image, suffix, qualities[suffix], xmp, icc)
    return encodings


def files_for(encodings: Mapping[str, bytes], channels: Sequence[Channel]) -> dict[str, str]:
    """Suffix of the file that each channel takes, by the channel's name; the smallest where it takes several."""
    chosen = {}
    for channel in channels:
        taken = [suffix for suffix, data in encodings.items() if takes(channel, suffix, len(data))]
        if taken:
            chosen[channel.name] = min(taken, key=lambda suffix: len(encodings[suffix]))
    return chosen


def _suffix_for(channel: Channel) -> str:
    formats = channel.files.formats if channel.files else tuple(MIME)
    for suffix in ("jpg", "webp"):
        if suffix in formats:
            return suffix
    raise CatalogueError("channel_format", f"{channel.title} takes {', '.join(formats)} files only; delivered are "
                         f"{' and '.join(MIME)}.", "Take the channel out of `channels:` in catalogue.yaml.")


def _encoded(image: Image.Image, suffix: str, quality: int, xmp: bytes, icc: bytes) -> bytes:
    file = io.BytesIO()
    if suffix == "webp":
        image.save(file, "WEBP", quality=quality, method=WEBP_METHOD, xmp=xmp, icc_profile=icc)
    else:
        image.save(file, "JPEG", quality=quality, subsampling=0, progressive=True, optimize=True, xmp=xmp,
                   icc_profile=icc)
    return file.getvalue()


def alt_text(name: str, shot: str) -> str:
    """What a screen reader says for one shot of a product."""
    return f"{name}, {VIEWS.get(shot, shot.replace('_', ' ').replace('-', ' '))}"


def delivery_manifest(sku: str, name: str, category: str, delivered: Sequence[DeliveredShot],
                      decisions: Sequence[Decision], findings: Mapping[str, Sequence[str]],
                      previous_manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything a shop system needs to publish, hold back and take down, JSON-able.

    ``decisions`` come from :func:`select` with the same previous manifest; ``findings`` names, by
    shot, the checks that failed or warned, and explains what is withheld.
    """
    images = [{
        "shot": shot.shot, "role": ROLES.get(shot.shot, "additional"), "alt": alt_text(name, shot.shot),
        "width": shot.width, "height": shot.height, "verdict": shot.verdict, "score": shot.score,
        "refiner": shot.preset, "digital_source_type": shot.digital_source_type,
        "channels": {name: f"{shot.shot}.{suffix}" for name, suffix in shot.channels.items()},
        "files": [{"name": f"{shot.shot}.{suffix}", "mime": MIME[suffix], "bytes": len(data),
                   "sha256": hashlib.sha256(data).hexdigest()} for suffix, data in shot.encodings.items()],
    } for shot in delivered]
    outside = _outside(previous_manifest)
    return {
        "schema": SCHEMA, "sku": sku, "name": name, "category": category, "images": images,
        "withheld": [{"shot": d.shot, "role": ROLES.get(d.shot, "additional"), "outcome": d.outcome,
                      "checks": list(findings.get(d.shot, ())), "reason": reason(d, findings.get(d.shot, ()))}
                     for d in decisions if not d.deliver and d.outcome != "shot_removed"],
        "withdrawn": [{"shot": d.shot, "role": ROLES.get(d.shot, "additional"), "outcome": d.outcome,
                       "files": outside[d.shot], "reason": reason(d, findings.get(d.shot, ()))}
                      for d in decisions if d.withdraw],
    }


def reason(decision: Decision, findings: Sequence[str] = ()) -> str:
    """Why a shot is or is not delivered, in one sentence."""
    checks = " and ".join(filter(None, (", ".join(findings[:-1]), *findings[-1:])))
    match decision.outcome:
        case "passed":
            return "Every required check passed."
        case "warned":
            return f"Delivered with a warning{f' of {checks}' if checks else ''}."
        case "failed":
            return f"Failed {checks}." if checks else "A required check failed or could not be measured."
        case "warning_not_delivered":
            return f"This catalogue holds back warnings{f': {checks}' if checks else ''}."
        case "unrefined":
            return "The image is an unrefined render, and this catalogue delivers refined images only."
        case "shot_removed":
            return "The shot is no longer one of this product's shots."


def _outcome(verdict: Verdict, preset: str, settings: DeliverySettings) -> Outcome:
    if verdict not in ("pass", "warn"):
        return "failed"
    if preset == UNREFINED_PRESET and not settings.deliver_unrefined:
        return "unrefined"
    if verdict == "warn" and not settings.deliver_warn:
        return "warning_not_delivered"
    return "passed" if verdict == "pass" else "warned"


def _outside(manifest: Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Files by shot that an earlier manifest published, or asked to take down and nobody replaced since."""
    if manifest is None:
        return {}
    if manifest.get("schema") != SCHEMA:
        raise StoreError("schema_unknown", f"The previous delivery manifest has schema {manifest.get('schema')!r}; "
                         f"this version reads {SCHEMA!r}.", "Use a fresh store or the version that wrote it.")
    entries = (*manifest["withdrawn"], *manifest["images"])
    return {entry["shot"]: cast("list[dict[str, Any]]", entry["files"]) for entry in entries}
