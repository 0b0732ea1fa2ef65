"""The pieces that a court sneaker's upper is sewn from, drawn on the pattern of one side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from examples.generate.panels import Chain, curve, inset, line, outline, resampled, rounded, signed_area
from examples.generate.pattern import Pattern

F64 = NDArray[np.float64]

OUTLINE_SPACING_MM = 1.9
ROW_INSETS_MM = (2.2, 4.2)                     # double-row seams run this far inside a panel's edge
COLLAR_RISE = 0.68                             # the padded collar begins here


@dataclass(frozen=True)
class Panel:
    """One piece laid over the last."""

    name: str
    height: float                              # of its face above the last, mm
    loop: F64                                  # (N, 2) outline in pattern mm
    free: NDArray[np.bool_]                    # (N,) which outline edges are cut edges
    seams: tuple[F64, ...] = ()                # centre lines of double-row seams, pattern mm
    rows: tuple[tuple[F64, ...], ...] = ()     # the rows themselves, outermost first
    spacing: float = 4.0                       # of its triangles, mm


def drop(pattern: Pattern, along: float, distance: float) -> tuple[float, float]:
    """(along, rise) of the point ``distance`` mm below the top edge on one profile."""
    rise = np.linspace(1.0, 0.0, 201)
    flat = pattern.flat(np.full_like(rise, along), rise)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))])
    return along, float(np.interp(distance, run, rise))


def cut(pattern: Pattern, name: str, height: float, chains: list[Chain],
        row_insets: tuple[float, ...] = ROW_INSETS_MM) -> Panel:
    """A panel from its outline, with seams inside its cut edges."""
    loop, free = outline(pattern, chains, OUTLINE_SPACING_MM)
    return sewn(name, height, loop, free, row_insets)


def sewn(name: str, height: float, loop: F64, free: NDArray[np.bool_], row_insets: tuple[float, ...]) -> Panel:
    rows = tuple(tuple(inset(loop, free, d)) for d in row_insets)
    seams = tuple(inset(loop, free, float(np.mean(row_insets)))) if row_insets else ()
    return Panel(name, height, loop, free, seams, rows)


def quarter(pattern: Pattern) -> Panel:
    top = [(0.0, COLLAR_RISE), (0.10, COLLAR_RISE), (0.22, COLLAR_RISE), (0.32, 0.685), (0.40, 0.715), (0.45, 0.82)]
    front = [(0.80, 1.0), (0.785, 0.86), (0.75, 0.62), (0.69, 0.36), (0.64, 0.16), (0.62, 0.0)]
    corner = (0.475, 1.0)
    return cut(pattern, "quarter", 1.1, [
        Chain(curve(pattern, [*top, corner])), Chain(line(corner, front[0])), Chain(curve(pattern, front)),
        Chain(line(front[-1], (0.0, 0.0)), free=False), Chain(line((0.0, 0.0), top[0]), free=False)])


def eyestay(pattern: Pattern) -> Panel:
    width = 17.0
    start = (0.452, 1.0)
    outer = [drop(pattern, 1.0, 13.0), drop(pattern, 0.955, 13.0), drop(pattern, 0.89, 14.0), drop(pattern, 0.80, 16.5),
             drop(pattern, 0.72, width), drop(pattern, 0.63, width), drop(pattern, 0.55, width + 1),
             drop(pattern, 0.50, 18.5), drop(pattern, 0.468, 14.0), drop(pattern, 0.456, 7.0), start]
    return cut(pattern, "eyestay", 2.1, [
        Chain(line(start, (1.0, 1.0))), Chain(line((1.0, 1.0), outer[0]), free=False), Chain(curve(pattern, outer))])


def toe_cap(pattern: Pattern) -> Panel:
    edge = [(1.0, 0.50), (0.95, 0.488), (0.89, 0.44), (0.83, 0.335), (0.775, 0.20), (0.73, 0.08), (0.715, 0.0)]
    return cut(pattern, "toe cap", 1.2, [
        Chain(curve(pattern, edge)), Chain(line(edge[-1], (1.0, 0.0)), free=False),
        Chain(line((1.0, 0.0), edge[0]), free=False)])


def counter(pattern: Pattern) -> Panel:
    edge = [(0.0, 0.585), (0.06, 0.57), (0.125, 0.50), (0.18, 0.38), (0.225, 0.22), (0.255, 0.0)]
    return cut(pattern, "counter", 2.1, [
        Chain(curve(pattern, edge)), Chain(line(edge[-1], (0.0, 0.0)), free=False),
        Chain(line((0.0, 0.0), edge[0]), free=False)])


def heel_tab(pattern: Pattern) -> Panel:
    edge = [(0.068, 1.0), (0.067, 0.93), (0.061, 0.84), (0.042, 0.775), (0.0, 0.755)]
    tab = cut(pattern, "heel tab", 1.7, [
        Chain(line((0.0, 1.0), edge[0])), Chain(curve(pattern, edge)),
        Chain(line(edge[-1], (0.0, 1.0)), free=False)], row_insets=(2.0,))
    return replace(tab, spacing=2.2)           # it lies over the collar's pad


def logo(pattern: Pattern) -> Panel:
    """The mark: a horizon that rises to one peak, leaning towards the toe."""
    forward = -1.0 if pattern.side == "lateral" else 1.0
    course = np.array([(-34.0, 9.0), (-14.5, 9.0), (0.0, -9.5), (14.5, 9.0), (34.0, 9.0)])
    band = stroke(course, 8.0)
    lean = np.stack([band[:, 0] - 0.25 * forward * band[:, 1], band[:, 1]], axis=1)
    tilt = np.radians(5.0) * -forward          # the horizon rises towards the toe, as the sole does
    turned = lean @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    centre = pattern.flat(*np.array(pattern.at_side_view(119.0, 54.0)))
    corners = turned + centre
    if signed_area(corners) > 0:
        corners = corners[::-1]
    sides = [resampled(np.stack([a, b]), 1.6)[:-1] for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    free = np.ones(sum(len(side) for side in sides), bool)
    return sewn("logo", 2.0, rounded(np.concatenate(sides), free, rounds=2), free, ())


def stroke(course: F64, width: float) -> F64:
    """(2N, 2) outline of a polyline drawn with a broad pen, corners mitred."""
    step = np.diff(course, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    first, last = normal[:1], normal[-1:]
    before, after = np.concatenate([first, normal]), np.concatenate([normal, last])
    mitre = before + after
    mitre /= (mitre * after).sum(axis=1, keepdims=True)
    return np.concatenate([course + mitre * width / 2, (course - mitre * width / 2)[::-1]])


def sneaker_panels(pattern: Pattern) -> tuple[Panel, ...]:
    """All panels of one side, lowest first."""
    return tuple(make(pattern) for make in (toe_cap, quarter, eyestay, counter, heel_tab, logo))
