"""Checked parts to the canonical arrays: metres, +Y up, one vertex buffer, normals, uv islands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.affine import transform_part
from pipeline.mesh.gate import agree_on_winding
from pipeline.mesh.normals import crease_normals, cross, flat_normals
from pipeline.mesh.raw import RawPart
from pipeline.mesh.types import EmbeddedCamera
from pipeline.mesh.weld import unique_rows, uv_charts

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """The arrays of a :class:`~pipeline.mesh.types.Mesh`; ``material`` counts as the parts do."""

    positions: F32
    normals: F32
    uv_sets: tuple[F32, ...]
    triangles: NDArray[np.uint32]
    material: NDArray[np.int64]
    charts: NDArray[np.uint32]
    colors: F32 | None
    tangents: F32 | None


_FAR = 100.0  # diagonals from the origin; beyond it float32 loses more than 0.001 % of the product's size


def place(parts: Sequence[RawPart], cameras: Sequence[EmbeddedCamera], metres: float, rotation: F64,
          warnings: list[str]) -> tuple[list[RawPart], tuple[EmbeddedCamera, ...]]:
    """Scale to metres and turn to +Y up; cameras move along, without scale of their own.

    A model far from the origin is brought there, with a warning, while positions are still float64.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * metres
    low = np.min([part.positions.min(axis=0) for part in parts], axis=0)
    high = np.max([part.positions.max(axis=0) for part in parts], axis=0)
    if np.linalg.norm(low + high) / 2 > _FAR * np.linalg.norm(high - low):
        warnings.append("the model is far from the origin and is moved there")
        matrix[:3, 3] = -matrix[:3, :3] @ (low + high) / 2
    if np.array_equal(matrix, np.eye(4)):
        return list(parts), tuple(cameras)
    moved = []
    for camera in cameras:
        world = np.array(camera.world)
        world[:3, 3] = matrix[:3, :3] @ world[:3, 3] + matrix[:3, 3]
        world[:3, :3] = rotation @ world[:3, :3]
        moved.append(replace(camera, world=tuple(tuple(float(x) for x in row) for row in world)))
    return [transform_part(part, matrix) for part in parts], tuple(moved)


def assemble(parts: Sequence[RawPart], warnings: list[str]) -> Geometry:
    """One vertex buffer of all parts. Vertices are shared where position, normal, uv and colour agree."""
    prepared = [_weld(_with_normals(part, warnings)) for part in parts]
    offsets = np.cumsum([0] + [len(part.positions) for part in prepared])
    positions = np.concatenate([part.positions for part in prepared])
    normals = np.concatenate([_normals(part) for part in prepared])
    triangles = np.concatenate([part.triangles + o for part, o in zip(prepared, offsets[:-1], strict=True)])
    material = np.repeat([part.material for part in prepared], [len(part.triangles) for part in prepared])
    given = any(part.normals is not None for part in parts)
    triangles, normals = agree_on_winding(positions, triangles, normals, given, warnings)
    sets = max(len(part.uv_sets) for part in prepared)
    uv_sets = tuple(np.concatenate([part.uv_sets[i] if i < len(part.uv_sets) else np.zeros((len(part.positions), 2))
                                    for part in prepared]).astype(np.float32) for i in range(sets))
    single = positions.astype(np.float32)
    charts = uv_charts(single, uv_sets[0] if uv_sets else None, triangles, material)
    return Geometry(single, normals.astype(np.float32), uv_sets, triangles.astype(np.uint32), material, charts,
                    _colors(prepared), _tangents(prepared))


def _normals(part: RawPart) -> F64:
    assert part.normals is not None
    return part.normals


def _with_normals(part: RawPart, warnings: list[str]) -> RawPart:
    """Unit normals: the file's where they are usable, else computed."""
    given = part.normals
    if given is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            length = np.linalg.norm(given, axis=1)
            usable = np.isfinite(length) & (length > 1e-12)
        if usable.all():
            return replace(part, normals=given / length[:, None])
        warnings.append(f"{int((~usable).sum()):,} normals are missing or not finite and are computed")
        if part.indexed:  # shared vertices: a computed normal needs no crease here
            own = _shared_normals(part)
            return replace(part, normals=np.where(usable[:, None], given / np.where(usable, length, 1.0)[:, None], own))
    corners = part.triangles.reshape(-1)
    computed = (flat_normals if part.flat else crease_normals)(part.positions, part.triangles).reshape(-1, 3)
    if given is not None:
        picked, ok = given[corners], usable[corners]
        computed = np.where(ok[:, None], picked / np.where(ok, length[corners], 1.0)[:, None], computed)
    return replace(part, positions=part.positions[corners], normals=computed, indexed=False, tangents=None,
                   triangles=np.arange(len(corners), dtype=np.int64).reshape(-1, 3),
                   uv_sets=tuple(uv[corners] for uv in part.uv_sets),
                   colors=None if part.colors is None else part.colors[corners])


def _shared_normals(part: RawPart) -> F64:
    """(V, 3) unit, area-weighted over the faces that share each vertex."""
    a, b, c = (part.positions[part.triangles[:, k]] for k in range(3))
    area = np.repeat(cross(b - a, c - a), 3, axis=0)
    owner = part.triangles.reshape(-1)
    sums = np.stack([np.bincount(owner, area[:, k], len(part.positions)) for k in range(3)], axis=1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 0, sums / np.where(length > 0, length, 1.0), np.array([0.0, 1.0, 0.0]))


def _weld(part: RawPart) -> RawPart:
    """Share equal vertices of corner soup."""
    if part.indexed:
        return part
    columns = [part.positions, _normals(part), *part.uv_sets, *([] if part.colors is None else [part.colors])]
    first, number = unique_rows(columns)
    return replace(part, positions=part.positions[first], normals=_normals(part)[first],
                   triangles=number[part.triangles], uv_sets=tuple(uv[first] for uv in part.uv_sets),
                   colors=None if part.colors is None else part.colors[first], indexed=True)


def _colors(parts: Sequence[RawPart]) -> F32 | None:
    """Vertex colours, white where a part has none; None where no part has any that differs from white."""
    if not any(part.colors is not None and (part.colors < 0.999).any() for part in parts):
        return None
    return np.concatenate([np.ones((len(part.positions), 4)) if part.colors is None else part.colors
                           for part in parts]).astype(np.float32)


def _tangents(parts: Sequence[RawPart]) -> F32 | None:
    """The file's tangents where every part has them; otherwise the renderer derives them per pixel."""
    if any(part.tangents is None for part in parts):
        return None
    stacked = np.concatenate([part.tangents for part in parts if part.tangents is not None])
    length = np.linalg.norm(stacked[:, :3], axis=1, keepdims=True)
    unit = np.where(length > 1e-12, stacked[:, :3] / np.where(length > 1e-12, length, 1.0), [1.0, 0.0, 0.0])
    return np.concatenate([unit, np.where(stacked[:, 3:] < 0, -1.0, 1.0)], axis=1).astype(np.float32)
