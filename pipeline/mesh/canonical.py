"""Checked parts to the canonical arrays: metres, +Y up, one vertex buffer, normals, uv islands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.affine import bounds_of, transform_part
from pipeline.mesh.normals import crease_groups, face_vectors, unit_rows
from pipeline.mesh.raw import RawPart
from pipeline.mesh.solid import SolidFacts, solid_facts
from pipeline.mesh.topology import bodies_of, build_topology
from pipeline.mesh.types import EmbeddedCamera
from pipeline.mesh.weld import I64, unique_rows, uv_charts
from pipeline.mesh.winding import decide_turns

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
    solid: SolidFacts


@dataclass
class _Soup:
    """All parts in one vertex buffer, on their way to :class:`Geometry`."""

    positions: NDArray[Any]        # (V, 3)
    triangles: I64                 # (T, 3)
    material: I64                  # (T,)
    normals: F32                   # (V, 3) unit; zero where the file gives no usable one
    uv_sets: tuple[F32, ...]
    colors: F32 | None
    tangents: F32 | None
    shared: NDArray[np.bool_]      # (T,) the part's vertices are already those that a GPU wants
    flat: NDArray[np.bool_]        # (T,) facets where normals are missing

    def take(self, rows: I64, triangles: I64) -> None:
        """Other vertices, picked from these, and the triangles that use them."""
        self.positions, self.normals, self.triangles = self.positions[rows], self.normals[rows], triangles
        self.uv_sets = tuple(uv[rows] for uv in self.uv_sets)
        self.colors = None if self.colors is None else self.colors[rows]
        self.tangents = None if self.tangents is None else self.tangents[rows]


_FAR = 100.0  # diagonals from the origin; beyond it float32 loses more than 0.001 % of the product's size


def place(parts: Sequence[RawPart], cameras: Sequence[EmbeddedCamera], metres: float, rotation: F64,
          warnings: list[str]) -> tuple[list[RawPart], tuple[EmbeddedCamera, ...]]:
    """Scale to metres and turn to +Y up; cameras move along, without scale of their own.

    A model far from the origin is brought there, with a warning, while positions are still float64.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * metres
    low, high = bounds_of(parts)
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
    soup = _merged(parts, warnings)
    topology = build_topology(soup.positions, soup.triangles)
    bodies = bodies_of(topology)
    vectors = face_vectors(soup.positions, soup.triangles)
    given = soup.normals if soup.normals.any() else None
    turns = decide_turns(soup.positions, soup.triangles, vectors, topology, bodies, given, warnings)
    if turns.normals.any():
        _turn_normals(soup, turns.normals)
    if turns.winding.any():
        soup.triangles = np.where(turns.winding[:, None], soup.triangles[:, ::-1], soup.triangles)
        topology = build_topology(soup.positions, soup.triangles)
    facts = solid_facts(soup.positions, soup.triangles, topology, bodies)
    lacking = np.asarray(~soup.normals.any(axis=1))
    if lacking.any():
        group, normals = crease_groups(soup.positions, soup.triangles, topology)
        _give_normals(soup, topology.ring, group, normals, lacking)
    if not soup.shared.all():
        _weld(soup)
    single = soup.positions.astype(np.float32)
    charts = uv_charts(single, soup.uv_sets[0] if soup.uv_sets else None, soup.triangles, soup.material)
    return Geometry(single, soup.normals, soup.uv_sets, soup.triangles.astype(np.uint32), soup.material, charts,
                    soup.colors, soup.tangents, facts)


def _merged(parts: Sequence[RawPart], warnings: list[str]) -> _Soup:
    counts, faces = [len(part.positions) for part in parts], [len(part.triangles) for part in parts]
    offsets = np.cumsum([0, *counts])
    sets = max(len(part.uv_sets) for part in parts)
    uv_sets = tuple(np.concatenate([part.uv_sets[i].astype(np.float32) if i < len(part.uv_sets)
                                    else np.zeros((len(part.positions), 2), np.float32) for part in parts])
                    for i in range(sets))
    return _Soup(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.triangles + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.repeat([part.material for part in parts], faces),
        np.concatenate([_unit_normals(part, warnings) for part in parts]), uv_sets, _colors(parts), _tangents(parts),
        np.repeat([part.indexed for part in parts], faces), np.repeat([part.flat for part in parts], faces))


