"""The second renderer sees the same scene as the first; and the light it bakes is right where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalogue import Instance
from pipeline.errors import RenderError
from pipeline.mesh.types import Material, TextureRef, Wrap
from pipeline.render import Renderer, compose
from pipeline.render.environment import radiance_towards
from pipeline.render.pathtrace import aovs, find_llvm, irradiance_at, panorama_at, probe, radiance_along, trace
from pipeline.render.pathtrace_model import Look, Model, Surface, model_of, plane, uniform_light
from pipeline.render.stage import Softbox, Stage
from tests.render_meshes import box, png, quad, shot, sphere, straight_shot, textures_of

WHITE = (1.0, 1.0, 1.0)


@pytest.fixture(autouse=True)
def path_tracer() -> None:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)


def test_a_card_in_even_light_sends_back_what_arrives() -> None:
    floor = Model((plane(50.0, Look((0.5, 0.5, 0.5))),), uniform_light())
    found = irradiance_at(floor, np.array([[0, 0, 0], [0, 1, 0]]), np.array([[0, 1, 0], [1, 0, 0]]), samples=1024,
                          depth=3)
    # Flat on the floor: all of the sky. Upright: half of it, and half of a floor that sends back 0.5.
    assert found == pytest.approx(np.array([[1.0] * 3, [0.75] * 3]), abs=0.02)


def test_light_is_taken_apart_by_its_depth() -> None:
    floor = Model((plane(50.0, Look((0.5, 0.5, 0.5))),), uniform_light())
    down, up = np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    eye = np.array([[0.0, 1.0, 0.0]])
    assert radiance_along(floor, eye, down, samples=16, depth=1) == pytest.approx(0.0)
    assert radiance_along(floor, eye, down, samples=4096, depth=2) == pytest.approx(0.5, abs=0.01)
    assert radiance_along(floor, eye, up, samples=1, depth=1) == pytest.approx(1.0, abs=1e-3)


def test_a_panorama_lies_as_an_environment_does() -> None:
    glowing = plane(1.0, Look((0.0, 0.0, 0.0), emission=(2.0, 1.0, 0.5)))
    # A lamp to the right: upright, at x = 1.
    lamp = replace(glowing, positions=np.asarray(glowing.positions)[:, [1, 0, 2]] * 0.5 + [1.0, 0.0, 0.0])
    seen = panorama_at(Model((lamp,), None), (0.0, 0.0, 0.0), height=32, samples=4, depth=1)
    assert seen[16, 48] == pytest.approx([2.0, 1.0, 0.5])       # right of the middle column, which looks along −z
    assert seen[16, 16].max() == 0.0


def test_the_stage_stands_as_the_camera_is_turned() -> None:
    mesh = box()
    stage = Stage("two boxes", "white", Softbox(-58.0, 36.0, 30.0, 30.0, (1.2, 1.0, 0.7), 8),
                  (Softbox(80.0, 25.0, 40.0, 30.0, (0.2, 0.3, 0.4), 4),), (0.3, 0.3, 0.3), (0.2, 0.2, 0.2),
                  (0.4, 0.35, 0.3), 8, (0.5, 0.5, 0.5))
    scene = compose(mesh, shot(48, azimuth_deg=50.0, fill=0.4), textures_of(mesh), stage=stage)
    stage_directions = np.random.default_rng(3).normal(size=(200, 3))
    stage_directions /= np.linalg.norm(stage_directions, axis=1, keepdims=True)
    # Away from the edges of softboxes and the horizon, where a panorama's texels hold both sides.
    steady = np.ptp([radiance_towards(scene.stage, stage_directions + shift * axis)[:, 0]
                     for shift in (-0.02, 0.02) for axis in np.eye(3)], axis=0) < 0.01
    model = model_of(scene, product=False, floor=False, extra=(plane(1e-3, Look()),))
    found = radiance_along(model, np.tile(scene.placement.centre + np.array([0.0, 1.0, 0.0]), (200, 1)),
                           stage_directions @ scene.heading.axes, samples=1, depth=1)
    expected = radiance_towards(scene.stage, stage_directions)
    assert steady.sum() > 100
    assert np.ptp(expected[steady][:, 0]) > 1.0            # boxes are among them
    assert found[steady] == pytest.approx(expected[steady], abs=0.01)
    lamp = replace(plane(0.3, Look((0.0,) * 3, emission=(9.0, 9.0, 9.0))), positions=np.array(
        [[0.7, 0.4, 0.0], [0.7, 0.0, 0.0], [0.9, 0.0, 0.0], [0.9, 0.4, 0.0]]))
    glow = trace(scene, samples=4, depth=1, extra=(lamp,)).radiance.max(axis=2) > 5.0
    assert glow[:, 28:].sum() > 20
    assert glow[:, :28].sum() == 0


@pytest.mark.parametrize("side", [-90.0, 90.0])
def test_both_renderers_are_lit_from_the_same_side(side: float) -> None:
    stage = Stage("lamp", "white", Softbox(side, 20.0, 40.0, 40.0, WHITE, 8), (), (0.0,) * 3, (0.0,) * 3, (0.0,) * 3, 4,
                  (0.2, 0.2, 0.2))
    mesh = sphere(material=Material("chalk", base_color=(0.5, 0.5, 0.5, 1.0), roughness=1.0))
    scene = compose(mesh, shot(48, azimuth_deg=40.0), textures_of(mesh), stage=stage)
    with Renderer() as renderer:
        drawn = renderer.draw(scene).product
    traced = trace(scene, samples=16, depth=2).product
    for picture in (drawn, traced):
        left, right = picture[:, :24, 1].sum(), picture[:, 24:, 1].sum()
        assert (right > 2.0 * left) if side > 0 else (left > 2.0 * right)


def test_pixels_look_at_the_same_points_of_an_off_centre_picture() -> None:
    mesh = box()
    scene = compose(mesh, shot((96, 64), azimuth_deg=25.0, elevation_deg=30.0), textures_of(mesh))
    projection = scene.camera.projection.copy()
    projection[0, 2] += 0.15
    projection[1, 2] -= 0.1
    scene = replace(scene, camera=replace(scene.camera, projection=projection))
    with Renderer() as renderer:
        drawn = renderer.draw(scene)
    exact = aovs(scene)
    both = np.isfinite(drawn.depth) & np.isfinite(exact.depth)
    assert both.sum() > 500
    assert (np.isfinite(drawn.depth) != np.isfinite(exact.depth)).sum() <= 4
    assert drawn.depth[both] == pytest.approx(exact.depth[both], rel=1e-4)
    assert drawn.uv[both] == pytest.approx(exact.uv[both], abs=1e-3)
    assert (drawn.material_id == exact.material_id)[both].all()


@pytest.mark.parametrize("wrap", ["repeat", "mirror", "clamp"])
def test_a_turned_and_wrapped_map_shows_the_same_texels(wrap: Wrap) -> None:
    gradient = np.zeros((64, 64, 4), np.uint8)
    gradient[..., 0], gradient[..., 1], gradient[..., 3] = np.arange(64) * 4, np.arange(64)[:, None] * 4, 255
    ref = TextureRef("catalogue", "map.png", wrap_u=wrap, wrap_v="repeat", offset=(0.1, 0.3), scale=(1.7, 1.2),
                     rotation=0.4)
    mesh = quad(-0.8, 0.8, -0.8, 0.8, Material("printed", textures={"base_color": ref}))
    scene = compose(mesh, straight_shot(96), textures_of(mesh, {"map.png": png(gradient)}))
    with Renderer() as renderer:
        drawn = renderer.draw(scene)
    exact = aovs(scene)
    # Away from the seams, over which a pixel's square holds both sides.
    smooth = (drawn.instance_id > 0) & (np.abs(np.gradient(exact.uv, axis=(0, 1))).max(axis=(0, 3)) < 0.03)
    assert smooth.sum() > 3000
    assert drawn.uv[smooth] == pytest.approx(exact.uv[smooth], abs=2e-3)
    inside = smooth & (exact.uv > 0.05).all(axis=2) & (exact.uv < 0.95).all(axis=2)
    assert np.abs(drawn.base_color - exact.base_color)[inside].max() < 0.02


@pytest.mark.parametrize("turned", [False, True])
def test_a_normal_map_bends_the_same_way(turned: bool) -> None:
    """Also where the texture is mirrored on the surface, as on half of all real products."""
    bent = np.tile(np.array([200, 160, 220, 255], np.uint8), (8, 8, 1))
    ref = TextureRef("catalogue", "bent.png", rotation=0.5, strength=0.8)
    mesh = quad(-0.8, 0.8, -0.8, 0.8, Material("embossed", textures={"normal": ref}))
    if turned:
        u, v = mesh.uv_sets[0].T
        mesh = replace(mesh, uv_sets=(np.stack([1 - u, v], axis=1),))
    scene = compose(mesh, straight_shot(32), textures_of(mesh, {"bent.png": png(bent)}))
    with Renderer() as renderer:
        drawn = renderer.draw(scene)
    exact = aovs(scene)
    seen = drawn.instance_id > 0
    assert (np.sign(exact.normal[seen][:, 0]) == (-1.0 if turned else 1.0)).all()
    assert drawn.normal[seen] == pytest.approx(exact.normal[seen], abs=4e-3)      # 0.25°


def test_holes_are_holes_and_half_open_surfaces_half() -> None:
    holes = np.full((2, 2, 4), 255, np.uint8)
    holes[:, 0, 3] = 0
    ref = TextureRef("catalogue", "holes.png", nearest=True, wrap_u="clamp", wrap_v="clamp")
    files = {"holes.png": png(holes)}
    cut = quad(-0.9, 0.9, -0.9, 0.9, Material("net", alpha_mode="mask", textures={"base_color": ref}))
    scene = compose(cut, straight_shot(64), textures_of(cut, files))
    found = aovs(scene)
    assert (found.instance_id[28:36, 8:24] == 0).all()
    assert (found.instance_id[28:36, 40:56] == 1).all()
    glass = quad(-0.9, 0.9, -0.9, 0.9, Material("veil", base_color=(1.0, 1.0, 1.0, 0.3), alpha_mode="blend"))
    seen = trace(compose(glass, straight_shot(32), textures_of(glass)), samples=256, depth=2, floor=False).product
    assert seen[10:22, 10:22, 3].mean() == pytest.approx(0.3, abs=0.01)


def test_a_mirrored_instance_shows_its_outside() -> None:
    mesh = box()
    mirrored = Instance(world=tuple(map(tuple, np.diag([-1.0, 1.0, 1.0, 1.0]).tolist())),
                        mirrored=True)
    scene = compose(mesh, replace(shot(32), instances=(mirrored,)), textures_of(mesh))
    found = aovs(scene)
    seen = found.instance_id > 0
    assert (found.normal[seen][:, 2] > 0.0).all()
    assert found.normal[seen] == pytest.approx(found.normal_geometric[seen], abs=1e-5)


def test_a_tracer_that_fails_is_an_error_and_no_more() -> None:
    broken = Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    with pytest.raises(RenderError) as failed:
        radiance_along(Model((broken,), uniform_light()), np.zeros((1, 3)), np.ones((1, 3)), samples=1, depth=1)
    assert failed.value.code == "pathtrace_failed"


def test_a_surface_has_all_vertices_it_speaks_of() -> None:
    with pytest.raises(ValueError, match="4 vertices"):
        replace(plane(1.0, Look()), triangles=np.array([[0, 1, 4]]))
    with pytest.raises(ValueError, match="4 vertices"):
        replace(plane(1.0, Look()), uv=(np.zeros((2, 2)),))


def test_denoising_takes_noise_and_leaves_coverage() -> None:
    mesh = box()
    scene = compose(mesh, shot(48, stage="sweep"), textures_of(mesh))
    noisy, clean, truth = (trace(scene, samples=samples, depth=3, denoise=denoise, seed=samples)
                           for samples, denoise in ((4, False), (4, True), (144, False)))
    assert np.array_equal(noisy.product[..., 3], clean.product[..., 3])
    errors = [np.abs(each.radiance - truth.radiance).mean() for each in (noisy, clean)]
    assert errors[1] < 0.6 * errors[0]


def test_an_old_llvm_is_named_before_it_ends_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "/nowhere/libLLVM-15.so")
    assert find_llvm() == "/nowhere/libLLVM-15.so"
    probe.cache_clear()
    with pytest.raises(RenderError) as missing:
        probe()
    probe.cache_clear()
    assert missing.value.code == "pathtrace_missing"
    assert "libllvm" in missing.value.hint
