"""A benchmark that cannot fail proves nothing: switched-off injectors and checks that see nothing must show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps

import numpy as np
import pytest

from benchmarks.sentinel_pixels import PixelRow, try_injector
from pipeline.catalogue import Region
from pipeline.sentinel import Expected, Measurement, all_checks, image_verdict, judge, measure
from pipeline.sentinel.injectors import shift_colour_left
from pipeline.sentinel.registry import Check, Injector
from pipeline.sentinel.types import U8
from tests import test_sentinel_photo
from tests.sentinel_scene import NUISANCES, shoe_scene

PAIRS = [(check, injector) for check in all_checks() for injector in check.injectors]
NAMES = [f"{check.name}-{injector.__name__}" for check, injector in PAIRS]


def pictures() -> list[tuple[Expected, U8, Sequence[Region]]]:
    """Honest ones, through the mildest and the strongest of the scene's nuisances."""
    scene = shoe_scene()
    return [(scene.expected, scene.observed(**nuisance, seed=3), scene.regions) for nuisance in (NUISANCES[0],
                                                                                              NUISANCES[-1])]


def in_a_photo() -> list[tuple[Expected, U8, Sequence[Region]]]:
    expected = test_sentinel_photo.scene()
    return [(expected, expected.display, ()), (expected, test_sentinel_photo.jpeg(expected.display), ())]


def row_of(check: Check, injector: Injector) -> PixelRow:
    return try_injector(check, injector, in_a_photo() if check.name == "photo" else pictures())


def switched_off(injector: Injector) -> Injector:
    @wraps(injector)
    def off(expected: Expected, image: U8, regions: Sequence[Region] = ()) -> U8:
        return image.copy()

    return off


def blind(check: Check, readings: list[Measurement]) -> Check:
    """The check, reading the same of whatever it is shown."""
    measure: Callable[..., list[Measurement]] = lambda expected, observed, regions: readings  # noqa: E731
    return replace(check, measure=measure)


# These read the shot, not its pixels: tests/test_sentinel_delivery.py breaks shots instead.
GEOMETRIC = ("delivery",)


@pytest.fixture(scope="module")
def readings() -> dict[str, dict[str, list[Measurement]]]:
    """What every check says of an honest picture, and of each of its own defects in it."""
    expected, image, regions = pictures()[0]
    found: dict[str, dict[str, list[Measurement]]] = {}
    for check in all_checks():
        found[check.name] = {"honest": check.measure(expected, image, regions)}
        for injector in check.injectors:
            found[check.name][injector.__name__] = check.measure(expected, injector(expected, image, regions), regions)
    return found


@pytest.mark.parametrize(("check", "injector"), PAIRS, ids=NAMES)
def test_every_injected_defect_is_caught_and_honest_pictures_are_not(check: Check, injector: Injector) -> None:
    row = row_of(check, injector)
    assert row.holds, row


@pytest.mark.parametrize(("check", "injector"), PAIRS, ids=NAMES)
def test_a_row_fails_when_its_injector_is_switched_off(check: Check, injector: Injector) -> None:
    assert not row_of(check, switched_off(injector)).holds


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_a_check_that_always_reads_as_on_an_honest_picture_holds_no_row(
        check: Check, readings: dict[str, dict[str, list[Measurement]]]) -> None:
    rows = [row_of(blind(check, readings[check.name]["honest"]), injector) for injector in check.injectors]
    assert not any(row.holds for row in rows)


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_a_check_that_always_reads_a_defect_holds_no_row(
        check: Check, readings: dict[str, dict[str, list[Measurement]]]) -> None:
    for injector in check.injectors:
        assert not row_of(blind(check, readings[check.name][injector.__name__]), injector).holds


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_a_check_that_says_nothing_holds_no_row(check: Check) -> None:
    assert not any(row_of(blind(check, []), injector).holds for injector in check.injectors)


def test_every_check_has_an_injector_that_it_must_catch() -> None:
    """Without one a constant in its place would go unnoticed. Advisory checks stop no image."""
    required = [check.name for check in all_checks() if any(one.limit.required for one in check.estimators.values())
                and check.name not in GEOMETRIC]
    assert [name for name in required if name not in {check.name for check, _ in PAIRS}] == []


def test_every_required_estimator_is_moved_by_some_injector(readings: dict[str, dict[str, list[Measurement]]]) -> None:
    """A reading that no defect of its check moves could be a constant. The scene has no extremities to read."""
    unmoved = []
    for check in all_checks():
        honest = {(one.estimator, one.region): one.value for one in readings[check.name]["honest"]}
        read = {one.estimator for one in readings[check.name]["honest"] if one.applicable}
        moved = {one.estimator for injector in check.injectors for one in readings[check.name][injector.__name__]
                 if one.value != honest.get((one.estimator, one.region))}
        unmoved += [f"{check.name}.{name}" for name, estimator in check.estimators.items()
                    if estimator.limit.required and name in read - moved and check.name not in GEOMETRIC]
    assert unmoved == []


def test_a_colour_shift_that_cuts_off_a_channel_does_not_pass() -> None:
    """The shift drives a channel to its end over the whole product: few pixels stay comparable, and those look best."""
    scene = shoe_scene()
    image = scene.expected.display.copy()
    image[..., 0] = np.where(scene.expected.alpha > 0.5, 0, image[..., 0])
    assert image_verdict(judge(measure(scene.expected, image, scene.regions))) == "fail"
    colour = [score for score in judge(measure(scene.expected, image, scene.regions))
              if score.measurement.check == "colour_drift" and score.limit is not None and score.limit.required]
    assert {score.verdict for score in colour} & {"fail", "unmeasured"}
    assert not any(score.verdict == "pass" and score.measurement.coverage < 0.5 for score in colour)


def test_a_strong_drift_reads_worse_than_a_weak_one_or_not_at_all() -> None:
    scene = shoe_scene()
    [check] = [check for check in all_checks() if check.name == "colour_drift"]
    for delta_e in (4.0, 40.0):
        image = shift_colour_left(scene.expected, scene.expected.display, scene.regions, delta_e=delta_e)
        verdicts = {score.verdict for score in judge(check.measure(scene.expected, image, scene.regions))
                    if score.limit is not None and score.limit.required}
        assert verdicts & {"fail", "unmeasured"}, delta_e
