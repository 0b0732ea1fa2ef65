"""Which way a product faces: the manifest, else a heuristic by category, else unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Axis, Front

# Categories whose models are usually built to glTF's convention, front = +Z. No more than a convention.
_CONVENTIONAL = frozenset({"box", "bottle", "mug", "appliance", "furniture", "toy", "jar"})
_CONVENTION_CONFIDENCE = 0.3
_END_SHARE = 0.25          # length of toe and heel that is compared
_CERTAIN_DIFFERENCE = 0.35  # of the product's height: from here on the toe is certain


def find_front(positions: NDArray[Any], category: str, manifest: Axis | None) -> Front:
    """``positions`` (V, 3) in metres, +Y up."""
    if manifest is not None:
        return Front(manifest, 1.0, "manifest")
    if category == "footwear":
        return _toe(positions)
    if category in _CONVENTIONAL:
        return Front("+z", _CONVENTION_CONFIDENCE, "heuristic")
    return Front()


def _toe(positions: NDArray[Any]) -> Front:
    """A shoe is long, and its toe is lower than its heel and collar.

    Compares the height that the two end quarters of the longer horizontal axis reach.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    extent = high - low
    long_axis = 0 if extent[0] >= extent[2] else 2
    if extent[long_axis] <= 0 or extent[1] <= 0:
        return Front()
    along = (positions[:, long_axis] - low[long_axis]) / extent[long_axis]
    height = (positions[:, 1] - low[1]) / extent[1]
    # A high percentile rather than the maximum: a heel loop or a lace end must not decide.
    near = np.percentile(height[along <= _END_SHARE], 95)
    far = np.percentile(height[along >= 1 - _END_SHARE], 95)
    difference = float(near - far)  # positive: the far end is lower
    elongation = float(extent[long_axis] / max(extent[2 - long_axis], 1e-9))
    confidence = min(abs(difference) / _CERTAIN_DIFFERENCE, 1.0) * min(max(elongation - 1.0, 0.0), 1.0)
    if confidence < 0.05:
        return Front()
    axes: tuple[Axis, Axis] = ("+x", "-x") if long_axis == 0 else ("+z", "-z")
    return Front(axes[0] if difference > 0 else axes[1], round(confidence, 3), "heuristic")
