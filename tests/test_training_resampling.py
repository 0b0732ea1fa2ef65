"""Intervals over products, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from training.resampling import difference_interval, mean_interval, ratio_interval

RNG = np.random.default_rng(4)
HARD = RNG.normal(25.0, 6.0, 200)  # some products are hard for every method
OTHER = HARD + 1.0 + RNG.normal(0.0, 0.5, 200)


def test_the_interval_is_as_wide_as_the_standard_error_says() -> None:
    found = mean_interval(HARD)
    assert found is not None
    error = HARD.std(ddof=1) / np.sqrt(len(HARD))
    assert found.value == pytest.approx(HARD.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found.low < found.value < found.high


def test_pairs_make_differences_sure() -> None:
    found = difference_interval(OTHER, HARD)
    alone = mean_interval(HARD)
    assert found is not None
    assert alone is not None
    assert found.value == pytest.approx(1.0, abs=0.1)
    assert found.high - found.low < 0.2 * (alone.high - alone.low)


def test_the_same_data_give_the_same_interval() -> None:
    assert mean_interval(HARD) == mean_interval(HARD.copy())


def test_products_without_a_value_are_left_out_in_pairs() -> None:
    gaps = HARD.copy()
    gaps[:150] = np.nan
    found = ratio_interval(2.0 * HARD, gaps)
    assert found is not None
    assert found.products == 50
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    assert mean_interval(np.full(3, np.nan)) is None
