"""The upper's surface: lofted from a feather line around a foot last to the collar and throat edge.

A shoe is described by a ring of knots around the foot. Each knot joins a point of the feather
line (where upper meets sole) to a point of the top edge with a cubic Bézier profile; periodic cubic
splines carry the profiles around. So the opening is the surface's own border, without trimming.

The ring runs from the heel's centre line along the lateral side (-Z of a left shoe) to the toe's
centre line, and back along the medial side (+Z). All lengths here are millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

F64 = NDArray[np.float64]
Side = Literal["lateral", "medial"]


@dataclass(frozen=True)
class Knot:
    """One profile of the ring, millimetres."""

    feather: tuple[float, float]               # (x, z) of the feather line
    top: tuple[float, float, float]            # (x, y, z) of the collar or throat edge
    leaving: tuple[float, float, float]        # direction in which the surface leaves the top edge
    lower: float                               # length of the profile's lower handle, upwards
    upper: float                               # length of its upper handle, along ``leaving``
    flare: float                               # outward shift of the lower handle's end


@dataclass(frozen=True)
class Last:
    """A ring of knots: heel, lateral …, toe, medial …; and the height of its feather line."""

    lateral: tuple[Knot, ...]                  # from the heel's centre (first) towards the toe
    toe: Knot
    medial: tuple[Knot, ...]                   # from the toe back towards the heel
    feather_heights: tuple[tuple[float, float], ...]  # (x, y) along the shoe
    collar_padding: float = 0.0                # outward swell below the collar
    collar_end: float = 0.0                    # x where the padding has run out, towards the toe

    @cached_property
    def _parameters(self) -> F64:
        """Ring parameter of every knot: 0 heel, 0.5 toe, 1 heel again; by mean chord length."""
        knots = (*self.lateral, self.toe, *self.medial, self.lateral[0])
        ends = np.array([(*k.feather, *k.top) for k in knots])
        steps = np.linalg.norm(np.diff(ends, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        half = len(self.lateral)
        return np.concatenate([along[:half] / along[half] * 0.5,
                               0.5 + (along[half:] - along[half]) / (along[-1] - along[half]) * 0.5])

    @cached_property
    def _controls(self) -> CubicSpline:
        """Periodic spline of the four Bézier controls, flattened to 12 numbers."""
        knots = (*self.lateral, self.toe, *self.medial, self.lateral[0])
        x, z = np.array([k.feather for k in knots]).T
        xs, ys = np.array(self.feather_heights).T
        feather = np.stack([x, CubicSpline(xs, ys)(x), z], axis=1)
        outline = CubicSpline(self._parameters, feather, bc_type="periodic")
        tangent = outline(self._parameters, 1)
        # The ring runs heel → lateral (-Z) → toe: seen from above the outside lies to its left.
        outward = np.stack([tangent[:, 2], np.zeros(len(x)), -tangent[:, 0]], axis=1)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        leaving = np.array([k.leaving for k in knots])
        leaving /= np.linalg.norm(leaving, axis=1, keepdims=True)
        lower, upper, flare = np.array([(k.lower, k.upper, k.flare) for k in knots]).T[:, :, None]
        top = np.array([k.top for k in knots])
        up = np.array([0.0, 1.0, 0.0])
        controls = np.concatenate([feather, feather + lower * up + flare * outward, top + upper * leaving, top], axis=1)
        return CubicSpline(self._parameters, controls, bc_type="periodic")

    def _lofted(self, ring: F64, rise: F64) -> F64:
        c = self._controls(np.mod(ring, 1.0)).reshape(*np.shape(ring), 4, 3)
        t = np.asarray(rise)[..., None]
        s = 1.0 - t
        result: F64 = (s**3 * c[..., 0, :] + 3 * s * s * t * c[..., 1, :] + 3 * s * t * t * c[..., 2, :]
                       + t**3 * c[..., 3, :])
        return result

    def _frame(self, ring: F64, rise: F64) -> F64:
        step = 2e-4
        low, high = np.clip(rise - step, 0, 1), np.clip(rise + step, 0, 1)
        around = self._lofted(ring + step, rise) - self._lofted(ring - step, rise)
        upward = self._lofted(ring, high) - self._lofted(ring, low)
        normal = np.cross(upward, around)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        return normal

    def point(self, ring: F64, rise: F64) -> F64:
        """(…, 3) surface points in mm; ``rise`` 0 at the feather line, 1 at the top edge."""
        ring, rise = np.broadcast_arrays(np.asarray(ring, float), np.asarray(rise, float))
        base = self._lofted(ring, rise)
        if self.collar_padding == 0.0:
            return base
        # A foam pad under the collar: swells between two seams and runs out before the eyelets.
        across = np.clip((rise - 0.70) / 0.30, 0.0, 1.0)
        swell = np.sin(np.pi * across**0.85) ** 1.15
        edge = self._controls(np.mod(ring, 1.0))[..., 9]
        fade = 1.0 / (1.0 + np.exp((edge - self.collar_end) / 6.0))
        return base + (self.collar_padding * swell * fade)[..., None] * self._frame(ring, rise)

    def normal(self, ring: F64, rise: F64) -> F64:
        """(…, 3) unit outward normals of :meth:`point`."""
        ring, rise = np.broadcast_arrays(np.asarray(ring, float), np.asarray(rise, float))
        step = 5e-4
        low, high = np.clip(rise - step, 0, 1), np.clip(rise + step, 0, 1)
        around = self.point(ring + step, rise) - self.point(ring - step, rise)
        upward = self.point(ring, high) - self.point(ring, low)
        normal: F64 = np.cross(upward, around)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        return normal

    def feather(self, ring: F64, outward_mm: float = 0.0) -> F64:
        """(…, 3) the feather line, moved outward in plan by so many mm."""
        ring = np.asarray(ring, float)
        at = self._controls(np.mod(ring, 1.0))
        tangent = self._controls(np.mod(ring, 1.0), 1)
        outward = np.stack([tangent[..., 2], np.zeros_like(ring), -tangent[..., 0]], axis=-1)
        outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
        result: F64 = at[..., :3] + outward_mm * outward
        return result


def ring_of(side: Side, along: F64) -> F64:
    """Ring parameter of ``along`` 0 (heel) .. 1 (toe) on one side."""
    return np.asarray(along) * 0.5 if side == "lateral" else 1.0 - np.asarray(along) * 0.5
