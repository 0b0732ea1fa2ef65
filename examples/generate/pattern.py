"""The flat pattern of one side of an upper: where every texture, seam and panel is laid out, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from scipy.spatial import cKDTree

from examples.generate.flatten import as_rigid_as_possible
from examples.generate.last import Last, Side, ring_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Pattern:
    """One side, lateral or medial, between the centre lines of heel and toe.

    Three coordinates name a point of it: (along, rise) of the loft, 0..1 each; flat (p, q) in mm,
    q downwards, as the side is seen from outside; and the place in space, mm.
    """

    last: Last
    side: Side
    to_p: RectBivariateSpline
    to_q: RectBivariateSpline
    size: tuple[float, float]                  # extent in p and q, mm; the pattern starts at 0, 0
    _grid: F64                                 # (N, 2) (along, rise) of …
    _places: cKDTree                           # … these pattern points: where the inverse map starts

    @classmethod
    def of(cls, last: Last, side: Side) -> Pattern:
        along, rise = np.linspace(0, 1, 141), np.linspace(0, 1, 41)
        grid_along, grid_rise = np.meshgrid(along, rise, indexing="ij")
        points = last.point(ring_of(side, grid_along), grid_rise)
        triangles = grid_triangles(len(along), len(rise))
        # From outside, the lateral side of a left shoe is seen with its toe to the left.
        mirror = -1.0 if side == "lateral" else 1.0
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, 20], axis=0), axis=1))])
        up = np.concatenate([np.zeros((len(along), 1)),
                             np.cumsum(np.linalg.norm(np.diff(points, axis=1), axis=2), axis=1)], axis=1)
        start = np.stack([mirror * np.broadcast_to(arc[:, None], up.shape), -up], axis=-1).reshape(-1, 2)
        flat = as_rigid_as_possible(points.reshape(-1, 3), triangles, start)
        flat -= flat.min(axis=0)
        p, q = flat.reshape(*up.shape, 2).transpose(2, 0, 1)
        width, height = (float(extent) for extent in flat.max(axis=0))
        return cls(last, side, RectBivariateSpline(along, rise, p), RectBivariateSpline(along, rise, q),
                   (width, height), np.stack([grid_along.ravel(), grid_rise.ravel()], axis=1), cKDTree(flat))

    def flat(self, along: F64, rise: F64) -> F64:
        """(…, 2) pattern coordinates in mm."""
        along, rise = np.broadcast_arrays(np.asarray(along, float), np.asarray(rise, float))
        return np.stack([self.to_p.ev(along, rise), self.to_q.ev(along, rise)], axis=-1)

    def lofted(self, flat: F64) -> F64:
        """(N, 2) (along, rise) of pattern points; points outside are pulled onto the border."""
        _, nearest = self._places.query(flat)
        a, r = self._grid[nearest].T
        for _ in range(4):                     # Newton steps on the smooth map, from the nearest grid point
            residual = flat - self.flat(a, r)
            pa, pr = self.to_p.ev(a, r, dx=1), self.to_p.ev(a, r, dy=1)
            qa, qr = self.to_q.ev(a, r, dx=1), self.to_q.ev(a, r, dy=1)
            determinant = pa * qr - pr * qa
            a = np.clip(a + (residual[:, 0] * qr - residual[:, 1] * pr) / determinant, 0.0, 1.0)
            r = np.clip(r + (residual[:, 1] * pa - residual[:, 0] * qa) / determinant, 0.0, 1.0)
        return np.stack([a, r], axis=1)

    def point(self, along: F64, rise: F64) -> F64:
        return self.last.point(ring_of(self.side, along), rise)

    def normal(self, along: F64, rise: F64) -> F64:
        return self.last.normal(ring_of(self.side, along), rise)

    def at_side_view(self, x: float, y: float) -> tuple[float, float]:
        """(along, rise) of the point that a side view shows at (x, y) mm."""
        along, rise = np.meshgrid(np.linspace(0, 1, 301), np.linspace(0, 1, 101), indexing="ij")
        place = self.point(along, rise)
        nearest = int(((place[..., 0] - x) ** 2 + (place[..., 1] - y) ** 2).argmin())
        return float(along.flat[nearest]), float(rise.flat[nearest])

    def border(self) -> F64:
        """(N, 2) outline of the pattern, mm."""
        around = _border()
        return self.flat(around[:, 0], around[:, 1])

    def stretch(self) -> F64:
        """(N,) flat over true length of small steps along both loft directions; 1 is no distortion."""
        along, rise = np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, 1, 31), indexing="ij")
        place, flat = self.point(along, rise), self.flat(along, rise)
        ratios = [np.linalg.norm(np.diff(flat, axis=k), axis=-1) / np.linalg.norm(np.diff(place, axis=k), axis=-1)
                  for k in (0, 1)]
        return np.concatenate([r.ravel() for r in ratios])


def _border(count: int = 400) -> F64:
    """(4·count, 2) (along, rise) once around the border."""
    t, zero, one = np.linspace(0, 1, count), np.zeros(count), np.ones(count)
    sides = [(t, zero), (one, t), (t[::-1], one), (zero, t[::-1])]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def grid_triangles(rows: int, columns: int) -> I64:
    """(2·(rows−1)·(columns−1), 3) triangles of a grid of points in row-major order."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
