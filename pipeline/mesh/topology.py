"""Which triangles of a mesh touch, vertices of one position taken as one place. Computed once per ingest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.weld import I64, components, unique_rows

_NEXT = np.array([1, 2, 0])


@dataclass(frozen=True)
class Topology:
    """A corner number counts through ``ring.reshape(-1)``; the edge of a corner runs to the triangle's next one."""

    places: int                    # distinct positions
    ring: I64                      # (T, 3) place of each corner
    one: I64                       # (E,) corner of an edge …
    two: I64                       # (E,) … and of the same edge in another triangle
    manifold: NDArray[np.bool_]    # (E,) no third triangle has the edge
    opposed: NDArray[np.bool_]     # (E,) the two run along it in opposite directions, as neighbours should
    edges: int                     # distinct edges
    boundary: I64                  # corners whose edge has no other triangle


def build_topology(positions: NDArray[Any], triangles: I64) -> Topology:
    """Of positions (V, 3), compared as float32, and triangles (T, 3)."""
    first, place = unique_rows([positions])
    ring = place[triangles]
    start, end = ring.reshape(-1), ring[:, _NEXT].reshape(-1)
    key = np.minimum(start, end) * (len(first) + 1) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    key = key[order]
    leads = np.ones(len(key), bool)  # first corner of its edge
    np.not_equal(key[1:], key[:-1], out=leads[1:])
    at = np.flatnonzero(leads)
    uses = np.diff(at, append=len(key))
    following = np.flatnonzero(~leads)
    one, two = order[following - 1], order[following]
    manifold = (uses == 2)[np.cumsum(leads)[following] - 1]
    return Topology(len(first), ring, one, two, manifold, start[one] == end[two], len(at), order[at[uses == 1]])


def bodies_of(topology: Topology) -> I64:
    """(T,) number of the part of each triangle; parts share no place."""
    ring = topology.ring
    return components(topology.places, ring[:, :2].reshape(-1), ring[:, 1:].reshape(-1))[ring[:, 0]]


def patches_of(topology: Topology) -> I64:
    """(T,) number of each triangle's patch: triangles joined by edges that two triangles share."""
    inner = topology.manifold
    return components(len(topology.ring), topology.one[inner] // 3, topology.two[inner] // 3)
