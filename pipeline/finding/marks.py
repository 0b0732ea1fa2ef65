"""Logos that are no words: compact shapes of strong contrast on an even ground.

A shape has to be more than a disc or a bar, which may be a hole, a rivet or a stripe, and may not be repeated: what
comes again and again is a pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    distance_transform_edt,
    find_objects,
    label,
    median_filter,
)
from scipy.spatial import ConvexHull, QhullError

from pipeline.catalogue import Region
from pipeline.finding.maps import Sheet
from pipeline.finding.naming import overlap
from pipeline.regions import in_polygon

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SEARCH_PX = 1024          # long side of the picture that is searched
_GROUND_PX = 96            # long side of the picture whose median is the ground
_GROUND_SHARE = 5          # the median's window is this part of it: a mark covers less than half of that
_CONTRAST = 40.0           # code values, in the strongest channel
_GAP = 5                   # px between parts of one mark
_SMALLEST = 18             # px
_OF_PRODUCT = (0.012, 0.4)  # of the product's largest extent
_RING = (3, 8)             # px beyond the shape where its ground is looked at
_EVEN, _EVEN_SHARE = 30.0, 0.9  # code values from the ring's median, and the share of the ring within them
_SHARP = 0.6               # of the contrast, across 4 px of edge
_PARTS = 8                 # more are lettering or a bar code
_SIMPLE = 0.88             # area over that of its hull: a disc, a bar
_LONGEST = 4.0             # length over width
_REPEATED = 6              # alike shapes and more are a pattern
_SPECK = 12                # px of area; what is smaller is not compared
_ALIKE = 0.25              # relative difference of area and of both sides
_LETTERED = 0.25           # of a mark or of the letters in it
_CLUTTER = 0.3             # share of a material that differs from its ground, beyond which it is patterned
_CORNERS = 16              # of a polygon


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape, in px of the searched picture."""

    mask: Bools                # (h, w) inside its box
    corner: tuple[int, int]    # x, y of the box
    parts: int


def mark_regions(sheet: Sheet, known: Sequence[Region], lettering: Sequence[Sequence[tuple[float, float]]] = ()
                 ) -> list[Region]:
    """Marks of one material, beside the regions already known on it; what holds lettering is none."""
    image, used = _searched(sheet)
    if used.sum() < 400:
        return []
    away = np.abs(image - _ground(image, used)).max(axis=2)
    shapes = (away > _CONTRAST) & used & ~_covered(known, sheet, used.shape)
    if shapes.sum() > _CLUTTER * used.sum():
        return []
    scale = sheet.size[0] / used.shape[1]
    marks = [mark for mark in _grouped(shapes) if _is_mark(mark, image, used, sheet.extents / scale)]
    regions = [_region(sheet, mark, used.shape) for mark in marks]
    letters = [Region("", "logo", sheet.material, tuple(corners)) for corners in lettering]
    return [region for region in regions if not any(overlap(region, letter) > _LETTERED for letter in letters)]


def _searched(sheet: Sheet) -> tuple[F32, Bools]:
    shrink = min(1.0, _SEARCH_PX / max(sheet.used.shape))
    size = (round(sheet.used.shape[1] * shrink), round(sheet.used.shape[0] * shrink))
    image = Image.fromarray(sheet.image).resize(size, Image.Resampling.BOX)
    used = Image.fromarray(sheet.used).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image, np.float32), np.asarray(used, bool)


