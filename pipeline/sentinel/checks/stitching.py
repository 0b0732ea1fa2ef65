"""Is every stitch where it was sewn? Rows, gaps, contrast and rhythm of each seam, read along its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.legible_seams import FEWEST_STITCHES
from pipeline.sentinel.occurrences import Occurrence
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.seams import Strip, band_width, strips
from pipeline.sentinel.stitch_damage import erase_row, merge_rows, narrow_gap
from pipeline.sentinel.stitches import (
    SEGMENT,
    Segment,
    Stitches,
    Thread,
    pitch_ratio,
    read_stitches,
    row_segments,
    sample_px,
    thread_of,
)
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_MISSING = 0.4           # of the contrast a stitch should have; below it nobody sees one
_SIDE_BY_SIDE = 4        # stitches in all rows at once: fewer say nothing about their number or gap
_BOTH_ROWS = 0.3         # of the stitches must show beside those of all other rows, or their gap is not known
_COUNT_WORDS = ("no row", "one row", "two rows", "three rows", "four rows", "five rows", "six rows")
_SEWN = ("", "single", "double", "triple")

ESTIMATORS: Mapping[str, Estimator] = {
    # Faithful images read 0, softened and noisy ones too; 30 % of one row must fail, and one gap is seen at 10 %.
    "missing_fraction": Estimator(Limit(fail=0.10, warn=0.05), "has lost {value:.0%} of the stitches{detail}",
                                  remedy="repair"),
    # Rows fewer than sewn, mean along the seam: from about half a row on, the seam as a whole reads as another one.
    "rows_missing": Estimator(Limit(fail=0.45, warn=0.25), "is wrong:{detail}", remedy="repair"),
    # Faithful images read up to 0.02, warped ones 0.04; rows 15 % closer together must fail.
    "row_gap_change": Estimator(Limit(fail=0.08, warn=0.05), "has rows {value:.0%}{detail}"),
    # A picture softer by half a pixel keeps 0.65 of the contrast of threads 1.5 px thin; half of it is a faded seam.
    "stitch_contrast": Estimator(Limit(fail=0.5, warn=0.6, direction="min", perfect=1.0),
                                 "is faint: its stitches show {value:.0%} of their contrast{detail}"),
    # The rhythm of the whole seam; faithful images keep it within 1 %.
    "pitch_change": Estimator(Limit(fail=0.06, warn=0.04), "has stitches {value:.0%}{detail}"),
}


@dataclass(frozen=True, slots=True)
class _Seam:
    """One seam of one image, read."""

    expected: Expected
    observed: U8
    occurrence: Occurrence
    strip: Strip
    thread: Thread
    stitches: Stitches
    wanted: F32          # (m, n, 3) the faithful strip
    seen: F32            # (m, n, 3) the image's
    rows: NDArray[np.intp]  # rows with enough legible stitches
    segments: list[Segment]

    @property
    def side(self) -> str:
        """Where on the product it lies, as the picture shows it."""
        box = bbox_of(self.expected.alpha > 0.5)
        if box is None:
            return "in the picture"
        middle = (self.occurrence.bbox[0] + self.occurrence.bbox[2]) / 2
        share = (middle - box[0]) / max(1, box[2] - box[0])
        return "on the left side" if share < 0.4 else "on the right side" if share > 0.6 else "in the middle"


@check("stitching", needs=("alpha", "display"), unit="share", estimators=ESTIMATORS, about="stitching",
       injectors=(erase_row, merge_rows, narrow_gap))
def stitching(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Missing stitches, rows, gap between them, contrast and rhythm of every seam, read along its path.

    Faithful picture and image are straightened by the same geometry. What the faithful picture cannot
    show, because it is too small, hidden or of the leather's colour, does not apply. Coverage is the
    share of a seam's legible stitches that the image has not burnt out.
    """
    found = strips(expected, regions)
    visible = {occurrence.region.name for occurrence, _ in found}
    measurements = [_does_not_apply(f"stitching:{region.name}", "it does not show in this shot")
                    for region in regions if region.kind == "stitching" and region.name not in visible]
    for occurrence, strip in found:
        read = _read(expected, observed, occurrence, strip)
        measurements += [_does_not_apply(occurrence.name, read)] if isinstance(read, str) else _measured(read)
    return measurements


