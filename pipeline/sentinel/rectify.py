"""A print laid flat: its pixels resampled by their uv to an upright picture, as it stands in the texture.

Any picture of the shot can be sampled, so expected and observed come through the same instrument.

>>> flat = rectified(expected, occurrence)
>>> wanted, seen = flat.sample(expected.display), flat.sample(observed)     # (m, n, 3) each
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from pipeline.sentinel.occurrences import Occurrence, uv_jacobian
from pipeline.sentinel.types import BBox, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SHORT_SIDE = (96, 288)     # samples; small prints are enlarged for reading, large ones need no more
_LONG_SIDE = 1024
_ENLARGED = 2.0             # samples per pixel where neither bound holds
_FARTHEST = 1.5             # px from a sample to the pixel whose slope places it
_STEEPEST = 0.3             # cosine by which foreshortening is undone at most


@dataclass(frozen=True, slots=True)
class Rectified:
    """Samples (m rows × n columns) over the smallest rectangle around a region in its texture."""

    occurrence: Occurrence
    x: F32                                 # (m, n) pixel positions in the picture, centres at integers
    y: F32                                 # (m, n)
    shown: Bools                           # (m, n) whether the print shows there
    px_across: float                       # pixels of the picture from one column to the next, mean
    px_down: float                         # and from one row to the next
    corner: F64                            # (2,) uv of the first sample's outer corner
    sides: F64                             # (2, 2) uv across the whole picture and down it

    def sample(self, picture: NDArray[np.uint8] | F32) -> F32:
        """(m, n) or (m, n, c) bilinear samples of a picture (H, W) or (H, W, c)."""
        x0, y0 = max(0, int(self.x.min()) - 1), max(0, int(self.y.min()) - 1)
        part = picture[y0:int(self.y.max()) + 3, x0:int(self.x.max()) + 3].astype(np.float32)
        where = [self.y - y0, self.x - x0]
        if part.ndim == 2:
            return np.asarray(map_coordinates(part, where, order=1, mode="nearest"))
        return np.stack([map_coordinates(part[..., c], where, order=1, mode="nearest")
                         for c in range(part.shape[-1])], axis=-1)

    def place(self, uv: F32) -> tuple[F64, F64]:
        """Column and row, with fractions, of uv points (…, 2)."""
        across, down = np.moveaxis((uv - self.corner) @ (self.sides / (self.sides**2).sum(axis=1)[:, None]).T, -1, 0)
        height, width = self.shown.shape
        return across * width - 0.5, down * height - 0.5

    def box_of(self, rows: tuple[int, int], columns: tuple[int, int]) -> BBox:
        """Around a window of samples, ends exclusive, in pixels of the picture."""
        window = (slice(*rows), slice(*columns))
        x, y = self.x[window], self.y[window]
        return int(x.min()), int(y.min()), int(x.max()) + 2, int(y.max()) + 2


def rectified(expected: Expected, occurrence: Occurrence) -> Rectified | None:
    """The occurrence's samples, or None where it shows as a sliver that no sample can be placed in."""
    window, margin = _around(expected, occurrence)
    sheet = ((expected.chart_id[window] == occurrence.chart) & (expected.instance_id[window] == occurrence.instance))
    slope = uv_jacobian(expected, window).astype(np.float64)
    det = slope[..., 0, 0] * slope[..., 1, 1] - slope[..., 0, 1] * slope[..., 1, 0]
    rows, columns = np.nonzero(sheet & np.isfinite(det) & (np.abs(det) > 1e-14))
    inner = np.zeros(sheet.shape, bool)
    inner[margin[1]:margin[1] + occurrence.mask.shape[0], margin[0]:margin[0] + occurrence.mask.shape[1]
          ] = occurrence.mask
    printed = inner[rows, columns]
    if np.count_nonzero(printed) < 16:
        return None
    corner, frame = _frame(np.asarray(occurrence.region.polygon, np.float64))
    extent = np.linalg.norm(frame, axis=1)
    place = (expected.uv[window][rows, columns] - corner) @ (frame / extent[:, None] ** 2).T    # (k, 2) 0..1
    step = np.linalg.inv(slope[rows, columns]) @ frame.T                    # (k, 2, 2) d(x, y)/d(across, down)
    usual = np.median(step[printed], axis=0)
    facing = expected.normal[window][rows, columns][printed].mean(axis=0)
    across, down = _true_lengths(usual, facing)
    width, height = _samples(across, down)

    column, row = (np.rint(place[:, i] * count - 0.5).astype(np.intp) for i, count in enumerate((width, height)))
    near = (column >= -2) & (row >= -2) & (column < width + 2) & (row < height + 2)
    index = np.full((height, width), -1, np.intp)
    index[np.clip(row[near], 0, height - 1), np.clip(column[near], 0, width - 1)] = np.flatnonzero(near)
    if not near.any():
        return None
    _, (near_row, near_column) = distance_transform_edt(index < 0, return_indices=True)
    nearest = index[near_row, near_column]
    centres = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    offset = np.stack(centres, axis=-1) - place[nearest]
    shift = (step[nearest] @ offset[..., None])[..., 0]
    shown = np.hypot(shift[..., 0], shift[..., 1]) <= _FARTHEST
    if not shown.any():
        return None
    shift = np.clip(shift, -_FARTHEST, _FARTHEST)
    x, y = columns[nearest] + shift[..., 0], rows[nearest] + shift[..., 1]
    shown &= inner[np.clip(np.rint(y).astype(np.intp), 0, inner.shape[0] - 1),
                   np.clip(np.rint(x).astype(np.intp), 0, inner.shape[1] - 1)]
    px_across, px_down = np.linalg.norm(usual, axis=0) / (width, height)
    return Rectified(occurrence, (x + window[1].start).astype(np.float32), (y + window[0].start).astype(np.float32),
                     shown, float(px_across), float(px_down), corner, frame)


