"""Blur is read in pixels of σ; lost and invented texture are seen where they are; relief and light are let pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.sentinel import judge
from pipeline.sentinel.checks.texture import invent_cracks, lose_weave, smear_patch, texture
from pipeline.sentinel.injectors import defocus
from pipeline.sentinel.registry import Injector
from pipeline.sentinel.sharpness import fit_blur, luma_of
from pipeline.sentinel.types import U8, Measurement
from tests.sentinel_scene import NUISANCES, REGIONS, Nuisance, Scene, shoe_scene


def readings(scene: Scene, image: U8) -> dict[str, Measurement]:
    return {m.estimator: m for m in texture(scene.expected, image, REGIONS)}


def value(scene: Scene, image: U8, estimator: str) -> float:
    found = readings(scene, image)[estimator].value
    assert found is not None
    return found


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
@pytest.mark.parametrize("strength", [0.05, 0.25], ids=["faint", "strong"])
def test_a_faithful_image_passes(nuisance: Nuisance, strength: float) -> None:
    scene = shoe_scene(texture=strength)
    read = readings(scene, scene.observed(**nuisance))
    assert (read["global_blur_sigma"].value or 0.0) <= 0.5
    assert (read["texture_kept_min"].value or 0.0) >= 0.8
    assert all(score.verdict == "pass" for score in judge(read.values()))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0])
def test_a_soft_picture_reads_its_sigma(scene: Scene, sigma: float) -> None:
    read = readings(scene, defocus(scene.expected, scene.expected.display, sigma_px=sigma))
    assert read["global_blur_sigma"].value == pytest.approx(sigma, rel=0.15)
    assert (read["texture_kept_min"].value or 0.0) > 0.6  # the whole picture's softness is not a place's


@pytest.mark.parametrize("damage", [smear_patch, lose_weave])
def test_lost_texture_is_seen_where_it_is(scene: Scene, damage: Injector) -> None:
    image = damage(scene.expected, scene.observed(jpeg=92, noise=1.0), REGIONS)
    reading = readings(scene, image)["texture_kept_min"]
    assert [score.verdict for score in judge([reading])] == ["fail"]
    changed = np.abs(image.astype(int) - scene.expected.display).sum(axis=-1)
    assert reading.bbox is not None
    x0, y0, x1, y1 = reading.bbox
    assert changed[y0:y1, x0:x1].mean() > 2 * changed[scene.expected.alpha > 0.99].mean()


def test_a_longer_smear_keeps_less(scene: Scene) -> None:
    kept = [value(scene, smear_patch(scene.expected, scene.expected.display, REGIONS, length_px=length),
                  "texture_kept_min") for length in (0.5, 2.0, 8.0)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] - kept[2] > 0.2


def test_another_pattern_of_the_same_strength_is_lost_and_invented(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[130:190, 100:180] = image[130:190, 100:180][::-1, ::-1]
    assert value(scene, image, "texture_kept_min") < 0.45
    assert value(scene, image, "invented_contrast_max") > 2 * value(scene, scene.observed(noise=1.0),
                                                                    "invented_contrast_max")


def test_drawn_lines_are_invented_in_proportion(scene: Scene) -> None:
    read = [value(scene, invent_cracks(scene.expected, scene.expected.display, REGIONS, codes=codes),
                  "invented_contrast_max") for codes in (30.0, 60.0)]
    assert read[1] == pytest.approx(2 * read[0], rel=0.25)


def test_relief_everywhere_is_neither_lost_nor_invented(scene: Scene) -> None:
    """A refiner adds a weave of a few codes that the map does not have."""
    grain = gaussian_filter(np.random.default_rng(3).normal(size=scene.expected.alpha.shape), 1.0)
    relief = 4.0 * grain / grain.std() * (scene.expected.alpha > 0.99)
    image = np.clip(scene.expected.display + relief[..., None], 0, 255).astype(np.uint8)
    assert {score.verdict for score in judge(readings(scene, image).values())} == {"pass"}


def test_other_light_is_neither_lost_nor_invented(scene: Scene) -> None:
    """Seen against the same product in light that falls the other way, and glossier."""
    passes = scene.expected
    other = replace(passes, diffuse=passes.diffuse[:, ::-1].copy(), specular=2.0 * passes.specular)
    assert {score.verdict for score in judge(texture(other, passes.display, REGIONS))} == {"pass"}


def test_a_smear_over_featureless_texture_does_not_count() -> None:
    plain = shoe_scene(texture=0.001)
    image = plain.observed(jpeg=92).copy()
    image[190:235, 190:290] = gaussian_filter(image[190:235, 190:290], (2.0, 10.0, 0.0))
    assert {score.verdict for score in judge(readings(plain, image).values())} <= {"pass", "not_applicable"}


def test_burnt_out_texture_is_not_covered(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[:, :260] = 255
    whole, half = (readings(scene, one)["texture_kept_min"].coverage for one in (scene.expected.display, image))
    assert whole == 1.0
    assert 0.3 < half < 0.7
    assert readings(scene, np.full_like(image, 255))["texture_kept_min"].value is None


def test_one_channel_at_its_top_in_the_faithful_picture_too_burns_nothing_out(scene: Scene) -> None:
    """A red as red as a display shows it: its texture is in the other channels, and an honest picture has it."""
    bright = scene.expected.display.copy()
    bright[scene.expected.alpha > 0.99, 0] = 253
    reading = next(m for m in texture(replace(scene.expected, display=bright), bright, REGIONS)
                   if m.estimator == "texture_kept_min")
    assert reading.value is not None
    assert (reading.coverage, reading.value > 0.8) == (1.0, True)


def test_plain_surfaces_have_no_sharpness_to_judge() -> None:
    flat = np.full((96, 96, 3), 180, np.uint8)
    assert fit_blur(luma_of(flat), luma_of(flat), np.ones((96, 96), bool)) is None


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
