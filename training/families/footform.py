"""What footwear shares: a sole's outline, the skin over a last, panels cut from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from training.families.shapes import F64, Part, Sheet, arc, cap, grid, loft, moved, resampled, tube

COLUMNS = 64               # around the last: 0 the heel, 16 the outside, 32 the toe
ROWS = 28                  # from the collar down to the sole


@dataclass(frozen=True, slots=True)
class Last:
    """A foot's proportions, metres."""

    length: float
    width: float
    bend: float            # how far the outline curves inwards, share of the width
    toe: float             # 0 pointed .. 1 blunt
    collar_height: float   # above the sole
    collar_length: float   # share of the length that is open
    toe_height: float
    sole: float            # thickness under the heel
    spring: float          # how far the toe is lifted


def outline(last: Last, grow: float = 0.0) -> F64:
    """(COLUMNS + 1, 2) x and z of the sole, ``grow`` metres larger."""
    stations = [0.0, 0.03, 0.1, 0.25, 0.45, 0.66, 0.84, 0.95, 1.0]
    blunt = 0.16 + 0.12 * last.toe
    halves = [0.0, 0.17, 0.29, 0.33, 0.33, 0.49, 0.40 + 0.05 * last.toe, blunt, 0.0]
    # Near both ends width falls as a circle's: even steps in angle, not in length.
    s = (1.0 - np.cos(np.linspace(0.0, np.pi, 97))) / 2
    half = PchipInterpolator(stations, halves)(s) * last.width
    round_ends = np.minimum(1.0, np.sqrt(np.clip(s / 0.03, 0.0, 1.0)))
    half *= round_ends
    middle = last.bend * last.width * np.sin(np.pi * np.clip((s - 0.2) / 0.8, 0.0, 1.0)) ** 2
    z = (s - 0.5) * last.length
    left, right = np.stack([middle - half, z], axis=1), np.stack([middle + half, z], axis=1)
    line = resampled(np.concatenate([left, right[-2::-1]]), COLUMNS + 1)
    if grow:
        way = np.roll(line[:-1], -1, axis=0) - np.roll(line[:-1], 1, axis=0)
        out = np.stack([-way[:, 1], way[:, 0]], axis=1)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        line = line + grow * np.concatenate([out, out[:1]])
    return line


def skin(last: Last) -> F64:
    """(ROWS + 1, COLUMNS + 1, 3) from the collar down to the sole, quadratic Bézier curves bulging over the last."""
    sole = outline(last)
    theta = np.linspace(-np.pi, np.pi, COLUMNS + 1)
    front = (1.0 + np.cos(theta)) / 2                    # 0 heel .. 1 toe
    open_ = last.collar_length * last.length
    centre = -0.5 * last.length + 0.035 * last.length + open_ / 2
    collar = np.stack([np.sin(theta) * last.width * 0.31, last.sole + last.collar_height * (1.0 - 0.12 * np.sin(
        np.pi * front) + 0.05 * front), centre + np.cos(theta) * open_ / 2], axis=1)
    low = np.stack([sole[:, 0], np.full(len(sole), last.sole - 0.004), sole[:, 1]], axis=1)
    shoulder = last.toe_height * front**2 + last.collar_height * 0.6 * (1.0 - front**2)
    knee = np.stack([sole[:, 0] * 1.12, last.sole + shoulder, sole[:, 1] * 1.03 - 0.012 * front], axis=1)
    t = np.linspace(0.0, 1.0, ROWS + 1)[:, None, None]
    return np.asarray((1 - t) ** 2 * collar + 2 * t * (1 - t) * knee + t**2 * low)


def panel(points: F64) -> Sheet:
    """A piece of the skin, flattened around its middle column: every row keeps its width."""
    middle = points.shape[1] // 2
    around = arc(points, axis=1)
    down = arc(points, axis=0)[:, middle]
    return grid(points, np.stack([around - around[:, middle:middle + 1], down[:, None] + 0.0 * around], axis=-1))


def columns(points: F64, start: int, end: int) -> F64:
    """Columns of the skin, across the heel where ``start`` is negative."""
    if start >= 0:
        return points[:, start:end + 1]
    return np.concatenate([points[:, start - 1:-1], points[:, :end + 1]], axis=1)


def border(points: F64, where: str, inset: float) -> F64:
    """(N, 2) chart line beside a border of a panel: left, right, top or bottom."""
    sheet = panel(points)
    uv = sheet.uv.reshape(*points.shape[:2], 2)
    if where in ("top", "bottom"):
        line, inner = (uv[0], uv[1]) if where == "top" else (uv[-1], uv[-2])
    else:
        line, inner = (uv[:, 0], uv[:, 1]) if where == "left" else (uv[:, -1], uv[:, -2])
    way = inner - line
    length = np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(line + way / np.maximum(length, 1e-9) * inset)


def lifted(sheets: Sequence[Sheet], last: Last) -> tuple[Sheet, ...]:
    """The toe bent up."""
    def up(points: F64) -> F64:
        rise = last.spring * np.clip((points[:, 2] - 0.08 * last.length) / (0.42 * last.length), 0.0, 1.0) ** 2
        return points + np.stack([0.0 * rise, rise, 0.0 * rise], axis=1)

    return moved(sheets, up)


def sole_parts(last: Last, grow: float, tread: float) -> list[Part]:
    """Midsole and outsole, tread down."""
    rings = []
    for level, more in ((1.0, -0.004), (1.0, grow - 0.0015), (0.94, grow), (0.6, grow + 0.0015), (0.3, grow + 0.001),
                        (tread, grow)):
        line = outline(last, more)
        thinner = 0.75 * (0.25 * (line[:, 1] / last.length + 0.5))  # towards the toe
        rings.append(np.stack([line[:, 0], last.sole * level * (1.0 - thinner), line[:, 1]], axis=1))
    for level, more in ((tread, grow + 0.001), (tread * 0.3, grow + 0.001), (0.03, grow - 0.0005), (0.0, grow - 0.003)):
        line = outline(last, more)
        rings.append(np.stack([line[:, 0], np.full(len(line), last.sole * level), line[:, 1]], axis=1))
    heights = np.array(rings)
    return [Part("midsole", "midsole", lifted((loft(_finer(heights[:6])),), last)),
            Part("outsole", "outsole", lifted((loft(_finer(heights[6:])), cap(heights[-1], False, 12)), last))]


def _finer(rings: F64) -> F64:
    out = [rings[0]]
    for before, after in itertools.pairwise(rings):
        out.extend(((before + after) / 2, after))
    return np.array(out)


def lining_parts(last: Last, shell: F64, thick: float) -> list[Part]:
    """Padded collar and the dark inside."""
    rim = shell[0]
    inner = []
    for row, shrink in ((14, 0.80), (10, 0.84), (6, 0.86), (3, 0.88), (0, 0.94)):
        depth = rim[:, 1] - (rim[:, 1] - last.sole) * row / 16
        middle = rim.mean(axis=0)
        inner.append(np.stack([middle[0] + (rim[:, 0] - middle[0]) * shrink, depth,
                               middle[2] + (rim[:, 2] - middle[2]) * shrink], axis=1))
    rings = np.array(inner)
    return [Part("lining", "lining", (loft(rings), cap(rings[0], True, 4)), "inside"),
            Part("collar", "lining", tube(rim, thick, thick * 1.3, 2.0, 12))]
