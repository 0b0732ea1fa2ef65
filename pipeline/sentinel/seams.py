"""A seam pulled straight: the picture sampled along and across the path that its stitches follow.

>>> for strip in strips(expected, seams):
...     thread = strip.sample(image)       # (m, n, 3), one column per pixel of the seam
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates, minimum_filter

from pipeline.catalogue import Region
from pipeline.regions import DEFAULT_STITCH_WIDTH
from pipeline.sentinel.occurrences import Occurrence, occurrences
from pipeline.sentinel.types import U8, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

REACH = 0.75            # of the band's width to either side of the path: the leather beside the rows shows too
STEP_ALONG = 1.0        # px between columns
STEP_ACROSS = 0.5       # px between rows of samples, fine enough to read a shift of a tenth of a pixel
_FARTHEST = 1.5         # px from a sample to the pixel whose slope places it
_DENSE = 75.0           # percentile of a seam's pixel density that sets the steps
_MOST_COLUMNS = 4000
_MOST_ROWS = 400        # to either side of the path
_FOLDED = 0.15          # of a seam's usual uv area per pixel; below it no inverse can be trusted


@dataclass(frozen=True, slots=True)
class Strip:
    """One visible copy of a seam. Samples lie on ``across`` (m) × ``along`` (n)."""

    occurrence: Occurrence
    along: F64          # (n,) uv length of path from its start
    across: F64         # (m,) uv distance from the path, positive to its left in the texture as seen
    x: F32              # (m, n) pixel positions, centres at integers
    y: F32              # (m, n)
    shown: Bools        # (m, n) whether the product shows there, and nothing else within a pixel
    px_along: F64       # (n,) pixels per uv along the path
    px_across: F64      # (n,) and square to it in the picture, which a slanted view makes shorter

    def sample(self, picture: U8 | F32) -> F32:
        """(m, n) or (m, n, c) bilinear samples of a picture (H, W) or (H, W, c)."""
        x0, y0, x1, y1 = self._window(picture.shape)
        where = [self.y - y0, self.x - x0]
        part = picture[y0:y1, x0:x1].astype(np.float32)
        if part.ndim == 2:
            return np.asarray(map_coordinates(part, where, order=1, mode="nearest"))
        return np.stack([map_coordinates(part[..., c], where, order=1, mode="nearest")
                         for c in range(part.shape[-1])], axis=-1)

    def _window(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        x, y = self.x[self.shown], self.y[self.shown]
        return (max(0, int(x.min()) - 1), max(0, int(y.min()) - 1),
                min(shape[1], int(x.max()) + 3), min(shape[0], int(y.max()) + 3))


def strips(expected: Expected, regions: Sequence[Region]) -> list[tuple[Occurrence, Strip | None]]:
    """Every visible occurrence of every stitching region; None where too little shows to follow it."""
    found = []
    for occurrence in occurrences(expected, [region for region in regions if region.kind == "stitching"]):
        key = ("strip", occurrence.region, occurrence.name)
        if key not in expected.derived:
            expected.derived[key] = unrolled(expected, occurrence)
        found.append((occurrence, expected.derived[key]))
    return found


def unrolled(expected: Expected, occurrence: Occurrence) -> Strip | None:
    """The seam's samples, or None where it shows as a sliver that no sample can be placed in."""
    reach = REACH * band_width(occurrence.region)
    window, solid, along, across = seam_coordinates(expected, occurrence)
    slope = _slope(along, across)
    det = slope[..., 0, 0] * slope[..., 1, 1] - slope[..., 0, 1] * slope[..., 1, 0]
    usual = np.nanmedian(np.abs(det)) if np.isfinite(det).any() else 0.0
    # Where the path folds, neighbours lie on different stretches of it, and their difference means nothing.
    rows, columns = np.nonzero(np.isfinite(along) & (np.abs(det) > _FOLDED * usual))
    if len(rows) < 4:
        return None
    s, o, det = along[rows, columns], across[rows, columns], det[rows, columns]
    (sx, sy), (ox, oy) = slope[rows, columns].transpose(1, 2, 0)
    # d(x, y)/d(along, across), the inverse of the slope.
    xs, xo, ys, yo = oy / det, -sy / det, -ox / det, sx / det
    density_along, density_across = np.hypot(xs, ys), np.hypot(xo, yo)
    step_s = STEP_ALONG / float(np.percentile(density_along, _DENSE))
    step_o = STEP_ACROSS / float(np.percentile(density_across, _DENSE))
    start, end = float(s.min()), float(s.max())
    step_s = max(step_s, (end - start) / _MOST_COLUMNS)
    half = int(reach / step_o)
    if half < 4 or half > _MOST_ROWS or step_s * 4 > end - start:
        return None
    grid_s = np.arange(start, end + step_s / 2, step_s)
    grid_o: F64 = np.arange(-half, half + 1, dtype=np.float64) * step_o

    nearest, empty = _nearest(np.rint((s - start) / step_s).astype(np.intp), np.rint(o / step_o).astype(np.intp) + half,
                              (len(grid_o), len(grid_s)))
    number = np.full(solid.shape, -1, np.intp)
    number[rows, columns] = np.arange(len(rows))
    for _ in range(2):  # nearest along and across the seam first; then nearest in the picture, which may be skewed
        ds, do = grid_s[None, :] - s[nearest], grid_o[:, None] - o[nearest]
        dx, dy = xs[nearest] * ds + xo[nearest] * do, ys[nearest] * ds + yo[nearest] * do
        x, y = columns[nearest] + dx, rows[nearest] + dy
        closer = number[np.clip(np.rint(y), 0, solid.shape[0] - 1).astype(np.intp),
                        np.clip(np.rint(x), 0, solid.shape[1] - 1).astype(np.intp)]
        nearest = np.where(closer >= 0, closer, nearest)
    # A sample is sound where the product covers all four pixels that it mixes.
    whole = minimum_filter(solid, size=2, origin=-1, mode="constant")
    inside = (x >= 0) & (y >= 0) & (x < solid.shape[1] - 1) & (y < solid.shape[0] - 1)
    at = np.where(inside, y, 0).astype(np.intp), np.where(inside, x, 0).astype(np.intp)
    shown = ~empty & inside & (np.hypot(dx, dy) <= _FARTHEST) & whole[at]
    if not shown.any():
        return None
    middle = nearest[half]
    top, left = window[0].start, window[1].start
    return Strip(occurrence, grid_s, grid_o, (x + left).astype(np.float32), (y + top).astype(np.float32), shown,
                 density_along[middle], np.asarray(1.0 / (np.abs(det) * density_along)[middle], np.float64))


