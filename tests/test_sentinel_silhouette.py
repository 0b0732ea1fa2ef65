"""Outline deviation reads dents in true pixels and leaves faithful images alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.sentinel.checks.silhouette import silhouette
from pipeline.sentinel.contours import joint_path
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
