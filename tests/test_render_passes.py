"""What the control passes of simple scenes must hold, exactly where geometry says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.catalogue import Instance, Shot
from pipeline.colour import srgb_decode, to_display
from pipeline.errors import RenderError
from pipeline.mesh.types import Front, Material, TextureRef
from pipeline.render import STAGES, Renderer, stage_hash
from pipeline.render.types import ControlPasses
from tests.render_meshes import GREY, box, png, quad, shot, sphere, straight_shot, textures_of


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


@pytest.fixture(scope="module")
def white_sphere(renderer: Renderer) -> ControlPasses:
    mesh = sphere()
    return renderer.render(mesh, shot(128, elevation_deg=12.0, fill=0.5), textures_of(mesh))


@pytest.fixture(scope="module")
def a_box(renderer: Renderer) -> ControlPasses:
    mesh = box(front=Front("+z", 1.0, "manifest"))
    return renderer.render(mesh, shot(160, azimuth_deg=30.0, elevation_deg=25.0, fill=0.8), textures_of(mesh))


def traced_box(passes: ControlPasses, size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth (H, W), hit point (H, W, 3) and distance to the nearest edge of what each pixel's centre sees."""
    height, width = passes.alpha.shape
    x, y = np.meshgrid((np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2)
    inverse = np.linalg.inv(passes.camera.projection @ passes.camera.view)
    ends = []
    for z in (-1.0, 1.0):
        point = np.stack([x, y, np.full_like(x, z), np.ones_like(x)], axis=-1) @ inverse.T
        ends.append(point[..., :3] / point[..., 3:])
    origin, direction = ends[0], ends[1] - ends[0]
    low, high = np.array([-size[0] / 2, 0, -size[2] / 2]), np.array([size[0] / 2, size[1], size[2] / 2])
    a, b = (low - origin) / direction, (high - origin) / direction
    enter, leave = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
    point = origin + direction * enter[..., None]
    local = point @ passes.camera.view[:3, :3].T + passes.camera.view[:3, 3]
    inside = np.sort(np.minimum(point - low, high - point), axis=-1)
    return np.where(enter < leave, -local[..., 2], np.inf), point, inside[..., 1]


def test_depth_of_a_box_is_exact(a_box: ControlPasses) -> None:
    depth, _, edge = traced_box(a_box, (0.2, 0.1, 0.3))
    seen = np.isfinite(a_box.depth)
    # A ray within rounding of an edge may fall on either side.
    assert np.count_nonzero(seen != np.isfinite(depth)) <= 2
    sure = seen & np.isfinite(depth) & (edge > 1e-4)
    assert sure.sum() > 3000
    assert np.allclose(a_box.depth[sure], depth[sure], rtol=2e-6)
    assert np.all(np.isinf(a_box.depth[~seen]))


def test_uv_of_a_box_is_exact(a_box: ControlPasses) -> None:
    _, point, edge = traced_box(a_box, (0.2, 0.1, 0.3))
    front = (a_box.chart_id == 5) & (edge > 1e-4)     # the face towards +Z
    assert front.sum() > 500
    expected = np.stack([point[..., 0] / 0.2 + 0.5, 1 - point[..., 1] / 0.1], axis=-1)
    assert np.allclose(a_box.uv[front], expected[front], atol=2e-5)


def test_uv_is_nan_outside_and_in_range_inside(a_box: ControlPasses) -> None:
    inside = a_box.material_id > 0
    assert np.all(np.isnan(a_box.uv[~inside]))
    assert np.nanmin(a_box.uv) >= 0.0
    assert np.nanmax(a_box.uv) <= 1.0


def test_ids_are_never_averaged(a_box: ControlPasses) -> None:
    assert set(np.unique(a_box.material_id)) == {0, 1}
    assert set(np.unique(a_box.instance_id)) == {0, 1}
    # From the front's left and above: faces +X, +Y and +Z of the six.
    assert set(np.unique(a_box.chart_id)) == {0, 1, 3, 5}


def test_normals_are_in_camera_space(a_box: ControlPasses) -> None:
    front = a_box.chart_id == 5
    expected = a_box.camera.view[:3, :3] @ [0.0, 0.0, 1.0]
    assert np.allclose(a_box.normal[front], expected, atol=2e-3)
    assert np.allclose(a_box.normal_geometric[front], expected, atol=2e-3)
    assert np.all(a_box.normal[a_box.material_id > 0][:, 2] > 0)


def test_the_passes_add_up(white_sphere: ControlPasses, a_box: ControlPasses) -> None:
    for passes in (white_sphere, a_box):
        alpha = passes.alpha[..., None]
        lit = alpha * (passes.diffuse_albedo * passes.diffuse + passes.specular + passes.emissive)
        assert np.allclose(passes.product[..., :3], lit, atol=2e-3)
        assert np.allclose(passes.beauty[..., :3], passes.product[..., :3] + (1 - alpha) * passes.plate, atol=2e-3)
        assert np.array_equal(passes.product[..., 3], passes.alpha)
        assert np.all(passes.beauty[..., 3] == 1.0)


def test_nothing_but_the_plate_lies_outside(white_sphere: ControlPasses) -> None:
    outside = white_sphere.alpha == 0
    for name in ("product", "base_color", "diffuse_albedo", "diffuse", "specular", "emissive"):
        assert not getattr(white_sphere, name)[outside].any(), name


def test_the_white_background_is_exactly_255(white_sphere: ControlPasses) -> None:
    image = to_display(white_sphere.product, white_sphere.plate, white_sphere.white_backdrop)
    for corner in (image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]):
        assert corner.tolist() == [255, 255, 255]
    background = white_sphere.alpha == 0
    assert np.mean(np.all(image[background] == 255, axis=-1)) > 0.5


