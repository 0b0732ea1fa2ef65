"""Where labels, logos and stitching show in one picture, as soft masks.

>>> for seen in regions_in_picture(passes, regions):
...     print(seen.region.name, seen.instance, seen.coverage.max())
>>> protected = coverage_of(passes, regions, kinds=("label", "logo"))     # (H, W) 0..1

UV is not unique: half of real products mirror theirs, so a region becomes one occurrence for every
instance of the mesh and every chart it lies on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import Region
from pipeline.regions import DEFAULT_STITCH_WIDTH, in_region
from pipeline.render.types import F32, U32, ControlPasses
from pipeline.settings import RegionKind

KINDS: tuple[RegionKind, ...] = ("label", "logo", "stitching")
SUBSAMPLES = 4                 # per pixel and axis where the region's edge runs
FEWEST_PIXELS = 4              # fewer are sampling crumbs at a chart's edge
_LARGEST_STEP = 0.25           # of the uv range from one pixel to the next; more is a wrap, not a slope

Bools = NDArray[np.bool_]
Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class RegionInPicture:
    """One visible copy of one region."""

    region: Region
    instance: int
    chart: int
    window: Window                         # rows and columns of the picture that hold it
    coverage: F32                          # (h, w) of the window: share of each pixel that it takes, 0..1

    def full(self, shape: tuple[int, int]) -> F32:
        """The coverage as an (H, W) picture."""
        whole = np.zeros(shape, np.float32)
        whole[self.window] = self.coverage
        return whole


def regions_in_picture(passes: ControlPasses, regions: Sequence[Region],
                       kinds: Collection[RegionKind] = KINDS) -> list[RegionInPicture]:
    """Every visible occurrence of every region of some kinds, in the order of ``regions``.

    A pixel's coverage is the share of it that lies in the region, from uv carried to 4 × 4 points of the
    pixel by its slope, times alpha. Pixels on the silhouette whose centre misses the product take
    their neighbour's uv.
    """
    wanted = [region for region in regions if region.kind in kinds]
    window = _product_window(passes)
    if window is None or not wanted:
        return []
    frame = _frame(passes, window)
    found: list[RegionInPicture] = []
    for region in wanted:
        material = _of_material(passes, region, frame.material)
        near = _near(frame, region, material)
        if near is not None:
            found += _occurrences(frame, region, material, near, window)
    return found


def coverage_of(passes: ControlPasses, regions: Sequence[Region], kinds: Collection[RegionKind] = KINDS) -> F32:
    """(H, W) share of each pixel that lies in any region of some kinds."""
    whole = np.zeros(passes.alpha.shape, np.float32)
    for seen in regions_in_picture(passes, regions, kinds):
        np.maximum(whole[seen.window], seen.coverage, out=whole[seen.window])
    return whole


@dataclass(frozen=True, slots=True)
class _Frame:
    """The product's window (h × w), silhouette pixels filled in from their neighbours."""

    uv: F32                                # (h, w, 2) NaN where nothing is near
    seen: Bools                            # (h, w)
    alpha: F32
    instance: U32
    material: U32
    chart: U32


def _product_window(passes: ControlPasses) -> Window | None:
    return _bounds((passes.alpha > 0.0) & (passes.chart_id > 0), 1)


