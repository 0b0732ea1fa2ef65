"""What stands behind the product in a refined picture, also where the product hides it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.colour import PURE_BACKGROUND_RATIO
from pipeline.refine.lock_fields import smooth
from pipeline.render.types import F32

SPREAD = 6.0                   # px, σ of the gain that carries the background inwards
AGREES = 6.0 / 255.0           # code values; a rim pixel this close to the estimate is left as it is

Bools = NDArray[np.bool_]


def plate_behind(picture: F32, plate: F32, outside: Bools, spread: float) -> F32:
    """(H, W, 3) the background under and beside the product: the raster's plate × the refined picture's local gain.

    ``picture`` and ``plate`` in the same light or code values; ``outside`` are the pixels that surely show
    background. The gain between them is carried inwards by normalised convolution, so shadows keep the raster's
    shape and the refined picture's depth.
    """
    weight = outside.astype(np.float32)
    near, far = smooth(weight, spread), smooth(weight, 6.0 * spread)
    out = np.empty_like(plate)
    for channel in range(3):
        gain = np.where(outside, picture[..., channel] / np.maximum(plate[..., channel], 1e-3), 0.0).astype(np.float32)
        coarse = (smooth(gain, 6.0 * spread) + 1e-6) / (far + 1e-6)
        out[..., channel] = plate[..., channel] * (smooth(gain, spread) + 1e-3 * coarse) / (near + 1e-3)
    return out


def pure_white(plate: F32) -> F32:
    """A white backdrop's shadow ratio as it is displayed."""
    return np.where(plate > PURE_BACKGROUND_RATIO, 1.0, np.clip(plate, 0.0, 1.0)).astype(np.float32)


def grown(mask: Bools, reach: int) -> Bools:
    """The mask and everything within a square of ``reach`` pixels."""
    return np.asarray(ndimage.maximum_filter(mask, size=2 * reach + 1)) if reach > 0 else mask
