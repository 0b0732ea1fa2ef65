"""A padded tongue: it fills the throat under the eyestays and rises out of it. Millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, RegularGridInterpolator

from examples.generate.grids import arc_lengths
from examples.generate.last import Last, ring_of

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class TongueShape:
    """How the tongue lies and how far it rises."""

    top_along: float = 0.545                   # where it leaves the throat
    under_mm: float = 11.0                     # reach under the eyestays
    sunk_mm: float = 7.2                       # of its middle surface below the last's
    rise_mm: float = 39.0                      # length beyond the throat
    lean_from_deg: float = 148.0               # direction of rising at the throat, from +X towards +Y
    lean_to_deg: float = 112.0                 # and at its end
    corner_mm: float = 11.0                    # radius of its corners
    throat_pad_mm: float = 1.5                 # half thickness
    end_pad_mm: float = 4.2


@dataclass(frozen=True)
class Tongue:
    """Front and back of the tongue; both grids (S, T, 3) share their border."""

    front: F64
    back: F64
    flat: F64                                  # (S, T, 2) chart: x towards the lateral side, y downwards

    @property
    def back_flat(self) -> F64:
        """The back's chart: as the front's, seen from the other side."""
        return np.stack([self.flat[..., 0].max() - self.flat[..., 0], self.flat[..., 1]], axis=-1)

    def on_front(self, x: F64, y: F64) -> F64:
        """(…, 3) points of the front: ``x`` mm towards the lateral side of its middle, ``y`` mm below its end."""
        middle = self.front.shape[1] // 2
        down = self.flat[:, middle, 1]
        row = np.interp(y, down[::-1], np.arange(len(down))[::-1])
        level = np.clip(np.round(row).astype(int), 0, len(down) - 1)
        columns = np.arange(self.front.shape[1], dtype=float)
        column = np.empty(np.shape(x))
        for at in np.ndindex(np.shape(x)):
            line = self.flat[level[at], :, 0] - self.flat[level[at], middle, 0]
            order = np.argsort(line)
            column[at] = np.interp(x[at], line[order], columns[order])
        axes = (np.arange(self.front.shape[0], dtype=float), columns)
        found: F64 = RegularGridInterpolator(axes, self.front, method="cubic")(np.stack([row, column], axis=-1))
        return found


def tongue(last: Last, shape: TongueShape, columns: int = 29) -> Tongue:
    """Sections across the throat from its base upwards, carried on along an arc."""
    t = (1 - np.cos(np.linspace(0, np.pi, columns))) / 2  # closer columns towards both rims
    laid = _laid(last, shape, t)
    # Shares of the length beyond the throat, in closer rows where the end is rounded.
    part = 1.0 - (1.0 - np.linspace(0, 1, 23)[1:]) ** 1.7
    angle = np.radians(shape.lean_from_deg + (shape.lean_to_deg - shape.lean_from_deg) * part)
    middle = np.concatenate([laid, _risen(laid[-1], shape, t, part, angle)])

    around, upward = np.gradient(middle, axis=1), np.gradient(middle, axis=0)
    upward[0] = upward[1]
    # Beyond the throat the path's own direction: differences between rows that narrow would tilt the rim.
    upward[len(laid):] = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)[:, None]
    normal = np.cross(around, upward)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    if normal[len(middle) // 2, columns // 2, 1] < 0:
        normal = -normal
    lift = _thickness(shape, len(laid), part, columns)[..., None] * normal
    front, back = middle + lift, middle - lift

    across = arc_lengths(front, 1)
    across = across - across[:, -1:] / 2
    lengths = arc_lengths(front, 0)[:, columns // 2]
    flat = np.stack([-across, np.broadcast_to((lengths[-1] - lengths)[:, None], across.shape)], axis=-1)
    flat[..., 0] -= flat[..., 0].min()
    return Tongue(front, back, flat)


def _laid(last: Last, shape: TongueShape, t: F64, rows: int = 34) -> F64:
    """(rows, T, 3) middle surface in the throat: arches from under one eyestay to under the other."""
    along = np.linspace(1.0, shape.top_along, rows)
    borders, leaving = [], []
    for ring in (ring_of("lateral", along), ring_of("medial", along)):
        edge = last.point(ring, np.ones_like(ring))
        normal = last.normal(ring, np.ones_like(ring))
        down = last.point(ring, np.full_like(ring, 0.95)) - edge
        down /= np.linalg.norm(down, axis=1, keepdims=True)
        borders.append(edge + shape.under_mm * down - shape.sunk_mm * normal)
        leaving.append(down)
    width = np.linalg.norm(borders[1] - borders[0], axis=1)[:, None, None]
    a, d = borders[0][:, None], borders[1][:, None]
    b, c = a - leaving[0][:, None] * width * 0.40, d - leaving[1][:, None] * width * 0.40
    t = t[None, :, None]
    arches: F64 = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return arches


def _risen(final: F64, shape: TongueShape, t: F64, part: F64, angle: F64) -> F64:
    """(rows, T, 3) middle surface beyond the throat: its ``final`` section carried along an arc.

    ``part`` (rows,) shares of the length, ``angle`` (rows,) direction of rising there, radians.
    """
    step = np.diff(np.concatenate([[0.0], part])) * shape.rise_mm
    path = np.cumsum(np.stack([np.cos(angle) * step, np.sin(angle) * step, 0 * step], axis=1), axis=0)
    section, centre = CubicSpline(t, final), final[len(final) // 2]
    rows = []
    for share, direction, spine in zip(part, angle, path, strict=True):
        # Round corners: the section is trimmed, not squeezed. It opens out as it rises.
        into = max(0.0, shape.corner_mm - (1.0 - share) * shape.rise_mm)
        trimmed = shape.corner_mm - np.sqrt(shape.corner_mm**2 - into**2)
        narrow = 1.0 - trimmed / (np.ptp(final[:, 2]) / 2)
        x, y, z = (section(0.5 + (t - 0.5) * narrow) - centre).T
        turn = direction - np.radians(shape.lean_from_deg)
        flatten = 1.0 - 0.3 * share
        rows.append(centre + spine + np.stack([(np.cos(turn) * x - np.sin(turn) * y) * flatten,
                                               (np.sin(turn) * x + np.cos(turn) * y) * flatten, z], axis=1))
    return np.stack(rows)


def _thickness(shape: TongueShape, laid: int, part: F64, columns: int) -> F64:
    """(rows, columns) half thickness: thin under the laces, padded at the end, round at the rims."""
    rest = np.concatenate([np.linspace(0, 0.25, laid), 0.25 + 0.75 * np.minimum(part * 1.6, 1.0)])
    pad = shape.throat_pad_mm + (shape.end_pad_mm - shape.throat_pad_mm) * rest
    left = np.clip((1 - np.concatenate([np.zeros(laid), part])) * shape.rise_mm / shape.end_pad_mm, 0, 1)
    pad = pad * np.sqrt(np.clip(1 - (1 - left) ** 2, 0, 1))
    rim = np.minimum(np.linspace(0, np.pi, columns), np.linspace(np.pi, 0, columns))
    result: F64 = pad[:, None] * np.sin(np.minimum(rim * 1.6, np.pi / 2))[None]
    return result


def patch(on: Tongue, width: float, height: float, below_top: float, thickness: float) -> tuple[F64, F64]:
    """A sewn label on the tongue's front: (R, C, 3) points with a folded-down rim, and (R, C, 2) chart mm."""
    x = np.concatenate([[-width / 2, -width / 2], np.linspace(-width / 2 + 0.5, width / 2 - 0.5, 19), [width / 2] * 2])
    y = np.concatenate([[0.0, 0.0], np.linspace(0.5, height - 0.5, 13), [height] * 2])
    lift_x = np.concatenate([[-0.4, 0.7], np.ones(19), [0.7, -0.4]])
    lift_y = np.concatenate([[-0.4, 0.7], np.ones(13), [0.7, -0.4]])
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    lift = np.minimum(lift_y[:, None], lift_x[None]) * thickness
    here = on.on_front(grid_x, grid_y + below_top)
    right = on.on_front(grid_x + 0.5, grid_y + below_top) - on.on_front(grid_x - 0.5, grid_y + below_top)
    down = on.on_front(grid_x, grid_y + below_top + 0.5) - on.on_front(grid_x, grid_y + below_top - 0.5)
    normal = np.cross(down, right)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    flat = np.stack([grid_x + width / 2, grid_y], axis=-1)
    return here + lift[..., None] * normal, np.clip(flat, 0.15, (width - 0.15, height - 0.15))
