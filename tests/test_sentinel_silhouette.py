"""Outline deviation reads dents in true pixels and leaves faithful images alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from pipeline.sentinel.checks.silhouette import mm_per_px, silhouette
from pipeline.sentinel.contours import contour_profiles, joint_path
from pipeline.sentinel.extremities import extremity_points
from pipeline.sentinel.injectors import dent_toe
from pipeline.sentinel.types import U8, Expected, Measurement
from tests.sentinel_scene import NUISANCES, Nuisance, Scene, shoe_scene


def readings(expected: Expected, image: U8) -> dict[str, Measurement]:
    return {m.estimator: m for m in silhouette(expected, image, ())}


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_a_faithful_outline_reads_under_a_pixel(nuisance: Nuisance, white: bool) -> None:
    scene = shoe_scene(white=white)
    for reading in readings(scene.expected, scene.observed(**nuisance)).values():
        if reading.applicable and reading.unit == "px":
            assert reading.value is not None
            assert reading.value <= 0.8, reading
            assert reading.coverage > 0.9


@pytest.mark.parametrize("depth", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_a_dent_reads_near_its_true_depth(depth: float, white: bool) -> None:
    scene = shoe_scene(white=white)
    image = dent_toe(scene.expected, scene.observed(exposure=0.1, noise=1.0, jpeg=92), depth_px=depth)
    read = readings(scene.expected, image)
    for name in ("toe_deviation_max", "contour_deviation_max"):
        reading = read[name]
        assert reading.value == pytest.approx(depth, rel=0.2)
        assert reading.reason == "inward"


def test_a_bulge_reads_outward(scene: Scene) -> None:
    reading = readings(scene.expected, dent_toe(scene.expected, scene.expected.display, depth_px=-4.0))
    assert reading["toe_deviation_max"].reason == "outward"
    assert reading["toe_deviation_max"].value == pytest.approx(4.0, rel=0.25)


def test_the_evidence_frames_the_dent(scene: Scene) -> None:
    reading = readings(scene.expected, dent_toe(scene.expected, scene.expected.display))["toe_deviation_max"]
    assert reading.bbox is not None
    assert reading.evidence is not None
    x0, y0, x1, y1 = reading.bbox
    rows, columns = np.nonzero(scene.expected.alpha > 0.5)
    tip = columns.max(), rows[columns == columns.max()].mean()
    assert x0 <= tip[0] <= x1
    assert y0 - 15 <= tip[1] <= y1 + 15


def test_a_crevice_that_other_light_fills_is_no_dent(scene: Scene) -> None:
    """A black line 4 px inside the outline that the image shows as bright as the backdrop: the rim is still there."""
    alpha = scene.expected.alpha > 0.5
    inside = [binary_erosion(alpha, iterations=depth) for depth in (3, 7)]
    band = (inside[0] & ~inside[1])[..., None]
    expected = replace(scene.expected, display=np.where(band, 0, scene.expected.display).astype(np.uint8))
    image = np.where(band, 250, scene.expected.display).astype(np.uint8)
    reading = readings(expected, image)["contour_deviation_max"]
    assert reading.value is None or reading.value < 1.6


@pytest.mark.parametrize("depth", [2.0, 6.0])
def test_millimetres_follow_from_depth_and_camera(scene: Scene, depth: float) -> None:
    """At 0.4 m with ndc = xy / depth, the picture's 400 rows span 0.8 m: 2 mm each."""
    profiles = contour_profiles(scene.expected)
    assert profiles is not None
    assert np.nanmedian(mm_per_px(scene.expected, profiles)) == pytest.approx(2.0)
    read = readings(scene.expected, dent_toe(scene.expected, scene.expected.display, depth_px=depth))
    mm, px = read["deviation_mm_max"], read["contour_deviation_max"]
    assert px.value is not None
    assert mm.value == pytest.approx(2.0 * px.value, rel=0.05)
    assert (mm.unit, mm.reason) == ("mm", "inward")


