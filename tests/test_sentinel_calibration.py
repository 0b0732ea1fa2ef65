"""Calibrated limits: stricter than engineering or equal, counted in products, and right as often as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SentinelError
from pipeline.sentinel import VERSION, Measurement, Verdict, engineering_limits, image_verdict, judge
from pipeline.sentinel.calibration import (
    Calibration,
    Sample,
    calibrate,
    calibration_id,
    calibration_warning,
    from_yaml,
    largest_excess,
    products_needed,
    refiner_id,
    resolution_class,
    to_yaml,
)
from pipeline.settings import LimitEntry

REFINER = refiner_id("embedded", "1:abc")
SIZE = (1080, 1080)
# reading, region, typical value and spread of a good image; all far from their engineering limits
GOOD = (("silhouette.contour_deviation_max", "product", 0.5, 0.12), ("silhouette.toe_deviation_max", "toe", 0.3, 0.08),
        ("colour_drift.material_delta_e", "material:upper", 0.8, 0.2),
        ("colour_drift.material_delta_e", "material:sole", 0.8, 0.2),
        ("colour_drift.left_right_delta_e", "material:upper", 0.6, 0.15))
SHOTS = ("hero", "square", "top")


def reading(key: str, region: str, value: float | None, coverage: float = 1.0) -> Measurement:
    check, estimator = key.split(".")
    return Measurement(check, estimator, region, value, "", coverage)


def good_products(count: int, seed: int = 0, refiner: str = REFINER, size: tuple[int, int] = SIZE,
                  wider: float = 1.0) -> list[Sample]:
    """Images of good products; a product's shots share most of what is odd about it."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        odd = rng.normal(size=len(GOOD))
        for shot in SHOTS:
            own = 0.8 * odd + 0.6 * rng.normal(size=len(GOOD))
            samples.append(Sample(f"product-{seed}-{number}", shot, refiner, size, [
                reading(key, region, abs(typical + wider * spread * z))
                for (key, region, typical, spread), z in zip(GOOD, own, strict=True)]))
    return samples


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(good_products(200))


def judged(sample: Sample, calibration: Calibration | None) -> Verdict:
    return image_verdict(judge(sample.measurements, {}, calibration, sample.refiner, sample.size))


def alarms(samples: list[Sample], calibration: Calibration) -> float:
    """Share of products with an image that fails."""
    failed = {sample.product for sample in samples if judged(sample, calibration) == "fail"}
    return len(failed) / len({sample.product for sample in samples})


def test_products_are_counted_and_not_images(calibration: Calibration) -> None:
    [group] = calibration.groups
    assert (group.refiner, group.resolution) == (REFINER, "medium")
    assert group.products == calibration.products == 150    # the other 50 gave location and scale
    assert {(cell.estimator, cell.region, cell.products) for cell in group.cells} == {
        (key.split(".")[1], region.split(":")[0], 50) for key, region, _, _ in GOOD}
    limit = judge([reading(*GOOD[0][:2], 0.5)], {}, calibration, REFINER, SIZE)[0].limit
    assert limit is not None
    assert (limit.source, limit.n) == ("calibrated", 150)
    assert 0.5 < limit.fail < engineering_limits()[GOOD[0][0]].fail


def test_new_good_products_rarely_alarm_and_a_defect_that_engineering_warns_of_does() -> None:
    shares = [alarms(good_products(200, seed + 100), calibrate(good_products(200, seed))) for seed in range(5)]
    assert np.mean(shares) <= 0.015            # α is 1 % of products on average over calibrations
    dent = reading("silhouette.contour_deviation_max", "product", 1.5)
    calibration = calibrate(good_products(200))
    assert judge([dent])[0].verdict == "warn"
    assert judge([dent], {}, calibration, REFINER, SIZE)[0].verdict == "fail"


def test_what_alarms_exceeds_the_joint_limit_and_is_seen(calibration: Calibration) -> None:
    limit = calibration.groups[0].excess
    assert limit is not None
    verdicts = []
    for sample in good_products(60, seed=7, wider=5.0):
        excess = largest_excess(sample.measurements, calibration, REFINER, SIZE)
        warned = image_verdict(judge(sample.measurements)) != "pass"
        verdicts.append(judged(sample, calibration))
        if verdicts[-1] == "fail":
            assert excess > limit
            assert warned
    assert {"pass", "fail"} <= set(verdicts)