def _around(expected: Expected, occurrence: Occurrence) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The occurrence's box and a pixel around it, and where in it the box begins (x, y)."""
    x0, y0, x1, y1 = occurrence.bbox
    width, height = expected.size
    left, top = max(0, x0 - 1), max(0, y0 - 1)
    return (slice(top, min(height, y1 + 1)), slice(left, min(width, x1 + 1))), (x0 - left, y0 - top)


def _frame(polygon: F64) -> tuple[F64, F64]:
    """(2,) corner and (2, 2) the sides across and down of the smallest rectangle around a polygon.

    One of its sides lies along an edge of the polygon; of its four turns the one nearest to upright is taken.
    """
    best: tuple[float, F64, F64] | None = None
    for edge in np.concatenate([[[1.0, 0.0]], np.roll(polygon, -1, axis=0) - polygon]):
        length = float(np.hypot(*edge))
        if length < 1e-9:
            continue
        way = edge / length
        if abs(way[0]) < abs(way[1]):
            way = np.array([way[1], -way[0]])
        way = way * (1.0 if way[0] > 0 else -1.0)
        axes = np.array([way, [-way[1], way[0]]])
        along = polygon @ axes.T
        low, size = along.min(axis=0), np.maximum(np.ptp(along, axis=0), 1e-9)
        if best is None or size.prod() < 0.98 * best[0]:
            best = float(size.prod()), low @ axes, axes * size[:, None]
    assert best is not None
    return best[1], best[2]


def _true_lengths(sides: F64, facing: F64) -> tuple[float, float]:
    """Pixels that the sides (2, 2: columns across, down) would measure if they faced the viewer."""
    depth = max(float(facing[2]), _STEEPEST * float(np.linalg.norm(facing)), 1e-6)
    towards = (facing[1] * sides[1] - facing[0] * sides[0]) / depth     # the picture's y runs down
    across, down = np.sqrt((sides**2).sum(axis=0) + towards**2)
    return max(float(across), 1.0), max(float(down), 1.0)


def _samples(across: float, down: float) -> tuple[int, int]:
    """Columns and rows, square ones on the print itself."""
    short, long = min(across, down), max(across, down)
    scale = min(float(np.clip(_ENLARGED * short, *_SHORT_SIDE)) / short, _LONG_SIDE / long)
    return max(8, round(across * scale)), max(8, round(down * scale))
