"""Finding equal vertices, connected parts and uv islands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


def unique_rows(columns: Sequence[NDArray[Any]]) -> tuple[I64, I64]:
    """Rows that are equal, real numbers as float32, found through a 64-bit hash and verified.

    ``columns``: arrays (N, …) laid side by side, unsigned 32-bit integers as they are. Returns (U,) first
    row of each distinct one, in order of appearance, and (N,) the number of each row among them.
    """
    bits: list[NDArray[np.uint32]] = []
    for column in columns:
        wide = column.reshape(len(column), -1)
        for k in range(wide.shape[1]):
            values = wide[:, k]
            bits.append(np.ascontiguousarray(values) if values.dtype == np.uint32
                        else (values.astype(np.float32) + np.float32(0.0)).view(np.uint32))  # adding 0 turns -0 into 0
    mixed = np.zeros(len(bits[0]), np.uint64)
    for values in bits:
        mixed = (mixed ^ values) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    first, number = _numbered(mixed)
    leader = first[number]
    if any(not np.array_equal(values[leader], values) for values in bits):
        _, first, number = np.unique(np.stack(bits, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[number.reshape(-1)].astype(np.int64)


def _numbered(keys: NDArray[np.uint64]) -> tuple[I64, I64]:
    """(U,) first row of each distinct key and (N,) number of each row's key, both in order of the keys."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    leads = np.ones(len(keys), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=leads[1:])
    number = np.empty(len(keys), np.int64)
    number[order] = np.cumsum(leads) - 1
    return order[leads], number


def components(count: int, a: I64, b: I64) -> I64:
    """(count,) label of the connected part of each node, for undirected edges a–b."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, np.int64)


def uv_charts(positions: NDArray[Any], uv: NDArray[Any] | None, triangles: I64, triangle_material: NDArray[Any]
              ) -> NDArray[np.uint32]:
    """(T,) connected uv island of each triangle, numbered by first appearance; all 0 without uv.

    Two triangles are connected when they share a place of the same position, uv and material. A
    vertex must belong to one material only.
    """
    if uv is None:
        return np.zeros(len(triangles), np.uint32)
    material = np.zeros(len(positions), np.uint32)
    for corner in range(3):
        material[triangles[:, corner]] = triangle_material
    _, place = unique_rows([positions, uv, material])
    ring = place[triangles]
    labels = components(int(place.max()) + 1, ring[:, :2].reshape(-1), ring[:, 1:].reshape(-1))[ring[:, 0]]
    if not labels.any():
        return labels.astype(np.uint32)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.uint32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.uint32)
    return rank[inverse]


def mirrored_uv_share(uv: NDArray[Any] | None, triangles: I64) -> float:
    """Share of the uv area whose winding is against that of the larger part: 0 none, at most 0.5."""
    if uv is None or not len(triangles):
        return 0.0
    u, v = uv[:, 0].astype(np.float64)[triangles.T], uv[:, 1].astype(np.float64)[triangles.T]
    signed = (u[1] - u[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (u[2] - u[0])
    total = float(np.abs(signed).sum())
    return min(float(signed[signed > 0].sum()), float(-signed[signed < 0].sum())) / total if total > 0 else 0.0
