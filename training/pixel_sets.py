"""Where pictures are compared: on the product, on the shadow around it, across its silhouette.

    sets = pixel_sets(pair.passes.alpha, pair.ring)
    sets.product, sets.ring, sets.band
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
BAND = 2.0                 # pixels to either side of the silhouette
WHOLE = 0.999              # alpha from which a pixel holds nothing but product


@dataclass(frozen=True, slots=True)
class PixelSets:
    """``product``, ``ring`` and ``band`` share no pixel; ``inner`` is part of ``product``."""

    product: Mask                          # (H, W) alpha > 0.5, without the band
    ring: Mask                             # (H, W) floor around the product, without the band
    band: Mask                             # (H, W) 4 px wide around the 0.5 contour of alpha
    inner: Mask                            # (H, W) product with nothing else in the pixel: where texture is read


def pixel_sets(alpha: F32, ring: Mask) -> PixelSets:
    """The sets of one picture. ``ring``: (H, W) floor within half a product size of the silhouette."""
    band = silhouette_band(alpha)
    product = (alpha > 0.5) & ~band
    return PixelSets(product, ring & ~band & ~product, band, product & (alpha >= WHOLE))


def silhouette_band(alpha: F32, half: float = BAND) -> Mask:
    """(H, W) pixels whose centre lies within ``half`` pixels of the 0.5 contour of alpha."""
    inside = alpha > 0.5
    if inside.all() or not inside.any():
        return np.zeros(alpha.shape, np.bool_)
    # The nearest pixel centre of the other side lies half a pixel beyond the contour.
    away = np.where(inside, ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside))
    band: Mask = away - 0.5 < half
    return band