def _read(expected: Expected, observed: U8, occurrence: Occurrence, strip: Strip | None) -> _Seam | str:
    """The seam, or why even the faithful picture does not show it well enough."""
    if strip is None:
        return "it shows as a sliver"
    wanted, width = strip.sample(expected.display), band_width(occurrence.region)
    thread = thread_of(strip, wanted, occurrence.region.rows, width)
    if thread is None:
        size = float(np.median(strip.px_across)) * width
        return f"its rows cannot be told apart in a band of {size:.0f} px, even in the faithful picture"
    if not thread.stands_out:
        return (f"its thread hardly stands out even in the faithful picture: {thread.contrast:.0f} code values on a "
                f"grain of {thread.grain:.0f}")
    seen = strip.sample(observed)
    stitches = read_stitches(strip, thread, wanted, seen)
    rows = np.flatnonzero(stitches.legible.sum(axis=1) >= FEWEST_STITCHES)
    if len(rows) == 0:
        across = float(np.median(sample_px(strip, np.arange(len(strip.along)))[1]))
        return (f"{int(stitches.legible.sum(axis=1).max())} of its stitches are legible in the faithful picture, with "
                f"{across * thread.thickness:.1f} px of thread and {across * thread.gap:.1f} px from row to row")
    segments = row_segments(strip, thread, stitches, wanted, seen)
    if stitches.legible.all(axis=0).sum() < _SIDE_BY_SIDE:
        segments = []
    return _Seam(expected, observed, occurrence, strip, thread, stitches, wanted, seen, rows, segments)


def _measured(seam: _Seam) -> list[Measurement]:
    stitches, rows = seam.stitches, seam.rows
    coverage = float(stitches.read[rows].sum() / stitches.legible[rows].sum())
    if not stitches.read[rows].any(axis=1).all():
        return [_without_value(name, seam.occurrence.name, "the image shows no colour where the stitches should be")
                for name in ESTIMATORS]
    return [_missing(seam, coverage), _rows(seam, coverage), _gap(seam, coverage), _contrast(seam, coverage),
            _pitch(seam, coverage)]


def _missing(seam: _Seam, coverage: float) -> Measurement:
    """The share of stitches of the worst row that have less than 40 % of their contrast."""
    stitches = seam.stitches
    gone = stitches.read & (stitches.contrast < _MISSING)
    share = gone[seam.rows].sum(axis=1) / stitches.read[seam.rows].sum(axis=1)
    row = int(seam.rows[share.argmax()])
    first, last = _longest_run(gone[row])
    if first == last:  # none is missing: show the faintest
        first = int(np.where(stitches.read[row], stitches.contrast[row], np.inf).argmin())
        last = first + 1
    where = f"of its {_row_name(seam, row)} row, {seam.side}" if len(seam.thread.rows) > 1 else seam.side
    return _at(seam, "missing_fraction", float(share.max()), "share", coverage, first, last, where, row)


def _rows(seam: _Seam, coverage: float) -> Measurement:
    """Rows that the image shows fewer than the faithful picture, mean along the seam."""
    if not seam.segments:
        return _rows_not_side_by_side(seam, "rows_missing")
    sewn = len(seam.thread.rows)
    missing = np.array([max(0, sewn - len(segment.seen)) for segment in seam.segments])
    lengths = np.array([segment.stitches for segment in seam.segments])
    worst = seam.segments[int(missing.argmax())]
    named = f"{_SEWN[sewn]} stitching" if sewn < len(_SEWN) else f"stitching in {_COUNT_WORDS[sewn]}"
    length = float(lengths[missing > 0].sum() / lengths.sum())
    extent = "" if length > 0.95 else f" along {length:.0%} of its length"
    value = float(np.average(missing, weights=lengths))
    return _at(seam, "rows_missing", value, "rows", coverage, worst.first, worst.last,
               f"{named} {seam.side} reads as {_COUNT_WORDS[sewn - int(missing.max())]}{extent}")


def _gap(seam: _Seam, coverage: float) -> Measurement:
    """Relative change of the distance between neighbouring rows: the median along the seam, of the worst pair."""
    name = seam.occurrence.name
    if len(seam.thread.rows) < 2:
        return _without_value("row_gap_change", name, "it is a single row", False)
    if not seam.segments:
        return _rows_not_side_by_side(seam, "row_gap_change")
    clear = [segment for segment in seam.segments if len(segment.seen) == len(segment.wanted)]
    if sum(segment.stitches for segment in clear) < _BOTH_ROWS * sum(segment.stitches for segment in seam.segments):
        return _without_value("row_gap_change", name, "the image does not show all of its rows")
    changes = np.array([np.diff(segment.seen) / np.diff(segment.wanted) - 1.0 for segment in clear])
    medians = np.median(changes, axis=0)
    pair = int(np.abs(medians).argmax())
    value, worst = float(medians[pair]), clear[int(np.abs(changes[:, pair]).argmax())]
    way = "closer together" if value < 0 else "further apart"
    return _at(seam, "row_gap_change", abs(value), "share", coverage, worst.first, worst.last,
               f"{way} than sewn, {seam.side}")


