"""Panels of an upper: pieces of leather with real thickness and a rounded cut edge, laid over the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import Delaunay

from examples.generate.pattern import Pattern

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A cut edge in units of the panel's height: (inset from the outline, height, tilt of its normal in degrees).
EDGE_PROFILE = ((0.0, -0.2, 85.0), (0.0, 0.45, 78.0), (0.18, 0.80, 48.0), (0.45, 0.97, 18.0), (0.85, 1.0, 0.0))
WALL_TEXTURE_INSET_MM = 0.4                    # the wall takes its colour from just inside the edge


@dataclass(frozen=True)
class Chain:
    """A stretch of a panel's outline, in (along, rise). Free edges are cut and rounded; the others meet
    the panel of the other side, or vanish into the sole."""

    points: F64                                # (N, 2), dense
    free: bool = True


@dataclass(frozen=True)
class Sheet:
    """A triangulated piece in space, mm, with its place in the pattern."""

    positions: F64                             # (V, 3)
    normals: F64                               # (V, 3)
    flat: F64                                  # (V, 2) pattern mm
    triangles: I64                             # (T, 3)


def curve(pattern: Pattern, controls: list[tuple[float, float]], count: int = 160) -> F64:
    """(count, 2) smooth (along, rise) curve through control points."""
    through = np.array(controls, float)
    flat = pattern.flat(through[:, 0], through[:, 1])
    steps = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(flat, axis=0), axis=1)))])
    dense = CubicSpline(steps, through)(np.linspace(0, steps[-1], count))
    clipped: F64 = np.clip(dense, 0.0, 1.0)
    return clipped


def line(a: tuple[float, float], b: tuple[float, float], count: int = 160) -> F64:
    """(count, 2) straight (along, rise) line."""
    return np.linspace(a, b, count)


def resampled(points: F64, spacing: float, least: int = 3, measured: int = 2) -> F64:
    """(N, D) evenly spaced points of a polyline, its ends included; the first ``measured`` columns give lengths."""
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :measured], axis=0), axis=1))])
    count = max(least, round(steps[-1] / spacing) + 1)
    at = np.linspace(0, steps[-1], count)
    return np.stack([np.interp(at, steps, points[:, k]) for k in range(points.shape[1])], axis=1)


def outline(pattern: Pattern, chains: list[Chain], spacing: float) -> tuple[F64, NDArray[np.bool_]]:
    """Closed outline in pattern mm, counter-clockwise as seen from outside, and which of its edges are free.

    Returns (N, 2) points and (N,) flags of the edge from each point to the next.
    """
    pieces, free = [], []
    for chain in chains:
        # Lengths in space, not in the pattern: so both sides divide the centre line they share alike.
        place = pattern.point(chain.points[:, 0], chain.points[:, 1])
        course = resampled(np.concatenate([place, chain.points], axis=1), spacing, measured=3)[:, 3:]
        flat = pattern.flat(course[:, 0], course[:, 1])
        pieces.append(flat[:-1])
        free.append(np.full(len(flat) - 1, chain.free))
    loop, flags = np.concatenate(pieces), np.concatenate(free)
    if signed_area(loop) > 0:                  # q points down: positive means clockwise to the eye
        loop = loop[::-1]
        flags = np.roll(flags[::-1], -1)
    return rounded(loop, flags), flags


def rounded(loop: F64, free: NDArray[np.bool_], rounds: int = 6) -> F64:
    """Take the point off corners between free edges: leather is cut round, and a rounded edge needs room to turn."""
    corner = free & np.roll(free, 1)
    for _ in range(rounds):
        before, after = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
        turn = (before * after).sum(axis=1) / np.maximum(
            np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1), 1e-9)
        sharp = corner & (turn < np.cos(np.radians(25.0)))
        loop = np.where(sharp[:, None], loop + 0.25 * (after - before), loop)
    return loop


def sheet(pattern: Pattern, loop: F64, free: NDArray[np.bool_], height: float, spacing: float) -> Sheet:
    """Raise a closed outline off the last by ``height`` mm with a rounded edge, and fill it with triangles."""
    inward = _inward(loop, free)
    hem = free | np.roll(free, 1)              # points that touch a free edge
    rings, normals, flats = [], [], []
    centre = pattern.lofted(loop)
    edge = pattern.point(*centre.T)
    inside = pattern.lofted(loop + inward * np.where(hem, 1.0, 0.0)[:, None])
    outward = edge - pattern.point(*inside.T)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    for inset, rise, tilt in EDGE_PROFILE:
        moved = loop + inward * np.where(hem, inset * height, 0.0)[:, None]
        lofted = pattern.lofted(moved)
        normal = pattern.normal(*lofted.T)
        lift = np.where(hem, rise * height, height)[:, None]
        angle = np.radians(np.where(hem, tilt, 0.0))[:, None]
        side = outward - (outward * normal).sum(axis=1, keepdims=True) * normal
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        rings.append(pattern.point(*lofted.T) + lift * normal)
        normals.append(np.cos(angle) * normal + np.sin(angle) * side)
        flats.append(loop + inward * np.where(hem, max(inset * height, WALL_TEXTURE_INSET_MM), 0.0)[:, None])

    last_ring = loop + inward * np.where(hem, EDGE_PROFILE[-1][0] * height, 0.0)[:, None]
    extra, fill = _fill(last_ring, spacing)
    lofted = pattern.lofted(extra)
    normal = pattern.normal(*lofted.T)
    count, levels = len(loop), len(EDGE_PROFILE)
    rings.append(pattern.point(*lofted.T) + height * normal)
    normals.append(normal)
    flats.append(extra)
    triangles = [fill + (levels - 1) * count]
    here, there = np.arange(count), np.roll(np.arange(count), -1)
    for level in range(levels - 1):
        low, high = level * count, (level + 1) * count
        triangles += [np.stack([low + here, low + there, high + there], axis=1),
                      np.stack([low + here, high + there, high + here], axis=1)]
    positions, all_triangles = np.concatenate(rings), np.concatenate(triangles)
    area = np.linalg.norm(np.cross(positions[all_triangles[:, 1]] - positions[all_triangles[:, 0]],
                                   positions[all_triangles[:, 2]] - positions[all_triangles[:, 0]]), axis=1)
    return Sheet(positions, np.concatenate(normals), np.concatenate(flats), all_triangles[area > 1e-3])


def _inward(loop: F64, free: NDArray[np.bool_]) -> F64:
    """(N, 2) mitred inward directions; where a free edge meets a fixed one, along the fixed one."""
    edge = np.roll(loop, -1, axis=0) - loop
    edge /= np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-9)
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)  # inward of a loop that is counter-clockwise to the eye
    before, after = np.roll(normal, 1, axis=0), normal
    mitre = before + after
    mitre /= np.maximum((mitre * after).sum(axis=1, keepdims=True), 0.5)
    was_free = np.roll(free, 1)
    along_after, along_before = edge, -np.roll(edge, 1, axis=0)
    mitre = np.where((was_free & ~free)[:, None], along_after, mitre)
    return np.where((~was_free & free)[:, None], along_before, mitre)


def _fill(ring: F64, spacing: float) -> tuple[F64, I64]:
    """Interior points and triangles of a closed ring; triangle indices count the ring first."""
    low, high = ring.min(axis=0), ring.max(axis=0)
    rows = np.arange(low[1], high[1], spacing * 0.866)
    columns = np.arange(low[0], high[0], spacing)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    grid[1::2, :, 0] += spacing / 2
    candidates = grid.reshape(-1, 2)
    candidates = candidates[inside(ring, candidates)]
    step = np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1).max()
    dense = resampled(np.concatenate([ring, ring[:1]]), min(step, 0.8))
    gap = np.linalg.norm(candidates[:, None] - dense[None], axis=2).min(axis=1, initial=np.inf)
    extra = candidates[gap > 0.55 * spacing]
    points = np.concatenate([ring, extra])
    found = Delaunay(points).simplices.astype(np.int64)
    corners = points[found]
    area = ((corners[:, 1, 0] - corners[:, 0, 0]) * (corners[:, 2, 1] - corners[:, 0, 1])
            - (corners[:, 1, 1] - corners[:, 0, 1]) * (corners[:, 2, 0] - corners[:, 0, 0]))
    found = np.where(area[:, None] > 0, found[:, ::-1], found)
    return extra, found[inside(ring, corners.mean(axis=1)) & (np.abs(area) > 1e-6)]


def inside(loop: F64, points: F64) -> NDArray[np.bool_]:
    """(N,) which points lie inside a closed polygon, by crossings of a ray."""
    (x0, y0), (x1, y1) = loop.T, np.roll(loop, -1, axis=0).T
    px, py = points[:, 0, None], points[:, 1, None]
    spans = (y0 > py) != (y1 > py)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (py - y0) * (x1 - x0) / (y1 - y0)
    return np.asarray((spans & (px < crossing)).sum(axis=1) % 2 == 1)


def signed_area(loop: F64) -> float:
    following = np.roll(loop, -1, axis=0)
    return float((loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]).sum() / 2)


def inset(loop: F64, free: NDArray[np.bool_], distance: float) -> list[F64]:
    """The runs of free edges moved inwards by ``distance`` mm: the lines a seam follows."""
    count = len(loop)
    if free.all():
        moved = loop + _inward(loop, free) * distance
        return [np.concatenate([moved, moved[:1]])]
    start = int(np.flatnonzero(~free & np.roll(free, -1))[0]) + 1
    order = (start + np.arange(count)) % count
    moved = loop + _inward(loop, free) * distance
    runs: list[F64] = []
    current: list[int] = []
    for i in order:
        if free[i]:
            current.append(int(i))
        elif current:
            runs.append(moved[[*current, (current[-1] + 1) % count]])
            current = []
    if current:
        runs.append(moved[[*current, (current[-1] + 1) % count]])
    return runs
