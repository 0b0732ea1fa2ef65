"""Whether the mesh closes, in how many bodies: what an engineer asks of a file from an unknown tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.normals import face_vectors
from pipeline.mesh.topology import Topology, bodies_of, build_topology
from pipeline.mesh.weld import I64
from pipeline.mesh.winding import tetra_volumes


@dataclass(frozen=True, slots=True)
class SolidFacts:
    """Of the mesh with vertices of equal position joined."""

    watertight: bool                       # every edge has two faces
    winding_consistent: bool               # neighbouring faces agree on which side is out
    bodies: int                            # parts that share no vertex
    surface_cm2: float
    volume_cm3: float | None               # None unless watertight and wound consistently


def solid_facts(positions: NDArray[Any], triangles: I64, topology: Topology | None = None, bodies: I64 | None = None
                ) -> SolidFacts:
    """Facts of positions (V, 3) in metres and triangles (T, 3); what is not given is made."""
    topology = topology or build_topology(positions, triangles)
    bodies = bodies_of(topology) if bodies is None else bodies
    vectors = face_vectors(positions, triangles)
    area = float(np.sqrt(np.einsum("tk,tk->t", vectors, vectors)).sum(dtype=np.float64)) / 2
    closed = not len(topology.boundary) and bool(topology.manifold.all())
    consistent = bool((topology.opposed | ~topology.manifold).all())
    volume = abs(float(tetra_volumes(positions, triangles).sum())) if closed and consistent else None
    return SolidFacts(closed, consistent, int(bodies.max()) + 1, round(area * 1e4, 2),
                      None if volume is None else round(volume * 1e6, 2))
