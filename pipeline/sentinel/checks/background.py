"""Background purity on the white stage: shops ask for exactly 255, 255, 255."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from pipeline.catalogue import Region
from pipeline.colour import PURE_BACKGROUND_RATIO
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import tint_background
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Limit, Measurement

_RIM = 16          # px; JPEG blocks of 8 or 16 px that hold a piece of product ring this far
_HALO_CODE = 235   # a rim pixel below it is darker than JPEG ringing makes it
_FEWEST_PIXELS = 64


ESTIMATORS: Mapping[str, Estimator] = {
    # Shops ask for exactly 255,255,255; one pixel in a thousand is dirt that a buyer does not see.
    "impure_share": Estimator(Limit(fail=0.001, warn=0.0), "is not pure white: {value:.2%} of it is off 255"),
    # JPEG ringing is at most a dozen codes; what is darker beside the outline is a visible halo.
    "halo_share": Estimator(Limit(fail=0.03, warn=0.015),
                            "has a dark fringe along the product ({value:.1%} of its rim)"),
}


@check("background", needs=("plate",), unit="share", estimators=ESTIMATORS, about="background",
       injectors=(tint_background,))
def background(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Share of the background that should be pure white and is not.

    Background is where the product covers nothing and its shadow ratio exceeds 0.995. The rim
    within 16 px of product or shadow is read apart: there JPEG rings, and a halo would show.
    """
    if not expected.white_backdrop:
        return [Measurement("background", name, "background", None, "share", 0.0, applicable=False,
                            reason="the stage is not white") for name in ("impure_share", "halo_share")]
    product = expected.alpha > 0
    white = ~product & (expected.plate.min(axis=-1) > PURE_BACKGROUND_RATIO)
    near = maximum_filter(~white, 2 * _RIM + 1)
    darkest = observed.min(axis=-1)
    return [_share(expected, observed, "impure_share", white & ~near, darkest < 255),
            _share(expected, observed, "halo_share", white & near, darkest < _HALO_CODE)]


def _share(expected: Expected, observed: U8, estimator: str, area: NDArray[np.bool_],
           bad: NDArray[np.bool_]) -> Measurement:
    count = int(np.count_nonzero(area))
    if count < _FEWEST_PIXELS:
        return Measurement("background", estimator, "background", None, "share", 0.0, applicable=False,
                           reason="no white background is in the frame")
    found = area & bad
    box = bbox_of(found)
    return Measurement("background", estimator, "background", float(np.count_nonzero(found) / count), "share", 1.0, box,
                       None if box is None else side_by_side(expected, observed, box))
