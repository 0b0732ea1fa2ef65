"""Finding equal vertices, connected parts and uv islands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


def unique_rows(columns: Sequence[NDArray[Any]]) -> tuple[I64, I64]:
    """Rows that are equal as float32, found through a 64-bit hash and verified.

    ``columns``: arrays (N, …) laid side by side. Returns (U,) first row of each distinct one, in
    order of appearance, and (N,) the number of each row among them.
    """
    rows = np.concatenate([np.asarray(c, np.float32).reshape(len(c), -1) for c in columns], axis=1)
    bits = np.ascontiguousarray(rows + np.float32(0.0)).view(np.uint32)  # adding 0 turns -0 into 0
    mixed = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(bits[first[inverse]], bits):
        _, first, inverse = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse.reshape(-1)].astype(np.int64)


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
    material = np.zeros(len(positions), np.float32)
    for corner in range(3):
        material[triangles[:, corner]] = triangle_material
    _, place = unique_rows([positions, uv, material])
    ring = place[triangles]
    labels = components(int(place.max()) + 1, ring[:, :2].reshape(-1), ring[:, 1:].reshape(-1))[ring[:, 0]]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.uint32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.uint32)
    return rank[inverse]


def mirrored_uv_share(uv: NDArray[Any] | None, triangles: I64) -> float:
    """Share of the uv area whose winding is against that of the larger part: 0 none, at most 0.5."""
    if uv is None or not len(triangles):
        return 0.0
    a, b, c = (uv[triangles[:, k]].astype(np.float64) for k in range(3))
    signed = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    total = float(np.abs(signed).sum())
    return min(float(signed[signed > 0].sum()), float(-signed[signed < 0].sum())) / total if total > 0 else 0.0
