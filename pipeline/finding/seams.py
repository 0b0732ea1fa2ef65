"""Stitching: dashed lines of thread on a diffuse map, and parallel rows of them as one seam.

Every stitch is a small slender blob that differs from its surroundings. Stitches that follow each other in their own
direction at a regular pitch make a row; rows that run beside each other make a seam. A weave, a hatching or a row of
letters has neighbours on all sides, or no pitch: no row comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, maximum_filter, minimum_filter, uniform_filter
from scipy.spatial import cKDTree

from pipeline.catalogue import Region
from pipeline.finding.maps import Sheet

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_THREAD_PX = 11            # window that no thread fills
_CONTRAST = 18.0           # code values of luma by which thread differs from its ground
_NOISE = 4.0               # and times the map's own roughness
_OF_THREAD = 0.62          # of the contrast nearby: what is left of it in the gap between two stitches is less
_LENGTH = (3.0, 60.0)      # px of one stitch
_SLENDER = 1.6             # length over width
_WIDEST = 9.0              # px
_NEXT = (0.6, 2.6)         # pitch to the next stitch, in stitch lengths
_TURN = 0.5                # radians between neighbours
_ASIDE = 0.35              # of the pitch, by which the next stitch may lie beside the line
_ALIKE = 1.7               # ratio of neighbours' lengths and widths
_FEWEST = 10               # stitches of a row
_PIECE = 4                 # stitches of a piece of a row
_BRIDGE = 5.0              # pitches between two pieces of one row
_BEND = 0.3                # radians by which the gap between them may turn from either
_REGULAR = 0.22            # spread of pitches over their median
_BESIDE = 1.8              # pitches between two rows of one seam; two seams keep farther apart
_STEADY = 0.25             # spread of the distance between two rows, over it
_TOGETHER = 0.5            # of the shorter row that runs beside the longer
_CROWD = 6                 # rows beside each other and more are a pattern
_MOST_STITCHES = 20_000    # blobs of a map; more are its texture


@dataclass(frozen=True, slots=True)
class Stitches:
    """Blobs that may be stitches."""

    centre: F64                # (n, 2) texels
    way: F64                   # (n, 2) unit vector along each, either sign
    length: F64                # (n,) texels
    width: F64                 # (n,)
    contrast: F64              # (n,) code values, mean


@dataclass(frozen=True, slots=True)
class Row:
    """One dashed line."""

    points: F64                # (n, 2) its stitches' centres in order, texels
    pitch: float
    width: float               # of its thread
    contrast: float            # code values

    @property
    def length(self) -> float:
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())


def seam_regions(sheet: Sheet) -> list[Region]:
    """Seams of one material."""
    bright, dark = (_groups(_rows(_stitches(sheet, brighter))) for brighter in (True, False))
    kept: list[list[Row]] = []
    for group in sorted([*bright, *dark], key=_strength, reverse=True):
        # A thread's shadow, and what shows between its stitches, is dashed as it is.
        if not any(_close(row, other) for row in group for done in kept for other in done):
            kept.append(group)
    return [_region(sheet, group) for group in kept]


def _stitches(sheet: Sheet, brighter: bool) -> Stitches:
    """Slender blobs brighter, or darker, than the ground."""
    ys, xs = np.nonzero(sheet.used)
    if not len(ys):
        return _none()
    window = (slice(max(ys.min() - 8, 0), ys.max() + 9), slice(max(xs.min() - 8, 0), xs.max() + 9))
    used = sheet.used[window]
    luma = (sheet.image[window].astype(np.float32) @ _LUMA).astype(np.uint8)
    # A top-hat takes what is thinner than its window, and leaves the edges of panels where they are.
    strongest = ((luma - maximum_filter(minimum_filter(luma, _THREAD_PX), _THREAD_PX)) if brighter else
                 (minimum_filter(maximum_filter(luma, _THREAD_PX), _THREAD_PX) - luma)).astype(np.float32)
    rough = float(np.median(strongest[used]))
    nearby = uniform_filter(maximum_filter(strongest, _THREAD_PX), _THREAD_PX)
    limit = np.maximum(max(_CONTRAST, _NOISE * rough), _OF_THREAD * nearby)
    names, count = label((strongest > limit) & used)
    if not 0 < count <= _MOST_STITCHES:
        return _none()
    return _moments(names, count, strongest, np.array([window[1].start, window[0].start], np.float64))


def _none() -> Stitches:
    return Stitches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))


def _moments(names: NDArray[np.integer], count: int, contrast: NDArray[np.float32], corner: F64) -> Stitches:
    """Centre, direction, length and width of each blob, from its second moments (uniform bars)."""
    ys, xs = np.nonzero(names)
    which = names[ys, xs] - 1
    area = np.bincount(which, minlength=count).astype(np.float64)
    mean = np.stack([np.bincount(which, axis, count) / area for axis in (xs, ys)], axis=1)
    dx, dy = xs - mean[which, 0], ys - mean[which, 1]
    cxx, cyy, cxy = (np.bincount(which, product, count) / area for product in (dx * dx, dy * dy, dx * dy))
    half, root = (cxx + cyy) / 2, np.sqrt(((cxx - cyy) / 2) ** 2 + cxy**2)
    angle = np.arctan2(2 * cxy, cxx - cyy) / 2
    length, width = np.sqrt(12 * (half + root) + 1), np.sqrt(np.maximum(12 * (half - root), 0) + 1)
    filled = area / (length * width)
    good = ((length >= _LENGTH[0]) & (length <= _LENGTH[1]) & (width <= _WIDEST) & (length >= _SLENDER * width)
            & (filled > 0.6) & (area >= 4))
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    strength = np.bincount(which, contrast[ys, xs], count) / area
    return Stitches((mean + 0.5 + corner)[good], way[good], length[good], width[good], strength[good])


def _rows(stitches: Stitches) -> list[Row]:
    """Chains of stitches, each the other's best neighbour in the direction both point to."""
    count = len(stitches.centre)
    if count < _FEWEST:
        return []
    ahead = _best_neighbours(stitches)
    links: list[set[int]] = [set() for _ in range(count)]
    for a in range(count):
        for b in ahead[a]:
            if b >= 0 and a in ahead[b]:
                links[a].add(b)
    rows = []
    left = set(range(count))
    starts = sorted(left, key=lambda k: (len(links[k]), k))   # ends first, closed rows last
    for start in starts:
        if start not in left:
            continue
        chain = [start]
        left.discard(start)
        while True:
            following = [b for b in sorted(links[chain[-1]]) if b in left]
            if not following:
                break
            chain.append(following[0])
            left.discard(following[0])
        rows += _regular_runs(stitches, chain)
    return [row for row in _bridged(rows) if len(row.points) >= _FEWEST]


