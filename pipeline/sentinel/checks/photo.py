"""Is the photo around the product still the photo, and is the product that stood there gone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import Region
from pipeline.colour import srgb_decode
from pipeline.render.types import Replaced
from pipeline.sentinel.cielab import ciede2000, lab_of
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

Bools = NDArray[np.bool_]

ESTIMATORS: Mapping[str, Estimator] = {
    # A just visible difference is about 1; means of 33 px squares are free of grain and of JPEG's rounding.
    "plate_delta_e": Estimator(Limit(fail=0.5, warn=0.4),
                               "is no longer the photo: its ground is off by ΔE {value:.1f}"),
    # 1 is the old product untouched. Ground taken from elsewhere in the photo reads up to 0.05.
    "ghost": Estimator(Limit(fail=0.25, warn=0.12), "still shows the product that stood there ({value:.0%} of it)"),
}
UNITS: Mapping[str, str] = {"plate_delta_e": "ΔE00", "ghost": "share"}
_REACH = 0.025                 # of the product's extent: seams and our own contact shadow end there
_LEAST_REACH_PX = 16
_SQUARE, _STEP = 33, 16       # px
_HIGH_PASS_PX = 3.0            # sigma
_FEWEST = 150                  # px of ground that has to be free again, in one piece
_FAINT = 2.0                   # codes: an old product without any detail leaves nothing to be seen


def leave_ghost(expected: Expected, observed: U8, regions: Sequence[Region]) -> U8:
    """The old product shines through at half strength, beside ours."""
    if expected.replaced is None:
        return observed
    share = 0.5 * (expected.replaced.mask & (expected.alpha <= 0.0))[..., None]
    return np.round(observed * (1.0 - share) + expected.replaced.photo * share).astype(np.uint8)


def tint_plate(expected: Expected, observed: U8, regions: Sequence[Region]) -> U8:
    """The photo's ground three codes warmer."""
    if expected.replaced is None:
        return observed
    warmer = np.clip(observed.astype(np.int16) + np.array([3, 0, -3]), 0, 255).astype(np.uint8)
    return np.where(expected.alpha[..., None] <= 0.0, warmer, observed)


@check("photo", needs=("alpha", "display"), unit="share", layer="quality", estimators=ESTIMATORS,
       about="photo around it", injectors=(leave_ghost, tint_plate))
def photo(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Of a shot in a photo: the ground away from both products, and what is left of the old one beside ours."""
    replaced = expected.replaced
    if replaced is None:
        return [Measurement("photo", name, "background", None, UNITS[name], 0.0, applicable=False,
                            reason="the shot is not one in a photo") for name in ESTIMATORS]
    return [_plate(expected, observed, replaced), _ghost(expected, observed, replaced)]


def _plate(expected: Expected, observed: U8, replaced: Replaced) -> Measurement:
    """99.9th percentile of ΔE00 between means of picture and photo, away from old and new product."""
    products = replaced.mask | (expected.alpha > 0.0)
    beside = np.asarray(cv2.distanceTransform((~products).astype(np.uint8), cv2.DIST_L2, 5))
    away = _means((beside > _reach(replaced.mask)).astype(np.float32)) >= 0.999
    if not away.any():
        return Measurement("photo", "plate_delta_e", "background", None, "ΔE00", 0.0,
                           reason="the products fill the photo")
    seen, wanted = (_means(srgb_decode(picture)) for picture in (observed, replaced.photo))
    differs = away & (np.abs(seen - wanted).max(axis=-1) > 1e-6)
    delta = np.zeros(away.shape)
    if differs.any():
        delta[differs] = ciede2000(lab_of(seen[differs]), lab_of(wanted[differs]))
    value = float(np.percentile(delta[away], 99.9))
    box = bbox_of(away & (delta > ESTIMATORS["plate_delta_e"].limit.fail))
    scaled = None if box is None else (box[0] * _STEP, box[1] * _STEP, box[2] * _STEP, box[3] * _STEP)
    return _read(expected, observed, "plate_delta_e", value, scaled)


def _ghost(expected: Expected, observed: U8, replaced: Replaced) -> Measurement:
    """Share of the old product's detail that the picture repeats, where ours leaves its place free; the worst piece.

    Detail is what a high pass leaves; the share is its regression on the photo's.
    """
    free = ndimage.binary_dilation(replaced.mask, iterations=3) & ~ndimage.binary_dilation(expected.alpha > 0.0,
                                                                                         iterations=4)
    pieces, count = ndimage.label(free)
    seen, old = (_high_pass(picture) for picture in (observed, replaced.photo))
    worst: tuple[float, BBox | None] = (0.0, None)
    looked_at = False
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[place] == number
        if inside.sum() < _FEWEST:
            continue
        wanted = old[place][inside]
        if float(wanted.std()) < _FAINT:
            continue
        looked_at = True
        share = float((seen[place][inside] * wanted).sum() / (wanted * wanted).sum())
        if share > worst[0]:
            worst = share, (place[1].start, place[0].start, place[1].stop, place[0].stop)
    if not looked_at:
        return Measurement("photo", "ghost", "background", None, "share", 0.0, applicable=False,
                           reason="the product covers the place of the old one" if count == 0 or not free.any()
                           else "too little of the old one's place is free again")
    return _read(expected, observed, "ghost", worst[0], worst[1])


def _reach(mask: Bools) -> float:
    """The extent is of one product: the larger side of the largest figure."""
    labels, _ = ndimage.label(mask)
    sides = [max(place[0].stop - place[0].start, place[1].stop - place[1].start)
             for place in ndimage.find_objects(labels)]
    return max(_LEAST_REACH_PX, 1.2 * _REACH * max(sides, default=0))


def _high_pass(picture: U8) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), _HIGH_PASS_PX), np.float32)


def _means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of squares of ``_SQUARE`` px, every ``_STEP`` px."""
    even = cv2.blur(values, (_SQUARE, _SQUARE), borderType=cv2.BORDER_REFLECT)
    return np.asarray(even[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP], np.float32)


def _read(expected: Expected, observed: U8, estimator: str, value: float, box: BBox | None) -> Measurement:
    bad = value > (ESTIMATORS[estimator].limit.warn or 0.0) and box is not None
    return Measurement("photo", estimator, "background", value, UNITS[estimator], 1.0, box,
                       side_by_side(expected, observed, box) if bad and box is not None else None)
