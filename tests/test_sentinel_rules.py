"""Background, framing and delivery rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.sentinel import judge
from pipeline.sentinel.checks.background import background
from pipeline.sentinel.checks.delivery import delivery
from pipeline.sentinel.checks.framing import framing
from pipeline.sentinel.injectors import overexpose, tint_background
from pipeline.sentinel.types import Expected, Measurement
from tests.sentinel_scene import Scene, shoe_scene


def named(measurements: list[Measurement]) -> dict[str, Measurement]:
    return {m.estimator: m for m in measurements}


def verdict(reading: Measurement) -> str:
    return judge([reading])[0].verdict


@pytest.mark.parametrize("jpeg", [None, 92, 85])
def test_a_composited_background_is_pure(scene: Scene, jpeg: int | None) -> None:
    read = named(background(scene.expected, scene.observed(jpeg=jpeg), ()))
    assert {verdict(reading) for reading in read.values()} == {"pass"}
    assert (read["impure_share"].value or 0.0) <= 0.0005


@pytest.mark.parametrize("code", [254, 250])
def test_an_almost_white_background_fails(scene: Scene, code: int) -> None:
    reading = named(background(scene.expected, tint_background(scene.expected, scene.expected.display, code=code), ()))
    assert reading["impure_share"].value == pytest.approx(1.0)
    assert verdict(reading["impure_share"]) == "fail"


def test_a_halo_fails(scene: Scene) -> None:
    from scipy.ndimage import maximum_filter

    ring = maximum_filter(scene.expected.alpha > 0, 9) & (scene.expected.alpha == 0)
    image = scene.expected.display.copy()
    image[ring] = np.minimum(image[ring], 200)
    assert verdict(named(background(scene.expected, image, ()))["halo_share"]) == "fail"


def test_other_stages_have_no_white_to_keep() -> None:
    scene = shoe_scene(white=False)
    assert {verdict(m) for m in background(scene.expected, scene.expected.display, ())} == {"not_applicable"}


def test_framing_reads_fill_and_margin(scene: Scene) -> None:
    read = named(framing(scene.expected, scene.expected.display, ()))
    assert read["fill_share"].value == pytest.approx(0.84, abs=0.01)
    assert read["margin_share"].value == pytest.approx(0.08 * 480 / 400, abs=0.01)
    assert {verdict(m) for m in read.values()} == {"pass"}


def test_a_product_at_the_border_fails(scene: Scene) -> None:
    cropped = crop(scene.expected, 60)
    read = named(framing(cropped, cropped.display, ()))
    assert read["margin_share"].value == 0.0
    assert verdict(read["margin_share"]) == "fail"


def test_a_detail_shot_may_cut_the_product(scene: Scene) -> None:
    cropped = crop(scene.expected, 60)
    close = replace(cropped, shot=replace(cropped.shot, framed_region="tongue"))
    assert {verdict(m) for m in framing(close, close.display, ())} == {"not_applicable"}


def test_burnt_pixels_count_only_where_they_should_not_be(scene: Scene) -> None:
    clean = named(delivery(scene.expected, scene.expected.display, ()))["clipped_share"]
    burnt = named(delivery(scene.expected, overexpose(scene.expected, scene.expected.display, share=0.1), ()))
    assert clean.value == 0.0
    assert burnt["clipped_share"].value == pytest.approx(0.1, abs=0.02)
    assert verdict(burnt["clipped_share"]) == "fail"


def crop(expected: Expected, pixels: int) -> Expected:
    """The same picture without its left columns."""
    return replace(expected, display=expected.display[:, pixels:], plate=expected.plate[:, pixels:],
                   alpha=expected.alpha[:, pixels:])


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