def test_what_nobody_sees_does_not_fail_however_alike_good_images_are() -> None:
    """Images of drawn light differ by hundredths; a drift of half a ΔE00 is invisible all the same."""
    alike = calibrate(good_products(140, wider=0.01))
    for key, region, typical, _ in GOOD:
        warn = engineering_limits()[key].warn
        assert warn is not None
        assert typical < 0.9 * warn
        [score] = judge([reading(key, region, 0.99 * warn)], {}, alike, REFINER, SIZE)
        assert score.verdict == "pass"
        [score] = judge([reading(key, region, 1.01 * warn)], {}, alike, REFINER, SIZE)
        assert score.verdict == "fail"


def test_what_a_shop_asks_for_is_not_calibrated() -> None:
    """How much of the frame good images happen to fill is no reason to refuse another composition."""
    samples = [replace(sample, measurements=[*sample.measurements, reading("delivery.fill_share", "product", 0.85)])
               for sample in good_products(140)]
    calibration = calibrate(samples)
    assert not [cell for group in calibration.groups for cell in group.cells if cell.check == "delivery"]
    assert judge([reading("delivery.fill_share", "product", 0.6)], {}, calibration, REFINER, SIZE)[0].verdict == "pass"


@pytest.mark.parametrize("wider", [1.0, 3.0, 40.0])
def test_a_poor_good_set_never_loosens_a_limit(wider: float) -> None:
    calibration = calibrate(good_products(140, wider=wider))
    for key, region, _, _ in GOOD:
        limit = judge([reading(key, region, 0.1)], {}, calibration, REFINER, SIZE)[0].limit
        assert limit is not None
        assert limit.fail <= engineering_limits()[key].fail
        assert limit.warn is None or limit.warn <= limit.fail


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(engineering_limits())), st.floats(-3, 3), st.floats(0, 2), st.floats(-5, 5))
def test_calibrated_verdicts_are_as_strict_as_engineering_ones(key: str, typical: float, spread: float, value: float
                                                               ) -> None:
    rank = {"pass": 0, "warn": 1, "fail": 2, "unmeasured": 2}
    rng = np.random.default_rng(1)
    samples = [Sample(f"p{i}", "hero", REFINER, SIZE, [reading(key, "product", typical + spread * rng.normal()),
                                                       reading(GOOD[0][0], "part", 0.1)]) for i in range(140)]
    calibration = calibrate(samples)
    plain = judge([reading(key, "product", value)])[0]
    strict = judge([reading(key, "product", value)], {}, calibration, REFINER, SIZE)[0]
    assert rank[strict.verdict] >= rank[plain.verdict]
    assert strict.score is None or plain.score is None or strict.score <= plain.score + 1e-9
    perfect = judge([reading(key, "product", engineering_limits()[key].perfect)], {}, calibration, REFINER, SIZE)[0]
    assert perfect.verdict == "pass"


def test_too_few_products_are_refused_with_the_number_needed() -> None:
    needed = products_needed(0.01)
    assert needed == 132                       # 99 for the quantile and a quarter of all for location and scale
    calibrate(good_products(needed))
    with pytest.raises(SentinelError) as caught:
        calibrate(good_products(needed - 1))
    assert caught.value.code == "too_few_products"
    assert str(needed) in caught.value.message
    assert str(needed - 1) in caught.value.message
    assert products_needed(0.2) == 29          # 8 for location and scale, whatever α is
    calibrate(good_products(29), alpha=0.2)
    with pytest.raises(SentinelError, match="28 products"):
        calibrate(good_products(28), alpha=0.2)
    with pytest.raises(SentinelError, match="0 products"):
        calibrate([])
    with pytest.raises(SentinelError) as caught:
        calibrate(good_products(200), alpha=1.0)
    assert caught.value.code == "alpha_invalid"


