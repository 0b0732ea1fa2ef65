"""Labels and worded logos are found on a diffuse map and read."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.catalogue import Region
from pipeline.finding import find_regions
from pipeline.finding.naming import beside_manifest, overlap
from pipeline.finding.text import is_word, is_wordmark
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render.textures import Textures

SIDE = 768
CLOTH, PAPER, INK = (196, 176, 150), (240, 240, 236), (25, 30, 60)


def plane(uv: NDArray[np.float32], *, materials: int = 1) -> Mesh:
    """Two triangles of a square metre, shown by ``uv`` (4, 2)."""
    positions = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    ref = TextureRef("catalogue", "map.png")
    return Mesh(positions, np.tile(np.array([0, 0, 1], np.float32), (4, 1)), (uv,),
                np.array([[0, 2, 1], [0, 3, 2]], np.uint32), np.zeros(2, np.uint16), np.zeros(2, np.uint32),
                tuple(Material(f"cloth_{k}", textures={"base_color": ref}) for k in range(materials)))


WHOLE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def found_on(picture: Image.Image, uv: NDArray[np.float32] = WHOLE) -> tuple[Region, ...]:
    pixels = np.asarray(picture.convert("RGBA"), np.uint8)
    return find_regions(plane(uv), Textures({("catalogue", "map.png"): pixels}))


def cloth() -> Image.Image:
    noise = np.random.default_rng(5).normal(0, 2, (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(np.array(CLOTH) + noise, 0, 255).astype(np.uint8))


def write(picture: Image.Image, place: tuple[int, int], text: str, size: int, ink: tuple[int, int, int] = INK) -> None:
    ImageDraw.Draw(picture).text(place, text, ink, ImageFont.load_default(size=size), anchor="mm", stroke_width=1)


def box_of(region: Region) -> NDArray[np.float64]:
    corners = np.array(region.polygon) * SIDE
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def test_a_word_on_the_material_is_a_logo_around_its_letters() -> None:
    picture = cloth()
    write(picture, (400, 300), "HARBOUR", 60)
    [region] = found_on(picture)
    assert (region.kind, region.text, region.name, region.source) == ("logo", "HARBOUR", "logo 1 HARBOUR", "found")
    x0, y0, x1, y1 = box_of(region)
    assert np.abs(np.array([x0, x1, y0, y1]) - [260, 540, 268, 332]).max() < 30


def test_lines_on_a_patch_are_one_label_of_the_whole_patch() -> None:
    picture = cloth()
    ImageDraw.Draw(picture).rectangle((240, 200, 540, 400), fill=PAPER)
    write(picture, (390, 265), "LINDEN", 56)
    write(picture, (390, 345), "PURE WOOL 1974", 24)
    [region] = found_on(picture)
    assert region.kind == "label"
    assert region.text == "LINDEN\nPURE WOOL 1974"
    assert np.abs(box_of(region) - [240, 200, 540, 400]).max() < 8


def test_text_that_runs_down_the_map_starts_at_its_own_top_left() -> None:
    picture = cloth()
    write(picture, (400, 300), "HARBOUR", 60)
    [region] = found_on(picture.transpose(Image.Transpose.ROTATE_270))
    assert region.text == "HARBOUR"
    (u0, v0), (u1, v1) = region.polygon[0], region.polygon[1]
    assert v1 - v0 > 0.3, "its first side runs down, as the text does"
    assert abs(u1 - u0) < 0.02


def test_a_mirrored_chart_s_text_is_read_as_the_product_shows_it() -> None:
    picture = cloth()
    write(picture, (400, 300), "HARBOUR", 60)
    [region] = found_on(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), WHOLE[[1, 0, 3, 2]])
    assert region.text == "HARBOUR"


def test_what_no_triangle_shows_is_not_found() -> None:
    picture = cloth()
    write(picture, (400, 600), "HARBOUR", 60)
    assert found_on(picture, WHOLE * np.array([1, 0.5], np.float32)) == ()
    assert len(found_on(picture)) == 1


def test_text_that_a_chart_cuts_is_not_a_word() -> None:
    picture = cloth()
    write(picture, (400, 300), "HARBOUR", 60)
    assert found_on(picture, WHOLE * np.array([0.52, 1.0], np.float32)) == ()


def test_a_tiling_map_and_a_plain_one_hold_nothing() -> None:
    picture = cloth()
    assert found_on(picture) == ()
    write(picture, (400, 300), "HARBOUR", 60)
    assert found_on(picture, WHOLE * 4) == ()


def test_an_unread_map_is_passed_over() -> None:
    assert find_regions(plane(WHOLE), Textures({})) == ()


def test_regions_are_the_same_every_time() -> None:
    picture = cloth()
    for y in (150, 400, 650):
        write(picture, (400, y), f"HARBOUR {'ABC'[y // 250]}", 40)
    assert found_on(picture) == found_on(picture)


@pytest.mark.parametrize(("text", "word", "mark"), [("NORTHLINE", True, True), ("II|I", False, False),
                                                    ("OOO", False, False), ("V", False, True),
                                                    ("NET 250 G", True, False),
                                                    ("A long line of small print", True, False)])
def test_what_is_a_word_and_what_a_wordmark(text: str, word: bool, mark: bool) -> None:
    assert is_word(text) is word
    assert word is False or is_wordmark(text) is mark


def square(name: str, u: float, v: float, side: float = 0.1, material: str = "cloth") -> Region:
    corners = ((u, v), (u + side, v), (u + side, v + side), (u, v + side))
    return Region(name, "logo", material, corners, source="found")


def test_the_manifest_has_the_first_word() -> None:
    named = square("ours", 0.1, 0.1)
    there, elsewhere, other = square("logo 1", 0.12, 0.12), square("ours", 0.5, 0.5), square("logo 3", 0.1, 0.1,
                                                                                           material="sole")
    kept = beside_manifest([named], [there, elsewhere, other], ignored=())
    assert [region.name for region in kept] == ["ours", "ours (2)", "logo 3"]
    assert beside_manifest([named], [other], ignored=("logo 3",)) == (named,)


def test_a_small_region_inside_a_large_one_overlaps_it_whole() -> None:
    assert overlap(square("a", 0.1, 0.1, 0.5), square("b", 0.2, 0.2, 0.05)) == 1.0
    seam = Region("seam", "stitching", "cloth", path=((0.0, 0.8), (1.0, 0.8)), width=0.02)
    assert overlap(seam, square("b", 0.2, 0.2, 0.05)) == 0.0
    assert overlap(seam, square("b", 0.2, 0.79, 0.05)) > 0.1
