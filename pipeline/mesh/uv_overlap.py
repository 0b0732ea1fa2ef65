"""How much of a texture is used more than once: mirrored halves, stacked parts, tiling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.weld import I64

_SIZE = 512            # texels of the test grid along u and v
_LEAST = 16            # coarser grids say nothing
_MAX_SAMPLES = 8_000_000
_CHUNK = 1_000_000     # samples in memory at once
# Sample points lie off every regular grid of uv coordinates, so that two triangles of one edge never share one.
_OFF_U, _OFF_V = 0.5 + 0.0317, 0.5 - 0.0713


def overlapping_uv_share(uv: NDArray[Any] | None, triangles: I64, layer: NDArray[Any]) -> float:
    """Share 0..1 of the uv area whose texels belong to another triangle as well, wrapped into the unit square.

    ``uv`` (V, 2), ``triangles`` (T, 3), ``layer`` (T,): triangles of different layers have different
    textures and cannot overlap. Counted at the sample points of a 512² grid that triangles cover.
    """
    if uv is None or not len(triangles):
        return 0.0
    # Whole tiles away from zero, float32 would lose the place within the tile: the triangle's own tile counts.
    corners = [np.ascontiguousarray(uv[:, k])[triangles.T].astype(np.float64) for k in range(2)]  # each (3, T)
    for values in corners:
        values -= np.floor(values[0])
    lows, highs = ([np.minimum.reduce(values) for values in corners], [np.maximum.reduce(values) for values in corners])
    size = _SIZE
    while size >= _LEAST and float(np.prod([(high - low) * size + 1 for low, high in zip(lows, highs, strict=True)],
                                           axis=0).sum()) > _MAX_SAMPLES:
        size //= 2
    if size < _LEAST:
        return 1.0  # triangles over thousands of tiles
    low, high = (np.stack([np.ceil(values * size - off).astype(np.int64) - shift
                           for values, off in zip(bounds, (_OFF_U, _OFF_V), strict=True)], axis=1)
                 for bounds, shift in ((lows, 0), (highs, 1)))
    wide = np.maximum(high - low + 1, 0)
    samples = wide[:, 0] * wide[:, 1]
    some = np.flatnonzero(samples)
    hits = np.zeros(size * size * (int(layer.max()) + 1), np.int64)
    ends = np.cumsum(samples[some])
    begin = 0
    while begin < len(some):
        done = ends[begin - 1] if begin else 0
        stop = max(int(np.searchsorted(ends, done + _CHUNK)), begin + 1)
        chosen = some[begin:stop]
        own = np.stack([values[:, chosen].T for values in corners], axis=2) * size
        hits += np.bincount(_covered(own, low[chosen], wide[chosen], layer[chosen], size), minlength=len(hits))
        begin = stop
    covered = int(hits.sum())
    return float(hits[hits > 1].sum()) / covered if covered else 0.0


def _covered(corners: NDArray[np.float64], low: I64, wide: I64, layer: NDArray[Any], size: int) -> I64:
    """Numbers of the sample points inside each triangle, one entry per point and triangle."""
    count = wide[:, 0] * wide[:, 1]
    owner = np.repeat(np.arange(len(corners)), count)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    column = low[owner, 0] + within % wide[owner, 0]
    row = low[owner, 1] + within // wide[owner, 0]
    x, y = column + _OFF_U, row + _OFF_V
    sides = []
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        along = b - a
        sides.append(along[owner, 0] * (y - a[owner, 1]) - along[owner, 1] * (x - a[owner, 0]))
    inside = ((sides[0] > 0) & (sides[1] > 0) & (sides[2] > 0)) | ((sides[0] < 0) & (sides[1] < 0) & (sides[2] < 0))
    return np.asarray((layer[owner][inside].astype(np.int64) * size + row[inside] % size) * size
                      + column[inside] % size)
