"""The example shoes: sound geometry, charts that a label can be read from, seams with two rows."""

from __future__ import annotations

from functools import cache

import moderngl
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.signal import find_peaks

from examples.generate import sneaker as sneaker_module
from examples.generate.footwear import GREEN_WHITE, NAVY_GUM, court_sneaker, leather_derby
from examples.generate.model import Model, Part
from examples.generate.pattern import Pattern
from examples.generate.sneaker_last import SNEAKER_LAST
from examples.generate.sneaker_paint import label_art
from pipeline.catalogue import Region
from pipeline.render.context import open_context

F64 = NDArray[np.float64]


@cache
def shoe(name: str) -> Model:
    return {"green": lambda: court_sneaker(GREEN_WHITE), "navy": lambda: court_sneaker(NAVY_GUM),
            "derby": leather_derby}[name]()


def picture(model: Model, material: str) -> F64:
    """(H, W, 3) code values of a material's diffuse map."""
    texture = next(m.texture for m in model.materials if m.name == material)
    assert texture is not None
    return np.asarray(texture.image, np.float64)


def face_normals(part: Part) -> F64:
    corner = part.positions.astype(np.float64)[part.triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    result: F64 = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return result


@pytest.mark.parametrize("name", ["green", "derby"])
def test_size_pose_and_arrays(name: str) -> None:
    model = shoe(name)
    points = np.concatenate([part.positions for part in model.parts])
    low, high = points.min(axis=0), points.max(axis=0)
    assert 0.28 < high[0] - low[0] < 0.31            # as long as a shoe
    assert abs(low[1]) < 0.0005                      # stands on the floor
    assert 0.09 < high[2] - low[2] < 0.11
    # The toe is the low end: the front quarter is lower than the rear quarter.
    front, rear = points[points[:, 0] > high[0] - 0.06], points[points[:, 0] < low[0] + 0.06]
    assert front[:, 1].max() < rear[:, 1].max() - 0.02
    # A left shoe: its ball reaches further towards the lateral side (-Z) behind the toe's tip.
    tip = points[points[:, 0].argmax()]
    assert tip[2] > 0
    assert 20_000 < model.triangle_count < 65_000
    for part in model.parts:
        assert np.isfinite(part.positions).all()
        assert part.normals is not None
        assert np.allclose(np.linalg.norm(part.normals, axis=1), 1, atol=1e-3)
        assert part.triangles.max() < len(part.positions)


@pytest.mark.parametrize("name", ["green", "derby"])
def test_uvs_stay_inside_and_unmirrored(name: str) -> None:
    for part in shoe(name).parts:
        assert 0 <= part.uvs.min() <= part.uvs.max() <= 1, part.name
        corner = part.uvs.astype(np.float64)[part.triangles]
        a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # v points down: a face seen from outside is negative
        assert np.clip(area, 0, None).sum() <= 0.01 * np.abs(area).sum() + 1e-12, part.name


@pytest.mark.parametrize("name", ["green", "derby"])
def test_upper_faces_outwards(name: str) -> None:
    for part in shoe(name).parts:
        if not part.name.startswith(("vamp", "quarter", "toe cap", "counter")):
            continue
        normal = face_normals(part)
        centre = part.positions.astype(np.float64)[part.triangles].mean(axis=1)
        inner = np.stack([np.clip(centre[:, 0], 0.05, 0.22), np.full(len(centre), 0.035), 0 * centre[:, 0]], axis=1)
        outward = ((centre - inner) * normal).sum(axis=1) > 0
        assert outward.mean() > 0.8, part.name     # all but cut edges and what is tucked into the sole
        assert part.normals is not None
        shaded = part.normals[part.triangles].mean(axis=1)
        assert ((shaded * normal).sum(axis=1) > 0).mean() > 0.99, part.name


@pytest.mark.parametrize("name", ["green", "derby"])
def test_no_back_face_is_seen_from_outside(name: str) -> None:
    """From any side above the floor only front faces show: no holes, nothing inside out."""
    model = shoe(name)
    points = np.concatenate([part.positions for part in model.parts])
    middle, radius = (points.min(axis=0) + points.max(axis=0)) / 2, np.ptp(points, axis=0).max() * 0.6
    context = open_context()
    program = context.program(
        vertex_shader="#version 330\nuniform mat3 turn; uniform vec3 middle; uniform float radius; in vec3 at;"
                      "void main() { gl_Position = vec4(turn * (at - middle) / radius, 1.0); }",
        fragment_shader="#version 330\nout vec4 side;"
                        "void main() { side = gl_FrontFacing ? vec4(0, 1, 0, 1) : vec4(1, 0, 0, 1); }")
    size = (640, 640)
    target = context.framebuffer([context.renderbuffer(size)], context.depth_renderbuffer(size))
    target.use()
    context.enable(moderngl.DEPTH_TEST)
    program["middle"] = tuple(map(float, middle))
    program["radius"] = float(radius)
    arrays = [context.vertex_array(program, [(context.buffer(part.positions.tobytes()), "3f", "at")],
                                   context.buffer(part.triangles.tobytes())) for part in model.parts]
    for azimuth, elevation in ((0, 10), (62, 14), (90, 5), (180, 20), (270, 10), (315, 45), (90, 88), (120, -60)):
        a, e = np.radians(azimuth), np.radians(elevation)
        back = np.array([np.cos(a) * np.cos(e), np.sin(e), -np.sin(a) * np.cos(e)])
        right = np.array([-np.sin(a), 0.0, -np.cos(a)])
        turn = np.stack([right, np.cross(back, right), -back])  # depth grows away from the eye
        program["turn"] = tuple(map(float, turn.T.ravel()))
        target.clear()
        for array in arrays:
            array.render()
        pixels = np.frombuffer(target.read(components=3), np.uint8).reshape(*size, 3)
        seen = int((pixels.max(axis=2) > 0).sum())
        assert seen > 20_000
        assert (pixels[..., 0] > 0).sum() < 0.0006 * seen, (azimuth, elevation)
    context.release()


def test_colourways_share_one_mesh() -> None:
    green, navy = shoe("green"), shoe("navy")
    assert [p.name for p in green.parts] == [p.name for p in navy.parts]
    for a, b in zip(green.parts, navy.parts, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.uvs, b.uvs)
        assert np.array_equal(a.triangles, b.triangles)
    assert green.regions == navy.regions
    assert np.abs(picture(green, "upper_leather") - picture(navy, "upper_leather")).mean() > 20


def test_same_shoe_every_time() -> None:
    again = sneaker_module.sneaker.__wrapped__()
    for a, b in zip(again.parts, shoe("green").parts, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.triangles, b.triangles)
    assert np.array_equal(label_art(GREEN_WHITE), label_art(GREEN_WHITE))


def test_pattern_keeps_lengths() -> None:
    """Stitches drawn in the pattern keep their length on the shoe."""
    for stretch in (Pattern.of(SNEAKER_LAST, "lateral").stretch(), Pattern.of(SNEAKER_LAST, "medial").stretch()):
        low, high = np.percentile(stretch, (2, 98))
        assert low > 0.92
        assert high < 1.09


@pytest.mark.parametrize("name", ["green", "navy"])
def test_label_is_readable(name: str) -> None:
    model = shoe(name)
    label = next(region for region in model.regions if region.kind == "label")
    assert label.text == "NORTHLINE"
    grey = picture(model, label.material).mean(axis=2)
    corners = np.array(label.polygon) * grey.shape[::-1]
    (left, top), (right, bottom) = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int)
    patch = grey[top:bottom, left:right]
    dark, light = np.percentile(patch, (5, 95))
    assert light - dark > 120
    # The word's band: about nine letters' worth of dark-light changes along a line through it.
    line = patch[round(0.69 * len(patch))] > (dark + light) / 2
    assert np.abs(np.diff(line.astype(int))).sum() >= 18


