"""White furnace: in even light a surface that takes nothing for itself cannot be seen, in either renderer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import RenderError
from pipeline.mesh.types import Material
from pipeline.render import Renderer, Scene, compose
from pipeline.render.pathtrace import probe, trace
from pipeline.render.stage import Stage
from tests.render_meshes import shot, sphere, textures_of

ONE = (1.0, 1.0, 1.0)
FURNACE = Stage("furnace", "white", None, (), ONE, ONE, ONE, 64, None)


def furnace(roughness: float, metallic: float) -> Scene:
    mesh = sphere(material=Material("white", base_color=(1.0, 1.0, 1.0, 1.0), roughness=roughness, metallic=metallic))
    return compose(mesh, shot(64), textures_of(mesh), stage=FURNACE)


def inner_radiance(product: NDArray[np.float32]) -> NDArray[np.float32]:
    seen: NDArray[np.float32] = product[product[..., 3] == 1.0][:, :3]
    return seen


SURFACES = [(1.0, 0.0), (0.4, 0.0), (0.2, 1.0), (0.6, 1.0), (1.0, 1.0)]


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


@pytest.mark.parametrize(("roughness", "metallic"), SURFACES)
def test_the_renderer_neither_takes_nor_makes_light(renderer: Renderer, roughness: float, metallic: float) -> None:
    seen = inner_radiance(renderer.draw(furnace(roughness, metallic)).product)
    assert len(seen) > 1000
    assert seen.mean() == pytest.approx(1.0, abs=0.03)
    assert np.ptp(seen) < 0.05


@pytest.mark.parametrize(("roughness", "metallic"), SURFACES)
def test_nor_does_the_path_tracer(roughness: float, metallic: float) -> None:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    seen = inner_radiance(trace(furnace(roughness, metallic), samples=64, depth=8).product)
    assert len(seen) > 1000
    assert seen.mean() == pytest.approx(1.0, abs=0.005)


def test_bounces_between_facets_are_tinted_each_time() -> None:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    half = Material("half", base_color=(0.5, 0.5, 0.5, 1.0), roughness=1.0, metallic=1.0)
    seen = inner_radiance(trace(replace(furnace(1.0, 1.0), mesh=sphere(material=half)), samples=64, depth=8).product)
    # So a rough grey metal is darker than its base colour.
    assert 0.3 < seen.mean() < 0.45
