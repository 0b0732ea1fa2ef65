"""How much of a texture is used more than once: mirrored halves, stacked parts, tiling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.weld import I64

# Sample points of the test grid along u and v: few rows, because most triangles of a fine mesh then miss them all.
_GRIDS = ((1024, 128), (256, 32), (64, 8))
_MAX_SAMPLES = 8_000_000
_CHUNK = 1_000_000     # samples in memory at once
# Sample points lie off every regular grid of uv coordinates, so that two triangles of one edge never share one.
_OFF_U, _OFF_V = 0.5 + 0.0317, 0.5 - 0.0713


def overlapping_uv_share(uv: NDArray[Any] | None, triangles: I64, layer: NDArray[Any]) -> float:
    """Share 0..1 of the uv area whose texels belong to another triangle as well, wrapped into the unit square.

    ``uv`` (V, 2), ``triangles`` (T, 3), ``layer`` (T,): triangles of different layers have different
    textures and cannot overlap. Counted at the sample points of a grid that triangles cover.
    """
    if uv is None or not len(triangles):
        return 0.0
    for columns, rows in _GRIDS:
        v = _own_tile(uv[:, 1], triangles)
        low_v, tall = _samples(v, rows, _OFF_V)
        some = np.flatnonzero(tall > 0)
        u = _own_tile(uv[:, 0], triangles[some])
        low_u, wide = _samples(u, columns, _OFF_U)
        hit = wide > 0
        some, u, low_u, wide = some[hit], u[:, hit], low_u[hit], wide[hit]
        ends = np.cumsum(wide * tall[some])
        if len(ends) == 0:
            return 0.0
        if ends[-1] <= _MAX_SAMPLES:
            break
    else:
        return 1.0  # triangles over thousands of tiles
    corners = np.stack([u * columns, v[:, some] * rows], axis=-1).transpose(1, 0, 2)
    low, size = np.stack([low_u, low_v[some]], axis=1), np.stack([wide, tall[some]], axis=1)
    hits = np.zeros(columns * rows * (int(layer.max()) + 1), np.int64)
    begin = 0
    while begin < len(some):
        done = ends[begin - 1] if begin else 0
        stop = max(int(np.searchsorted(ends, done + _CHUNK)), begin + 1)
        part = slice(begin, stop)
        found = _covered(corners[part], low[part], size[part], layer[some[part]], columns, rows)
        hits += np.bincount(found, minlength=len(hits))
        begin = stop
    covered = int(hits.sum())
    return float(hits[hits > 1].sum()) / covered if covered else 0.0


def _own_tile(values: NDArray[Any], triangles: I64) -> NDArray[np.float64]:
    """(3, T) one coordinate of the corners, its triangle moved by whole tiles so that the first is in 0..1."""
    corners = np.ascontiguousarray(values)[triangles.T].astype(np.float64)
    corners -= np.floor(corners[0])
    return corners


def _samples(corners: NDArray[np.float64], size: int, off: float) -> tuple[I64, I64]:
    """First sample row or column that each triangle's bounding box holds, and how many."""
    low = np.ceil(np.minimum.reduce(corners) * size - off).astype(np.int64)
    return low, np.floor(np.maximum.reduce(corners) * size - off).astype(np.int64) - low + 1


def _covered(corners: NDArray[np.float64], low: I64, wide: I64, layer: NDArray[Any], columns: int,
             rows: int) -> I64:
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
    return np.asarray((layer[owner][inside].astype(np.int64) * rows + row[inside] % rows) * columns
                      + column[inside] % columns)