@pytest.mark.parametrize("name", ["green", "navy", "derby"])
def test_seams_show_two_rows(name: str) -> None:
    model = shoe(name)
    seams = [region for region in model.regions if region.kind == "stitching"]
    assert len(seams) >= 4
    for seam in seams:
        assert seam.rows == 2
        assert count_rows(picture(model, seam.material), seam) == 2, seam.name


def test_counting_rows_notices_a_missing_one() -> None:
    model = shoe("green")
    seam = next(region for region in model.regions if region.name.startswith("lateral quarter seam"))
    image = picture(model, seam.material)
    across, places = band(image, seam)
    # Paint over the rows on one side of the path with what lies just beside it.
    damaged = image.copy()
    columns, rows = places[across > 0.12].reshape(-1, 2).T
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            damaged[rows.astype(int) + dy, columns.astype(int) + dx] = (238, 236, 230)
    assert count_rows(damaged, seam) == 1


def band(image: F64, seam: Region) -> tuple[F64, F64]:
    """Offsets across a seam (share of its width, −0.5..0.5) and the (offset, along, 2) pixels they lie at."""
    path = np.array(seam.path) * image.shape[1::-1]
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.arange(20.0, run[-1] - 20.0, 1.0)
    centre = np.stack([np.interp(at, run, path[:, k]) for k in (0, 1)], axis=1)
    ahead = np.stack([np.interp(at + 2, run, path[:, k]) for k in (0, 1)], axis=1)
    step = (ahead - centre) / np.linalg.norm(ahead - centre, axis=1, keepdims=True)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    across = np.linspace(-0.5, 0.5, 49)
    return across, centre[None] + across[:, None, None] * seam.width * image.shape[1] * normal[None]


def count_rows(image: F64, seam: Region) -> int:
    """Peaks, across a seam, of how much the picture varies along it: a row of stitches alternates, leather does not."""
    _, places = band(image, seam)
    grey = image.mean(axis=2)
    strip = map_coordinates(grey, [places[..., 1] - 0.5, places[..., 0] - 0.5], order=1)
    varies = strip.std(axis=1)
    peaks, _ = find_peaks(varies, height=0.45 * varies.max(), distance=10, prominence=0.25 * varies.max())
    return len(peaks)
