"""The parts of the Sentinel benchmark that can be checked without its pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import beta

from benchmarks.sentinel_nuisances import LARGEST, Nuisance, draw, seen_through
from benchmarks.sentinel_pixels import PixelRow
from benchmarks.sentinel_severity import displacement, softness
from pipeline.sentinel import engineering_limits
from pipeline.sentinel.calibration import calibrate
from tests.sentinel_scene import shoe_scene
from tests.test_sentinel_calibration import good_products

pytest.importorskip("torch")   # products come from the training families, whose samples know the networks' guides

from benchmarks.sentinel_calibration import refiner_of
from benchmarks.sentinel_defects import ROWS, SMEAR, misprint, rows_for
from benchmarks.sentinel_products import DAMAGED, families_by_split, plans
from benchmarks.sentinel_scoring import sights, stamp
from benchmarks.sentinel_table import (
    READERS,
    REASONS,
    TARGETS,
    Judged,
    auc,
    false_alarms,
    lines,
    page,
    roc,
    upper_bound,
)


def test_plans_keep_the_splits_and_are_balanced_from_the_start() -> None:
    made, split = plans(), families_by_split()
    assert len({plan.name for plan in made}) == len(made)
    assert {plan.family for plan in made if plan.split == "calibration"} == set(split["calibration"])
    assert {plan.family for plan in made if plan.damaged} == set(DAMAGED) <= set(split["test"])
    assert len([plan for plan in made if plan.split == "test"]) >= 150
    assert len([plan for plan in made if plan.split == "calibration"]) >= 132  # 99 beside a quarter for scales
    first = Counter(plan.split for plan in made[:len(made) // 4])
    assert min(first.values()) >= 0.35 * max(first.values())


def test_every_row_has_a_reading_of_a_registered_check_and_products_enough() -> None:
    assert set(READERS) == set(ROWS)
    assert {key for keys in READERS.values() for key in keys} <= set(engineering_limits())
    assert {name for name, _ in TARGETS} <= set(ROWS)
    assert all(size in ROWS[name].severities for name, size in TARGETS)
    share = Counter(row.name for number in range(12) for row in rows_for(number))
    assert set(share) == set(ROWS)
    assert min(share.values()) >= 3


@pytest.mark.parametrize("word", ["PELMORTRO", "OCEAN", "II"])
def test_a_misprint_changes_one_letter(word: str) -> None:
    changed = misprint(word)
    assert len(changed) == len(word)
    assert sum(a != b for a, b in zip(word, changed, strict=True)) == 1


def test_nuisances_stay_within_their_sizes() -> None:
    rng = np.random.default_rng(3)
    drawn = [draw(rng, white=False) for _ in range(300)]
    for field in fields(Nuisance):
        sizes = np.array([abs(getattr(one, field.name)) for one in drawn])
        assert 0.3 < (sizes > 0).mean() < 0.7, field.name
        if field.name == "jpeg":
            assert sizes[sizes > 0].min() >= 85
            assert sizes.max() <= 96
        else:
            assert sizes.max() <= getattr(LARGEST, field.name)
    assert not any(draw(rng, white=True).balance for _ in range(50))
    assert Nuisance().names == "plain"


def test_an_untouched_picture_stays_itself_and_a_white_backdrop_white() -> None:
    scene = shoe_scene()
    display, alpha, rng = scene.expected.display, scene.expected.alpha, np.random.default_rng(1)
    np.testing.assert_array_equal(seen_through(Nuisance(), display, alpha, True, rng), display)
    seen = seen_through(Nuisance(relight=0.1, exposure=-0.1, noise=1.0), display, alpha, True, rng)
    far = gaussian_filter((alpha > 0).astype(np.float32), 3.0) == 0
    np.testing.assert_array_equal(seen[far], display[far])
    ratio = seen[alpha > 0.99].astype(float).mean() / display[alpha > 0.99].mean()
    assert 0.85 < ratio < 1.0


def test_displacement_reads_a_moved_edge() -> None:
    y, x = np.mgrid[0:80, 0:80]

    def disc(radius: float) -> NDArray[np.float32]:
        return np.asarray(np.clip(radius + 0.5 - np.hypot(x - 40, y - 40), 0, 1), np.float32)

    everywhere = np.ones((80, 80), bool)
    for depth in (0.0, 1.0, 2.5):
        assert displacement(disc(25.0), disc(25.0 - depth), everywhere) == pytest.approx(depth, abs=0.15)
    assert displacement(disc(25.0), disc(22.0), np.zeros((80, 80), bool)) == 0.0


@pytest.mark.parametrize("sigma", [0.8, 1.2, 3.0])
def test_softness_reads_a_blur(sigma: float) -> None:
    luma = np.random.default_rng(0).uniform(0, 255, (64, 64))
    where = np.zeros((64, 64), bool)
    where[12:52, 12:52] = True
    assert softness(luma, gaussian_filter(luma, sigma), where) == pytest.approx(sigma, abs=0.06)


def test_auc_and_curve() -> None:
    worse, better = np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0])
    assert auc(worse, better) == pytest.approx((8 + 0.5) / 9)
    assert auc(better, better) == 0.5
    assert np.isnan(auc([], better))
    false, true = roc(worse, better)
    assert np.trapezoid(true, false) == pytest.approx(auc(worse, better))


def test_false_alarms_are_bounded_by_products_not_by_pictures() -> None:
    def honest(products: int, each: int, failing: int) -> pd.DataFrame:
        """The first ``failing`` products fail in all of their pictures."""
        names = np.repeat([f"p{k}" for k in range(products)], each)
        fails = np.repeat(np.arange(products) < failing, each)
        return pd.DataFrame({"product": names, "fails": fails, "by": np.where(fails, "check.estimator", "")})

    none = false_alarms(honest(150, 8, 0))
    assert none.share == 0.0
    assert none.upper == pytest.approx(1 - 0.05 ** (1 / 150), rel=1e-3)  # the rule of three, of products
    few, many = false_alarms(honest(150, 8, 2)), false_alarms(honest(1200, 1, 16))
    assert few.share == many.share
    assert few.upper > 1.5 * many.upper
    assert few.by == {"check.estimator": 16}


@settings(deadline=None, max_examples=30)
@given(st.integers(30, 300), st.integers(1, 6), st.floats(0.005, 0.2), st.integers(0, 10_000))
def test_a_bound_counts_what_is_independent(products: int, each: int, share: float, seed: int) -> None:
    """Pictures that fail by themselves are as good as trials; those that fail with their product are one."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(products), each)
    together = np.repeat(rng.random(products) < share, each)
    assume(together.any() and not together.all())
    k = int(together.sum()) // each
    exact = float(beta.ppf(0.95, k + 1, products - k))
    assert upper_bound(together, cluster) == pytest.approx(exact, rel=0.06)
    alone = np.zeros(products * each, np.bool_)
    alone[rng.permutation(products)[:k] * each] = True      # one picture of k products
    independent = float(beta.ppf(0.95, k + 1, products * each - k))
    assert upper_bound(alone, cluster) == pytest.approx(independent, rel=0.06)