def band_width(region: Region) -> float:
    """uv width of the band that holds all rows."""
    return region.width or DEFAULT_STITCH_WIDTH


def seam_coordinates(expected: Expected, occurrence: Occurrence) -> tuple[tuple[slice, slice], Bools, F64, F64]:
    """A window around the seam; in it (h, w): where its sheet shows, and each pixel's place along and across."""
    window = _around(expected, occurrence)
    solid = ((expected.chart_id[window] == occurrence.chart) & (expected.instance_id[window] == occurrence.instance)
             & (expected.alpha[window] > 0.99))
    path = np.asarray(occurrence.region.path, np.float64)
    return window, solid, *path_coordinates(expected.uv[window], solid, path, REACH * band_width(occurrence.region))


def path_coordinates(uv: NDArray[np.floating], where: Bools, path: F64, reach: float) -> tuple[F64, F64]:
    """(h, w) arc length and signed offset of pixels from a polyline; NaN beyond ``reach`` and past its ends.

    The offset is positive to the left of the path as it runs, in the texture as seen (v down).
    """
    along, across = np.full(where.shape, np.nan), np.full(where.shape, np.nan)
    low, high = path.min(axis=0) - reach, path.max(axis=0) + reach
    u, v = uv[..., 0], uv[..., 1]
    with np.errstate(invalid="ignore"):
        close = where & (u >= low[0]) & (u <= high[0]) & (v >= low[1]) & (v <= high[1])
    rows, columns = np.nonzero(close)
    points = uv[rows, columns].astype(np.float64)
    best_s, best_o = np.full(len(points), np.nan), np.full(len(points), np.nan)
    nearest = np.full(len(points), reach)
    length = np.linalg.norm(np.diff(path, axis=0), axis=1)
    starts = np.concatenate([[0.0], np.cumsum(length)])
    last = len(length) - 1
    for number, (a, b) in enumerate(pairwise(path)):
        if length[number] <= 0:
            continue
        low, high = np.minimum(a, b) - reach, np.maximum(a, b) + reach
        here = np.flatnonzero((points[:, 0] >= low[0]) & (points[:, 0] <= high[0])
                              & (points[:, 1] >= low[1]) & (points[:, 1] <= high[1]))
        way = (b - a) / length[number]
        offset = points[here] - a
        t = offset @ way
        side = offset[:, 0] * way[1] - offset[:, 1] * way[0]
        beyond = np.maximum(np.maximum(-t, t - length[number]), 0.0)
        past_end = ((t < 0) & (number == 0)) | ((t > length[number]) & (number == last))
        distance = np.hypot(side, beyond)
        better = (distance < nearest[here]) & ~past_end
        chosen = here[better]
        nearest[chosen] = distance[better]
        # Past a corner on its outer side the segment is carried on: clipped there, many pixels would share one place.
        best_s[chosen] = starts[number] + t[better]
        best_o[chosen] = side[better]
    along[rows, columns], across[rows, columns] = best_s, best_o
    return along, across


def _around(expected: Expected, occurrence: Occurrence) -> tuple[slice, slice]:
    """The occurrence's box and the leather beside it."""
    x0, y0, x1, y1 = occurrence.bbox
    margin = 2 + max(4, min(64, int(0.5 * occurrence.mask.sum() / max(occurrence.mask.shape))))
    width, height = expected.size
    return slice(max(0, y0 - margin), min(height, y1 + margin)), slice(max(0, x0 - margin), min(width, x1 + margin))


def _slope(along: F64, across: F64) -> F64:
    """(h, w, 2, 2) d(along, across)/d(x, y) by central differences; NaN beside pixels without coordinates."""
    result = np.full((*along.shape, 2, 2), np.nan)
    for i, field in enumerate((along, across)):
        result[:, 1:-1, i, 0] = (field[:, 2:] - field[:, :-2]) / 2
        result[1:-1, :, i, 1] = (field[2:] - field[:-2]) / 2
    return result


def _nearest(column: NDArray[np.intp], row: NDArray[np.intp], shape: tuple[int, int]
             ) -> tuple[NDArray[np.intp], Bools]:
    """(m, n) index of the pixel nearest to every sample, and where there is none within 4 samples."""
    within = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    index = np.full(shape, -1, np.intp)
    index[row[within], column[within]] = np.flatnonzero(within)
    far, (near_row, near_column) = distance_transform_edt(index < 0, return_indices=True)
    return index[near_row, near_column], np.asarray(far > 4.0)