def _bridged(rows: list[Row]) -> list[Row]:
    """Rows that go on in each other behind a few stitches that were not seen."""
    pending = sorted(rows, key=lambda row: (-row.length, tuple(row.points[0])))
    done: list[Row] = []
    while pending:
        row = pending.pop(0)
        joined = next(((k, whole) for k, other in enumerate(pending) if (whole := _one_row(row, other))), None)
        if joined is None:
            done.append(row)
        else:
            pending[joined[0]] = joined[1]
    return done


def _one_row(a: Row, b: Row) -> Row | None:
    """Both as one row, where one end of the first goes on in an end of the second."""
    pitch = min(a.pitch, b.pitch)
    if max(a.pitch, b.pitch) > 1.3 * pitch or max(a.width, b.width) > _ALIKE * min(a.width, b.width):
        return None
    for first in (a.points, a.points[::-1]):
        for second in (b.points, b.points[::-1]):
            gap = second[0] - first[-1]
            distance = float(np.linalg.norm(gap))
            if not 0.5 * pitch < distance < _BRIDGE * pitch:
                continue
            ways = [way / max(float(np.linalg.norm(way)), 1e-9)
                    for way in (first[-1] - first[-3], gap, second[2] - second[0])]
            if all(float(way @ ways[1]) > np.cos(_BEND) for way in (ways[0], ways[2])):
                return Row(np.concatenate([first, second]), (a.pitch + b.pitch) / 2, max(a.width, b.width),
                           (a.contrast + b.contrast) / 2)
    return None


def _best_neighbours(stitches: Stitches) -> NDArray[np.intp]:
    """(n, 2) index of the best stitch forwards and backwards; -1 where there is none."""
    centre, way, length, width = stitches.centre, stitches.way, stitches.length, stitches.width
    best = np.full((len(centre), 2), -1, np.intp)
    cost = np.full((len(centre), 2), np.inf)
    reach = float(np.quantile(length, 0.98)) * _NEXT[1]
    pairs = cKDTree(centre).query_pairs(reach, output_type="ndarray")
    for a, b in (pairs.T, pairs.T[::-1]):
        gap = centre[b] - centre[a]
        distance = np.linalg.norm(gap, axis=1)
        along = (gap * way[a]).sum(axis=1)
        aside = np.abs(gap[:, 0] * way[a, 1] - gap[:, 1] * way[a, 0])
        turn = np.arccos(np.clip(np.abs((way[a] * way[b]).sum(axis=1)), 0, 1))
        alike = (np.maximum(length[a], length[b]) < _ALIKE * np.minimum(length[a], length[b])) & (
            np.maximum(width[a], width[b]) < _ALIKE * np.minimum(width[a], width[b]))
        usual = (length[a] + length[b]) / 2
        good = (alike & (turn < _TURN) & (aside < _ASIDE * distance) & (distance > _NEXT[0] * usual)
                & (distance < _NEXT[1] * usual))
        price = distance + 2 * aside
        for side in (0, 1):
            chosen = np.flatnonzero(good & ((along > 0) == (side == 0)))
            chosen = chosen[np.argsort(-price[chosen], kind="stable")]    # the cheapest is written last
            keep = price[chosen] < cost[a[chosen], side]
            best[a[chosen[keep]], side] = b[chosen[keep]]
            cost[a[chosen[keep]], side] = price[chosen[keep]]
    return best


