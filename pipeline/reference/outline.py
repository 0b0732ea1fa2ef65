"""Outlines in one coordinate system: that of a figure in the photo, and that of a mesh that is held against it.

Coordinates are centred on the figure, x to the right, y up; the unit is the root of the figure's area, so that all
figures are alike in size.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Mesh
from pipeline.reference.points import surface_points
from pipeline.reference.segmentation import Figure

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

FIELD_SIDE = 320               # px of a figure's distance field
BEYOND = 1.3                   # of the figure's extent: how far the field reaches
BROAD = 1.05                   # times as far spread along as across, and a product is not round
STANDS_OUT, NARROWER = 1.06, 0.6  # of the body's breadth: what is farther from its other end is a handle, and narrow
SAMPLES = 160                  # along a figure's outline
DRAWN_SIDE = 144               # px of the square in which a mesh's outline is looked for
HOLE = 16                      # px there: smaller gaps are gaps between points
_CLOSING = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Outline:
    """A figure's outline, holes included, and how far every place is from it."""

    centre: tuple[float, float]            # px of the photo, y down
    unit: float                            # px
    reach: float                           # of the field, from the centre
    field: F32                             # (S, S, 3) signed distance, positive outside, and its slope to x and y
    points: F64                            # (N, 2)
    normals: F64                           # (N, 2) outwards

    @classmethod
    def of(cls, figure: Figure) -> Outline:
        rows, columns = np.nonzero(figure.mask)
        unit = float(np.sqrt(len(rows)))
        centre = float(columns.mean()) + 0.5, float(rows.mean()) + 0.5
        x0, y0, x1, y1 = figure.box
        reach = BEYOND * max(x1 - centre[0], centre[0] - x0, y1 - centre[1], centre[1] - y0) / unit
        step = 2.0 * reach / FIELD_SIDE            # units per px of the field
        scale = 1.0 / (step * unit)                # px of the field per px of the photo
        soft = figure.mask.astype(np.float32)
        if scale < 1.0:
            soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.4 / scale), np.float32)
        to_field = np.array([[scale, 0.0, FIELD_SIDE / 2 - centre[0] * scale + 0.5 * (scale - 1.0)],
                             [0.0, scale, FIELD_SIDE / 2 - centre[1] * scale + 0.5 * (scale - 1.0)]])
        mask = np.asarray(cv2.warpAffine(soft, to_field, (FIELD_SIDE, FIELD_SIDE), flags=cv2.INTER_LINEAR)) > 0.5
        outside, inside = (np.asarray(cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5)) for part in
                           (~mask, mask))
        distance = (np.where(mask, 0.5 - inside, outside - 0.5) * step).astype(np.float32)
        smooth = np.asarray(cv2.GaussianBlur(distance, (0, 0), 1.5))
        down, right = np.gradient(smooth, step)
        steepness = np.maximum(np.hypot(right, down), 0.3)  # 1 but where opposite sides are equally near
        field = np.stack([distance, right / steepness, -down / steepness], axis=-1).astype(np.float32)
        points = _resampled(mask, step, reach)
        slopes = _at(field, points, reach)[:, 1:]
        normals = slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-6)
        return cls(centre, unit, reach, field, points, normals)

    def away(self, points: F64) -> tuple[F64, F64]:
        """(N,) signed distance of (N, 2) points, and its (N, 2) slope."""
        found = _at(self.field, points, self.reach)
        inside = np.clip(points, -self.reach, self.reach)
        beyond = np.linalg.norm(points - inside, axis=1)
        return found[:, 0] + beyond, found[:, 1:]

    def mask(self, side: int) -> Mask:
        """(side, side) the figure, in a square as large as the field."""
        middles = ((np.arange(side) + 0.5) * 2.0 / side - 1.0) * self.reach
        places = np.stack(np.meshgrid(middles, -middles), axis=-1).reshape(-1, 2)
        return np.asarray(self.away(places)[0] < 0.0).reshape(side, side)


