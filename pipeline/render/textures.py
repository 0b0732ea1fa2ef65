"""Texture maps: decoded once per mesh, with errors that name the file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import TextureError
from pipeline.mesh.types import Mesh, Slot, TextureRef

SLOTS: tuple[Slot, ...] = ("base_color", "normal", "metallic_roughness", "occlusion", "emissive", "roughness",
                           "metallic", "opacity")
MAX_SIDE = 4096  # pixels; larger maps are reduced, since no shot shows more

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Textures:
    """Decoded maps by (source, path): (H, W, 4) uint8 as coded in the file, top-left origin."""

    images: Mapping[Key, NDArray[np.uint8]] = field(default_factory=dict)
    mirrored: Mapping[Key, NDArray[np.uint8]] = field(default_factory=dict)  # what mirrored instances wear instead

    def of(self, ref: TextureRef, *, mirrored: bool = False) -> NDArray[np.uint8]:
        if mirrored and key_of(ref) in self.mirrored:
            return self.mirrored[key_of(ref)]
        return self.images[key_of(ref)]


def key_of(ref: TextureRef) -> Key:
    return ref.source, ref.path


def load_textures(mesh: Mesh, read: Callable[[TextureRef], bytes], max_megapixels: float) -> Textures:
    """Decode every map that the mesh's materials name.

    ``read`` returns a file's bytes and raises FileNotFoundError where there is none.
    Raises TextureError ``texture_missing``, ``texture_unreadable`` or ``texture_too_large``.
    """
    images: dict[Key, NDArray[np.uint8]] = {}
    for material in mesh.materials:
        for slot in SLOTS:
            ref = material.textures.get(slot)
            if ref is not None and key_of(ref) not in images:
                images[key_of(ref)] = _decode(ref, read, max_megapixels)
    return Textures(images)


def _decode(ref: TextureRef, read: Callable[[TextureRef], bytes], max_megapixels: float) -> NDArray[np.uint8]:
    try:
        data = read(ref)
    except FileNotFoundError as error:
        raise TextureError("texture_missing", f"{ref.path}: this texture is named by the mesh but is not there.",
                           "Add the file to the SKU folder, or name the right one under `material:` in product.yaml."
                           ) from error
    unreadable = TextureError("texture_unreadable", f"{ref.path}: this file is not an image that can be decoded.",
                              "Export it again as PNG or JPEG.")
    try:
        with warnings.catch_warnings():
            # The size is checked below, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                megapixels = image.width * image.height / 1e6
                if megapixels > max_megapixels:
                    raise _too_large(ref, f"{image.width}×{image.height} pixels ({megapixels:.0f} megapixels)",
                                     max_megapixels)
                return _pixels(image)
    except Image.DecompressionBombError as error:
        raise _too_large(ref, "far larger than any texture should be", max_megapixels) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError,
            OverflowError) as error:
        # Pillow's decoders raise all of these on damaged files.
        raise unreadable from error


def _too_large(ref: TextureRef, size: str, max_megapixels: float) -> TextureError:
    return TextureError("texture_too_large", f"{ref.path}: {size}; at most {max_megapixels:g} megapixels are allowed.",
                        "Save it smaller (4096×4096 shows every detail of a product image), or raise "
                        "`max_texture_megapixels` in catalogue.yaml.")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 4) code values; 16-bit grey is reduced to 8 bit, palettes and alpha are expanded."""
    if image.mode.startswith(("I", "F")):
        wide = np.asarray(image, np.float64)
        image = Image.fromarray(np.clip(wide / (257.0 if image.mode.startswith("I") else 1 / 255.0) + 0.5, 0, 255)
                                .astype(np.uint8))
    longest = max(image.size)
    if longest > MAX_SIDE:
        image = image.convert("RGBA")
        size = (max(1, image.width * MAX_SIDE // longest), max(1, image.height * MAX_SIDE // longest))
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return np.ascontiguousarray(np.asarray(image.convert("RGBA"), np.uint8))