def test_the_product_stands_on_a_contact_shadow(white_sphere: ControlPasses) -> None:
    rows, columns = np.nonzero(white_sphere.alpha > 0.99)
    foot = rows.max()
    column = int(columns[rows == foot].mean())
    below = white_sphere.plate[foot:, column].mean(axis=-1)
    assert below[:3].min() < 0.5          # dark where it touches
    assert below[-1] > 0.97               # and gone further out
    assert white_sphere.plate.max() == 1.0


def test_light_falls_from_above(white_sphere: ControlPasses) -> None:
    rows, _ = np.nonzero(white_sphere.alpha > 0.99)
    top, bottom = rows.min(), rows.max()
    middle = white_sphere.alpha.shape[1] // 2
    height = bottom - top
    lower, upper = white_sphere.diffuse[bottom - height // 8, middle], white_sphere.diffuse[top + height // 5, middle]
    # Path-traced on a pale floor, which lights it from below: 1.11 with the lights of the first stage.
    assert upper.mean() > 1.1 * lower.mean()


def test_visibility_and_ao_are_shares(a_box: ControlPasses) -> None:
    inside = a_box.alpha > 0.99
    for values in (a_box.visibility, a_box.ao):
        assert values.min() >= 0.0
        assert values.max() <= 1.0
    top = inside & (a_box.chart_id == 3)
    assert a_box.visibility[top].mean() > 0.99       # nothing stands between the top and the key
    assert a_box.ao[top].mean() > 0.99


def test_a_half_covered_pixel_has_half_alpha(renderer: Renderer) -> None:
    # The right edge runs through the middle of pixel column 40, the upper through a quarter of row 16.
    edge, upper = (40.5 / 64) * 2 - 1, 1 - (16.25 / 64) * 2
    mesh = quad(-0.9, edge, -0.9, upper)
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh))
    assert np.allclose(passes.alpha[20:60, 40], 0.5)
    assert np.allclose(passes.alpha[16, 10:40], 0.75)
    assert passes.alpha[16, 40] == pytest.approx(0.375, abs=0.02)
    assert np.all(passes.alpha[20:60, 39] == 1.0)
    assert np.all(passes.alpha[20:60, 41] == 0.0)


def test_edge_pixels_keep_the_colour_of_the_product(renderer: Renderer) -> None:
    edge = (40.5 / 64) * 2 - 1
    mesh = quad(-0.9, edge, -0.9, 0.9, replace(GREY, base_color=(0.6, 0.2, 0.1, 1.0)))
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh))
    assert np.allclose(passes.base_color[30, 40], [0.6, 0.2, 0.1], atol=1e-3)
    assert np.allclose(passes.diffuse_albedo[30, 40], passes.diffuse_albedo[30, 30], atol=1e-3)


def test_metal_has_no_diffuse_albedo(renderer: Renderer) -> None:
    mesh = sphere(material=Material("gold", base_color=(1.0, 0.77, 0.34, 1.0), metallic=1.0, roughness=0.2))
    passes = renderer.render(mesh, shot(64), textures_of(mesh))
    inside = passes.alpha > 0.99
    assert passes.diffuse_albedo.max() == 0.0
    assert passes.diffuse.max() == 0.0
    mean = passes.specular[inside].mean(axis=0)
    assert mean[0] > mean[1] > mean[2] > 0.05        # reflections take the metal's colour