def _regular_runs(stitches: Stitches, chain: Sequence[int]) -> list[Row]:
    """The row of a chain, where its pitch is regular."""
    if len(chain) < _PIECE:
        return []
    points = stitches.centre[list(chain)]
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    pitch = float(np.median(steps))
    spread = float(np.median(np.abs(steps - pitch))) * 1.4826 / pitch
    lengths = stitches.length[list(chain)]
    if spread > _REGULAR or float(np.median(np.abs(lengths / np.median(lengths) - 1))) > _REGULAR:
        return []
    return [Row(points, pitch, *(float(np.median(of[list(chain)])) for of in (stitches.width, stitches.contrast)))]


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that run beside each other, each group from one side to the other; crowds are patterns and left out."""
    order = sorted(rows, key=lambda row: (-row.length, tuple(row.points[0])))
    groups: list[list[Row]] = []
    for row in order:
        near = [group for group in groups if any(_beside(row, other) for other in group)]
        apart = [group for group in groups if not any(group is other for other in near)]
        groups = [*apart, [*(each for group in near for each in group), row]]
    return [group for group in groups if len(group) < _CROWD]


def _strength(group: Sequence[Row]) -> float:
    """How plainly a group stands out: contrast counts more than length, since a shadow is as long as its thread."""
    return float(np.mean([row.contrast * np.sqrt(row.length) for row in group]))


def _close(a: Row, b: Row) -> bool:
    """Whether most of one row lies nearer to the other than two rows of one seam may."""
    short, long = (a, b) if a.length <= b.length else (b, a)
    gaps = _distances(short, long)
    return bool((gaps < _BESIDE * long.pitch).mean() > _TOGETHER)


def _distances(a: Row, b: Row) -> F64:
    """(n,) from each stitch of one row to the other's line."""
    return np.asarray(cKDTree(_resampled(b.points, b.pitch / 4)).query(a.points)[0], np.float64)


def _beside(a: Row, b: Row) -> bool:
    """Whether the shorter row keeps its distance from the longer."""
    short, long = (a, b) if a.length <= b.length else (b, a)
    gaps = _distances(short, long)
    near = gaps < _BESIDE * max(a.pitch, b.pitch)
    if near.mean() < _TOGETHER or max(a.pitch, b.pitch) > 1.5 * min(a.pitch, b.pitch):
        return False
    usual = float(np.median(gaps[near]))
    return float(np.median(np.abs(gaps[near] - usual))) < _STEADY * usual


def _resampled(points: F64, step: float) -> F64:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, arc[-1], max(2, int(arc[-1] / max(step, 1e-6)) + 1))
    return np.stack([np.interp(at, arc, points[:, k]) for k in (0, 1)], axis=1)


def _region(sheet: Sheet, group: Sequence[Row]) -> Region:
    """A group's centre line, its rows, and the band that holds them."""
    longest = max(group, key=lambda row: row.length)
    spine = _smooth(_resampled(longest.points, longest.pitch))
    along = np.gradient(spine, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    tree = cKDTree(spine)
    offsets = []
    for row in group:
        _, nearest = tree.query(row.points)
        offsets.append(float(np.median(((row.points - spine[nearest]) * normal[nearest]).sum(axis=1))))
    lines = _distinct(offsets, longest.width)
    middle = (lines[0] + lines[-1]) / 2
    path = (spine + normal * middle) / sheet.size
    width = (lines[-1] - lines[0] + 3 * longest.width) / float(np.sqrt(sheet.size.prod()))
    step = max(1, len(path) // 48)
    points = tuple((round(float(u), 5), round(float(v), 5)) for u, v in np.concatenate([path[:-1:step], path[-1:]]))
    return Region("", "stitching", sheet.material, path=points, rows=len(lines), width=round(width, 6), source="found")


def _distinct(offsets: Sequence[float], width: float) -> list[float]:
    """Rows that were found in pieces are one row."""
    lines: list[float] = []
    for offset in sorted(offsets):
        if not lines or offset - lines[-1] > width:
            lines.append(offset)
    return lines


def _smooth(points: F64) -> F64:
    padded = np.concatenate([points[:1], points, points[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)
