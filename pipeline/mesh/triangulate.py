"""Polygons to triangles: fans where convex, ear clipping where not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


def triangulate(positions: F64, corner_vertex: I64, starts: I64, counts: I64) -> tuple[I64, I64]:
    """Triangulate all faces of a polygon mesh.

    ``positions`` (V, 3); ``corner_vertex`` (C,) vertex of each polygon corner; ``starts`` and
    ``counts`` (F,) say which corners are a face's. Faces of fewer than three corners are dropped.

    Returns (T, 3) *corner* indices, so that per-corner attributes follow, and (T,) the face of each.
    """
    corners: list[I64] = []
    owners: list[I64] = []
    for size in np.unique(counts[counts >= 3]):
        faces = np.flatnonzero(counts == size)
        ring = starts[faces][:, None] + np.arange(size)
        if size == 3:
            corners.append(ring)
            owners.append(faces)
            continue
        concave = ~_convex(positions[corner_vertex[ring]])
        fan = _fan(int(size))
        corners.append(ring[~concave][:, fan].reshape(-1, 3))
        owners.append(np.repeat(faces[~concave], len(fan)))
        for face, row in zip(faces[concave], ring[concave], strict=True):
            clipped = _clip_ears(positions[corner_vertex[row]])
            corners.append(row[clipped])
            owners.append(np.full(len(clipped), face))
    if not corners:
        return np.empty((0, 3), np.int64), np.empty(0, np.int64)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(corners)[order], owner[order]


def newell_normal(polygon: F64) -> F64:
    """Area vectors of (…, n, 3) polygons, twice the area long; sound for concave and slightly bent ones.

    Newell's method (Sutherland, Sproull and Schumacker 1974).
    """
    return np.asarray(np.cross(polygon, np.roll(polygon, -1, axis=-2)).sum(axis=-2))


def _fan(size: int) -> I64:
    second = np.arange(1, size - 1)
    return np.stack([np.zeros_like(second), second, second + 1], axis=1)


def _convex(polygon: F64) -> NDArray[np.bool_]:
    """Which (F, n, 3) polygons turn one way only."""
    polygon = polygon - polygon.mean(axis=1, keepdims=True)
    along = np.roll(polygon, -1, axis=1) - polygon
    turn = np.cross(np.roll(along, 1, axis=1), along)
    area = newell_normal(polygon)
    side = np.einsum("fnk,fk->fn", turn, area)
    tolerance = 1e-9 * np.einsum("fk,fk->f", area, area)
    return np.asarray((side >= -tolerance[:, None]).all(axis=1))


def _clip_ears(polygon: F64) -> I64:
    """(n, 3) ring to (n - 2, 3) indices into it, by mapbox's earcut in the polygon's own plane."""
    import mapbox_earcut

    area = newell_normal(polygon - polygon.mean(axis=0))
    length = float(np.linalg.norm(area))
    size = len(polygon)
    if not np.isfinite(length) or length <= 0:
        return _fan(size)
    normal = area / length
    helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
    u = np.cross(helper, normal)
    u /= np.linalg.norm(u)
    flat = np.stack([polygon @ u, polygon @ np.cross(normal, u)], axis=1)
    triangles = np.asarray(mapbox_earcut.triangulate_float64(flat, np.array([size], np.uint32)), np.int64)
    triangles = triangles.reshape(-1, 3)
    if len(triangles) == 0:
        return _fan(size)
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    signed = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles[signed < 0] = triangles[signed < 0][:, ::-1]  # keep the polygon's winding
    return triangles
