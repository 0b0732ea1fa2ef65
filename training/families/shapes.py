"""Surfaces in metres with charts in metres. Rows run down and columns to the right as seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from pipeline.mesh.normals import face_vectors, unit_rows

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One uv island."""

    positions: F64                         # (V, 3) metres
    uv: F64                                # (V, 2) metres on the flat material, v down
    triangles: I64                         # (T, 3) counter-clockwise from outside
    wraps: bool = False                    # its left border lies on its right border


@dataclass(frozen=True, slots=True)
class Part:
    """Sheets of one material that join smoothly."""

    name: str
    material: str
    sheets: tuple[Sheet, ...]
    joins: str = ""                        # parts with the same word here share normals where they meet


def grid(points: F64, uv: F64, wraps: bool = False) -> Sheet:
    """Sheet of an (R, C) lattice of points; quads without area are left out."""
    rows, columns = points.shape[:2]
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b = corner[:-1, :-1].ravel(), corner[1:, :-1].ravel()
    c, d = corner[1:, 1:].ravel(), corner[:-1, 1:].ravel()
    triangles = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    flat = points.reshape(-1, 3)
    area = np.linalg.norm(face_vectors(flat, triangles), axis=1)
    return Sheet(flat, uv.reshape(-1, 2), triangles[area > 1e-12], wraps)


def smooth_normals(sheets: Sequence[Sheet]) -> list[F64]:
    """Per sheet (V, 3) unit normals, shared wherever vertices of any of the sheets lie at one place."""
    positions = np.concatenate([sheet.positions for sheet in sheets])
    starts = np.cumsum([0, *(len(sheet.positions) for sheet in sheets)])
    triangles = np.concatenate([sheet.triangles + start for sheet, start in zip(sheets, starts, strict=False)])
    places, place = np.unique(np.round(positions * 2e6).astype(np.int64), axis=0, return_inverse=True)
    vectors = face_vectors(positions, triangles)
    corners = place.reshape(-1)[triangles]
    sums = np.stack([sum(np.bincount(corners[:, k], vectors[:, axis], len(places)) for k in range(3))
                     for axis in range(3)], axis=1)
    normals = unit_rows(sums)
    normals[~normals.any(axis=1)] = [0.0, 1.0, 0.0]
    spread = normals[place.reshape(-1)]
    return [spread[start:start + len(sheet.positions)] for sheet, start in zip(sheets, starts, strict=False)]


def arc(points: F64, axis: int = 0) -> F64:
    """Length walked along one axis of a lattice, 0 at its start."""
    steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
    pad = [(0, 0)] * steps.ndim
    pad[axis] = (1, 0)
    return np.asarray(np.cumsum(np.pad(steps, pad), axis=axis))


def resampled(points: F64, count: int) -> F64:
    """A polyline (N, K) at ``count`` places of equal spacing."""
    along = arc(points)
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, k]) for k in range(points.shape[1])], axis=1)


def dense(profile: F64, count: int) -> F64:
    """A polyline's own corners and points between, at most its length over ``count`` apart."""
    along = arc(profile)
    places = np.unique(np.concatenate([along, np.linspace(0.0, along[-1], count)]))
    kept = np.concatenate([[True], np.diff(places) > 4e-4])
    kept[-1] = True
    places = places[kept]
    return np.stack([np.interp(places, along, profile[:, k]) for k in range(profile.shape[1])], axis=1)


def curve(controls: Sequence[Sequence[float]], count: int) -> F64:
    """Evenly spaced points of a cubic spline through some points, with centripetal knots (E. Lee 1989)."""
    knots = np.asarray(controls, np.float64)
    chord = np.sqrt(np.maximum(np.linalg.norm(np.diff(knots, axis=0), axis=1), 1e-9))
    spline = CubicSpline(np.concatenate([[0.0], np.cumsum(chord)]), knots)
    return resampled(np.asarray(spline(np.linspace(0.0, spline.x[-1], 8 * count)), np.float64), count)


