"""How a render compares with a reference picture on white: silhouette, contour, colour.

The references' silhouettes are not anti-aliased: a pixel is product or background by what lies under its
centre. Their contour is therefore the half-way line between pixels (marching squares over the mask), known to
half a pixel; ours is the 0.5 iso-line of the coverage. A constant shift is known far better, since the half
pixels average out over thousands of contour points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label, map_coordinates
from scipy.spatial import cKDTree
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.measure import find_contours

from pipeline.colour import srgb_decode, srgb_encode
from pipeline.render.types import F32, ControlPasses

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

INK = 250                  # a reference pixel with any channel below this code is product
WHITE_BASE = 0.4           # linear; product whose base colour is darker than this must show in the reference
NEAR_WHITE_PX = 1.5        # contour nearer than this to white on white is left out
TOE_SHARE = 0.15           # of the product's length
LOW_PASS_PX = 6.0
SPECK_PX = 64              # a highlight burnt to white inside the product is smaller than this and no outline
SPECK_DEPTH_PX = 3.0       # and at least so far from our contour
_STEP = 0.1                # px between points of a contour
_REACH = 3.0               # px a shift is looked for to either side
_ONE_WAY = 0.3             # where a contour's normals spread less in their second direction, it tells one shift only


@dataclass(frozen=True, slots=True)
class SilhouetteReading:
    """Pixels unless said otherwise. Distances both ways: ours to theirs and theirs to ours."""

    iou: float                             # of coverage > 0.5 with the reference's ink, nothing left out
    ours_only: int                         # product centres without ink in the reference, white product left out
    white_only: int                        # the same where our base colour is white
    theirs_only: int                       # ink where no product lies under the pixel's centre
    measured: float                        # share of our contour that the reference can show
    p95: float
    largest: float
    toe_largest: float | None              # None: the toe is not in the picture
    toe_measured: float
    shift: tuple[float, float]             # right, down: of the reference's contour against ours


@dataclass(frozen=True, slots=True)
class Contours:
    """(n, 2) row, column points every 0.1 px, in index coordinates."""

    ours: F64
    theirs: F64
    readable: Bools                        # of ours: not white on white


def ink(reference: U8) -> Bools:
    """(H, W) where the reference shows anything but white."""
    return np.asarray((reference < INK).any(axis=-1))


def white_on_white(passes: ControlPasses, reference: U8) -> Bools:
    """Product that the reference cannot show: white there, and white by our own base colour.

    Both are asked for: an outline too large by some pixels on dark material counts as wrong, and on white
    material it lowers the share that is measured.
    """
    return np.asarray((passes.instance_id > 0) & ~ink(reference) & (passes.base_color.min(axis=-1) > WHITE_BASE))


def contours(passes: ControlPasses, reference: U8) -> Contours:
    lost = white_on_white(passes, reference)
    ours = _line_points(passes.alpha)
    theirs = _line_points((ink(reference) | specks(passes, reference)).astype(np.float32))
    return Contours(ours, theirs[~_near(lost, theirs)], ~_near(lost, ours))


def specks(passes: ControlPasses, reference: U8) -> Bools:
    """Small white patches of the reference deep inside our product: highlights, not holes. Counted as ours only."""
    patches, _ = label(~ink(reference))
    size = np.bincount(patches.ravel())
    deep = distance_transform_edt(passes.instance_id > 0) > SPECK_DEPTH_PX
    shallow = np.bincount(patches[~deep], minlength=len(size)) > 0
    small = (size < SPECK_PX) & ~shallow
    small[0] = False
    return np.asarray(small[patches])


def silhouette(passes: ControlPasses, reference: U8, toe: Bools) -> SilhouetteReading:
    """``toe``: (H, W) product pixels of the toe."""
    theirs, inside, lost = ink(reference), passes.instance_id > 0, white_on_white(passes, reference)
    lines = contours(passes, reference)
    mine = lines.ours[lines.readable]
    there, back = cKDTree(lines.theirs).query(mine)[0], cKDTree(lines.ours).query(lines.theirs)[0]
    distances = np.concatenate([there, back])
    points = np.concatenate([mine, lines.theirs])
    at_toe, our_toe = _inside(toe, points), _inside(toe, lines.ours)
    return SilhouetteReading(
        iou=float((passes.mask & theirs).sum() / (passes.mask | theirs).sum()),
        ours_only=int((inside & ~theirs & ~lost).sum()), white_only=int(lost.sum()),
        theirs_only=int((theirs & ~inside).sum()), measured=float(lines.readable.mean()),
        p95=float(np.percentile(distances, 95)), largest=float(distances.max()),
        toe_largest=float(distances[at_toe].max()) if at_toe.any() else None,
        toe_measured=float(lines.readable[our_toe].mean()) if our_toe.any() else 0.0,
        shift=shift_between(passes.alpha, theirs, mine))


def shift_between(alpha: F32, theirs: Bools, points: F64) -> tuple[float, float]:
    """(right, down) pixels: the translation that best explains the displacement along our contour's normals.

    Where the contour is nearly straight, only the shift across it is known; along it 0 is given.
    """
    smooth = gaussian_filter(alpha, 1.0)
    slopes = [np.asarray(slope, np.float64) for slope in np.gradient(smooth)]
    gradient = np.stack([map_coordinates(slope, points.T, np.float64, order=1) for slope in slopes], axis=1)
    size = np.linalg.norm(gradient, axis=1)
    kept = size > 0.05
    place, outward = points[kept], -gradient[kept] / size[kept, None]
    offsets = np.arange(-_REACH, _REACH + 0.025, 0.05)
    along = place[:, None, :] + offsets[None, :, None] * outward[:, None, :]
    profile = map_coordinates(theirs.astype(np.float32), along.reshape(-1, 2).T, np.float64, order=1, mode="nearest"
                              ).reshape(len(place), -1)
    falling = (profile[:, :-1] >= 0.5) & (profile[:, 1:] < 0.5)
    middle = (offsets[:-1] + offsets[1:]) / 2
    displaced = np.where(falling, np.abs(middle), np.inf)
    best = displaced.argmin(axis=1)
    found = falling.any(axis=1)
    solved, *_ = np.linalg.lstsq(outward[found], middle[best[found]], rcond=_ONE_WAY)
    return float(solved[1]), float(solved[0])


def low_pass(linear: NDArray[np.floating], inside: Bools, sigma: float = LOW_PASS_PX) -> F64:
    """(H, W, 3) Gaussian over the product's own pixels (normalised convolution)."""
    weight = np.maximum(gaussian_filter(inside.astype(np.float64), sigma), 1e-9)
    return np.stack([gaussian_filter(np.where(inside, linear[..., channel], 0.0).astype(np.float64), sigma) / weight
                     for channel in range(3)], axis=-1)


