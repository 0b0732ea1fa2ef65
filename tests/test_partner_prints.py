"""A mirrored partner's texts: flipped where they are, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region
from pipeline.mesh.types import TextureRef
from pipeline.render import Renderer, compose
from pipeline.render.partner_prints import flipped, with_readable_prints
from pipeline.render.pathtrace_model import product_surfaces
from tests.render_meshes import GREY, png, quad, straight_shot, textures_of

SIDE = 128
WINDOW = (slice(40, 88), slice(24, 104))           # of the map; the region lies here
POLYGON = tuple((x / SIDE, y / SIDE) for x, y in ((24, 40), (104, 40), (104, 88), (24, 88)))
LABEL = Region("label", "label", "*", polygon=POLYGON, text="ABC")
MIRROR = ((-1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def print_map() -> NDArray[np.uint8]:
    """A pale label that is dark on its left, on blue."""
    image = np.full((SIDE, SIDE, 4), 255, np.uint8)
    image[..., :3] = (40, 60, 160)
    image[(*WINDOW, slice(0, 3))] = (230, 225, 210)
    image[40:88, 24:50, :3] = (20, 20, 20)
    return image


def test_a_flip_stays_inside_and_turns_the_reading_direction() -> None:
    image = print_map()
    turned = flipped(image, np.array(POLYGON, np.float32) * SIDE)
    outside = np.ones((SIDE, SIDE), bool)
    outside[34:94, 18:110] = False
    assert np.array_equal(turned[outside], image[outside])
    inner = turned[46:82, 30:98, 0].mean(axis=0)
    assert inner[:30].min() > 200
    assert inner[-14:].max() < 60


@given(st.integers(0, 3), st.floats(-20, 20))
@settings(max_examples=20, deadline=None)
def test_twice_is_once_too_often(first: int, angle: float) -> None:
    image = print_map()
    turn = np.radians(angle)
    corners = (np.array(POLYGON) * SIDE - 64) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    polygon = np.roll(corners * 0.8 + 64, first, axis=0).astype(np.float32)
    smooth = image.copy()
    smooth[..., 0] = np.linspace(0, 255, SIDE).astype(np.uint8)
    smooth[..., 1:3] = 100
    again = flipped(flipped(smooth, polygon), polygon)
    assert np.abs(again[56:72, 56:72].astype(int) - smooth[56:72, 56:72]).max() <= 6


def test_marks_without_words_stay_as_they_are() -> None:
    mesh = quad(-0.5, 0.5, -0.5, 0.5, replace(GREY, textures={"base_color": TextureRef("catalogue", "a.png")}))
    textures = textures_of(mesh, {"a.png": png(print_map())})
    assert with_readable_prints(textures, mesh, [replace(LABEL, text="")]) is textures
    assert with_readable_prints(textures, mesh, [replace(LABEL, material="other")]) is textures


def test_mirrored_instances_wear_it_in_both_renderers() -> None:
    """Seen in its mirror image the label reads as it does on the product."""
    mesh = quad(-0.5, 0.5, -0.5, 0.5, replace(GREY, textures={"base_color": TextureRef("catalogue", "a.png")}))
    textures = with_readable_prints(textures_of(mesh, {"a.png": png(print_map())}), mesh, [LABEL])
    own = straight_shot(96)
    partner = replace(own, instances=(Instance(MIRROR, mirrored=True),))
    with Renderer() as renderer:
        seen, other = (renderer.draw(compose(mesh, shot, textures)).base_color for shot in (own, partner))
    rows = slice(44, 54)
    left, right = slice(35, 41), slice(50, 60)
    dark = [float(picture[rows, side].mean()) for picture in (seen, other) for side in (left, right)]
    assert dark[0] == pytest.approx(dark[2], abs=0.05)
    assert dark[1] == pytest.approx(dark[3], abs=0.05)
    assert abs(dark[0] - dark[1]) > 0.3
    [plain], [turned] = (product_surfaces(mesh, textures, shot.instances) for shot in (own, partner))
    assert np.array_equal(plain.look.maps["base_color"].image, textures.images[("catalogue", "a.png")])
    assert np.array_equal(turned.look.maps["base_color"].image, textures.mirrored[("catalogue", "a.png")])