def test_a_row_of_pixels_holds_only_with_both() -> None:
    assert PixelRow("c", "i", 20, 20, 20, 0).holds
    assert not PixelRow("c", "i", 20, 10, 20, 0).holds
    assert not PixelRow("c", "i", 20, 20, 20, 20).holds
    assert not PixelRow("c", "i", 0, 0, 20, 0).holds


def measurements(dents: dict[str, list[float]]) -> Judged:
    """Readings of the toe: by "honest" or a dent's size, one per product."""
    rows = []
    for kind, values in dents.items():
        defect, size = ("", 0.0) if kind == "honest" else ("toe dent", float(kind))
        rows += [{"product": f"boot-{k:03d}", "family": "boot", "split": "test", "raster": False, "shot": "whole",
                  "stage": "white", "file": f"{kind}.png", "source": "traced", "defect": defect, "nominal": size,
                  "injected": size, "visible": 9.0, "hit": "toe", "note": "", "nuisance": "plain",
                  "seen": f"whole/{kind}.png/0", "check": "silhouette", "estimator": "toe_deviation_max",
                  "region": "toe", "value": value, "unit": "px", "coverage": 1.0, "applicable": True, "reason": "",
                  "seconds": 0.1, "stamp": ""} for k, value in enumerate(values)]
    return Judged.of(pd.DataFrame(rows))