def test_a_rougher_material_has_a_broader_highlight(renderer: Renderer) -> None:
    peaks = []
    for roughness in (0.15, 0.8):
        mesh = sphere(material=replace(GREY, roughness=roughness))
        peaks.append(renderer.render(mesh, shot(96), textures_of(mesh)).specular.max())
    assert peaks[0] > 2 * peaks[1]


def test_textures_are_decoded_from_srgb(renderer: Renderer) -> None:
    pixels = np.full((64, 64, 3), (200, 90, 30), np.uint8)
    pixels[:, 32:] = (20, 128, 250)
    material = Material("print", textures={"base_color": TextureRef("catalogue", "print.png")})
    mesh = quad(-0.9, 0.9, -0.9, 0.9, material)
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh, {"print.png": png(pixels)}))
    assert np.allclose(passes.base_color[32, 15], srgb_decode(pixels[0, 0]), atol=3e-3)
    assert np.allclose(passes.base_color[32, 48], srgb_decode(pixels[0, 63]), atol=3e-3)


def test_the_first_row_of_a_texture_is_up(renderer: Renderer) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32] = 255
    material = Material("print", textures={"base_color": TextureRef("catalogue", "print.png")})
    mesh = quad(-0.9, 0.9, -0.9, 0.9, material)
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh, {"print.png": png(pixels)}))
    assert passes.base_color[10, 32, 0] > 0.9
    assert passes.base_color[54, 32, 0] < 0.1
    assert passes.uv[10, 32, 1] < passes.uv[54, 32, 1]


@pytest.mark.parametrize("tangents", [False, True])
def test_normal_maps_bend_towards_their_red_and_green(renderer: Renderer, tangents: bool) -> None:
    pixels = np.full((8, 8, 3), (218, 128, 218), np.uint8)      # red: towards +u, which runs right here
    pixels[4:] = (128, 218, 218)                                # green: towards the texture's top
    material = Material("relief", textures={"normal": TextureRef("catalogue", "n.png", nearest=True)})
    mesh = quad(-0.9, 0.9, -0.9, 0.9, material)
    if tangents:
        mesh = replace(mesh, tangents=np.tile(np.array([1.0, 0.0, 0.0, 1.0], np.float32), (4, 1)))
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh, {"n.png": png(pixels)}))
    slope = 0.5 ** 0.5
    assert np.allclose(passes.normal[16, 32], [slope, 0.0, slope], atol=0.02)
    assert np.allclose(passes.normal[48, 32], [0.0, slope, slope], atol=0.02)
    assert np.allclose(passes.normal_geometric[16, 32], [0.0, 0.0, 1.0], atol=1e-3)


def test_alpha_masks_cut_holes(renderer: Renderer) -> None:
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:, 32:, 3] = 0
    material = Material("lace", alpha_mode="mask", textures={"base_color": TextureRef("catalogue", "lace.png")})
    mesh = quad(-0.9, 0.9, -0.9, 0.9, material)
    passes = renderer.render(mesh, straight_shot(64), textures_of(mesh, {"lace.png": png(pixels)}))
    assert np.all(passes.alpha[20:44, 10:28] == 1.0)
    assert np.all(passes.alpha[20:44, 36:54] == 0.0)
    assert np.all(passes.material_id[20:44, 36:54] == 0)


def test_blended_and_clear_materials_have_partial_alpha(renderer: Renderer) -> None:
    for material, expected in ((Material("film", base_color=(1, 1, 1, 0.5), alpha_mode="blend"), 0.5),
                               (Material("glass", transmission=1.0), 0.6)):
        mesh = quad(-0.9, 0.9, -0.9, 0.9, material)
        passes = renderer.render(mesh, straight_shot(64), textures_of(mesh))
        assert np.allclose(passes.alpha[20:44, 20:44], expected, atol=1 / 16)


def test_emission_is_added_to_the_light(renderer: Renderer) -> None:
    mesh = quad(-0.9, 0.9, -0.9, 0.9, replace(GREY, emissive=(0.0, 2.0, 0.5)))
    passes = renderer.render(mesh, straight_shot(32), textures_of(mesh))
    assert np.allclose(passes.emissive[16, 16], [0.0, 2.0, 0.5])


