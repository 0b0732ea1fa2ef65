"""Control images follow the conventions of their ControlNets; the working size goes there and back."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.refine.controls import CONTROLS, depth_control, edges_control, normal_control
from pipeline.refine.working_size import resized, working_size
from tests.passes_factory import sphere_passes

SIZE = 96
CENTRE = SIZE // 2
TOP, BOTTOM = 23, 72  # first and last row of the sphere at 96 px


@pytest.mark.parametrize("drive", CONTROLS)
def test_a_control_image_has_the_size_of_the_passes_and_stays_in_range(drive: str) -> None:
    image = CONTROLS[drive].image(sphere_passes((SIZE, 64)))
    assert image.shape == (64, SIZE, 3)
    assert image.dtype == np.float32
    assert 0.0 <= image.min() < image.max() <= 1.0


def test_depth_is_white_where_near_dark_where_far_and_black_outside() -> None:
    passes = sphere_passes(SIZE)
    image = depth_control(passes.depth)[..., 0]
    seen = np.isfinite(passes.depth)
    assert image.flat[np.argmin(passes.depth)] == 1.0
    assert image[seen].min() == pytest.approx(0.2)
    assert (image[~seen] == 0.0).all()
    order = np.argsort(passes.depth[seen])
    assert (np.diff(image[seen][order]) <= 0).all()


@pytest.mark.parametrize(("depth", "expected"), [(np.inf, 0.0), (2.0, 1.0)])
def test_depth_without_range_is_defined(depth: float, expected: float) -> None:
    assert (depth_control(np.full((4, 4), depth, np.float32)) == expected).all()


def test_normals_are_red_to_the_left_green_up_and_blue_to_the_viewer() -> None:
    passes = sphere_passes(SIZE)
    image = normal_control(passes.normal, np.isfinite(passes.depth))
    left, right = image[CENTRE, TOP + 2], image[CENTRE, BOTTOM - 2]
    top, bottom = image[TOP + 2, CENTRE], image[BOTTOM - 2, CENTRE]
    assert left[0] > 0.8 > 0.2 > right[0]
    assert top[1] > 0.8 > 0.2 > bottom[1]
    assert image[CENTRE, CENTRE, 2] > 0.99
    np.testing.assert_allclose(image[0, 0], (0.5, 0.5, 1.0))


def test_edges_draw_the_silhouette_and_the_border_of_materials_and_nothing_else() -> None:
    passes = sphere_passes(SIZE)
    seen = np.isfinite(passes.depth)
    lines = edges_control(passes.depth, passes.normal, (passes.material_id,))[..., 0] > 0
    assert lines[CENTRE - 1, CENTRE], "where the green half meets the white one"
    assert lines[TOP, CENTRE]
    assert lines[CENTRE, TOP]
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    inside = np.hypot(x - CENTRE, y - CENTRE) < 20
    inside[CENTRE - 1:CENTRE + 1] = False
    assert not lines[inside].any(), "a smooth surface has no lines"
    assert not lines[~seen].any()


def test_edges_ignore_a_steep_plane_and_find_a_step_in_it() -> None:
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)
    plane = (1.0 / (0.5 + 0.02 * x)).astype(np.float32)  # a plane is affine in inverse depth
    normal = np.zeros((64, 64, 3), np.float32)
    normal[..., 2] = 1.0
    assert edges_control(plane, normal, ()).max() == 0.0
    step = plane + np.where(y > 31, 0.1, 0.0).astype(np.float32)
    lines = edges_control(step.astype(np.float32), normal, ())[..., 0] > 0
    assert lines[31:33].any(axis=0).all()
    assert not lines[:30].any()
    assert not lines[34:].any()


def test_edges_find_a_crease_and_no_texture_seam() -> None:
    depth = np.full((32, 32), 0.5, np.float32)
    normal = np.zeros((32, 32, 3), np.float32)
    normal[:, :16] = (-0.5, 0.0, np.sqrt(0.75))
    normal[:, 16:] = (0.5, 0.0, np.sqrt(0.75))
    lines = edges_control(depth, normal, ())[..., 0] > 0
    assert lines[:, 15].all()
    assert lines.sum() == 32
    assert "chart_id" not in CONTROLS["edges"].uses


@pytest.mark.parametrize(("size", "long_side", "expected"), [
    ((1920, 1080), 768, (768, 432)), ((1080, 1350), 768, (616, 768)), ((64, 64), 768, (64, 64)),
    ((100, 70), 768, (96, 72)), ((4000, 20), 512, (512, 8)), ((300, 300), 102, (96, 96))])
def test_the_working_size_is_a_multiple_of_eight_below_the_limit(
        size: tuple[int, int], long_side: int, expected: tuple[int, int]) -> None:
    assert working_size(*size, long_side) == expected


def test_a_picture_survives_the_way_to_the_working_size_and_back_in_place() -> None:
    y, x = np.mgrid[0:70, 0:100]
    picture = np.stack([np.sin(x / 9) / 2 + 0.5, np.cos(y / 7) / 2 + 0.5, (x + y) / 170], -1).astype(np.float32)
    back = resized(resized(picture, *working_size(100, 70, 768)), 100, 70)
    np.testing.assert_allclose(back[3:-3, 3:-3], picture[3:-3, 3:-3], atol=0.01)
    assert resized(picture, 100, 70) is picture
