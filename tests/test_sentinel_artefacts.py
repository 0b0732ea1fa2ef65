"""Artefacts: each kind is read in its own unit, and what honest pictures do is none of them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, maximum_filter

from pipeline.sentinel import judge
from pipeline.sentinel.artefact_damage import (
    add_noise,
    draw_ghost,
    draw_halo,
    lift_off,
    overexpose,
    posterise,
    tint_background,
)
from pipeline.sentinel.checks.artefacts import artefacts
from pipeline.sentinel.smooth_areas import skipped_codes
from pipeline.sentinel.types import U8, Expected, Measurement
from tests.sentinel_scene import NUISANCES, Nuisance, Scene, jpeg_coded, shoe_scene


def read(expected: Expected, image: U8) -> dict[str, Measurement]:
    return {m.estimator: m for m in artefacts(expected, image, ())}


def verdict(reading: Measurement) -> str:
    return judge([reading])[0].verdict


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_an_honest_picture_has_none(nuisance: Nuisance, white: bool) -> None:
    scene = shoe_scene(white=white)
    readings = read(scene.expected, scene.observed(**nuisance))
    assert {verdict(reading) for reading in readings.values()} <= {"pass", "not_applicable"}


@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
@pytest.mark.parametrize("codes", [12.0, 24.0])
def test_a_halo_reads_its_strength_on_any_stage(white: bool, codes: float) -> None:
    scene = shoe_scene(white=white)
    reading = read(scene.expected, draw_halo(scene.expected, scene.observed(jpeg=92), codes=codes))["halo"]
    assert reading.value == pytest.approx(codes, rel=0.2)
    assert verdict(reading) == "fail"


def test_a_halo_along_a_tenth_of_the_outline_is_seen_where_it_is(scene: Scene) -> None:
    image = draw_halo(scene.expected, scene.expected.display, codes=20.0)
    image[:, 130:] = scene.expected.display[:, 130:]
    reading = read(scene.expected, image)["halo"]
    assert verdict(reading) == "fail"
    assert reading.bbox is not None
    assert reading.bbox[0] < 130


def test_other_light_on_the_ground_is_no_halo() -> None:
    scene = shoe_scene(white=False)
    height, width = scene.expected.alpha.shape
    slope = np.linspace(-12, 12, width)[None, :, None] + np.linspace(-8, 8, height)[:, None, None]
    image = np.clip(scene.expected.display + slope, 0, 255).astype(np.uint8)
    readings = read(scene.expected, image)
    assert verdict(readings["halo"]) == verdict(readings["second_edge"]) == "pass"


@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_a_ghost_is_a_second_edge(white: bool) -> None:
    scene = shoe_scene(white=white)
    reading = read(scene.expected, draw_ghost(scene.expected, scene.expected.display, shift_px=9))["second_edge"]
    assert verdict(reading) == "fail"
    assert "px beside" in reading.reason


@pytest.mark.parametrize(("step", "quality"), [(4, None), (8, None), (8, 92), (8, 85), (12, 85)])
def test_a_posterised_gradient_is_banded(scene: Scene, step: int, quality: int | None) -> None:
    image = posterise(scene.expected, scene.expected.display, step=step)
    reading = read(scene.expected, image if quality is None else jpeg_coded(image, quality))["banding"]
    assert verdict(reading) == "fail"


def test_skipped_codes_are_counted() -> None:
    ramp = np.repeat(np.arange(40, 200), 50).astype(np.uint8)
    assert skipped_codes(ramp) < 0.06
    assert skipped_codes(ramp // 2 * 2) == pytest.approx(1 / 2, abs=0.05)
    assert skipped_codes(ramp // 4 * 4) == pytest.approx(3 / 4, abs=0.05)


def test_a_stage_of_one_tone_has_no_bands_to_show() -> None:
    """Nothing in the faithful picture is a smooth gradient, so banding does not apply, whatever the image does."""
    scene = shoe_scene(white=False)
    banded = read(scene.expected, posterise(scene.expected, scene.expected.display))["banding"]
    assert verdict(banded) == "not_applicable"


@pytest.mark.parametrize("sigma", [6.0, 8.0])
@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_noise_reads_its_sigma(white: bool, sigma: float) -> None:
    scene = shoe_scene(white=white)
    reading = read(scene.expected, add_noise(scene.expected, scene.expected.display, sigma=sigma))["noise"]
    assert reading.value == pytest.approx(sigma, rel=0.15)
    assert verdict(reading) == "fail"


@pytest.mark.parametrize("jpeg", [None, 92, 85])
def test_a_composited_background_is_pure(scene: Scene, jpeg: int | None) -> None:
    reading = read(scene.expected, scene.observed(jpeg=jpeg))["impure_share"]
    assert verdict(reading) == "pass"
    assert (reading.value or 0.0) <= 0.0005


@pytest.mark.parametrize("code", [254, 250])
def test_an_almost_white_background_fails(scene: Scene, code: int) -> None:
    reading = read(scene.expected, tint_background(scene.expected, scene.expected.display, code=code))["impure_share"]
    assert reading.value == pytest.approx(1.0)
    assert verdict(reading) == "fail"


def test_other_stages_have_no_white_to_keep() -> None:
    scene = shoe_scene(white=False)
    assert verdict(read(scene.expected, scene.expected.display)["impure_share"]) == "not_applicable"


def test_burnt_pixels_count_only_where_they_should_not_be(scene: Scene) -> None:
    clean = read(scene.expected, scene.expected.display)["clipped_share"]
    burnt = read(scene.expected, overexpose(scene.expected, scene.expected.display, share=0.1))["clipped_share"]
    assert clean.value == 0.0
    assert burnt.value == pytest.approx(0.1, abs=0.02)
    assert verdict(burnt) == "fail"


@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_floating_product_reads_the_share_of_its_shadow_that_is_gone(white: bool, share: float) -> None:
    scene = shoe_scene(white=white)
    image = lift_off(scene.expected, scene.observed(jpeg=92), share=share)
    reading = read(scene.expected, image)["missing_contact"]
    assert reading.value == pytest.approx(share, abs=0.1)
    assert verdict(reading) == ("fail" if share > 0.5 else "pass")


def test_softer_light_keeps_the_product_on_its_ground(scene: Scene) -> None:
    ground = scene.expected.alpha == 0
    soft = gaussian_filter(scene.expected.display.astype(np.float32), (2, 2, 0))
    image = np.where(ground[..., None], soft, scene.expected.display).astype(np.uint8)
    assert verdict(read(scene.expected, image)["missing_contact"]) == "pass"


def test_a_stage_without_shadow_cannot_lose_one(scene: Scene) -> None:
    bare = scene.expected.display.copy()
    bare[scene.expected.alpha == 0] = 255
    plain = replace(scene.expected, display=bare)
    reading = read(plain, bare)["missing_contact"]
    assert not reading.applicable
    assert "no contact shadow" in reading.reason


def test_an_image_cannot_make_a_reading_inapplicable(scene: Scene) -> None:
    """What applies is decided by the faithful picture alone: a blank image loses readings, it never escapes them."""
    applies = {name for name, m in read(scene.expected, scene.expected.display).items() if m.applicable}
    for blank in (0, 255):
        readings = read(scene.expected, np.full_like(scene.expected.display, blank))
        assert {name for name, m in readings.items() if m.applicable} == applies
        assert "fail" in {verdict(m) for m in readings.values()}


def test_all_readings_share_one_pass(scene: Scene) -> None:
    large = shoe_scene(1200, 1000)
    started = time.process_time()
    artefacts(large.expected, large.expected.display, ())
    assert time.process_time() - started < 1.2  # 0.15 s on one quiet core


def test_a_rim_of_plain_white_beside_the_shadow_is_a_halo(scene: Scene) -> None:
    rim = maximum_filter(scene.expected.alpha > 0, 13) & (scene.expected.alpha == 0)
    image = scene.expected.display.copy()
    image[rim] = 255
    assert verdict(read(scene.expected, image)["halo"]) == "fail"


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
