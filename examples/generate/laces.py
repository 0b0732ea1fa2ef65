"""Eyelets, and laces swept through them. Millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from examples.generate.grids import arc_lengths
from examples.generate.pattern import Pattern
from examples.generate.sneaker_panels import drop

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Eyelet:
    """A hole through the eyestay."""

    place: F64                                 # (3,) on the last's surface
    normal: F64                                # (3,)
    edge: F64                                  # (3,) the throat's edge beside it
    edge_normal: F64
    flat: F64                                  # (2,) pattern mm


@dataclass(frozen=True)
class LaceSection:
    """A lace's cross-section: a superellipse; round where both radii and the power are those of a circle."""

    half_width: float
    half_height: float
    power: float = 3.0
    points: int = 12


def eyelets(pattern: Pattern, first: float, last: float, count: int, inset_mm: float) -> tuple[Eyelet, ...]:
    """``count`` eyelets at even distances along the throat's edge, the one nearest the toe first."""
    along = np.linspace(first, last, 200)
    edge = pattern.point(along, np.ones_like(along))
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
    result = []
    for at in np.interp(np.linspace(0, run[-1], count), run, along):
        hole = np.array(drop(pattern, float(at), inset_mm))
        one = np.array([at, 1.0])
        result.append(Eyelet(pattern.point(*hole), pattern.normal(*hole), pattern.point(*one), pattern.normal(*one),
                             pattern.flat(*hole)))
    return tuple(result)


def eyelet_ring(eyelet: Eyelet, face_mm: float, outer: float, inner: float, height: float, segments: int = 16) -> F64:
    """(rings, segments + 1, 3) a rolled metal ring, from its outer foot over the crown into the hole."""
    x = np.cross(eyelet.normal, (0.0, 0.0, 1.0) if abs(eyelet.normal[2]) < 0.9 else (1.0, 0.0, 0.0))
    x /= np.linalg.norm(x)
    y = np.cross(eyelet.normal, x)
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :, None]
    roll = np.linspace(0, np.pi, 7)
    radius = (outer + inner) / 2 + (outer - inner) / 2 * np.cos(roll)
    lift = face_mm - 0.25 + (height + 0.25) * np.sin(roll)
    radius, lift = np.append(radius, inner - 0.1), np.append(lift, face_mm - 2.0)
    result: F64 = (eyelet.place + lift[:, None, None] * eyelet.normal
                   + radius[:, None, None] * (np.cos(angle) * x + np.sin(angle) * y))
    return result


def crossing(start: Eyelet, end: Eyelet, crest: F64, face_mm: float, under_mm: float) -> tuple[F64, F64]:
    """A lace that leaves one eyelet upwards, crosses the throat and dives under the other eyestay.

    ``crest`` is the place over the middle of the tongue that it must clear; ``face_mm`` the eyestay's
    face over the last, ``under_mm`` the depth of its underside.
    Returns (N, 3) path and (N, 3) surface normals along it.
    """
    lift = face_mm + 1.0
    knots = np.array([start.place + (face_mm - 2.6) * start.normal, start.place + (lift + 0.5) * start.normal,
                      0.45 * start.place + 0.55 * start.edge + (lift + 0.35) * start.normal,
                      start.edge + (lift + 0.1) * start.edge_normal,
                      crest,
                      end.edge - under_mm * end.edge_normal * 0.55,
                      0.4 * end.edge + 0.6 * end.place - under_mm * end.normal])
    up = np.array([start.normal, start.normal, start.normal, start.edge_normal, start.edge_normal + end.edge_normal,
                   end.edge_normal, end.normal])
    return _path(knots, up)


def bar(start: Eyelet, end: Eyelet, crest: F64, face_mm: float) -> tuple[F64, F64]:
    """A lace that runs straight across and enters both eyelets from above."""
    lift = face_mm + 1.0
    def side(e: Eyelet) -> list[F64]:
        return [e.place + (face_mm - 2.6) * e.normal, e.place + (lift + 0.5) * e.normal,
                0.45 * e.place + 0.55 * e.edge + (lift + 0.3) * e.normal, e.edge + (lift + 0.1) * e.edge_normal]
    knots = np.array([*side(start), crest, *side(end)[::-1]])
    up = np.array([start.normal] * 3 + [start.edge_normal] + [start.edge_normal + end.edge_normal]
                  + [end.edge_normal] + [end.normal] * 3)
    return _path(knots, up)


def hidden_bar(start: Eyelet, end: Eyelet, crest: F64, under_mm: float) -> tuple[F64, F64]:
    """The first lace: it runs under both eyestays and shows between them only."""
    def side(e: Eyelet) -> list[F64]:
        return [0.4 * e.edge + 0.6 * e.place - under_mm * e.normal, e.edge - under_mm * 0.6 * e.edge_normal]
    knots = np.array([*side(start), crest, *side(end)[::-1]])
    up = np.array([start.normal, start.edge_normal, start.edge_normal + end.edge_normal, end.edge_normal, end.normal])
    return _path(knots, up)


def _path(knots: F64, up: F64, spacing: float = 2.0) -> tuple[F64, F64]:
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1) ** 0.6)])
    spline, normals = CubicSpline(at, knots), CubicSpline(at, up)
    fine = spline(np.linspace(0, at[-1], 400))
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    even = np.linspace(0, length[-1], max(8, round(length[-1] / spacing)))
    where = np.interp(even, length, np.linspace(0, at[-1], 400))
    return spline(where), normals(where)


def swept(path: F64, up: F64, section: LaceSection, pinch: F64 | None = None) -> tuple[F64, F64]:
    """(N, K + 1, 3) a tube along a path, its broad side turned to ``up``; and (N, K + 1, 2) chart mm.

    ``pinch`` (N,) narrows the tube, as an eyelet gathers a flat lace.
    """
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, up)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    normal = np.cross(side, tangent)
    angle = np.linspace(0, 2 * np.pi, section.points + 1)
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / section.power) * section.half_width
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / section.power) * section.half_height
    narrow = (np.ones(len(path)) if pinch is None else pinch)[:, None, None]
    thick = 1 + (1 - narrow) * 0.8
    points = (path[:, None] + side[:, None] * x[None, :, None] * narrow + normal[:, None] * y[None, :, None] * thick)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    around = arc_lengths(np.stack([x, y, 0 * x], axis=1)[None], 1)[0]
    flat = np.stack(np.broadcast_arrays(run[:, None], around[-1] - around[None]), axis=-1)
    return points, flat