class MeshOutline:
    """Points of one mesh's surface, from which its outline is told for any camera."""

    def __init__(self, mesh: Mesh) -> None:
        low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
        self.middle = (low + high) / 2
        self.radius = float(np.linalg.norm(high - low)) / 2
        self.halves = np.maximum((high - low) / 2 / self.radius, 1e-6)  # (3,) of its box
        # (N, 3) from the mesh's middle, in its radii.
        self.points = ((surface_points(mesh) - self.middle) / self.radius).astype(np.float32)

    def thinned(self, every: int) -> MeshOutline:
        """With so many times fewer points."""
        thin = copy(self)
        thin.points = self.points[::every]
        return thin

    @cached_property
    def broadside(self) -> float | None:
        """Azimuth, up to half a turn, of a camera that sees its plan's longer principal axis; None if it is round."""
        spreads, axes = np.linalg.eigh(np.cov(self.points[:, [0, 2]].T))
        along = axes[:, 1]
        return float(np.arctan2(-along[1], along[0])) if spreads[1] > BROAD**2 * spreads[0] else None

    @cached_property
    def handle(self) -> NDArray[np.bool_]:
        """(N,) which points stand out, along the plan's longer axis, beyond a body that is as long as it is broad; none
        where what stands out is not much narrower, as of a box."""
        azimuth = self.broadside
        if azimuth is None:
            return np.zeros(len(self.points), np.bool_)
        along = self.points[:, [0, 2]] @ np.array([np.cos(azimuth), -np.sin(azimuth)], np.float32)
        across = self.points[:, [0, 2]] @ np.array([np.sin(azimuth), np.cos(azimuth)], np.float32)
        body = float(np.ptp(across))
        ends = along - along.min(), along.max() - along
        out = np.asarray(min(ends, key=np.median) > STANDS_OUT * body)
        return out if out.any() and float(np.ptp(across[out])) < NARROWER * body else np.zeros_like(out)

    def seen(self, places: F32, reach: float) -> Index:
        """Which of (N, 2) projected points are on the outline: one for each of its pixels, the outermost."""
        side, scale = DRAWN_SIDE, np.float32(DRAWN_SIDE / (2.0 * reach))
        column = (places[:, 0] * scale + np.float32(side / 2)).astype(np.int32)
        row = (np.float32(side / 2) - places[:, 1] * scale).astype(np.int32)
        inside = np.flatnonzero((column >= 0) & (column < side) & (row >= 0) & (row < side))
        pixel = row[inside] * side + column[inside]
        drawn = np.zeros(side * side, np.uint8)
        drawn[pixel] = 1
        closed = cv2.morphologyEx(drawn.reshape(side, side), cv2.MORPH_CLOSE, _CLOSING)
        mask = _without_gaps(np.asarray(closed, np.uint8))
        rim = (mask > 0) & (np.asarray(cv2.erode(mask, _CLOSING)) == 0)
        smooth = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2.0))
        slope_x = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)).reshape(-1)
        slope_y = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).reshape(-1)
        at_rim = rim.reshape(-1)[pixel]
        chosen, pixel = inside[at_rim], pixel[at_rim]
        outwards = -slope_x[pixel] * places[chosen, 0] + slope_y[pixel] * places[chosen, 1]
        order = np.lexsort((outwards, pixel))
        last = np.flatnonzero(np.diff(pixel[order], append=-1))
        return np.asarray(chosen[order[last]], np.int64)


def _at(field: F32, points: F64, reach: float) -> F64:
    """(N, C) of a (S, S, C) field at (N, 2) points, between pixels; what lies beyond is read at its border."""
    side = len(field)
    step = 2.0 * reach / side
    x = np.clip((points[:, 0] + reach) / step - 0.5, 0.0, side - 1.001)
    y = np.clip((reach - points[:, 1]) / step - 0.5, 0.0, side - 1.001)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, down = (x - left)[:, None], (y - top)[:, None]
    upper = field[top, left] * (1.0 - right) + field[top, left + 1] * right
    lower = field[top + 1, left] * (1.0 - right) + field[top + 1, left + 1] * right
    return np.asarray(upper * (1.0 - down) + lower * down, np.float64)


def _resampled(mask: Mask, step: float, reach: float) -> F64:
    """(N, 2) places along all outlines of a mask, at even distances."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = [contour[:, 0].astype(np.float64) for contour in contours if len(contour) > HOLE]
    total = sum(map(len, lines))
    found = []
    for line in lines:
        count = max(8, round(SAMPLES * len(line) / total))
        found.append(line[np.linspace(0, len(line), count, endpoint=False).astype(int)])
    pixels = np.concatenate(found)
    return np.stack([(pixels[:, 0] + 0.5) * step - reach, reach - (pixels[:, 1] + 0.5) * step], axis=1)


def _without_gaps(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    if count > 2:
        small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < HOLE)
        mask = mask.copy()
        mask[np.isin(labels, small[small > 0])] = 1
    return mask
