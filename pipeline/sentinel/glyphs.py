"""Letters of a print one by one: where the image's shapes follow the design's least, and how to swap one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter

from pipeline.sentinel.lettering import Line
from pipeline.sentinel.rectify import Rectified
from pipeline.sentinel.sharpness import luma_of
from pipeline.sentinel.types import U8, BBox, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SMALLEST_PX = 8.0           # of the picture, in either direction: smaller windows hold too few pixels
_PART = 4                    # of a print's shorter side, where its letters are not known
_CONTRAST = 0.04             # rms of code values 0..1 in a window; fainter print drowns in JPEG noise
_FILLED = 0.7                # share of a window that must show
_ALIKE = 0.95                # correlation that needs no better shift
_WARP_PX = 0.5               # what a faithful image may be off by


@dataclass(frozen=True, slots=True)
class Window:
    """The place of a print that follows the design least."""

    correlation: float                     # −1..1
    box: BBox                              # in the picture


def glyph_side(flat: Rectified, heights: Sequence[float]) -> tuple[int, int]:
    """Rows and columns of a letter-sized window, in samples; ``heights`` of known capitals."""
    side = min(heights) if heights else min(flat.shown.shape) / _PART
    return (int(np.ceil(max(side, _SMALLEST_PX / max(flat.px_down, 1e-3)))) | 1,
            int(np.ceil(max(side, _SMALLEST_PX / max(flat.px_across, 1e-3)))) | 1)


def weakest_window(expected: Expected, observed: U8, flat: Rectified, softness: float,
                   side: tuple[int, int]) -> Window | None:
    """Zero-mean normalised cross-correlation over windows, its lowest; None where nothing is printed.

    The faithful picture is softened by ``softness`` (px) first: blur is another reading's finding. Every window
    takes the best of a few shifts of half a pixel.
    """
    x0, y0 = max(0, int(flat.x.min()) - 8), max(0, int(flat.y.min()) - 8)
    window = (slice(y0, int(flat.y.max()) + 10), slice(x0, int(flat.x.max()) + 10))
    wanted, seen = luma_of(expected.display[window]), luma_of(observed[window])
    if softness:
        wanted = gaussian_filter(wanted, softness)
    where = np.stack([flat.y - y0, flat.x - x0])
    shown = flat.shown.astype(np.float32)
    first = map_coordinates(wanted, where, order=1, mode="nearest") * shown
    filled = uniform_filter(shown, side, mode="constant")
    share = np.maximum(filled, 1e-6)
    mean = uniform_filter(first, side, mode="constant") / share
    power = uniform_filter(first**2, side, mode="constant") / share - mean**2
    visible = (filled >= _FILLED) & (power >= _CONTRAST**2)
    if not visible.any():
        return None
    best = np.full(shown.shape, -1.0, np.float32)
    for shift in ((0, 0), (0, _WARP_PX), (0, -_WARP_PX), (_WARP_PX, 0), (-_WARP_PX, 0)):
        second = map_coordinates(seen, where + np.reshape(shift, (2, 1, 1)), order=1, mode="nearest") * shown
        other = uniform_filter(second, side, mode="constant") / share
        cross = uniform_filter(first * second, side, mode="constant") / share - mean * other
        theirs = uniform_filter(second**2, side, mode="constant") / share - other**2
        best = np.maximum(best, cross / np.sqrt(np.maximum(power * theirs, 1e-8)))
        if best[visible].min() >= _ALIKE:
            break
    best = np.where(visible, best, np.inf)
    row, column = np.unravel_index(int(best.argmin()), best.shape)
    rows, columns = (_window(int(at), size, count)
                     for at, size, count in zip((row, column), side, shown.shape, strict=True))
    return Window(float(np.clip(best[row, column], -1.0, 1.0)), flat.box_of(rows, columns))


def swap_glyphs(expected: Expected, image: U8, flat: Rectified, lines: Sequence[Line], place: float) -> U8:
    """The image with the letter at ``place`` (0..1) along its line replaced by the one least like it.

    Without known lines, windows of the print stand for letters.
    """
    flat_wanted = flat.sample(luma_of(expected.display))
    boxes = _letter_boxes(flat, flat_wanted, lines)
    if len(boxes) < 2:
        return image
    target = boxes[min(int(place * len(boxes)), len(boxes) - 1)]
    shapes = [_shape(flat_wanted, box) for box in boxes]
    likeness = [float((shape * _shape(flat_wanted, target)).mean()) for shape in shapes]
    source = boxes[int(np.argmin(likeness))]
    x0, y0, x1, y1 = flat.box_of((0, flat.shown.shape[0]), (0, flat.shown.shape[1]))
    window = (slice(max(0, y0), y1), slice(max(0, x0), x1))
    column, row = flat.place(expected.uv[window])
    with np.errstate(invalid="ignore"):
        across, down = (column - target[0]) / (target[2] - target[0]), (row - target[1]) / (target[3] - target[1])
        inside = (across > 0) & (across < 1) & (down > 0) & (down < 1)
    inside &= (expected.chart_id[window] == flat.occurrence.chart) & (
        expected.instance_id[window] == flat.occurrence.instance)
    at = [source[1] + down[inside] * (source[3] - source[1]), source[0] + across[inside] * (source[2] - source[0])]
    y, x = (map_coordinates(field, at, order=1, mode="nearest") for field in (flat.y, flat.x))
    result = image.copy()
    result[window][inside] = np.stack([
        np.rint(map_coordinates(image[..., c].astype(np.float32), [y, x], order=1, mode="nearest")) for c in range(3)
    ], axis=-1).clip(0, 255).astype(np.uint8)
    return result


def _letter_boxes(flat: Rectified, wanted: F32, lines: Sequence[Line]) -> list[tuple[float, float, float, float]]:
    """x0, y0, x1, y1 in samples of letters that stand upright in one line, or of the print's busiest windows."""
    if lines:
        line = max(lines, key=lambda one: len(one.letters))
        (left, top), (right, bottom) = line.corners.min(axis=0), line.corners.max(axis=0)
        if right - left >= bottom - top:
            edges = _gaps(wanted[max(0, round(top)):round(bottom) + 1], left, right, len(line.text))
            return [(a, top, b, bottom) for (a, b), c in zip(pairwise(edges), line.text, strict=True) if c.strip()]
    rows, columns = glyph_side(flat, [])
    return _busiest(flat, wanted, rows, columns)


