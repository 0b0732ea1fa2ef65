"""What every loaded mesh must pass, whatever its format. Units and materials come later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.normals import face_areas, is_closed, signed_volume
from pipeline.mesh.raw import RawMesh, RawPart

_DEGENERATE = 1e-13     # of the squared diagonal: less area than float32 positions can hold
_MAX_POSITION = 1e18    # in any unit; well inside float32, and no product is out there
_MAX_UV = 1e6           # beyond it float32 no longer addresses a texel
_DISAGREE = 0.02        # share of triangles whose normals may point against their winding unremarked


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
    low = np.min([part.positions.min(axis=0) for part in parts], axis=0)
    high = np.max([part.positions.max(axis=0) for part in parts], axis=0)
    with np.errstate(over="ignore"):
        squared = float(((high - low) ** 2).sum())
    if not 0 < squared < 1e30:
        raise IngestError("mesh_not_finite" if squared else "mesh_empty", f"{mesh_file} has no usable extent.",
                          "The positions are damaged: export the model again.")
    kept = []
    for part in parts:
        solid = np.asarray(face_areas(part.positions, part.triangles)[1] > _DEGENERATE * squared)
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
    broken = len(part.positions) - int((np.abs(part.positions) < _MAX_POSITION).all(axis=1).sum())
    if broken:
        raise IngestError("mesh_not_finite", f"{mesh_file}: {broken:,} vertices have a position that is not a "
                          "finite number.", "Remove the broken vertices in a modelling tool and export again.")
    return part


def _pick(array: NDArray[np.float64] | None, rows: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    return None if array is None else array[rows]


def _finite_attributes(part: RawPart, warnings: list[str]) -> RawPart:
    """UVs, colours and tangents with NaN or infinity are replaced; normals are mended later."""
    uv_sets = []
    for uv in part.uv_sets:
        finite = np.asarray((np.abs(uv) < _MAX_UV).all(axis=1))
        if not finite.all():
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


def agree_on_winding(positions: NDArray[np.float64], triangles: NDArray[np.int64], normals: NDArray[np.float64],
                     given: bool, warnings: list[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Make winding and normals point outwards together; (T, 3) triangles and (V, 3) normals.

    Where most normals oppose the winding, a closed mesh's enclosed volume says which of the two is
    right; an open one trusts its normals. ``given``: the normals came with the file.
    """
    faces, _ = face_areas(positions, triangles)
    opposed = np.einsum("tk,tk->t", normals[triangles].sum(axis=1), faces) < 0
    share = float(opposed.mean())
    inwards = signed_volume(positions, triangles) < 0
    closed = (inwards or share > 0.5) and is_closed(positions, triangles)
    inside_out = inwards and closed
    if share > 0.5:
        if closed and not inwards:
            warnings.append("the normals point inwards and are turned")
            return triangles, -normals
        warnings.append("the triangles wind against their normals and are turned")
        return triangles[:, ::-1].copy(), normals
    if inside_out:
        warnings.append("the mesh is inside out and is turned")
        return triangles[:, ::-1].copy(), -normals
    if given and share > _DISAGREE:
        warnings.append(f"normals point against the winding on {share:.0%} of the triangles")
    return triangles, normals
