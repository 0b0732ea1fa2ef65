"""What is seen within an outline: a shoe's opening and its tongue, a mug's rim.

From above an outline hardly tells a toe from a heel. Two products of a kind differ in colours and prints, but not in
where their surfaces end and bend: where ours would show such lines, the photo should show edges that run the same way.
Both are taken as structure tensors (J. Bigün and G. Granlund 1987), double angles with a strength, blurred by as much
as two products of a kind differ, and correlated.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.reference.outline import Outline

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIDE = 192                     # px of the square around a figure in which both are compared
RIM, BLUR = 0.05, 0.05         # units of the outline: beside it nothing is compared; two of a kind differ by so much
SMOOTH_PX = 1.0
CREASE_PX = 2.0                # of depth, beyond a plane through both neighbours: a line as strong as can be
NOISE = 2.0                    # of L*a*b* per px: weaker edges are no more than grain
LINE = 0.15                    # per px: the steepness of a line's flank
STRONGEST = 1.5                # times what the 90th percentile, or a line, is
LEAST_PX = 50                  # fewer pixels say nothing


class Interior:
    """Edges of the photo within one ``figure``, (SIDE, SIDE) of the square around it."""

    def __init__(self, pixels: U8, place: Outline, focal_px: float) -> None:
        """``pixels``: (H, W, 3) sRGB of the whole photo."""
        scale = SIDE / (2.0 * place.reach * place.unit)
        self._focal = focal_px * scale
        smooth = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.45 / scale)) if scale < 1.0 else pixels
        to_square = np.array([[scale, 0.0, SIDE / 2 - place.centre[0] * scale + 0.5 * (scale - 1.0)],
                              [0.0, scale, SIDE / 2 - place.centre[1] * scale + 0.5 * (scale - 1.0)]])
        square = np.asarray(cv2.warpAffine(smooth, to_square, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE))
        self.figure = place.mask(SIDE)
        unit = place.unit * scale              # px of the square
        rim = max(2, int(RIM * unit))
        self._rim = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)), np.uint8)
        self._inside = _eroded(self.figure, self._rim)
        self._blur = BLUR * unit
        lab = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2LAB), np.float32)
        edges = _tensor(lab)
        steep = float(np.percentile(edges[0][self._inside], 90)) if self._inside.any() else 0.0
        self._edges = self._blurred(_limited(edges, steep + NOISE))

    def agreement(self, depth: F32) -> float:
        """-1..1: how well lines of ours, (SIDE, SIDE) metres in the same square, +inf where nothing is, run along edges
        of the photo; 0 where one of them has none at all. Our silhouette is brought to the figure's size first.

        Both outlines reach in by their blur: an old product of one flat colour still has what they say, up to 0.5.
        """
        seen = np.isfinite(depth)
        if not seen.any():
            return 0.0
        to_figure = _between_boxes(seen, self.figure)
        lines, covered = (np.asarray(cv2.warpAffine(each.astype(np.float32), to_figure, (SIDE, SIDE))) for each in
                          (_creases(depth, seen, self._focal), seen))
        compared = self._inside & _eroded(covered > 0.5, self._rim)
        if int(compared.sum()) < LEAST_PX:
            return 0.0
        ours = self._blurred(_limited(_tensor(np.asarray(lines[..., None], np.float32)), LINE))
        one, other = (np.stack([each[0][compared] - each[0][compared].mean(), each[1][compared], each[2][compared]])
                      for each in (self._edges, ours))
        sizes = float((one**2).sum() * (other**2).sum())
        return float((one * other).sum() / np.sqrt(sizes)) if sizes > 0.0 else 0.0

    def _blurred(self, tensor: F32) -> F32:
        return np.stack([np.asarray(cv2.GaussianBlur(part, (0, 0), self._blur)) for part in tensor])


def _tensor(picture: F32) -> F32:
    """(3, H, W) of (H, W, C): steepness, and it by cosine and sine of twice the slope's direction."""
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), SMOOTH_PX), np.float32).reshape(picture.shape)
    right, down = (np.asarray(cv2.Scharr(smooth, cv2.CV_32F, *way)).reshape(picture.shape) / 32.0 for way in
                   ((1, 0), (0, 1)))
    across, along, both = ((one * other).sum(axis=-1) for one, other in
                           ((right, right), (down, down), (right, down)))
    steepness = np.sqrt(across + along)
    some = steepness + 1e-6
    return np.stack([steepness, (across - along) / some, 2.0 * both / some])


def _limited(tensor: F32, usual: float) -> F32:
    """With ``usual`` steepness as 1, none above the strongest."""
    return np.asarray(tensor * (np.minimum(tensor[0] / usual, STRONGEST) / (tensor[0] + 1e-6)), np.float32)


def _creases(depth: F32, seen: Mask, focal_px: float) -> F32:
    """(H, W) 0..1 where a surface ends before another one, or bends: second differences of depth, in pixels."""
    pixels = np.where(seen, depth, 0.0) * (focal_px / float(np.median(depth[seen])))
    strongest = np.zeros_like(pixels)
    for axis in (0, 1):
        before, after = (np.roll(pixels, shift, axis) for shift in (1, -1))
        whole = seen & np.roll(seen, 1, axis) & np.roll(seen, -1, axis)
        strongest = np.maximum(strongest, np.abs(np.where(whole, before + after - 2.0 * pixels, 0.0)))
    return np.asarray(np.minimum(strongest / CREASE_PX, 1.0), np.float32)


def _between_boxes(mask: Mask, other: Mask) -> NDArray[np.float64]:
    """(2, 3) that brings one mask's box to another's."""
    (top, bottom, left, right), (upper, lower, first, last) = map(_box, (mask, other))
    wider, higher = (last - first) / (right - left), (lower - upper) / (bottom - top)
    return np.array([[wider, 0.0, first - wider * left], [0.0, higher, upper - higher * top]])


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """First row, the one after the last, and columns likewise."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _eroded(mask: Mask, kernel: U8) -> Mask:
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel)) > 0