def _ground(image: F32, used: Bools) -> F32:
    """The material's colour around every texel: a wide median of what the material shows."""
    height, width = used.shape
    shrink = _GROUND_PX / max(height, width)
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    rows = (np.arange(size[1]) + 0.5) * height / size[1]
    columns = (np.arange(size[0]) + 0.5) * width / size[0]
    at = np.ix_(rows.astype(np.intp), columns.astype(np.intp))
    small, shown = image[at], used[at]
    nearest = distance_transform_edt(~shown, return_distances=False, return_indices=True) if shown.any() else None
    filled = small if nearest is None else small[nearest[0], nearest[1]]
    window = max(5, _GROUND_PX // _GROUND_SHARE) | 1
    ground = np.stack([median_filter(filled[..., c], window) for c in range(3)], axis=-1)
    y = np.minimum(np.arange(height) * size[1] // height, size[1] - 1)
    x = np.minimum(np.arange(width) * size[0] // width, size[0] - 1)
    return np.asarray(ground[np.ix_(y, x)])


def _covered(known: Sequence[Region], sheet: Sheet, shape: tuple[int, ...]) -> Bools:
    """Texels of labels and words, and a little around them."""
    mask = np.zeros(shape, bool)
    y, x = np.mgrid[:shape[0], :shape[1]]
    points = np.stack([(x.ravel() + 0.5) / shape[1], (y.ravel() + 0.5) / shape[0]], axis=1)
    for region in known:
        if region.material == sheet.material and region.polygon:
            mask |= in_polygon(points, region.polygon).reshape(shape)
    return np.asarray(binary_dilation(mask, iterations=3)) if mask.any() else mask


def _grouped(shapes: Bools) -> list[Mark]:
    """Parts that nearly touch are one mark."""
    shapes = _unrepeated(shapes)
    names, _ = label(shapes, np.ones((3, 3)))
    joined, count = label(binary_dilation(shapes, np.ones((3, 3), bool), iterations=(_GAP + 1) // 2), np.ones((3, 3)))
    marks = []
    for index, box in enumerate(find_objects(joined)[:count]):
        mask = (joined[box] == index + 1) & shapes[box]
        if min(mask.shape) < _SMALLEST:
            continue
        areas = np.bincount(names[box][mask])[1:]
        parts = int((areas > 0.02 * mask.sum()).sum())
        marks.append(Mark(mask, (box[1].start, box[0].start), parts))
    return marks


def _unrepeated(shapes: Bools) -> Bools:
    """Without the shapes that come again and again: perforations, eyelets, dots."""
    names, count = label(shapes, np.ones((3, 3)))
    if not count:
        return shapes
    boxes = find_objects(names)
    area = np.bincount(names.ravel(), minlength=count + 1)[1:]
    traits = np.array([[size, *sorted((box[0].stop - box[0].start, box[1].stop - box[1].start))]
                       for size, box in zip(area, boxes, strict=True)], np.float64)
    repeated = np.zeros(count, bool)
    for index in np.flatnonzero(traits[:, 0] >= _SPECK):
        near = np.abs(traits / traits[index] - 1.0) < _ALIKE
        repeated[index] = int(near.all(axis=1).sum()) >= _REPEATED
    return np.asarray(shapes & ~np.concatenate([[False], repeated])[names])


def _is_mark(mark: Mark, image: F32, used: Bools, extents: float) -> bool:
    ys, xs = np.nonzero(mark.mask)
    wide, high = int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1
    if not _OF_PRODUCT[0] * extents < max(wide, high) < _OF_PRODUCT[1] * extents or min(wide, high) < _SMALLEST:
        return False
    if mark.parts > _PARTS or max(wide, high) > _LONGEST * min(wide, high):
        return False
    hull = _hull(mark)
    if hull is None or (
            mark.parts == 1 and binary_fill_holes(mark.mask).sum() > _SIMPLE * ConvexHull(hull).volume):
        return False
    reach = _RING[1] + 1
    x0, y0 = mark.corner[0] - reach, mark.corner[1] - reach
    x1, y1 = x0 + mark.mask.shape[1] + 2 * reach, y0 + mark.mask.shape[0] + 2 * reach
    if x0 < 0 or y0 < 0 or x1 > used.shape[1] or y1 > used.shape[0]:
        return False
    shape = np.pad(mark.mask, reach)
    near = np.asarray(binary_dilation(shape, iterations=_RING[0]))
    ring = np.asarray(binary_dilation(shape, iterations=_RING[1])) & ~near
    colours, shown = image[y0:y1, x0:x1], used[y0:y1, x0:x1]
    if not shown[ring | near].all():
        return False
    ground, ink = np.median(colours[ring], axis=0), np.median(colours[shape], axis=0)
    even = (np.abs(colours[ring] - ground).max(axis=1) < _EVEN).mean()
    contrast = float(np.abs(ink - ground).max())
    inner, outer = shape & ~binary_erosion(shape, iterations=2), binary_dilation(shape, iterations=2) & ~shape
    step = float(np.abs(np.median(colours[inner], axis=0) - np.median(colours[outer], axis=0)).max())
    return bool(even > _EVEN_SHARE and contrast > _CONTRAST and step > _SHARP * contrast)


def _hull(mark: Mark) -> F64 | None:
    """(n, 2) corners of its convex hull, px inside its box."""
    ys, xs = np.nonzero(mark.mask)
    points = (np.stack([xs, ys], axis=1)[:, None] + np.array([[0, 0], [1, 0], [0, 1], [1, 1]])).reshape(-1, 2)
    try:
        return np.asarray(points[ConvexHull(points).vertices], np.float64)
    except QhullError:
        return None


def _region(sheet: Sheet, mark: Mark, shape: tuple[int, ...]) -> Region:
    hull = _hull(mark)
    assert hull is not None
    middle = hull.mean(axis=0)
    spread = hull + 1.5 * (hull - middle) / np.maximum(np.linalg.norm(hull - middle, axis=1, keepdims=True), 1e-9)
    kept = spread[np.linspace(0, len(spread), min(len(spread), _CORNERS), endpoint=False).astype(np.intp)]
    uv = np.clip((kept + mark.corner) / [shape[1], shape[0]], 0.0, 1.0)
    polygon = tuple((round(float(u), 5), round(float(v), 5)) for u, v in uv)
    return Region("", "logo", sheet.material, polygon, source="found")