def _gaps(band: F32, left: float, right: float, letters: int) -> list[float]:
    """Where a line's letters meet: of equal steps along it, the nearby columns with least ink."""
    ink = uniform_filter(band.std(axis=0), 3)
    pitch = (right - left) / letters
    edges = [left]
    for k in range(1, letters):
        low, high = (int(np.clip(left + (k + part) * pitch, 0, len(ink) - 1)) for part in (-0.35, 0.35))
        edges.append(float(max(low + int(ink[low:high + 1].argmin()), edges[-1] + 1.0)))
    return [*edges, max(right, edges[-1] + 1.0)]


def _busiest(flat: Rectified, wanted: F32, rows: int, columns: int) -> list[tuple[float, float, float, float]]:
    mean = uniform_filter(wanted, (rows, columns))
    power = np.where(uniform_filter(flat.shown.astype(np.float32), (rows, columns)) > 0.95,
                     uniform_filter(wanted**2, (rows, columns)) - mean**2, 0.0)
    found: list[tuple[float, float, float, float]] = []
    while len(found) < 4 and power.max() >= _CONTRAST**2:
        row, column = np.unravel_index(int(power.argmax()), power.shape)
        found.append((float(column - columns // 2), float(row - rows // 2),
                      float(column + columns // 2), float(row + rows // 2)))
        power[max(0, row - rows):row + rows, max(0, column - columns):column + columns] = 0.0
    return found


def _shape(picture: F32, box: tuple[float, float, float, float], size: int = 16) -> F64:
    """(size, size) a window's luma, zero mean and unit variance."""
    step = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(box[1] + step * (box[3] - box[1]), box[0] + step * (box[2] - box[0]), indexing="ij")
    values = map_coordinates(picture, [y, x], order=1, mode="nearest").astype(np.float64)
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-6))


def _window(at: int, size: int, count: int) -> tuple[int, int]:
    return max(0, at - size // 2), min(count, at + size // 2 + 1)