def color_difference(ours: NDArray[np.floating], reference: U8, inside: Bools) -> F64:
    """(H, W) ΔE00 of display-linear ``ours`` against the reference after the low-pass; NaN off the product."""
    labs = [rgb2lab(srgb_encode(low_pass(linear, inside)).astype(np.float64))
            for linear in (np.clip(ours, 0.0, 1.0), srgb_decode(reference))]
    return np.where(inside, deltaE_ciede2000(*labs), np.nan)  # type: ignore[no-untyped-call]


def _line_points(field: F32) -> F64:
    """Points of the 0.5 iso-line. The frame's border is no contour."""
    found = []
    for line in find_contours(field, 0.5):  # type: ignore[no-untyped-call]
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(steps)])
        at = np.arange(0.0, length[-1], _STEP)
        found.append(np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 2))


def _near(mask: Bools, points: F64) -> Bools:
    pixels = np.argwhere(mask)
    if not len(pixels):
        return np.zeros(len(points), bool)
    return np.asarray(cKDTree(pixels).query(points)[0] <= NEAR_WHITE_PX)


def _inside(mask: Bools, points: F64) -> Bools:
    """Which points lie on or beside the mask's pixels."""
    wide = binary_dilation(mask, np.ones((3, 3), bool), iterations=2)
    at = np.clip(np.rint(points).astype(int), 0, np.array(mask.shape) - 1)
    return np.asarray(wide[at[:, 0], at[:, 1]])
