"""Swept and lofted surfaces as grids of points, and the normals of triangles that share places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.generate.atlas import Slot
from examples.generate.model import Part
from examples.generate.pattern import grid_triangles

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def smooth_normals(positions: F64, triangles: I64) -> F64:
    """(V, 3) area-weighted normals; vertices at one place share theirs, so uv seams do not show."""
    corner = positions[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    _, place = np.unique(np.round(positions, 4), axis=0, return_inverse=True)
    place = place.reshape(-1)
    total, own = np.zeros((place.max() + 1, 3)), np.zeros_like(positions)
    for k in range(3):
        np.add.at(total, place[triangles[:, k]], face)
        np.add.at(own, triangles[:, k], face)
    # Where two sides of a thin piece meet in one point their normals cancel: each keeps its own there.
    cancelled = np.linalg.norm(total[place], axis=1) < 0.02 * np.linalg.norm(own, axis=1)
    normal: F64 = np.where(cancelled[:, None], own, total[place])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return normal


def grid_part(name: str, grids: list[tuple[F64, F64, Slot, bool]], material: str) -> Part:
    """One part of several grids, shaded smoothly across the places they share.

    Each grid: (R, C, 3) points in mm, (R, C, 2) chart coordinates in mm, the chart's slot, and whether
    to flip its winding.
    """
    positions, uvs, triangles, base = [], [], [], 0
    for points, flat, slot, flip in grids:
        rows, columns = points.shape[:2]
        mine = grid_triangles(rows, columns)
        triangles.append((mine[:, ::-1] if flip else mine) + base)
        positions.append(points.reshape(-1, 3))
        uvs.append(slot.uv(flat).reshape(-1, 2))
        base += rows * columns
    return part_of(name, np.concatenate(positions), np.concatenate(uvs), np.concatenate(triangles), material)


def part_of(name: str, positions: F64, uvs: F64, triangles: I64, material: str) -> Part:
    """A part from mm, smooth-shaded, without triangles of no area."""
    corner = positions[triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    used, compact = np.unique(triangles[area > 1e-3], return_inverse=True)  # mm²
    positions, uvs, triangles = positions[used], uvs[used], compact.reshape(-1, 3)
    normals = smooth_normals(positions, triangles)
    return Part(name, (positions / 1000.0).astype(np.float32), uvs.astype(np.float32), triangles.astype(np.uint32),
                material, normals.astype(np.float32))


def joined(name: str, parts: list[Part]) -> Part:
    """Several parts of one material as one."""
    offsets = np.cumsum([0, *(len(p.positions) for p in parts)])
    normals = [p.normals if p.normals is not None
               else smooth_normals(p.positions.astype(float), p.triangles.astype(np.int64)) for p in parts]
    return Part(name, np.concatenate([p.positions for p in parts]), np.concatenate([p.uvs for p in parts]),
                np.concatenate([p.triangles + np.uint32(o) for p, o in zip(parts, offsets, strict=False)]),
                parts[0].material, np.concatenate(normals).astype(np.float32))


def arc_lengths(points: F64, axis: int) -> F64:
    """Running length of a grid of points (R, C, 3) along one axis, starting at 0; (R, C)."""
    steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
    start = np.zeros_like(np.take(steps, [0], axis=axis))
    result: F64 = np.concatenate([start, np.cumsum(steps, axis=axis)], axis=axis)
    return result
