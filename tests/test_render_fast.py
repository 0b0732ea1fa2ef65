"""Colour and depth alone: the same picture as the exact passes, within what a preview bears."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalogue import Shot
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render import Renderer
from pipeline.render.fast import FastRenderer
from pipeline.render.types import ControlPasses
from tests.render_meshes import GREY, box, png, quad, shot, sphere, straight_shot, textures_of


@pytest.fixture(scope="module")
def fast() -> Iterator[FastRenderer]:
    with FastRenderer() as opened:
        yield opened


def exact(mesh: Mesh, a_shot: Shot, files: dict[str, bytes] | None = None) -> ControlPasses:
    with Renderer() as renderer:
        return renderer.render(mesh, a_shot, textures_of(mesh, files))


@pytest.mark.parametrize("mesh", [box(), sphere()], ids=["box", "sphere"])
def test_depth_is_that_of_the_passes(fast: FastRenderer, mesh: Mesh) -> None:
    passes = exact(mesh, shot((96, 64)))
    drawn = fast.draw(mesh, textures_of(mesh), passes.camera, (96, 64))
    assert drawn.depth.shape == (64, 96)
    assert np.array_equal(np.isinf(drawn.depth), np.isinf(passes.depth))
    inside = np.isfinite(passes.depth)
    assert inside.any()
    assert np.abs(drawn.depth[inside] / passes.depth[inside] - 1.0).max() < 1e-5
    assert (drawn.color[inside] == (188, 188, 188, 255)).all()   # 0.5 in sRGB
    assert not drawn.color[~inside].any()


@pytest.mark.parametrize("wrap", ["repeat", "mirror", "clamp"])
def test_textures_wrap_and_are_placed_as_in_the_passes(fast: FastRenderer, wrap: str) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:], picture[32:] = (250, 10, 10), (10, 250, 10), (10, 10, 250)
    ref = TextureRef("catalogue", "map.png", wrap_u=wrap, wrap_v=wrap, offset=(0.2, 0.1),  # type: ignore[arg-type]
                     scale=(1.7, 1.3), rotation=0.3)
    mesh = quad(-0.8, 0.8, -0.8, 0.8, Material("map", textures={"base_color": ref}))
    files = {"map.png": png(picture)}
    passes = exact(mesh, straight_shot(64), files)
    drawn = fast.draw(mesh, textures_of(mesh, files), passes.camera, (64, 64))
    different = (np.argmax(drawn.color[..., :3], axis=-1) != np.argmax(passes.base_color, axis=-1))[8:-8, 8:-8]
    assert different.mean() < 0.06                               # only along the edges of the patches


def test_cutouts_are_holes_and_each_material_has_its_colour(fast: FastRenderer) -> None:
    hole = Material("hole", base_color=(1.0, 1.0, 1.0, 0.2), alpha_mode="mask")
    red = Material("red", base_color=(1.0, 0.0, 0.0, 1.0))
    mesh = quad(-0.8, 0.8, -0.8, 0.8)
    two = replace(mesh, materials=(GREY, red), triangle_material=np.array([1, 0], np.uint16))
    camera = exact(mesh, straight_shot(32)).camera
    colors = fast.draw(two, textures_of(two), camera, (32, 32)).color
    assert {tuple(color) for color in colors.reshape(-1, 4).tolist()} == {(0, 0, 0, 0), (255, 0, 0, 255),
                                                                         (188, 188, 188, 255)}
    pierced = replace(mesh, materials=(hole,))
    assert np.isinf(fast.draw(pierced, textures_of(pierced), camera, (32, 32)).depth).all()


def test_more_vertices_than_short_indices_hold_are_drawn(fast: FastRenderer) -> None:
    mesh = sphere(rings=190)
    assert len(mesh.positions) > 1 << 16
    passes = exact(mesh, shot(64))
    drawn = fast.draw(mesh, textures_of(mesh), passes.camera, (64, 64))
    assert np.array_equal(np.isinf(drawn.depth), np.isinf(passes.depth))


def test_vertex_colours_count(fast: FastRenderer) -> None:
    mesh = quad(-0.8, 0.8, -0.8, 0.8, Material("white"))
    colored = replace(mesh, colors=np.tile(np.array([0.0, 0.5, 1.0, 1.0], np.float32), (4, 1)))
    camera = exact(mesh, straight_shot(16)).camera
    assert fast.draw(colored, textures_of(colored), camera, (16, 16)).color[8, 8].tolist() == [0, 188, 255, 255]