def test_what_sticks_out_is_found_and_read_on_its_own(scene: Scene) -> None:
    """A box with a thin handle: the handle and the corners stick out, the sides do not."""
    alpha = np.zeros(scene.expected.alpha.shape, np.float32)
    alpha[120:320, 100:300] = 1.0
    alpha[210:222, 300:400] = 1.0
    points = np.array([[399.0, 216.0], [350.0, 210.0], [100.0, 120.0], [200.0, 120.0], [100.0, 200.0], [300.0, 270.0]])
    found = extremity_points(replace(scene.expected, alpha=alpha), points)
    assert found.tolist() == [True, True, True, False, False, False]


def test_a_bent_extremity_fails_and_a_dented_side_is_not_its_business() -> None:
    expected, display = _with_handle()
    bent = display.copy()
    bent[195:235, 345:400] = np.roll(display, 4, axis=0)[195:235, 345:400]
    reading = readings(expected, bent)["extremity_deviation_max"]
    assert reading.value == pytest.approx(4.0, rel=0.25)
    dented = display.copy()
    dented[260:280, 100:104] = 255
    read = readings(expected, dented)
    assert (read["contour_deviation_max"].value or 0.0) > 2.5
    assert (read["extremity_deviation_max"].value or 0.0) < 1.0


def test_a_ball_has_no_extremities(scene: Scene) -> None:
    y, x = np.indices(scene.expected.alpha.shape)
    ball = (np.hypot(x - 240, y - 200) < 120).astype(np.float32)
    display = np.where(ball[..., None] > 0, 90, 255).astype(np.uint8).repeat(3, axis=-1)
    reading = readings(replace(scene.expected, alpha=ball, display=display), display)["extremity_deviation_max"]
    assert not reading.applicable
    assert "sticks out" in reading.reason


def _with_handle() -> tuple[Expected, U8]:
    """A dark box with a handle 12 px thick and 100 px long, on white."""
    scene = shoe_scene()
    alpha = np.zeros(scene.expected.alpha.shape, np.float32)
    alpha[120:320, 100:300] = 1.0
    alpha[210:222, 300:400] = 1.0
    display = np.where(alpha[..., None] > 0, 70, 255).astype(np.uint8).repeat(3, axis=-1)
    plate = np.ones_like(scene.expected.plate)
    return replace(scene.expected, alpha=alpha, display=display, plate=plate, toe_direction=None), display


def test_without_a_known_front_the_toe_does_not_apply() -> None:
    scene = shoe_scene(toe=False)
    reading = readings(scene.expected, scene.expected.display)["toe_deviation_max"]
    assert not reading.applicable
    assert "front" in reading.reason


def test_a_toe_outside_the_frame_does_not_apply(scene: Scene) -> None:
    expected = scene.expected
    cut = expected.size[0] - 70
    close = replace(expected, display=expected.display[:, :cut], plate=expected.plate[:, :cut],
                    alpha=expected.alpha[:, :cut])
    read = readings(close, close.display)
    assert "outside the frame" in read["toe_deviation_max"].reason
    assert not read["toe_deviation_max"].applicable
    assert read["contour_deviation_max"].value == pytest.approx(0.0, abs=0.1)


def test_a_rim_that_fades_into_the_background_is_not_a_dent() -> None:
    """Brighter light may bring a product's rim to the backdrop's own grey."""
    scene = shoe_scene(white=False, texture=0.05)
    for exposure in (-0.3, -0.15, 0.15, 0.3):
        image = scene.observed(exposure=exposure, jpeg=92, noise=1.0, blur=0.4)
        reading = readings(scene.expected, image)["contour_deviation_max"]
        assert reading.value is not None
        assert reading.value <= 1.0


def test_an_erased_product_is_never_a_good_reading(scene: Scene) -> None:
    for reading in readings(scene.expected, np.full_like(scene.expected.display, 255)).values():
        assert reading.value is None or reading.value > 5.0 or reading.coverage < 0.5


def test_an_outline_that_nobody_can_see_does_not_apply(scene: Scene) -> None:
    invisible = replace(scene.expected, display=np.full_like(scene.expected.display, 255))
    for reading in readings(invisible, invisible.display).values():
        assert not reading.applicable
        assert reading.value is None


def test_the_joint_path_ignores_one_wild_profile() -> None:
    cost = np.ones((40, 30))
    cost[:, 15] = 0.0
    cost[20] = 1.0
    cost[20, 28] = 0.0
    assert (joint_path(cost) == 15).all()


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
