"""A cupsole: its wall swept around the last, the outsole underneath and the footbed inside. Millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from examples.generate.atlas import Slot
from examples.generate.grids import arc_lengths, grid_part
from examples.generate.last import Last, Side, ring_of
from examples.generate.model import Part

F64 = NDArray[np.float64]
UP = np.array([0.0, 1.0, 0.0])


# (mm outwards from the upper, the edge that the height counts from, mm above that edge)
SectionPoint = tuple[float, Literal["top", "bottom"], float]


@dataclass(frozen=True)
class SoleShape:
    """Heights along the shoe and the section of the wall."""

    top: tuple[tuple[float, float], ...]       # (x, y) of the wall's upper edge
    bottom: tuple[tuple[float, float], ...]    # (x, y) of the outsole
    section: tuple[SectionPoint, ...]          # of the wall, from inside the lip to the tread
    bumper: float = 0.0                        # outward swell at the toe
    footbed: float = 4.0                       # height of the footbed over the feather line
    stations: int = 111                        # per side
    width: tuple[tuple[float, float], ...] = ((0.0, 1.0), (150.0, 1.0), (300.0, 1.0))  # (x, share of its reach)


# From inside the lip, over it, down the wall with its stitched groove, round to the tread.
CUPSOLE_SECTION: tuple[SectionPoint, ...] = (
    (-1.2, "top", -6.0), (0.5, "top", -1.5), (1.2, "top", -0.35), (2.0, "top", 0.0), (2.7, "top", -0.3),
    (3.2, "top", -1.0), (3.4, "top", -2.0), (3.45, "top", -3.3), (3.3, "top", -3.6), (2.9, "top", -3.85),
    (2.85, "top", -4.5), (2.9, "top", -5.1), (3.35, "top", -5.35), (3.55, "top", -5.7), (3.65, "top", -8.0),
    (3.8, "bottom", 8.6), (3.9, "bottom", 6.8), (3.9, "bottom", 6.4), (4.2, "bottom", 6.1), (4.25, "bottom", 4.2),
    (4.2, "bottom", 2.4), (3.8, "bottom", 1.1), (3.1, "bottom", 0.3), (2.0, "bottom", 0.0), (0.0, "bottom", 0.0),
)


@dataclass(frozen=True)
class Wall:
    """The wall of one side: a grid of points with its unrolled chart."""

    side: Side
    points: F64                                # (stations, section, 3)
    flat: F64                                  # (stations, section, 2)

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.flat.reshape(-1, 2).max(axis=0)
        return float(width), float(height)


def wall(last: Last, shape: SoleShape, side: Side) -> Wall:
    """Sweep the section around one side, against the upper it holds."""
    along = np.linspace(0, 1, shape.stations)
    ring = ring_of(side, along)
    feather = last.feather(ring)
    outward = last.feather(ring, 1.0) - feather
    top = CubicSpline(*np.array(shape.top).T)(feather[:, 0])
    bottom = CubicSpline(*np.array(shape.bottom).T)(feather[:, 0])
    hold = _reach(last, shape, side)
    spread = CubicSpline(*np.array(shape.width).T)(feather[:, 0])
    toe = np.exp(-(((1 - along) / 0.17) ** 4)) * shape.bumper
    columns = []
    for out, edge, rise in shape.section:
        height = (top if edge == "top" else bottom) + rise
        # The bumper swells the wall between groove and tread, and hardly the lip.
        swell = toe * float(np.interp(out, (2.2, 3.3), (0.0, 1.0))) * (0.3 if edge == "top" and rise > -5.4 else 1.0)
        reach = hold + max(out, 0.0) * spread + min(out, 0.0) + swell
        columns.append(feather * (1, 0, 1) + outward * reach[:, None] + height[:, None] * UP)
    points = np.stack(columns, axis=1)
    # Columns of the chart stay upright: lengths along the wall are taken on its middle.
    middle = points[:, len(shape.section) * 2 // 3]
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(middle, axis=0), axis=1))])
    x = run[-1] - run if side == "lateral" else run
    y = arc_lengths(points, 1)
    return Wall(side, points, np.stack([np.broadcast_to(x[:, None], y.shape), y], axis=-1))


def _reach(last: Last, shape: SoleShape, side: Side) -> F64:
    """(stations,) how far the upper stands outside its feather line at the wall's upper edge.

    Smoothed around the whole ring, so that both sides agree where they meet.
    """
    ring = np.arange(2 * shape.stations - 2) / (2 * shape.stations - 2)
    height = CubicSpline(*np.array(shape.top).T)(last.feather(ring)[:, 0])
    rise = np.linspace(0, 0.6, 61)
    places = last.point(ring[:, None], rise[None])
    feather = last.feather(ring)
    outward = last.feather(ring, 1.0) - feather
    reach = ((places - feather[:, None]) * outward[:, None]).sum(axis=2)
    at = np.array([np.interp(h, p, r) for h, p, r in zip(height, places[..., 1], reach, strict=True)])
    smooth = gaussian_filter1d(at, 3.0, mode="wrap") + 0.4
    station = np.arange(shape.stations)
    return np.asarray(smooth[station if side == "lateral" else -station], np.float64)


def plate(lateral: F64, medial: F64, dome: float, columns: int = 13) -> F64:
    """(stations, columns, 3) a surface between two borders, (N, 3) each, vaulted by ``dome`` mm."""
    t = np.linspace(0, 1, columns)[None, :, None]
    flat = lateral[:, None] * (1 - t) + medial[:, None] * t
    width = np.linalg.norm(medial - lateral, axis=1)[:, None, None]
    result: F64 = flat + dome * (1 - (2 * t - 1) ** 2) * np.minimum(1.0, width / 40) * UP
    return result


def footbed(last: Last, shape: SoleShape) -> F64:
    """(stations, columns, 3) the sockliner inside the shoe."""
    along = np.linspace(0, 1, 61)
    lateral = last.feather(ring_of("lateral", along), -1.0) + shape.footbed * UP
    medial = last.feather(ring_of("medial", along), -1.0) + shape.footbed * UP
    return plate(lateral, medial, -1.5)


def plan(points: F64, mirrored: bool) -> F64:
    """(…, 2) chart of a surface seen from above, or from below where ``mirrored``."""
    x, z = points[..., 0], points[..., 2]
    x, z = x - x.min(), z - z.min()
    return np.stack([x, (z.max() - z) if mirrored else z], axis=-1)


def sole_parts(walls: tuple[Wall, Wall], slots: dict[str, Slot], material: str) -> Part:
    """Both walls and the tread as one part."""
    lateral, medial = walls
    tread = plate(lateral.points[:, -1], medial.points[:, -1], 0.0)
    return grid_part("sole", [(lateral.points, lateral.flat, slots["wall lateral"], True),
                              (medial.points, medial.flat, slots["wall medial"], False),
                              (tread, plan(tread, True), slots["tread"], True)], material)
