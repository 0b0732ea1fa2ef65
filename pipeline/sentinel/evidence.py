"""Crops that show a finding: expected on the left, observed on the right."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from pipeline.sentinel.types import U8, BBox, Expected, Measurement

_PADDING = 12      # px around the finding
_LARGEST = 320     # px of one side of a crop; larger ones are thinned
_GAP = 4           # px of white between the two


def bbox_of(mask: NDArray[np.bool_]) -> BBox | None:
    """Smallest box around the set pixels, or None where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def side_by_side(expected: Expected, observed: U8, bbox: BBox) -> U8:
    """(h, w, 3) the box and a little around it in both pictures."""
    width, height = expected.size
    x0, y0 = max(0, bbox[0] - _PADDING), max(0, bbox[1] - _PADDING)
    x1, y1 = min(width, bbox[2] + _PADDING), min(height, bbox[3] + _PADDING)
    step = max(1, -(-max(x1 - x0, y1 - y0) // _LARGEST))
    left, right = (picture[y0:y1:step, x0:x1:step] for picture in (expected.display, observed))
    gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def evidence_path(measurement: Measurement, shot: str) -> str:
    """Where a measurement's crop is kept inside the artefact; regions may hold any character."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", measurement.region)
    if plain != measurement.region:
        plain += "-" + hashlib.sha256(measurement.region.encode()).hexdigest()[:6]
    return f"evidence/{shot}/{measurement.check}.{measurement.estimator}.{plain}.png"
