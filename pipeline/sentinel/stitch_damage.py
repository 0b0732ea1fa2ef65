"""Seams damaged on purpose: a wiped stretch of one row, two rows made one, rows moved together.

Each finds its seam through the passes, as the check does, and leaves every other pixel alone. Where no
seam is legible in the faithful picture, the image comes back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

from pipeline.catalogue import Region
from pipeline.colour import quantise
from pipeline.sentinel.occurrences import Occurrence
from pipeline.sentinel.seams import Strip, band_width, seam_coordinates, strips
from pipeline.sentinel.stitches import Stitches, Thread, read_stitches, thread_of
from pipeline.sentinel.types import U8, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FEWEST = 6         # legible stitches of a seam worth damaging
_EDGE = 1.0         # samples over which a repaired stretch fades into the picture


@dataclass(frozen=True, slots=True)
class Target:
    """A seam that the faithful picture shows well enough to be damaged."""

    occurrence: Occurrence
    strip: Strip
    thread: Thread
    stitches: Stitches


def targets(expected: Expected, regions: Sequence[Region], rows: int = 1) -> list[Target]:
    """Legible seams of at least so many rows, the one with most legible stitches first."""
    found = []
    for occurrence, strip in strips(expected, [region for region in regions if region.rows >= rows]):
        if strip is None:
            continue
        wanted = strip.sample(expected.display)
        thread = thread_of(strip, wanted, occurrence.region.rows, band_width(occurrence.region))
        if thread is None or not thread.stands_out:
            continue
        stitches = read_stitches(strip, thread, wanted, wanted)
        if stitches.legible.sum(axis=1).min() >= _FEWEST:
            found.append(Target(occurrence, strip, thread, stitches))
    return sorted(found, key=lambda target: -int(target.stitches.legible.sum()))


def erase_row(expected: Expected, image: U8, regions: Sequence[Region] = (), *, share: float = 0.3, row: int = 0) -> U8:
    """Replace ``share`` of one row's legible stitches, in one stretch, by the leather on either side."""
    for target in targets(expected, regions)[:1]:
        legible = np.flatnonzero(target.stitches.legible[row])
        count = max(1, int(np.ceil(share * len(legible))))
        first = (len(legible) - count) // 2
        starts = target.stitches.starts
        stretch = (float(starts[legible[first]]), float(starts[legible[first + count - 1] + 1]))
        return _painted(expected, image, target, *_leather(target, image, row), stretch)
    return image.copy()


def merge_rows(expected: Expected, image: U8, regions: Sequence[Region] = ()) -> U8:
    """Make the two rows of a double seam one, in their middle."""
    for target in targets(expected, regions, rows=2)[:1]:
        whole = (0.0, float(len(target.strip.along)))
        result = image
        for row in (0, 1):
            result = _painted(expected, result, target, *_leather(target, result, row), whole)
        first, second = target.thread.rows[:2]
        middle, half = (first + second) / 2, 0.8 * target.thread.thickness + 1.0
        across = np.arange(len(target.strip.across), dtype=np.float64)
        return _displaced(expected, result, image, target, across + (first - middle), np.abs(across - middle) <= half)
    return image.copy()


def narrow_gap(expected: Expected, image: U8, regions: Sequence[Region] = (), *, factor: float = 0.85) -> U8:
    """Move the two rows of a double seam together, to ``factor`` of their distance."""
    for target in targets(expected, regions, rows=2)[:1]:
        first, second = target.thread.rows[:2]
        move = (1.0 - factor) * (second - first) / 2
        half = min(0.8 * target.thread.thickness + 1.0, (second - first) / 2 - move)
        source = np.array([first - half - 2 * move - 1, first - half, first + half, second - half, second + half,
                           second + half + 2 * move + 1])
        moved = source + np.array([0.0, move, move, -move, -move, 0.0])
        across = np.arange(len(target.strip.across), dtype=np.float64)
        inside = (across >= moved[0]) & (across <= moved[-1])
        return _displaced(expected, image, image, target, np.where(inside, np.interp(across, moved, source), across),
                          inside)
    return image.copy()


def _leather(target: Target, image: U8, row: int) -> tuple[F32, F64]:
    """(m, n, 3) strip with one row's band bridged from edge to edge, and (m,) where that counts."""
    strip, thread = target.strip, target.thread
    picture = strip.sample(image)
    centre, half = thread.rows[row], 0.8 * thread.thickness + 1.5
    if thread.gap:
        half = min(half, 0.5 * thread.gap)
    low, high = max(0, int(np.floor(centre - half))), min(len(strip.across) - 1, int(np.ceil(centre + half)))
    # Beside a hidden stretch no leather is known; there the row stays what it is.
    edges = [gaussian_filter1d(picture[at], 2.0, axis=0) for at in (low, high)]
    place = np.clip((np.arange(len(strip.across)) - low) / max(1, high - low), 0.0, 1.0)[:, None, None]
    bridged = (1.0 - place) * edges[0] + place * edges[1]
    away = np.abs(np.arange(len(strip.across)) - centre)
    return np.asarray(bridged, np.float32), np.clip((half - away) / _EDGE, 0.0, 1.0)


def _painted(expected: Expected, image: U8, target: Target, strip: F32, weight: F64,
             stretch: tuple[float, float]) -> U8:
    """The image with a strip put back where its weight (m,) says so, between two columns."""
    pixels, column, row = _places(expected, target)
    where = [row, column]
    colour = np.stack([map_coordinates(strip[..., c], where, order=1, mode="nearest") for c in range(3)], axis=-1)
    inside = np.clip(np.minimum(column - stretch[0], stretch[1] - column) / _EDGE + 0.5, 0.0, 1.0)
    share = (inside * np.interp(row, np.arange(len(weight)), weight))[:, None]
    result = image.copy()
    result[pixels] = quantise((image[pixels] + share * (colour - image[pixels])) / 255.0)
    return result


def _displaced(expected: Expected, image: U8, source: U8, target: Target, comes_from: F64, moved: Bools) -> U8:
    """The image with samples across taken from other samples across of ``source``, where ``moved``."""
    pixels, column, row = _places(expected, target)
    across = np.arange(len(comes_from))
    chosen = np.interp(row, across, moved.astype(np.float64)) > 0.5
    pixels, column, row = (pixels[0][chosen], pixels[1][chosen]), column[chosen], row[chosen]
    there = np.interp(row, across, comes_from)
    down, right = (map_coordinates(field, [there, column], order=1, mode="nearest")
                   - map_coordinates(field, [row, column], order=1, mode="nearest")
                   for field in (target.strip.y, target.strip.x))
    result = image.copy()
    for c in range(3):
        values = map_coordinates(source[..., c].astype(np.float32), [pixels[0] + down, pixels[1] + right], order=3,
                                 mode="nearest")
        result[pixels[0], pixels[1], c] = quantise(values / 255.0)
    return result


def _places(expected: Expected, target: Target) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], F64, F64]:
    """Pixels (rows, columns) of the seam's band, and the column and row of the strip that each lies on."""
    window, _, along, across = seam_coordinates(expected, target.occurrence)
    strip = target.strip
    rows, columns = np.nonzero(np.isfinite(along))
    column = (along[rows, columns] - strip.along[0]) / (strip.along[1] - strip.along[0])
    row = (across[rows, columns] - strip.across[0]) / (strip.across[1] - strip.across[0])
    return (rows + window[0].start, columns + window[1].start), column, row
