"""What every loaded mesh must pass, whatever its format. Units and materials come later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.affine import bounds_of
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.normals import face_vectors
from pipeline.mesh.raw import RawMesh, RawPart

_DEGENERATE = 1e-13     # of the squared diagonal: less area than float32 positions can hold
_MAX_POSITION = 1e18    # in any unit; well inside float32, and no product is out there
_MAX_UV = 1e6           # beyond it float32 no longer addresses a texel


def check(raw: RawMesh, mesh_file: str, limits: IngestLimits) -> list[RawPart]:
    """Parts fit to be drawn: in range, finite, not empty, without degenerate triangles or unused vertices.

    Appends to ``raw.warnings``; raises IngestError ``mesh_empty``, ``mesh_too_large``,
    ``mesh_indices`` or ``mesh_not_finite``.
    """
    count = sum(len(part.triangles) for part in raw.parts)
    if count == 0:
        raise IngestError("mesh_empty", f"{mesh_file} has no triangles.", "Export the model with its mesh selected.")
    if count > limits.max_triangles:
        raise IngestError("mesh_too_large", f"{mesh_file} has {count:,} triangles; the limit is "
                          f"{limits.max_triangles:,}.",
                          "Decimate the model, or raise `max_triangles` in catalogue.yaml.")
    parts = [_used(part, mesh_file) for part in raw.parts if len(part.triangles)]
    low, high = bounds_of(parts)
    with np.errstate(over="ignore"):
        squared = float(((high - low) ** 2).sum())
    if not 0 < squared < 1e30:
        raise IngestError("mesh_not_finite" if squared else "mesh_empty", f"{mesh_file} has no usable extent.",
                          "The positions are damaged: export the model again.")
    kept = []
    for part in parts:
        vectors = face_vectors(part.positions, part.triangles)
        solid = np.einsum("tk,tk->t", vectors, vectors, dtype=np.float64) > (2 * _DEGENERATE * squared) ** 2
        if solid.any():
            kept.append(part if solid.all() else _used(replace(part, triangles=part.triangles[solid]), mesh_file))
    left = sum(len(part.triangles) for part in kept)
    if left == 0:
        raise IngestError("mesh_empty", f"{mesh_file} has no triangle with an area.", "Export the model again.")
    if left < count:
        raw.warnings.append(f"{count - left:,} degenerate triangles are left out")
    return [_finite_attributes(part, raw.warnings) for part in kept]


def _used(part: RawPart, mesh_file: str) -> RawPart:
    """Only the vertices that triangles use; their positions must be finite."""
    used = part.triangles.reshape(-1)
    if int(used.min()) < 0 or int(used.max()) >= len(part.positions):
        raise IngestError("mesh_indices", f"{mesh_file}: a triangle refers to a vertex that does not exist.",
                          "The file is damaged: export the model again.")
    present = np.zeros(len(part.positions), bool)
    present[used] = True
    if not present.all():
        number = np.cumsum(present) - 1
        part = replace(part, positions=part.positions[present], triangles=number[part.triangles],
                       normals=_pick(part.normals, present), uv_sets=tuple(uv[present] for uv in part.uv_sets),
                       colors=_pick(part.colors, present), tangents=_pick(part.tangents, present))
    if not np.abs(part.positions).max() < _MAX_POSITION:
        broken = len(part.positions) - int((np.abs(part.positions) < _MAX_POSITION).all(axis=1).sum())
        raise IngestError("mesh_not_finite", f"{mesh_file}: {broken:,} vertices have a position that is not a "
                          "finite number.", "Remove the broken vertices in a modelling tool and export again.")
    return part


def _pick(array: NDArray[np.float64] | None, rows: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    return None if array is None else array[rows]


def _finite_attributes(part: RawPart, warnings: list[str]) -> RawPart:
    """UVs, colours and tangents with NaN or infinity are replaced; normals are mended later."""
    uv_sets = []
    for uv in part.uv_sets:
        if not np.abs(uv).max() < _MAX_UV:
            finite = np.asarray((np.abs(uv) < _MAX_UV).all(axis=1))
            warnings.append(f"{int((~finite).sum()):,} uv coordinates are not finite; they become (0, 0)")
            uv = np.where(finite[:, None], uv, 0.0)
        uv_sets.append(uv)
    colors = part.colors
    if colors is not None:
        colors = np.clip(np.nan_to_num(colors, nan=1.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    tangents = part.tangents
    if tangents is not None and not np.isfinite(tangents).all():
        warnings.append("tangents are not finite and are left out")
        tangents = None
    return replace(part, uv_sets=tuple(uv_sets), colors=colors, tangents=tangents)
