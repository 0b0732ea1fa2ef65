"""How sure a mean over products is: paired bootstrap intervals.

Products are drawn with replacement, the same ones for every method, so that what makes a product hard drops out of
differences (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
RESAMPLES = 2000
COVERAGE = 0.95
SEED = 20240
_AT_ONCE = 200             # resamples held in memory together


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where 95 % of its resamples lie."""

    value: float
    low: float
    high: float
    products: int


def mean_interval(values: F64) -> Interval | None:
    """Of the mean over products; NaN where a product has no value. None where none has."""
    return ratio_interval(values, np.ones_like(values))


def difference_interval(values: F64, others: F64) -> Interval | None:
    """Of the mean of ``values`` − ``others``, over products that have both."""
    return mean_interval(values - others)


def ratio_interval(values: F64, others: F64) -> Interval | None:
    """Of mean(``values``) / mean(``others``), over products that have both."""
    both = np.isfinite(values) & np.isfinite(others)
    if not both.any():
        return None
    above, below = values[both], others[both]
    found = np.concatenate([above[drawn].mean(axis=1) / below[drawn].mean(axis=1) for drawn in _draws(len(above))])
    low, high = np.quantile(found, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(above.mean() / below.mean()), float(low), float(high), len(above))


def _draws(count: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(SEED)
    return [rng.integers(count, size=(min(_AT_ONCE, RESAMPLES - start), count))
            for start in range(0, RESAMPLES, _AT_ONCE)]
