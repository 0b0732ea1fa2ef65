"""Texture maps that are missing, damaged or far too large, and those that are merely unusual."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import TextureError
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render import load_textures
from pipeline.render.textures import MAX_SIDE
from tests.render_meshes import png, quad

REF = TextureRef("catalogue", "maps/diffuse.png")


def textured() -> Mesh:
    return quad(-1, 1, -1, 1, Material("print", textures={"base_color": REF}))


def load(data: bytes, max_megapixels: float = 67.2) -> np.ndarray:
    return load_textures(textured(), lambda ref: data, max_megapixels).of(REF)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def test_a_missing_file_is_named() -> None:
    def read(ref: TextureRef) -> bytes:
        raise FileNotFoundError(ref.path)

    with pytest.raises(TextureError, match=r"maps/diffuse\.png") as caught:
        load_textures(textured(), read, 67.2)
    assert caught.value.code == "texture_missing"
    assert caught.value.hint


@pytest.mark.parametrize("data", [b"", b"not an image", png(np.zeros((64, 64, 3), np.uint8))[:60],
                                  encoded(Image.new("RGB", (64, 64), "red"), "JPEG")[:200]])
def test_a_damaged_file_is_named(data: bytes) -> None:
    with pytest.raises(TextureError, match=r"maps/diffuse\.png") as caught:
        load(data)
    assert caught.value.code == "texture_unreadable"
    assert caught.value.hint


def test_a_hundred_megapixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("1", (10_000, 10_000)))
    assert len(data) < 200_000

    def decode(self: Image.Image) -> None:
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(TextureError, match="10000×10000") as caught:
        load(data)
    assert caught.value.code == "texture_too_large"
    assert "max_texture_megapixels" in caught.value.hint


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(TextureError) as caught:
        load(encoded(Image.new("1", (20_000, 20_000))))
    assert caught.value.code == "texture_too_large"


def test_a_catalogue_may_allow_more() -> None:
    data = encoded(Image.new("L", (300, 200), 77))
    with pytest.raises(TextureError):
        load(data, max_megapixels=0.05)
    assert load(data, max_megapixels=0.06).shape == (200, 300, 4)


def test_large_maps_are_reduced_in_proportion() -> None:
    assert load(encoded(Image.new("L", (MAX_SIDE * 2, 100), 200))).shape == (50, MAX_SIDE, 4)


@pytest.mark.parametrize(("image", "expected"), [
    (Image.new("RGB", (4, 4), (10, 20, 30)), (10, 20, 30, 255)),
    (Image.new("RGBA", (4, 4), (10, 20, 30, 40)), (10, 20, 30, 40)),
    (Image.new("L", (4, 4), 90), (90, 90, 90, 255)),
    (Image.new("P", (4, 4), 0), (0, 0, 0, 255)),
    (Image.fromarray(np.full((4, 4), 257 * 90, np.uint16)), (90, 90, 90, 255)),
])
def test_every_pixel_format_becomes_rgba(image: Image.Image, expected: tuple[int, ...]) -> None:
    assert load(encoded(image))[0, 0].tolist() == list(expected)


def test_a_file_shared_by_materials_is_read_once() -> None:
    reads = []

    def read(ref: TextureRef) -> bytes:
        reads.append(ref.path)
        return png(np.zeros((4, 4, 3), np.uint8))

    mesh = quad(-1, 1, -1, 1, Material("print", textures={"base_color": REF, "occlusion": REF}))
    assert len(load_textures(mesh, read, 67.2).images) == 1
    assert reads == [REF.path]
