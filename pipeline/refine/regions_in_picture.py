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

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import Region, RegionKind
from pipeline.regions import in_region
from pipeline.render.types import F32, U32, ControlPasses

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
        share = _share(frame, region, _of_material(passes, region, frame.material))
        if share is not None:
            found += _split(frame, region, share, window)
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
    slopes: F32                            # (h, w, 2, 2) d(u, v)/d(x, y)
    alpha: F32
    instance: U32
    material: U32
    chart: U32


def _product_window(passes: ControlPasses) -> Window | None:
    touched = (passes.alpha > 0.0) & (passes.chart_id > 0)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not len(rows):
        return None
    height, width = passes.alpha.shape
    return (slice(max(int(rows[0]) - 1, 0), min(int(rows[-1]) + 2, height)),
            slice(max(int(columns[0]) - 1, 0), min(int(columns[-1]) + 2, width)))


def _frame(passes: ControlPasses, window: Window) -> _Frame:
    uv, chart, instance = passes.uv[window], passes.chart_id[window], passes.instance_id[window]
    material, alpha = passes.material_id[window], passes.alpha[window]
    slopes = _slopes(uv, chart, instance)
    centred = np.isfinite(uv).all(axis=-1) & (instance > 0)
    missed = (alpha > 0.0) & ~centred
    if missed.any() and centred.any():
        away, (row, column) = ndimage.distance_transform_edt(~centred, return_indices=True)
        reach = missed & (away < 1.5)
        y, x = np.nonzero(reach)
        near = row[reach], column[reach]
        step = np.stack([x - near[1], y - near[0]], axis=-1).astype(np.float32)
        uv = uv.copy()
        uv[reach] = uv[near] + (slopes[near] @ step[..., None])[..., 0]
        chart, instance, material = (_filled(field, reach, near) for field in (chart, instance, material))
        slopes[reach] = slopes[near]
        centred = centred | reach
    return _Frame(uv, centred, slopes, alpha, instance, material, chart)


def _filled(field: U32, where: Bools, near: tuple[NDArray[np.intp], NDArray[np.intp]]) -> U32:
    copy = field.copy()
    copy[where] = field[near]
    return copy


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


def _share(frame: _Frame, region: Region, material: Bools) -> F32 | None:
    """(h, w) share of each pixel's square that lies in the region, or None where none does."""
    candidates = frame.seen & material
    hard = np.zeros(candidates.shape, bool)
    hard[candidates] = in_region(frame.uv[candidates], region)
    # One pixel further out: a band about as thin as a pixel misses some of the centres it runs between.
    around = ndimage.binary_dilation(hard, iterations=1) & candidates
    edge = around & ~ndimage.binary_erosion(hard, border_value=1)
    if not around.any():
        return None
    share = hard.astype(np.float32)
    offsets = (np.arange(SUBSAMPLES, dtype=np.float32) + 0.5) / SUBSAMPLES - 0.5
    x, y = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    steps = np.stack([x, y])                                           # (2, n)
    places = frame.uv[edge][:, :, None] + frame.slopes[edge] @ steps   # (pixels, 2, n)
    inside = in_region(np.swapaxes(places, 1, 2).reshape(-1, 2), region).reshape(-1, steps.shape[1])
    share[edge] = inside.mean(axis=1)
    return share


def _split(frame: _Frame, region: Region, share: F32, window: Window) -> list[RegionInPicture]:
    """One occurrence per instance and chart, the largest first."""
    inside = share > 0.0
    keys, counts = np.unique(np.stack([frame.instance[inside], frame.chart[inside]], axis=1), axis=0,
                             return_counts=True)
    result: list[RegionInPicture] = []
    for (instance, chart), count in sorted(zip(keys.tolist(), counts.tolist(), strict=True),
                                           key=lambda pair: (-pair[1], pair[0])):
        own = inside & (frame.instance == instance) & (frame.chart == chart)
        if count < FEWEST_PIXELS:
            continue
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        coverage = np.where(own[box], share[box] * frame.alpha[box], 0.0).astype(np.float32)
        place = (slice(box[0].start + window[0].start, box[0].stop + window[0].start),
                 slice(box[1].start + window[1].start, box[1].stop + window[1].start))
        result.append(RegionInPicture(region, int(instance), int(chart), place, coverage))
    return result