def test_the_table_tells_dents_from_honest_pictures() -> None:
    found = measurements({"honest": [0.3, 0.4, 0.5, 0.6], "4": [3.9, 3.8, 4.1, 4.0]})
    [line] = lines(found)
    assert (line.products, line.images, line.not_applicable) == (4, 4, 0)
    assert line.auc == line.auc_image == line.caught == line.caught_image == 1.0
    assert line.ratio == pytest.approx(0.99, abs=0.01)
    text = page(found, lines(found))
    assert "| toe dent | 4 px | 4 | 4 | 0 | 1.000 | 1.000 | ≥ 0.99 ✓ | 100% | 100% | 100% | 0.99 |" in text
    assert "## Calibrated limits\n\nNone is shipped." in text


def test_calibrated_limits_catch_what_engineering_limits_let_pass() -> None:
    raw = measurements({"honest": [0.3, 0.35, 0.4, 0.45], "1": [1.2, 1.3, 1.25, 1.2]}).readings
    raw = raw.drop(columns=["key", "verdict", "excess", "required", "picture"])
    calibration = calibrate(good_products(200, refiner=refiner_of("embedded"), size=(640, 640)))
    found = Judged.of(raw, calibration)
    [line] = lines(found)
    assert (line.caught, line.caught_image, line.caught_calibrated) == (0.0, 0.0, 1.0)
    assert calibration.id in page(found, [line])
    assert not found.stricter.loc[found.stricter["defect"] == "", "fails"].any()


def test_a_target_that_is_missed_stands_in_the_table() -> None:
    found = measurements({"honest": [0.3, 0.4, 0.5, 0.6], "4": [0.3, 0.4, 0.5, 0.6]})
    [line] = lines(found)
    assert (line.auc, line.caught) == (0.5, 0.0)
    text = page(found, lines(found))
    assert "≥ 0.99 ✗" in text
    assert f"- toe dent 4 px: AUC 0.500, 0.99 wanted: {REASONS['toe dent']}." in text
    assert "- toe dent 4 px: reads 0.11 of what was put in, 0.8 to 1.2 wanted" in text


def test_what_cannot_be_measured_is_caught_and_what_does_not_apply_is_counted_apart() -> None:
    found = measurements({"honest": [0.3, 0.4, 0.5], "4": [float("nan"), 4.0, 4.0]})
    assert lines(found)[0].caught == 1.0
    raw = found.readings.drop(columns=["key", "verdict", "excess", "required", "picture"])
    raw.loc[(raw["defect"] == "toe dent") & raw["value"].isna(), "applicable"] = False
    found = Judged.of(raw)
    [line] = lines(found)
    assert (line.images, line.not_applicable, line.caught) == (3, 1, 1.0)


def test_sights_look_at_every_damaged_picture_twice_and_inject_into_one_shot() -> None:
    def picture(shot: str, source: str, defect: str = "") -> dict[str, object]:
        return {"shot": shot, "file": f"{shot}.{source}{defect}.png", "source": source, "defect": defect}

    about = {"split": "test", "shots": ["whole", "detail"], "pictures": [
        picture("whole", "traced"), picture("detail", "traced"), picture("whole", "traced", "toe dent")]}
    found = list(sights(about))
    assert len({one.name for one in found}) == len(found)
    assert [one.look for one in found if one.picture["defect"]] == [0, 1]
    shots = {one.injected: one.picture["shot"] for one in found if one.injected}
    assert (shots["silhouette.dent_toe"], shots["stitching.erase_row"]) == ("whole", "detail")
    about["pictures"] = about["pictures"][:2]
    assert not any(one.injected for one in sights(about))


def test_a_check_is_measured_again_when_what_it_is_made_of_changes() -> None:
    from pipeline.sentinel import all_checks

    stamps = {check.name: stamp(check) for check in all_checks()}
    assert len(set(stamps.values())) == len(stamps)
    assert SMEAR[0] > SMEAR[1]  # a smear has a direction