def _rows_not_side_by_side(seam: _Seam, estimator: str) -> Measurement:
    """Without a stretch to count rows on: the faithful picture's fault, or the image's."""
    if seam.stitches.legible.all(axis=0).sum() >= _SIDE_BY_SIDE and not seam.stitches.read.all(axis=0).any():
        return _without_value(estimator, seam.occurrence.name, "the image shows no colour where the rows should be")
    return _without_value(estimator, seam.occurrence.name, "its rows hardly show side by side in this shot", False)


def _contrast(seam: _Seam, coverage: float) -> Measurement:
    """The median contrast of the faintest row's stitches; a row that is gone is missing, not faint."""
    stitches = seam.stitches
    present = stitches.read & (stitches.contrast >= _MISSING)
    medians = {int(row): float(np.median(stitches.contrast[row][present[row]])) for row in seam.rows
               if 2 * present[row].sum() >= stitches.read[row].sum()}
    if not medians:
        return _without_value("stitch_contrast", seam.occurrence.name, "the image shows no stitches")
    row = min(medians, key=lambda one: medians[one])
    faintest = int(np.where(present[row], stitches.contrast[row], np.inf).argmin())
    return _at(seam, "stitch_contrast", medians[row], "ratio", coverage, faintest, faintest + 1, seam.side, row)


def _pitch(seam: _Seam, coverage: float) -> Measurement:
    """Relative change of the distance from stitch to stitch."""
    stitches, name = seam.stitches, seam.occurrence.name
    legible = pitch_ratio(seam.strip, seam.thread, stitches, seam.wanted, seam.wanted, stitches.legible)
    if legible is None:
        return _without_value("pitch_change", name, "its rhythm cannot be read, even in the faithful picture", False)
    present = stitches.read & (stitches.contrast >= _MISSING)
    ratio = pitch_ratio(seam.strip, seam.thread, stitches, seam.wanted, seam.seen, present)
    if ratio is None:
        return _without_value("pitch_change", name, "the image shows no rhythm of stitches")
    way = "longer" if ratio > 1 else "shorter"
    first, last = _longest_run(stitches.read[seam.rows[0]])
    return _at(seam, "pitch_change", abs(ratio - 1.0), "share", coverage, first, min(last, first + 2 * SEGMENT),
               f"{way} than sewn, {seam.side}")


def _longest_run(flags: Bools) -> tuple[int, int]:
    """First and one past the last of the longest run of set flags; equal where there are none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if len(runs) == 0:
        return 0, 0
    first, last = runs[int((runs[:, 1] - runs[:, 0]).argmax())]
    return int(first), int(last)


def _row_name(seam: _Seam, row: int) -> str:
    """The row as the picture shows it: upper, lower, left, right or middle."""
    strip, rows = seam.strip, np.rint(seam.thread.rows).astype(int)
    if 0 < row < len(rows) - 1:
        return "middle"
    shown = strip.shown[rows].all(axis=0)
    if not shown.any():
        return "one"
    outer = rows[-1] if row == 0 else rows[0]
    right, down = (float((field[rows[row]] - field[outer])[shown].mean()) for field in (strip.x, strip.y))
    if abs(down) >= abs(right):
        return "lower" if down > 0 else "upper"
    return "right" if right > 0 else "left"


def _at(seam: _Seam, estimator: str, value: float, unit: str, coverage: float, first: int, last: int, reason: str,
        row: int | None = None) -> Measurement:
    """A reading with the stitches ``first`` to ``last`` (exclusive), of one row or all, as its evidence."""
    starts, strip, half = seam.stitches.starts, seam.strip, seam.thread.half
    rows = np.rint(seam.thread.rows).astype(int)
    low, high = (rows[0], rows[-1]) if row is None else (rows[row], rows[row])
    window = (slice(max(0, low - half), high + half + 1), slice(starts[first], max(starts[last], starts[first] + 1)))
    shown = strip.shown[window]
    if not shown.any():
        return Measurement("stitching", estimator, seam.occurrence.name, value, unit, coverage, reason=reason)
    x, y = strip.x[window][shown], strip.y[window][shown]
    box: BBox = (int(x.min()), int(y.min()), int(x.max()) + 2, int(y.max()) + 2)
    return Measurement("stitching", estimator, seam.occurrence.name, value, unit, coverage, box,
                       side_by_side(seam.expected, seam.observed, box), reason=reason)


def _does_not_apply(name: str, reason: str) -> Measurement:
    return _without_value("missing_fraction", name, reason, applicable=False)


def _without_value(estimator: str, name: str, reason: str, applicable: bool = True) -> Measurement:
    unit = {"rows_missing": "rows", "stitch_contrast": "ratio"}.get(estimator, "share")
    return Measurement("stitching", estimator, name, None, unit, 0.0, applicable=applicable, reason=reason)