def test_cells_and_groups_with_too_few_products_keep_engineering_and_say_so(calibration: Calibration) -> None:
    rare = good_products(140)
    for number, sample in enumerate(rare):
        if number < 12:
            rare[number] = replace(sample, measurements=[
                *sample.measurements, reading("colour_drift.tile_delta_e", "product", 0.2)])
    few = calibrate([*rare, *good_products(20, refiner="other 2")])
    seldom = judge([reading("colour_drift.tile_delta_e", "product", 0.2)], {}, few, REFINER, SIZE)[0]
    assert seldom.limit == engineering_limits()["colour_drift.tile_delta_e"]
    assert seldom.limit.n == 0
    assert [(group.refiner, group.excess is None) for group in few.groups] == [(REFINER, False), ("other 2", True)]
    other = judge([reading(*GOOD[0][:2], 0.2)], {}, few, "other 2", SIZE)[0]
    assert other.limit == engineering_limits()[GOOD[0][0]]
    for refiner, size in ((REFINER, (300, 300)), ("embedded 2:abc", SIZE)):
        limit = judge([reading(*GOOD[0][:2], 0.2)], {}, calibration, refiner, size)[0].limit
        assert limit == engineering_limits()[GOOD[0][0]]


def test_a_number_in_the_catalogue_is_final(calibration: Calibration) -> None:
    key, region = GOOD[0][:2]
    lax = judge([reading(key, region, 3.0)], {key: LimitEntry(fail=4.0)}, calibration, REFINER, SIZE)[0]
    assert lax.limit is not None
    assert (lax.limit.fail, lax.limit.source) == (4.0, "catalogue")
    advisory = judge([reading(key, region, 3.0)], {key: LimitEntry(required=False)}, calibration, REFINER, SIZE)[0]
    assert advisory.limit is not None
    assert (advisory.limit.required, advisory.limit.source) == (False, "calibrated")


def test_readings_that_do_not_count_move_nothing(calibration: Calibration) -> None:
    noisy = [replace(sample, measurements=[
        *sample.measurements, reading("silhouette.contour_deviation_max", "product", None),
        reading("silhouette.contour_deviation_max", "product", 50.0, coverage=0.1),
        replace(reading("silhouette.contour_deviation_max", "product", 50.0), applicable=False),
        reading("of_an_older_version.gone", "product", 50.0),
        reading("colour_drift.backdrop_delta_e", "background", 50.0)]) for sample in good_products(200)]
    assert calibrate(noisy) == calibration     # the last is advisory
    assert calibrate(reversed(good_products(200))) == calibration


def test_warnings_name_what_is_missing(calibration: Calibration) -> None:
    assert calibration_warning(calibration, REFINER) == ""
    assert calibration_warning(calibration, REFINER, SIZE) == ""
    assert "engineering limits alone" in calibration_warning(None, REFINER)
    changed = calibration_warning(calibration, "embedded 2:def")
    assert REFINER in changed
    assert "embedded 2:def" in changed
    assert "packshot calibrate" in changed
    assert "small" in calibration_warning(calibration, REFINER, (300, 400))
    older = replace(calibration, sentinel_version=VERSION + 1)
    assert "Sentinel version" in calibration_warning(older, REFINER)
    assert judge([reading(*GOOD[0][:2], 0.2)], {}, older, REFINER, SIZE)[0].limit == engineering_limits()[GOOD[0][0]]


def test_the_file_is_its_id(calibration: Calibration) -> None:
    text = to_yaml(calibration)
    assert from_yaml(text, "good.yaml") == calibration
    assert text.startswith(f"id: {calibration.id}\n")
    assert calibration_id(calibration) == calibration.id
    assert calibration_id(None) == "engineering-1"
    assert replace(calibration, alpha=0.02).id != calibration.id
    with pytest.raises(SentinelError) as caught:
        from_yaml(text.replace("alpha: 0.01", "alpha: 0.2"), "edited.yaml")
    assert caught.value.code == "calibration_changed"


@pytest.mark.parametrize("text", ["", "- 1", "id: [", "groups: 3", "id: x\nalpha: 0.01\nsentinel_version: 1\n"
                                  "groups: []\nschema_version: 9\n"])
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(SentinelError) as caught:
        from_yaml(text, "bad.yaml")
    assert caught.value.code == "calibration_unreadable"
    assert "bad.yaml" in caught.value.message


@pytest.mark.parametrize(("size", "name"), [((640, 900), "small"), ((900, 641), "medium"), ((1920, 1080), "medium"),
                                            ((2000, 2000), "large"), ((8000, 4000), "huge")])
def test_classes_of_resolution(size: tuple[int, int], name: str) -> None:
    assert resolution_class(size) == name
