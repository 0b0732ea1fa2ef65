"""Whether the mesh closes, in how many bodies: what an engineer asks of a file from an unknown tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pipeline.mesh.weld import I64, unique_rows


@dataclass(frozen=True, slots=True)
class SolidFacts:
    """Of the mesh with vertices of equal position joined."""

    watertight: bool                       # every edge has two faces
    winding_consistent: bool               # neighbouring faces agree on which side is out
    bodies: int                            # parts that share no vertex
    surface_cm2: float
    volume_cm3: float | None               # None unless watertight and wound consistently


def solid_facts(positions: NDArray[Any], triangles: I64) -> SolidFacts:
    """Facts of positions (V, 3) in metres and triangles (T, 3), through trimesh."""
    import trimesh

    first, place = unique_rows([positions])
    mesh = trimesh.Trimesh(positions[first], place[triangles], process=False, validate=False)
    closed = bool(mesh.is_watertight)
    consistent = bool(mesh.is_winding_consistent)
    return SolidFacts(closed, consistent, int(mesh.body_count), round(float(mesh.area) * 1e4, 2),
                      round(abs(float(mesh.volume)) * 1e6, 2) if closed and consistent else None)
