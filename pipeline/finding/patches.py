"""The patch that a text stands on: sewn or stuck on, its ground differs from what is around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_closing, binary_dilation, binary_fill_holes, label
from scipy.spatial import ConvexHull, QhullError

from pipeline.finding.maps import Sheet

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Quad = F64                 # (4, 2) corners in texels

_LINE_PX = 14.0            # of a line's height while its ground is followed
_REACH = 3.0               # window, in sizes of the text to every side
_SAME_GROUND = 14.0        # code values
_BRIDGED = 3               # px of a frame's line that the ground goes on behind
_LARGEST = 14.0            # area of a patch over that of its text
_FILLED = 0.86             # of its smallest rectangle
_BORDERED = 0.6            # of its border that another ground of the same material lies beyond
_OWN_PIECE = 0.03          # share of the product's surface; a smaller uv island of its own is a piece sewn on
_COVERED = 0.7             # of such an island's box


def patch_around(sheet: Sheet, text: Quad, line_height: float) -> Quad | None:
    """The patch's smallest rectangle, corners as the text's; None where the text stands on the material itself."""
    step = max(1.0, line_height / _LINE_PX)
    low, high = text.min(axis=0), text.max(axis=0)
    reach = _REACH * np.maximum(high - low, 4 * line_height)
    x0, y0 = np.maximum(np.floor(low - reach), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high + reach), sheet.size).astype(int)
    image, used = _window(sheet, (x0, y0, x1, y1), step)
    local = (text - [x0, y0]) * [image.shape[1] / (x1 - x0), image.shape[0] / (y1 - y0)]
    ground = _ground(image, used, local, line_height / step)
    if ground is None:
        return None
    names, count = label(ground)
    ys, xs = np.nonzero(_inside(local, ground.shape) & ground)
    if not count or not len(ys):
        return None
    own = np.bincount(names[ys, xs], minlength=count + 1)
    patch = binary_fill_holes(names == int(np.argmax(own[1:])) + 1)
    beyond = [(y0 > 0, patch[0]), (y1 < sheet.image.shape[0], patch[-1]), (x0 > 0, patch[:, 0]),
              (x1 < sheet.image.shape[1], patch[:, -1])]
    if any(more and bool(edge.any()) for more, edge in beyond):
        return None
    box = _smallest_box(patch, local)
    area, of_text = _area(box), _area(local)
    if patch.sum() < _FILLED * area or not 1.1 * of_text < area < _LARGEST * of_text:
        return None
    ring = binary_dilation(patch, iterations=2) & ~patch
    bordered = float((ring & used).sum() / max(int(ring.sum()), 1))
    quad = box / [image.shape[1] / (x1 - x0), image.shape[0] / (y1 - y0)] + [x0, y0]
    return quad if bordered >= _BORDERED or _own_piece(sheet, quad) else None


def _window(sheet: Sheet, box: tuple[int, int, int, int], step: float) -> tuple[F64, Bools]:
    x0, y0, x1, y1 = box
    size = (max(4, round((x1 - x0) / step)), max(4, round((y1 - y0) / step)))
    image = Image.fromarray(sheet.image[y0:y1, x0:x1]).resize(size, Image.Resampling.BOX)
    used = Image.fromarray(sheet.used[y0:y1, x0:x1]).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image, np.float64), np.asarray(used, bool)


def _ground(image: F64, used: Bools, text: Quad, line_height: float) -> Bools | None:
    """Where the colour around the text goes on, behind thin lines too."""
    middle = text.mean(axis=0)
    wide = middle + (text - middle) * (1.0 + 0.7 * line_height / np.maximum(np.ptp(text, axis=0), 1.0))
    ring = _inside(wide, used.shape) & ~_inside(text, used.shape) & used
    if ring.sum() < 8:
        return None
    colour = np.median(image[ring], axis=0)
    away = np.abs(image - colour).max(axis=2)
    same = (away < max(_SAME_GROUND, 3.0 * float(np.median(away[ring])))) & used
    padded = np.pad(same, _BRIDGED)
    inner = (slice(_BRIDGED, -_BRIDGED),) * 2
    return np.asarray(binary_closing(padded, iterations=_BRIDGED)[inner] & used | _inside(text, used.shape))


def _inside(quad: Quad, shape: tuple[int, ...]) -> Bools:
    sides = np.stack([quad[1] - quad[0], quad[3] - quad[0]], axis=1)
    y, x = np.mgrid[:shape[0], :shape[1]]
    place = np.stack([x.ravel() + 0.5 - quad[0, 0], y.ravel() + 0.5 - quad[0, 1]], axis=1) @ np.linalg.inv(sides).T
    return np.asarray(((place >= 0) & (place <= 1)).all(axis=1).reshape(shape[:2]))


def _smallest_box(patch: Bools, text: Quad) -> Quad:
    """The smallest rectangle around a patch, of all turns along its hull's edges; its first corner is the text's."""
    ys, xs = np.nonzero(patch)
    points = np.stack([xs, ys], axis=1).astype(np.float64)
    corners = (points[:, None] + np.array([[0, 0], [1, 0], [0, 1], [1, 1]])).reshape(-1, 2)
    try:
        hull = corners[ConvexHull(corners).vertices]
    except QhullError:
        hull = corners
    way = text[1] - text[0]
    ways = [way / np.linalg.norm(way), *(edge / np.linalg.norm(edge) for edge in np.roll(hull, -1, axis=0) - hull)]
    best, smallest = text, np.inf
    for axis in ways:
        axes = np.array([axis, [-axis[1], axis[0]]])
        along = hull @ axes.T
        (u0, v0), (u1, v1) = along.min(axis=0), along.max(axis=0)
        size = float((u1 - u0) * (v1 - v0))
        if size < 0.98 * smallest:
            best, smallest = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]]) @ axes, size
    turns = [np.roll(order, k, axis=0) for order in (best, best[::-1]) for k in range(4)]
    return np.asarray(min(turns, key=lambda turn: float(np.abs(turn - turn.mean(axis=0)
                                                               - (text - text.mean(axis=0))).sum())))


def _own_piece(sheet: Sheet, quad: Quad) -> bool:
    """Whether a small uv island is nothing but this patch."""
    low, high = quad.min(axis=0) / sheet.size, quad.max(axis=0) / sheet.size
    for chart in sheet.charts:
        box = np.array(chart.box).reshape(2, 2)
        common = np.minimum(high, box[1]) - np.maximum(low, box[0])
        if (common > 0).all() and chart.area < _OWN_PIECE:
            return float(common.prod() / (box[1] - box[0]).prod()) > _COVERED
    return False


def _area(quad: Quad) -> float:
    a, b = quad[1] - quad[0], quad[3] - quad[0]
    return abs(float(a[0] * b[1] - a[1] * b[0]))
