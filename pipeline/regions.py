"""Which points of a texture lie in a region: the geometry that every room agrees on.

>>> in_region(uv, region)          # (n,) bool for (n, 2) uv points
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region

DEFAULT_STITCH_WIDTH = 0.01    # uv, where a stitching region gives none


def in_region(uv: NDArray[np.floating], region: Region) -> NDArray[np.bool_]:
    """Which of (n, 2) uv points lie in the region's polygon, or in the band around its path."""
    if region.kind == "stitching":
        return near_path(uv, region.path, (region.width or DEFAULT_STITCH_WIDTH) / 2)
    return in_polygon(uv, region.polygon)


def in_polygon(points: NDArray[np.floating], polygon: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Even-odd rule for (n, 2) points."""
    if len(polygon) < 3:
        return np.zeros(len(points), bool)
    corners = np.asarray(polygon, np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    inside = ((points >= low) & (points <= high)).all(axis=1)
    x, y = points[inside].T.astype(np.float64)
    odd = np.zeros(x.shape, bool)
    for (xa, ya), (xb, yb) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ya != yb:
            odd ^= ((ya > y) != (yb > y)) & (x < (xb - xa) * (y - ya) / (yb - ya) + xa)
    inside[inside] = odd
    return np.asarray(inside)


def near_path(points: NDArray[np.floating], path: Sequence[tuple[float, float]], radius: float) -> NDArray[np.bool_]:
    """Which of (n, 2) points lie within ``radius`` of a polyline."""
    near = np.zeros(len(points), bool)
    line = np.asarray(path, np.float64)
    # Most points are far from the whole path, and most of the others from each of its segments.
    around = np.flatnonzero(_in_box(points, line.min(axis=0) - radius, line.max(axis=0) + radius))
    close = points[around].astype(np.float64)
    for a, b in pairwise(line):
        chosen = np.flatnonzero(_in_box(close, np.minimum(a, b) - radius, np.maximum(a, b) + radius))
        along, offset = b - a, close[chosen] - a
        share = np.clip(offset @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        within = ((offset - share[:, None] * along) ** 2).sum(axis=1) <= radius**2
        near[around[chosen[within]]] = True
    return near


def _in_box(points: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    x, y = points.T
    return np.asarray((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
