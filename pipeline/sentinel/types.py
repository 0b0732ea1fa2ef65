"""What Sentinel compares, what it measures, and what it concludes: three separate things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["pass", "warn", "fail", "unmeasured", "not_applicable"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One estimator's reading on one region of one image. Knows nothing of limits."""

    check: str                             # registry name, e.g. "silhouette"
    estimator: str                         # e.g. "contour_deviation_p99"
    region: str                            # "image", "product", "toe", "material:upper", "label:tongue#1", …
    value: float | None                    # None: could not be measured; never a stand-in number
    unit: str
    coverage: float                        # 0..1 share of what should be seen that could be used
    bbox: tuple[int, int, int, int] | None = None  # x0, y0, x1, y1 pixels of the evidence
    evidence: NDArray[np.uint8] | None = None      # (h, w, 3) crop that shows it, where a picture helps
    applicable: bool = True
    reason: str = ""                       # why not applicable or unmeasured; else a detail worth reading


@dataclass(frozen=True, slots=True)
class Limit:
    """When a value is too much (``direction`` "max") or too little ("min")."""

    fail: float
    warn: float | None = None
    direction: Literal["max", "min"] = "max"
    min_coverage: float = 0.5              # below it: unmeasured, which fails a required check
    required: bool = True
    source: Literal["engineering", "calibrated"] = "engineering"
    n: int = 0                             # products behind a calibrated limit


@dataclass(frozen=True, slots=True)
class Score:
    """A measurement judged."""

    measurement: Measurement
    limit: Limit | None
    verdict: Verdict
    score: float | None                    # 0..100, 50 at the failing limit; None where nothing was measured
    margin: float | None                   # signed distance to the failing limit in ``unit``; negative is bad
    sentence: str                          # in a merchandiser's words
