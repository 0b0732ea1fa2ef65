"""Rules of the shops that an image is delivered to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import overexpose
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Limit, Measurement

_BURNT, _CRUSHED = 254, 1  # codes at or beyond which a pixel holds no texture


ESTIMATORS: Mapping[str, Estimator] = {
    # Google Shopping asks for 500 px, zoom on Amazon for 1000; previews are smaller on purpose, so it only advises.
    "short_side": Estimator(Limit(fail=500.0, warn=1000.0, direction="min", perfect=1080.0, required=False),
                            "is only {value:.0f} px on its short side"),
    # Burnt or crushed pixels beyond those of the faithful picture have lost their texture for good.
    "clipped_share": Estimator(Limit(fail=0.05, warn=0.02),
                               "has lost detail: {value:.1%} of it is burnt out or pure black"),
}


@check("delivery", needs=("alpha",), unit="px", estimators=ESTIMATORS, about="delivery rule", injectors=(overexpose,))
def delivery(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """The shorter side in pixels, and the share of the product that is burnt or crushed.

    A pixel counts when all channels are at one end and the faithful picture's are not.
    """
    solid = expected.alpha > 0.99
    count = int(np.count_nonzero(solid))
    side = Measurement("delivery", "short_side", "image", float(min(expected.size)), "px", 1.0)
    if count == 0:
        return [side, Measurement("delivery", "clipped_share", "product", None, "share", 0.0,
                                  reason="no pixel is wholly covered by the product")]
    lost = solid & _clipped(observed) & ~_clipped(expected.display)
    box = bbox_of(lost)
    picture = None if box is None else side_by_side(expected, observed, box)
    share = float(np.count_nonzero(lost) / count)
    return [side, Measurement("delivery", "clipped_share", "product", share, "share", 1.0, box, picture)]


def _clipped(image: U8) -> NDArray[np.bool_]:
    return np.asarray((image.min(axis=-1) >= _BURNT) | (image.max(axis=-1) <= _CRUSHED))
