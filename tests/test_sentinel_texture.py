"""The whole product's blur is read in pixels of σ; texture that leaves the design is seen where it does."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.sentinel import judge
from pipeline.sentinel.checks.texture import texture
from pipeline.sentinel.injectors import blur_regions, blurred, defocus
from pipeline.sentinel.sharpness import fit_blur, luma_of
from pipeline.sentinel.types import U8, Measurement
from tests.sentinel_scene import NUISANCES, REGIONS, Nuisance, Scene, shoe_scene


def readings(scene: Scene, image: U8) -> dict[str, Measurement]:
    return {m.estimator: m for m in texture(scene.expected, image, REGIONS)}


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
def test_a_faithful_image_passes(scene: Scene, nuisance: Nuisance) -> None:
    read = readings(scene, scene.observed(**nuisance))
    assert (read["global_blur_sigma"].value or 0.0) <= 0.5
    assert all(score.verdict == "pass" for score in judge(read.values()))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0])
def test_a_soft_picture_reads_its_sigma(scene: Scene, sigma: float) -> None:
    read = readings(scene, defocus(scene.expected, scene.expected.display, sigma_px=sigma))
    assert read["global_blur_sigma"].value == pytest.approx(sigma, rel=0.15)


def test_a_soft_label_is_not_a_soft_picture(scene: Scene) -> None:
    image = blur_regions(scene.expected, scene.observed(jpeg=92, blur=0.3), REGIONS, sigma_px=3.0)
    assert (readings(scene, image)["global_blur_sigma"].value or 0.0) < 0.5


def test_a_smeared_patch_breaks_the_correlation(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[130:190, 100:180] = blurred(image[130:190, 100:180], 8.0)
    reading = readings(scene, image)["tile_correlation_min"]
    assert (reading.value or 0.0) < 0.5
    assert reading.bbox is not None
    assert reading.bbox[0] < 180
    assert reading.bbox[2] > 100


def test_plain_surfaces_have_no_sharpness_to_judge() -> None:
    flat = np.full((96, 96, 3), 180, np.uint8)
    assert fit_blur(luma_of(flat), luma_of(flat), np.ones((96, 96), bool)) is None


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