def _unit_normals(part: RawPart, warnings: list[str]) -> F32:
    """(V, 3) the file's normals at unit length, zero where they are missing or unusable."""
    if part.normals is None:
        return np.zeros((len(part.positions), 3), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.sqrt(np.einsum("vk,vk->v", part.normals, part.normals))
        usable = np.isfinite(length) & (length > 1e-12)
    if usable.all():
        return np.asarray(part.normals / length[:, None], np.float32)
    warnings.append(f"{int((~usable).sum()):,} normals are missing or not finite and are computed")
    unit = np.zeros((len(part.positions), 3), np.float32)
    unit[usable] = part.normals[usable] / length[usable, None]
    return unit


def _turn_normals(soup: _Soup, turned: NDArray[np.bool_]) -> None:
    """Negate the normals of some triangles; a vertex that others use as well is doubled first."""
    count = len(soup.positions)
    uses, others = np.zeros(count, bool), np.zeros(count, bool)
    uses[soup.triangles[turned]] = True
    others[soup.triangles[~turned]] = True
    both = np.flatnonzero(uses & others)
    number = np.arange(count)
    number[both] = count + np.arange(len(both))
    soup.take(np.concatenate([np.arange(count), both]),
              np.where(turned[:, None], number[soup.triangles], soup.triangles))
    negated = np.concatenate([uses & ~others, np.ones(len(both), bool)])
    soup.normals[negated] *= -1


def _give_normals(soup: _Soup, ring: I64, group: I64, normals: F64, lacking: NDArray[np.bool_]) -> None:
    """Split vertices that lack a normal by smoothing group, or by triangle where facets are wanted."""
    corners = soup.triangles.reshape(-1)
    faces = np.repeat(soup.flat, 3)
    own = lacking[corners]
    # Bare positions join by place; with uv or colour, vertices stay apart until they are compared by value.
    bare = not soup.uv_sets and soup.colors is None and bool(lacking.all())
    vertex = ring.reshape(-1) if bare else corners
    split = np.where(faces, len(normals) + np.arange(len(corners)) // 3, group)
    key = vertex * (len(normals) + len(soup.triangles) + 1) + np.where(own, split + 1, 0)
    order = np.argsort(key, kind="stable")
    leads = np.ones(len(key), bool)
    np.not_equal(key[order][1:], key[order][:-1], out=leads[1:])
    chosen = np.sort(order[leads])  # the first corner of each, in order of appearance
    number = np.empty(len(key), np.int64)
    number[order] = np.cumsum(leads) - 1
    rank = np.empty(len(chosen), np.int64)
    rank[number[chosen]] = np.arange(len(chosen))
    smooth = normals[group[chosen]]
    if faces.any():
        facets = unit_rows(face_vectors(soup.positions, soup.triangles).astype(np.float64))
        smooth = np.where(faces[chosen, None], facets[chosen // 3], smooth)
    soup.take(corners[chosen], rank[number].reshape(-1, 3))
    soup.normals[own[chosen]] = smooth[own[chosen]]
    if bare:
        soup.shared[:] = True
    soup.tangents = None


def _weld(soup: _Soup) -> None:
    """Share equal vertices of corner soup; vertices of parts that are shared already keep apart."""
    kept = np.zeros(len(soup.positions), np.uint32)
    at = soup.triangles[soup.shared].reshape(-1)
    kept[at] = at + 1
    soup.tangents = None
    columns = [soup.positions, soup.normals, *soup.uv_sets, *([] if soup.colors is None else [soup.colors])]
    material = np.zeros(len(soup.positions), np.uint32)
    material[soup.triangles.reshape(-1)] = np.repeat(soup.material + 1, 3)
    rows, number = unique_rows([*columns, kept, material])
    soup.take(rows, number[soup.triangles])


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
