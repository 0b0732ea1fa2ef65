"""What a material's maps and flags do to the passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.mesh.types import Material, Mesh, Slot, TextureRef
from pipeline.render import Renderer
from pipeline.render.types import ControlPasses
from tests.render_meshes import png, quad, sphere, straight_shot, textures_of


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


def grey_map(value: int) -> bytes:
    return png(np.full((4, 4, 3), value, np.uint8))


def pictured(renderer: Renderer, mesh: Mesh, files: dict[str, bytes] | None = None) -> ControlPasses:
    return renderer.render(mesh, straight_shot(), textures_of(mesh, files))


def with_maps(material: Material, maps: dict[Slot, TextureRef]) -> Mesh:
    return quad(-0.8, 0.8, -0.8, 0.8, replace(material, textures=maps))


def test_an_unlit_material_mirrors_nothing(renderer: Renderer) -> None:
    lit = quad(-0.8, 0.8, -0.8, 0.8, Material("print", roughness=0.2))
    unlit = quad(-0.8, 0.8, -0.8, 0.8, Material("print", roughness=0.2, unlit=True))
    assert pictured(renderer, lit).specular.max() > 0.01
    assert pictured(renderer, unlit).specular.max() < 1e-3


def test_a_metalness_map_of_one_channel_takes_the_diffuse_albedo(renderer: Renderer) -> None:
    mesh = with_maps(Material("steel", metallic=1.0), {"metallic": TextureRef("catalogue", "metal.png")})
    found = pictured(renderer, mesh, {"metal.png": grey_map(255)})
    assert found.diffuse_albedo[found.mask].max() < 0.01
    found = pictured(renderer, mesh, {"metal.png": grey_map(0)})
    assert found.diffuse_albedo[found.mask].min() > 0.95


def test_a_roughness_map_of_one_channel_multiplies_the_roughness(renderer: Renderer) -> None:
    def highlight(mesh: Mesh, files: dict[str, bytes]) -> float:
        return float(pictured(renderer, mesh, files).specular.max())

    body = sphere(material=Material("lacquer", roughness=1.0))
    view = replace(body, positions=body.positions * 6.0 + np.array([0.0, -0.6, -2.0], np.float32))
    mapped = replace(view, materials=(replace(view.materials[0], textures={
        "roughness": TextureRef("catalogue", "rough.png")}),))
    assert highlight(mapped, {"rough.png": grey_map(51)}) > 2.0 * highlight(view, {})
    assert highlight(mapped, {"rough.png": grey_map(255)}) == pytest.approx(highlight(view, {}), rel=0.02)


def test_an_opacity_map_cuts_holes(renderer: Renderer) -> None:
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, :4] = 255
    mesh = with_maps(Material("lace", alpha_mode="mask"), {"opacity": TextureRef(
        "catalogue", "holes.png", wrap_u="clamp", wrap_v="clamp", nearest=True)})
    alpha = pictured(renderer, mesh, {"holes.png": png(half)}).alpha
    assert (alpha[20:44, 10:28] == 1.0).all()
    assert (alpha[20:44, 36:54] == 0.0).all()


def test_a_normal_map_bends_by_its_strength(renderer: Renderer) -> None:
    tilt = png(np.full((4, 4, 3), (190, 128, 240), np.uint8))

    def slope(strength: float) -> float:
        mesh = with_maps(Material("cloth"), {"normal": TextureRef("catalogue", "bumps.png", strength=strength)})
        found = pictured(renderer, mesh, {"bumps.png": tilt})
        bent = found.normal[found.mask]
        return float((bent[:, 0] / bent[:, 2]).mean())

    assert slope(1.0) == pytest.approx(62 / 112.5, rel=0.03)
    assert slope(0.5) == pytest.approx(slope(1.0) / 2, rel=0.03)
    assert slope(0.0) == pytest.approx(0.0, abs=0.02)


def test_an_occlusion_map_darkens_by_its_strength(renderer: Renderer) -> None:
    def light(strength: float) -> float:
        mesh = with_maps(Material("clay"), {"occlusion": TextureRef("catalogue", "ao.png", strength=strength)})
        found = pictured(renderer, mesh, {"ao.png": grey_map(64)})
        return float(found.diffuse[found.mask].mean())

    assert light(1.0) < light(0.5) < light(0.0)


def test_a_map_may_use_any_uv_set(renderer: Renderer) -> None:
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:, 4:] = 255
    ref = TextureRef("catalogue", "halves.png", uv_set=2, wrap_u="clamp", nearest=True)
    mesh = with_maps(Material("print"), {"base_color": ref})
    uv = mesh.uv_sets[0]
    flipped = replace(mesh, uv_sets=(uv, uv, 1.0 - uv))
    found = pictured(renderer, flipped, {"halves.png": png(halves)}).base_color
    assert found[32, 16].min() > 0.95
    assert found[32, 48].max() < 0.05


def test_two_layers_of_half_glass_hide_three_quarters(renderer: Renderer) -> None:
    glass = Material("film", base_color=(1.0, 1.0, 1.0, 0.5), alpha_mode="blend", double_sided=True)
    near = quad(-0.8, 0.8, -0.8, 0.8, glass)
    far = quad(-0.8, 0.8, -0.8, 0.8, glass, depth=1.01)
    # The far wall of a bag faces away.
    both = replace(near, positions=np.concatenate([near.positions, far.positions]),
                   normals=np.concatenate([near.normals, -far.normals]),
                   uv_sets=(np.concatenate([near.uv_sets[0]] * 2),),
                   triangles=np.concatenate([near.triangles, far.triangles[:, ::-1] + 4]),
                   triangle_material=np.zeros(4, np.uint16), triangle_chart=np.zeros(4, np.uint32))
    assert pictured(renderer, near).alpha[24:40, 24:40].mean() == pytest.approx(0.5, abs=0.01)
    assert pictured(renderer, both).alpha[24:40, 24:40].mean() == pytest.approx(0.75, abs=0.01)