def test_instances_have_their_own_ids_and_mirrored_ones_face_outwards(renderer: Renderer) -> None:
    aside = ((-1.0, 0.0, 0.0, 0.3), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    mesh = sphere()
    pair = replace(shot((160, 80), azimuth_deg=0.0), instances=(Instance(), Instance(aside, mirrored=True)))
    passes = renderer.render(mesh, pair, textures_of(mesh))
    assert set(np.unique(passes.instance_id)) == {0, 1, 2}
    for number in (1, 2):
        assert np.all(passes.normal[passes.instance_id == number][:, 2] > -0.02)
        assert passes.diffuse[passes.instance_id == number].mean() > 0.3


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_stage_lights_the_product_and_tells_its_key(renderer: Renderer, stage: str) -> None:
    mesh = sphere(material=replace(GREY, base_color=(0.8, 0.8, 0.8, 1.0)))
    passes = renderer.render(mesh, shot(96, stage), textures_of(mesh))
    inside = passes.alpha > 0.99
    assert 0.25 < passes.product[inside][:, :3].mean() < 1.2
    assert np.isfinite(passes.plate).all()
    assert passes.plate.min() >= 0.0
    assert sum(passes.key_chromaticity) == pytest.approx(1.0)
    assert passes.stage_hash == stage_hash(passes.shot)
    assert passes.white_backdrop == (stage == "white")


def test_stages_differ_in_their_hash() -> None:
    assert len({stage_hash(Shot("a", stage=name)) for name in STAGES}) == len(STAGES)


def test_the_same_shot_gives_the_same_bytes() -> None:
    mesh = sphere()
    textures = textures_of(mesh)
    runs = []
    for _ in range(2):
        with Renderer() as renderer:
            runs.append(renderer.render(mesh, shot(64, "lifestyle"), textures))
    for field in fields(ControlPasses):
        a, b = getattr(runs[0], field.name), getattr(runs[1], field.name)
        if isinstance(a, np.ndarray):
            assert a.tobytes() == b.tobytes(), field.name


def test_one_shot_does_not_depend_on_the_shot_before(renderer: Renderer, white_sphere: ControlPasses) -> None:
    mesh = sphere()
    textures = textures_of(mesh)
    renderer.render(mesh, shot(64, "sweep"), textures)
    again = renderer.render(mesh, shot(128, elevation_deg=12.0, fill=0.5), textures)
    assert np.array_equal(again.beauty, white_sphere.beauty)


def test_large_frames_are_tiled_without_seams(renderer: Renderer, monkeypatch: pytest.MonkeyPatch,
                                              a_box: ControlPasses) -> None:
    monkeypatch.setattr("pipeline.render.passes.MAX_TILE", 50)
    mesh = box(front=Front("+z", 1.0, "manifest"))
    tiled = renderer.render(mesh, shot(160, azimuth_deg=30.0, elevation_deg=25.0, fill=0.8), textures_of(mesh))
    # Edges are snapped to 1/256 of a pixel from each tile's own corner.
    assert np.count_nonzero(tiled.material_id != a_box.material_id) <= 5
    assert np.abs(tiled.alpha - a_box.alpha).mean() < 1e-3
    assert np.abs(tiled.product - a_box.product).mean() < 2e-3


def test_an_unknown_stage_is_named(renderer: Renderer) -> None:
    mesh = box()
    with pytest.raises(RenderError) as caught:
        renderer.render(mesh, shot(64, "moon"), textures_of(mesh))
    assert caught.value.code == "stage_unknown"
    assert "sweep" in caught.value.hint


def test_a_shot_of_a_missing_region_says_so(renderer: Renderer) -> None:
    mesh = box()
    with pytest.raises(RenderError) as caught:
        renderer.render(mesh, replace(shot(64), framed_region="logo"), textures_of(mesh))
    assert caught.value.code == "region_not_found"


def test_simplified_casters_throw_the_same_shadow(renderer: Renderer, white_sphere: ControlPasses) -> None:
    mesh = sphere(rings=130)                          # heavy enough to be simplified
    assert len(mesh.triangles) > 30_000
    passes = renderer.render(mesh, shot(128, elevation_deg=12.0, fill=0.5), textures_of(mesh))
    assert np.abs(passes.plate - white_sphere.plate).mean() < 2e-3
    assert np.abs(passes.ao - white_sphere.ao).mean() < 5e-3
    assert np.abs(passes.visibility - white_sphere.visibility).mean() < 5e-3