def _bounds(mask: Bools, margin: int) -> Window | None:
    """Rows and columns that hold a mask and ``margin`` pixels around it, cut off at the border."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return (slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, mask.shape[0])),
            slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, mask.shape[1])))


def _frame(passes: ControlPasses, window: Window) -> _Frame:
    uv, chart, instance = passes.uv[window], passes.chart_id[window], passes.instance_id[window]
    material, alpha = passes.material_id[window], passes.alpha[window]
    centred = (instance > 0) & np.isfinite(uv[..., 0]) & np.isfinite(uv[..., 1])
    rows, columns = np.nonzero((alpha > 0.0) & ~centred)
    if len(rows):
        uv, chart, instance, material, centred = (uv.copy(), chart.copy(), instance.copy(), material.copy(),
                                                  centred.copy())
        known = centred.copy()
        # Diagonal neighbours first, so that a nearer one has the last word.
        for down, right in ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)):
            y, x = rows + down, columns + right
            usable = (y >= 0) & (y < known.shape[0]) & (x >= 0) & (x < known.shape[1])
            usable[usable] = known[y[usable], x[usable]]
            here, there = (rows[usable], columns[usable]), (y[usable], x[usable])
            fields: tuple[NDArray[Any], ...] = (uv, chart, instance, material)
            for filled in fields:
                filled[here] = filled[there]
            centred[here] = True
    return _Frame(uv, centred, alpha, instance, material, chart)


def _slopes(uv: F32, chart: U32, instance: U32) -> F32:
    """(h, w, 2, 2) d(u, v)/d(x, y): the smaller of the differences to either neighbour on the same chart.

    The smaller one, because a fold or a wrap of the texture makes one of them large.
    """
    result = np.zeros((*chart.shape, 2, 2), np.float32)
    for axis, column in ((1, 0), (0, 1)):
        step = np.diff(uv, axis=axis)
        same = (np.diff(chart.astype(np.int64), axis=axis) == 0) & (np.diff(instance.astype(np.int64), axis=axis) == 0)
        size = np.abs(step).max(axis=-1)
        size = np.where(same & (size < _LARGEST_STEP), size, np.inf)
        pad = [(0, 0)] * 2
        pad[axis] = (0, 1)
        ahead, ahead_size = np.pad(step, [*pad, (0, 0)]), np.pad(size, pad, constant_values=np.inf)
        pad[axis] = (1, 0)
        behind, behind_size = np.pad(step, [*pad, (0, 0)]), np.pad(size, pad, constant_values=np.inf)
        chosen = np.where((ahead_size <= behind_size)[..., None], ahead, behind)
        known = np.isfinite(np.minimum(ahead_size, behind_size))
        result[..., column] = np.where(known[..., None], chosen, 0.0)
    return result


def _of_material(passes: ControlPasses, region: Region, material: U32) -> Bools:
    if region.material == "*":
        return np.asarray(material > 0)
    indices = [1 + i for i, name in enumerate(passes.material_names) if name == region.material]
    return np.isin(material, indices)


def _near(frame: _Frame, region: Region, material: Bools) -> Window | None:
    """The part of the frame whose uv lies in the region's bounding box, and a pixel around it."""
    points = np.asarray(region.polygon or region.path, np.float64)
    margin = (region.width or DEFAULT_STITCH_WIDTH) / 2 if region.kind == "stitching" else 0.0
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    u, v = frame.uv[..., 0], frame.uv[..., 1]
    return _bounds(frame.seen & material & (u >= low[0]) & (u <= high[0]) & (v >= low[1]) & (v <= high[1]), 2)


def _share(frame: _Frame, region: Region, candidates: Bools, box: Window) -> F32:
    """(h, w) of a box: the share of each pixel's square that lies in the region."""
    uv = frame.uv[box]
    hard = np.zeros(candidates.shape, bool)
    hard[candidates] = in_region(uv[candidates], region)
    # One pixel further out: a band about as thin as a pixel misses some of the centres it runs between.
    around = ndimage.binary_dilation(hard, iterations=1) & candidates
    edge = around & ~ndimage.binary_erosion(hard, border_value=1)
    share = hard.astype(np.float32)
    offsets = (np.arange(SUBSAMPLES, dtype=np.float32) + 0.5) / SUBSAMPLES - 0.5
    x, y = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    steps = np.stack([x, y])                                           # (2, n)
    slopes = _slopes(uv, frame.chart[box], frame.instance[box])[edge]
    places = uv[edge][:, :, None] + slopes @ steps                     # (pixels, 2, n)
    inside = in_region(np.swapaxes(places, 1, 2).reshape(-1, 2), region).reshape(-1, steps.shape[1])
    share[edge] = inside.mean(axis=1)
    return share


def _occurrences(frame: _Frame, region: Region, material: Bools, near: Window, window: Window
                 ) -> list[RegionInPicture]:
    """One per instance and chart, the largest first."""
    share = _share(frame, region, frame.seen[near] & material[near], near)
    instances, charts, inside = frame.instance[near], frame.chart[near], share > 0.0
    keys, counts = np.unique(np.stack([instances[inside], charts[inside]], axis=1), axis=0, return_counts=True)
    result: list[RegionInPicture] = []
    for (instance, chart), count in sorted(zip(keys.tolist(), counts.tolist(), strict=True),
                                           key=lambda pair: (-pair[1], pair[0])):
        own = inside & (instances == instance) & (charts == chart)
        box = _bounds(own, 0)
        if count < FEWEST_PIXELS or box is None:
            continue
        coverage = np.where(own[box], share[box] * frame.alpha[near][box], 0.0).astype(np.float32)
        rows, columns = (slice(inner.start + middle.start + outer.start, inner.stop + middle.start + outer.start)
                         for inner, middle, outer in zip(box, near, window, strict=True))
        result.append(RegionInPicture(region, int(instance), int(chart), (rows, columns), coverage))
    return result
