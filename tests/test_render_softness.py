"""Shadows are continuous light, crisp at contact; cavities light themselves; nothing is ever not a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.mesh.types import Material, Slot, TextureRef
from pipeline.render import Renderer
from pipeline.render.types import ControlPasses
from tests.render_meshes import GREY, box, plates, png, quad, shot, sphere, straight_shot, textures_of, well


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


def from_above(renderer: Renderer, gap: float) -> ControlPasses:
    mesh = plates(gap)
    return renderer.render(mesh, shot(640, azimuth_deg=0.0, elevation_deg=89.0, fill=0.9), textures_of(mesh))


def lower_plate(passes: ControlPasses, gap: float) -> np.ndarray:
    """(H, W) pixels of the lower plate, two pixels clear of every edge."""
    inside = (passes.depth > np.nanmin(passes.depth) + 0.5 * gap) & (passes.alpha == 1.0)
    padded = np.pad(inside, 2)
    shrunk: np.ndarray = np.min([padded[2 + y:padded.shape[0] - 2 + y, 2 + x:padded.shape[1] - 2 + x]
                   for y in (-2, 0, 2) for x in (-2, 0, 2)], axis=0)
    return shrunk.astype(bool)


def largest_step(values: np.ndarray, where: np.ndarray) -> float:
    """Largest difference between horizontal neighbours."""
    both = where[:, 1:] & where[:, :-1]
    return float(np.abs(np.diff(values, axis=1))[both].max())


@pytest.mark.parametrize("name", ["visibility", "ao"])
def test_shadows_from_afar_have_no_steps(renderer: Renderer, name: str) -> None:
    passes = from_above(renderer, 0.4)
    where = lower_plate(passes, 0.4)
    values = getattr(passes, name)
    assert values[where].min() < values[where].max() - 0.1
    # One light in twenty-four switched on within a pixel would be 0.04.
    assert largest_step(values, where) < 0.02


def test_contact_shadows_stay_crisp(renderer: Renderer) -> None:
    passes = from_above(renderer, 0.012)
    assert largest_step(passes.visibility, lower_plate(passes, 0.012)) > 0.15


def test_a_flat_surface_beside_a_blocker_does_not_shadow_itself(renderer: Renderer) -> None:
    passes = from_above(renderer, 0.012)
    corner = np.zeros(passes.alpha.shape, bool)
    rows, columns = np.nonzero(passes.alpha == 1.0)
    corner[rows.min() + 6:rows.min() + 60, columns.min() + 6:columns.max() - 6] = True
    assert passes.visibility[corner].min() > 0.99
    assert passes.ao[corner].min() > 0.97


def test_pale_cavities_light_themselves(renderer: Renderer) -> None:
    light = []
    for grey in (0.05, 0.8):
        mesh = well(Material("clay", base_color=(grey, grey, grey, 1.0), roughness=1.0))
        passes = renderer.render(mesh, shot(96, elevation_deg=89.0, fill=0.8), textures_of(mesh))
        light.append(passes.diffuse[44:52, 44:52].mean())
    floor = quad(-0.9, 0.9, -0.9, 0.9)
    unshadowed = renderer.render(floor, straight_shot(32), textures_of(floor)).diffuse[16, 16].mean()
    assert light[1] > 1.3 * light[0]             # path-traced, a pale well sends back 0.42 where ours sends 0.38
    assert light[1] < unshadowed                 # but never more than falls in


def test_a_cavity_that_the_camera_sees_is_not_black(renderer: Renderer) -> None:
    mesh = well(Material("porcelain", base_color=(0.8, 0.8, 0.8, 1.0), roughness=1.0))
    deep = replace(mesh, positions=(mesh.positions * np.array([1.0, 4.0, 1.0])).astype(np.float32))
    passes = renderer.render(deep, shot(96, elevation_deg=89.0, fill=0.8), textures_of(deep))
    assert passes.product[44:52, 44:52, :3].min() > 0.03


@pytest.mark.parametrize("elevation", [8.0, 89.0])
def test_the_shadow_on_white_is_light_and_ends_inside_the_picture(renderer: Renderer, elevation: float) -> None:
    mesh = box((0.2, 0.2, 0.2))
    passes = renderer.render(mesh, shot(200, elevation_deg=elevation, fill=0.84), textures_of(mesh))
    plate = passes.plate
    for edge in (plate[0], plate[-1], plate[:, 0], plate[:, -1]):
        assert np.all(edge == 1.0)
    rows, columns = np.nonzero(passes.alpha > 0)
    away = np.ones(passes.alpha.shape, bool)
    margin = 14                                  # pixels: some 8 % of the box
    away[rows.min() - margin:rows.max() + margin, columns.min() - margin:columns.max() + margin] = False
    assert plate[away].min() > 0.6
    assert plate[passes.alpha == 0].min() < 0.9  # it still stands on something


def awkward(kind: str) -> ControlPasses:
    """A sphere whose normals, tangents, uv or triangles say nothing."""
    relief: dict[Slot, TextureRef] = {"normal": TextureRef("catalogue", "n.png")}
    flat = np.full((8, 8, 3), 128, np.uint8)                 # a normal of no length
    material = Material("velvet", sheen=1.0, clearcoat=1.0, roughness=0.05, textures=relief)
    mesh = sphere(material=material, rings=16)
    none = np.zeros_like(mesh.normals)
    tangents = np.zeros((len(mesh.positions), 4), np.float32)
    mesh = {
        "whole": mesh,
        "no normals": replace(mesh, normals=none),
        "no tangents": replace(mesh, tangents=tangents),
        "neither": replace(mesh, normals=none, tangents=tangents),
        "one uv": replace(mesh, uv_sets=(np.zeros_like(mesh.uv_sets[0]),)),
        "needles": replace(mesh, triangles=np.concatenate([mesh.triangles, mesh.triangles[:, [0, 0, 1]]])),
        "tangents along normals": replace(mesh, tangents=np.column_stack([mesh.normals, none[:, 0] + 1])
                                          .astype(np.float32)),
    }[kind]
    if len(mesh.triangle_material) != len(mesh.triangles):
        count = len(mesh.triangles)
        mesh = replace(mesh, triangle_material=np.zeros(count, np.uint16), triangle_chart=np.zeros(count, np.uint32))
    with Renderer() as renderer:
        return renderer.render(mesh, shot(96), textures_of(mesh, {"n.png": png(flat)}))


@pytest.mark.parametrize("kind", ["whole", "no normals", "no tangents", "neither", "one uv", "needles",
                                  "tangents along normals"])
def test_degenerate_surfaces_give_numbers(kind: str) -> None:
    passes = awkward(kind)
    for field in fields(ControlPasses):
        values = getattr(passes, field.name)
        if isinstance(values, np.ndarray) and field.name not in ("depth", "uv"):
            assert np.isfinite(values).all(), field.name


def test_a_surface_that_faces_the_viewer_everywhere_has_numbers(renderer: Renderer) -> None:
    # Rounding brings the cosine between normal and viewer above 1 in some of these pixels.
    mesh = quad(-0.9, 0.9, -0.9, 0.9, replace(GREY, sheen=1.0, clearcoat=1.0))
    mesh = replace(mesh, normals=(-mesh.positions / np.linalg.norm(mesh.positions, axis=1)[:, None]).astype(np.float32))
    passes = renderer.render(mesh, straight_shot(256), textures_of(mesh))
    assert np.isfinite(passes.specular).all()
    assert passes.specular.min() >= 0.0


def test_the_brightest_emission_is_a_number(renderer: Renderer) -> None:
    mesh = quad(-0.9, 0.9, -0.9, 0.9, replace(GREY, emissive=(1e6, 1.0, 0.0)))
    passes = renderer.render(mesh, straight_shot(32), textures_of(mesh))
    assert np.isfinite(passes.product).all()
    assert passes.emissive[16, 16, 0] > 1e4


def test_the_uv_pass_of_a_textured_mesh_is_where_its_colour_lies(renderer: Renderer) -> None:
    # A texture whose colour is its own coordinate: red runs along u, green along v.
    side = 256
    ramp = np.zeros((side, side, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(side)[None, :], np.arange(side)[:, None]
    ref = TextureRef("catalogue", "ramp.png", offset=(0.1, 0.2), scale=(0.6, 0.5), rotation=0.3)
    mesh = quad(-0.9, 0.9, -0.9, 0.9, Material("ramp", textures={"base_color": ref}))
    passes = renderer.render(mesh, straight_shot(128), textures_of(mesh, {"ramp.png": png(ramp)}))
    inside = passes.alpha == 1.0
    linear = passes.base_color[inside][:, :2]
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    assert np.ptp(passes.uv[inside], axis=0).min() > 0.4
    assert np.allclose(passes.uv[inside], (coded * 255 + 0.5) / side, atol=6e-3)
