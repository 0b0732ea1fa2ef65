"""Regions laid flat from pictures: exact where seen head-on, right copy, right way round, only what is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.catalogue import Instance, Region, Shot
from pipeline.colour import quantise, srgb_decode, srgb_encode
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render import Renderer, Textures
from pipeline.render.types import ControlPasses
from pipeline.render.unwrap import Unwrapped, occurrences_in, occurrences_of, unwrap, window_of
from tests.render_meshes import straight_shot

F64 = NDArray[np.float64]
SIDE = 512                                 # texels of the texture
PAINT = Material("paint", roughness=0.9, textures={"base_color": TextureRef("catalogue", "paint.png")})
WHOLE = (0.0, 0.0, 1.0, 1.0)


def detailed() -> NDArray[np.uint8]:
    """(SIDE, SIDE, 4) colours with detail at every scale, and an arrow that is nowhere symmetric."""
    noise = np.random.default_rng(4)
    layers = [gaussian_filter(noise.standard_normal((SIDE, SIDE, 3)), (s, s, 0), mode="wrap") * s
              for s in (1.0, 2.0, 4.0, 12.0, 40.0)]
    picture = 0.45 + 0.22 * np.sum(layers, axis=0)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    picture[(columns > 0.2) & (columns < 0.3) & (rows > 0.1) & (rows < 0.6)] = (0.8, 0.15, 0.1)
    picture[(columns > 0.2) & (columns < 0.55) & (rows > 0.1) & (rows < 0.2)] = (0.8, 0.15, 0.1)
    return np.concatenate([quantise(picture), np.full((SIDE, SIDE, 1), 255, np.uint8)], axis=-1)


def sheets(*parts: tuple[F64, F64]) -> Mesh:
    """One chart per (4 corners in metres, 4 uv), upright towards +Z."""
    corners = np.concatenate([np.asarray(part[0], np.float32) for part in parts])
    uv = np.concatenate([np.asarray(part[1], np.float32) for part in parts])
    triangles = np.concatenate([np.array([[0, 2, 1], [0, 3, 2]]) + 4 * index for index in range(len(parts))])
    normals = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (len(corners), 1))
    charts = np.repeat(np.arange(len(parts)), 2).astype(np.uint32)
    return Mesh(corners, normals, (uv,), triangles.astype(np.uint32), np.zeros(len(triangles), np.uint16), charts,
                (PAINT,))


def rectangle(left: float, right: float, bottom: float, top: float, depth: float) -> F64:
    return np.array([[left, top, -depth], [right, top, -depth], [right, bottom, -depth], [left, bottom, -depth]])


PLAIN = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
MIRRORED = np.array([[1, 0], [0, 0], [0, 1], [1, 1]], float)
# Two halves of a shoe in small: both sides show the same texture, one of them reversed.
HALVES = sheets((rectangle(-0.9, -0.05, -0.5, 0.5, 1.0), PLAIN), (rectangle(0.05, 0.9, -0.5, 0.5, 1.0), MIRRORED))


Camera = Callable[[Mesh, Shot], ControlPasses]


@pytest.fixture(scope="module")
def photograph() -> Iterator[Camera]:
    textures = Textures({("catalogue", "paint.png"): detailed()})
    with Renderer() as renderer:
        yield lambda mesh, shot: renderer.render(mesh, shot, textures)


@pytest.fixture(scope="module")
def halves(photograph: Camera) -> ControlPasses:
    return photograph(HALVES, straight_shot(800))


def laid_flat(passes: ControlPasses, mesh: Mesh, size: tuple[int, int]) -> list[Unwrapped]:
    return [unwrap(passes.base_color, passes, mesh, each, size)
            for each in occurrences_in(mesh, passes.shot.instances, WHOLE)]


def prefiltered(pixels: tuple[float, float], size: int) -> F64:
    """(size, size, 3) linear texture under the box of one picture pixel, which is ``pixels`` texels wide and high."""
    texture = srgb_decode(detailed()[..., :3])
    fine = 4
    wide = np.repeat(np.repeat(texture, fine, axis=0), fine, axis=1)
    for axis, length in enumerate((pixels[1], pixels[0])):
        taps = max(1, round(length * fine))
        total = np.cumsum(np.concatenate([np.zeros_like(np.take(wide, [0], axis)), wide], axis=axis), axis, np.float64)
        index = np.arange(wide.shape[axis])
        low, high = np.clip(index - taps // 2, 0, None), np.clip(index - taps // 2 + taps, None, len(index))
        shape = [-1 if each == axis else 1 for each in range(3)]
        spread = np.take(total, high, axis) - np.take(total, low, axis)
        wide = (spread / (high - low).reshape(shape)).astype(np.float32)
    block = wide.shape[0] // size
    return np.asarray(wide.reshape(size, block, size, block, 3).mean(axis=(1, 3)))


def psnr(ours: NDArray[np.floating], truth: NDArray[np.floating], where: NDArray[np.bool_]) -> float:
    """Of sRGB codes, 0..1."""
    difference = (srgb_encode(ours) - srgb_encode(truth))[where]
    return float(-10.0 * np.log10(np.mean(difference.astype(np.float64)**2)))


def test_head_on_it_is_the_texture_as_the_pixels_filter_it(halves: ControlPasses) -> None:
    started = time.perf_counter()
    flat = laid_flat(halves, HALVES, (SIDE, SIDE))
    assert time.perf_counter() - started < 2 * 2.0           # two of them, on a slow and busy machine
    # 340 × 400 pixels show 512 × 512 texels.
    truth = prefiltered((SIDE / 340, SIDE / 400), SIDE)
    for each in flat:
        whole = each.coverage > 0.999
        assert whole.mean() > 0.97
        assert psnr(each.texels, truth, whole) >= 35.0
        assert np.median(each.footprint) == pytest.approx(np.sqrt(340 * 400) / SIDE, rel=1e-3)
        # The furthest corner seen lies at x = 0.9, y = 0.5, one metre before the camera.
        assert np.max(each.view_angle_deg[whole]) == pytest.approx(np.degrees(np.arctan(np.hypot(0.9, 0.5))), abs=0.3)


def test_both_copies_of_a_mirrored_texture_read_the_same_way_round(halves: ControlPasses) -> None:
    occurrences = occurrences_in(HALVES, halves.shot.instances, WHOLE)
    assert [(each.chart, each.mirrored) for each in occurrences] == [(1, False), (2, True)]
    plain, mirrored = laid_flat(halves, HALVES, (128, 128))
    truth = prefiltered((4.0, 4.0), 128)
    both = (plain.coverage > 0.999) & (mirrored.coverage > 0.999)
    assert psnr(plain.texels, mirrored.texels.astype(float), both) > 38.0
    assert psnr(mirrored.texels, truth, both) > psnr(mirrored.texels[:, ::-1], truth, both) + 10.0


def test_what_is_hidden_is_not_read(photograph: Camera) -> None:
    # A strip of the same chart's texture hangs before the left third; another chart, then the same chart again.
    behind = (rectangle(-0.9, 0.9, -0.9, 0.9, 1.5), PLAIN)
    strip = (rectangle(-0.4, -0.2, -0.7, 0.7, 1.0), np.array([[0.9, 0.9], [1, 0.9], [1, 1], [0.9, 1]]))
    mesh = sheets(behind, strip)
    for charts in (mesh.triangle_chart, np.zeros(4, np.uint32)):
        mesh = replace(mesh, triangle_chart=charts)
        passes = photograph(mesh, straight_shot(400))
        flat = laid_flat(passes, mesh, (256, 256))[0]
        # The strip at depth 1 covers x of −0.6 … −0.3 at depth 1.5: u of 0.167 … 0.333; v outside its ends is seen.
        hidden = slice(round(0.18 * 256), round(0.32 * 256))
        assert np.all(flat.coverage[60:200, hidden] == 0.0)
        assert np.all(flat.texels[60:200, hidden] == 0.0)
        assert np.all(flat.coverage[60:200, 100:200] > 0.999)
        truth = prefiltered((SIDE / 240, SIDE / 240), 256)
        seen = flat.coverage > 0.999
        seen[225:, 225:] = False           # where the strip holds this uv as well, the nearer surface may answer
        assert psnr(flat.texels, truth, seen) > 30.0


def test_beside_the_frame_nothing_is_read(photograph: Camera) -> None:
    mesh = sheets((rectangle(0.0, 2.0, -0.5, 0.5, 1.0), PLAIN))
    flat = laid_flat(photograph(mesh, straight_shot(200)), mesh, (64, 64))[0]
    assert np.all(flat.coverage[2:-2, 2:30] > 0.999)
    assert np.all(flat.coverage[:, 34:] == 0.0)


def test_a_slanted_surface_is_rectified_in_perspective(photograph: Camera) -> None:
    corners = np.array([[-0.6, 0.5, -1.0], [0.9, 0.5, -1.8], [0.9, -0.5, -1.8], [-0.6, -0.5, -1.0]])
    mesh = sheets((corners, PLAIN))
    passes = photograph(mesh, straight_shot(1000))
    flat = laid_flat(passes, mesh, (256, 256))[0]
    truth = prefiltered((1.6, 1.4), 256)
    seen = flat.coverage > 0.999
    assert seen.mean() > 0.95
    assert psnr(flat.texels, truth, seen) > 30.0
    assert flat.footprint[128, 10] > 1.3 * flat.footprint[128, 245]


def test_instances_and_regions_are_told_apart(photograph: Camera) -> None:
    moved = tuple(tuple(row) for row in np.array([[1, 0, 0, 0.0], [0, 1, 0, 0.9], [0, 0, 1, 0], [0, 0, 0, 1]]).tolist())
    turned = tuple(tuple(row) for row in np.diag([-1.0, 1.0, 1.0, 1.0]).tolist())
    instances = (Instance(), Instance(moved), Instance(turned, mirrored=True))
    region = Region("mark", "logo", "paint", polygon=((0.2, 0.1), (0.55, 0.1), (0.55, 0.6)))
    found = occurrences_of(HALVES, instances, region)
    # Through a mirroring instance the plain chart reads reversed, and the mirrored one plain.
    assert {(each.instance, each.chart, each.mirrored) for each in found} == {
        (1, 1, False), (1, 2, True), (2, 1, False), (2, 2, True), (3, 1, True), (3, 2, False)}
    assert window_of(region) == (0.2, 0.1, 0.55, 0.6)
    assert not occurrences_of(HALVES, instances, replace(region, material="lace"))
    shot = replace(straight_shot(400), instances=(Instance(), Instance(moved)))
    passes = photograph(HALVES, shot)
    flats = [unwrap(passes.base_color, passes, HALVES, each, (70, 100))
             for each in occurrences_of(HALVES, shot.instances, region)]
    # The raised copies are cut off by the frame's top, at y = 1.
    assert [flat.coverage.mean() > 0.99 for flat in flats] == [True, True, False, False]
    assert all(flat.coverage[60:].mean() > 0.99 for flat in flats)
    assert unwrap(passes.alpha, passes, HALVES, found[0], (70, 100)).texels.shape == (100, 70, 1)


def test_a_texture_that_repeats_is_found_in_every_tile(photograph: Camera) -> None:
    mesh = sheets((rectangle(-0.9, 0.9, -0.4, 0.4, 1.0), PLAIN * [2.0, 1.0] + [0.5, 0.0]))
    [occurrence] = occurrences_in(mesh, (Instance(),), (0.1, 0.1, 0.4, 0.6))
    # Tile 0 holds u of 0.5 … 1, tile 1 all, tile 2 the first half: the window is shown twice.
    assert len(occurrence.triangles) >= 4
    passes = photograph(mesh, straight_shot(400))
    flat = unwrap(passes.base_color, passes, mesh, occurrence, (77, 128))
    truth = prefiltered((2.8, 3.2), SIDE)[51:51 + 256:2, 51:51 + 154:2]
    assert psnr(flat.texels, truth, flat.coverage > 0.999) > 25.0
