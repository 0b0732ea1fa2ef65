"""Textures as files: PNG for flat artwork, JPEG where grain makes a PNG large."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from examples.generate.model import Model, Texture

JPEG_QUALITY = 88
JPEG_WORTH_IT = 0.6  # a JPEG must be this much smaller: it blurs small print a little


@dataclass(frozen=True)
class EncodedImage:
    file_name: str
    mime_type: str
    data: bytes


def encoded(texture: Texture) -> EncodedImage:
    """The texture as PNG, or as JPEG without chroma subsampling where that is much smaller."""
    image = texture.image.convert("RGB")
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.save(png, "PNG", optimize=True)
    image.save(jpeg, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    if len(jpeg.getvalue()) < JPEG_WORTH_IT * len(png.getvalue()):
        return EncodedImage(f"{texture.name}.jpg", "image/jpeg", jpeg.getvalue())
    return EncodedImage(f"{texture.name}.png", "image/png", png.getvalue())


def textures_of(model: Model) -> list[Texture]:
    """The distinct textures of a model, in order of first use."""
    found: dict[str, Texture] = {}
    for material in model.materials:
        if material.texture is not None:
            found.setdefault(material.texture.name, material.texture)
    return list(found.values())


def write_textures(model: Model, folder: Path) -> dict[str, str]:
    """Write every texture beside the mesh; returns file names by texture name."""
    names = {}
    for texture in textures_of(model):
        image = encoded(texture)
        (folder / image.file_name).write_bytes(image.data)
        names[texture.name] = image.file_name
    return names