def rounded(corners: Sequence[Sequence[float]], radii: Sequence[float], steps: int = 5) -> F64:
    """A polyline (N, 2) whose inner corners are rounded; ``radii``: of each corner but the ends, metres."""
    points = np.asarray(corners, np.float64)
    out = [points[0]]
    for before, corner, after, radius in zip(points[:-2], points[1:-1], points[2:], radii, strict=True):
        back, ahead = before - corner, after - corner
        reach = min(radius, 0.45 * float(np.linalg.norm(back)), 0.45 * float(np.linalg.norm(ahead)))
        start, end = (corner + way / max(float(np.linalg.norm(way)), 1e-12) * reach for way in (back, ahead))
        t = np.linspace(0.0, 1.0, steps)[:, None]
        out.extend((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    return np.array([*out, points[-1]])


def lathe(profile: F64, segments: int = 96, squash: float = 1.0, gores: int = 0) -> tuple[Sheet, ...]:
    """Surface of revolution about y. ``profile``: (N, 2) radius and height, downwards along the outside.

    Walls unroll with their seam at the back (−z); parts that run towards the axis are charted from above or below.
    ``gores``: walls are cut into so many pieces instead, each of true width, as caps and balls are sewn.
    """
    radius, height = profile[:, 0], profile[:, 1]
    step = np.diff(profile, axis=0)
    flat = np.abs(step[:, 0]) > 1.7 * np.abs(step[:, 1])
    flat &= not gores
    cuts = [0, *(np.flatnonzero(flat[1:] != flat[:-1]) + 1), len(step)]
    runs = [(int(cuts[k]), int(cuts[k + 1]) + 1) for k in range(len(cuts) - 1)]
    theta = np.linspace(-np.pi, np.pi, segments + 1)
    along = arc(profile)
    sheets = []
    for start, end in runs:
        r, y = radius[start:end, None], height[start:end, None]
        around = np.stack([r * np.sin(theta), y + 0.0 * theta, r * np.cos(theta) * squash], axis=-1)
        if flat[start]:
            down = 1.0 if step[start, 0] > 0 else -1.0   # outwards along the profile: seen from above
            sheets.append(grid(around, np.stack([around[..., 0], down * around[..., 2]], axis=-1)))
        elif gores:
            per = segments // gores
            for k in range(gores):
                piece = slice(k * per, (k + 1) * per + 1)
                middle = (theta[piece][0] + theta[piece][-1]) / 2
                uv = np.stack([(theta[piece] - middle) * r, along[start:end, None] + 0.0 * theta[piece]], axis=-1)
                sheets.append(grid(around[:, piece], uv))
        else:
            mean = float(np.average(radius[start:end], weights=np.gradient(along[start:end])))
            stretch = mean * (1.0 + squash) / 2
            uv = np.stack([theta * stretch + 0.0 * r, along[start:end, None] + 0.0 * theta], axis=-1)
            sheets.append(grid(around, uv, wraps=True))
    return tuple(sheets)


def loft(rings: F64, wraps: bool = True) -> Sheet:
    """Skin over (R, C, 3) rings, from the top down; each ring closed and running to the right seen from outside."""
    around, down = arc(rings, axis=1), arc(rings, axis=0)
    width = around[:, -1]
    share = around / np.maximum(width[:, None], 1e-9)
    # Even ends of a chart weigh little: a ring shrunk to a point has no say in the chart's width.
    mean = float(np.average(width, weights=width))
    uv = np.stack([share.mean(axis=0)[None, :] * mean + 0.0 * down, down.mean(axis=1)[:, None] + 0.0 * share], axis=-1)
    return grid(rings, uv, wraps)


def cap(ring: F64, up: bool, steps: int = 5, dome: float = 0.0) -> Sheet:
    """Lid or floor within a closed ring (C, 3), charted from above or below; ``dome``: metres its middle bulges out."""
    middle = ring.mean(axis=0)
    t = np.linspace(0.0, 1.0, steps)[:, None, None]
    points = middle + (ring[None] - middle) * (t if up else 1.0 - t)
    rise = dome * (1.0 - np.linspace(0.0, 1.0, steps) ** 2)
    points[..., 1] += (rise if up else -rise[::-1])[:, None]
    return grid(points, np.stack([points[..., 0], points[..., 2] * (1.0 if up else -1.0)], axis=-1))


def superellipse(width: float, depth: float, power: float, count: int = 64) -> F64:
    """(count + 1, 2) x and z of |x/a|^p + |z/b|^p = 1, evenly spaced, from the back by way of the left."""
    theta = np.linspace(-np.pi, np.pi, 16 * count + 1)
    x, z = np.sin(theta), np.cos(theta)
    size = (np.abs(x) ** power + np.abs(z) ** power) ** (-1.0 / power)
    return resampled(np.stack([x * size * width / 2, z * size * depth / 2], axis=1), count + 1)


def rounded_rectangle(width: float, depth: float, radius: float, count: int = 8) -> F64:
    """(4·count + 5, 2) x and z, from the middle of the back by way of the left."""
    radius = min(radius, 0.499 * width, 0.499 * depth)
    a, b = width / 2 - radius, depth / 2 - radius
    points = [[0.0, -depth / 2]]
    for cx, cz, start in ((-a, -b, 180.0), (-a, b, 270.0), (a, b, 0.0), (a, -b, 90.0)):
        turn = np.radians(start + np.linspace(0.0, 90.0, count + 1))
        points.extend(np.stack([cx + radius * np.sin(turn), cz + radius * np.cos(turn)], axis=1).tolist())
    return np.array([*points, [0.0, -depth / 2]])


def tube(path: F64, width: float, thickness: float, power: float = 2.0, around: int = 12,
         up: Sequence[float] = (0.0, 1.0, 0.0)) -> tuple[Sheet, ...]:
    """A band swept along a path (N, 3): ``width`` across ``up`` and the path, ``thickness`` along the other way."""
    closed = bool(np.allclose(path[0], path[-1]))
    along = np.gradient(path, axis=0)
    if closed:
        along[0] = along[-1] = path[1] - path[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = unit_rows(np.cross(np.broadcast_to(np.asarray(up, np.float64), along.shape), along))
    over = np.cross(along, side)
    section = superellipse(width, thickness, power, around)
    rings = path[:, None] + section[None, :, :1] * side[:, None] + section[None, :, 1:] * over[:, None]
    sheet = loft(rings)
    ends: list[Sheet] = []
    if closed:
        return (sheet,)
    for end, order in ((0, 1), (-1, -1)):
        ring = rings[end][::order]
        fan = np.stack([np.broadcast_to(ring.mean(axis=0), ring.shape), ring])
        flat = np.stack([(fan - fan[0]) @ side[end] * order, (fan - fan[0]) @ over[end]], axis=-1)
        ends.append(grid(fan, flat))
    return (sheet, *ends)


def moved(sheets: Sequence[Sheet], how: Callable[[F64], F64]) -> tuple[Sheet, ...]:
    """The same charts with their points elsewhere."""
    return tuple(replace(sheet, positions=how(sheet.positions)) for sheet in sheets)


def wall_of(sheets: Sequence[Sheet]) -> int:
    """The largest sheet: where a print goes."""
    return max(range(len(sheets)), key=lambda k: float(np.ptp(sheets[k].uv, axis=0).prod()))


def turned_over(sheets: Sequence[Sheet]) -> tuple[Sheet, ...]:
    """Inside out; charts are mirrored with the winding so that nothing on them reads backwards."""
    return tuple(replace(sheet, triangles=sheet.triangles[:, ::-1], uv=sheet.uv * [-1.0, 1.0]) for sheet in sheets)
