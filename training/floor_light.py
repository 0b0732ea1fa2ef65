"""The traced floor where the product covers part of a pixel: taken from beside it.

There the floor's light is a small difference of two denoised pictures divided by a small share of the pixel: bright
and dark specks along the silhouette, which no camera sees. The floor under an edge is lit as it is a pixel further
out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]
OFF = 2                    # pixels off the product from which the traced floor is believed
DARKEST = 0.02             # share of light below which no shadow in a studio is
SPREAD = 1.5               # σ in px of the blur that joins what is taken from the nearest believed pixels


def completed_plate(traced: F32, drawn: F32, *coverages: F32) -> F32:
    """(H, W, 3) ``traced`` off the product; under and beside it ``drawn`` times the nearest traced ÷ drawn.

    ``drawn``: the renderer's plate, which has the stage's pattern without specks. ``coverages``: (H, W) alphas of
    every picture of the product that ``traced`` may hold traces of.
    """
    touched = np.any([coverage > 0.0 for coverage in coverages], axis=0)
    doubtful = ndimage.binary_dilation(touched, iterations=OFF - 1)
    if doubtful.all() or not doubtful.any():
        return drawn if doubtful.all() else traced
    ratio = np.clip(traced / np.maximum(drawn, 1e-4), 0.0, 8.0)
    unlit = ratio.max(axis=-1, keepdims=True) < DARKEST  # a horizon between floor and surroundings, not a shadow
    traced, ratio = np.where(unlit, drawn, traced), np.where(unlit, 1.0, ratio)
    rows, columns = ndimage.distance_transform_edt(doubtful, return_distances=False, return_indices=True)
    nearest = ratio[rows, columns]
    joined = ndimage.gaussian_filter(nearest, (SPREAD, SPREAD, 0.0))
    return np.asarray(np.where(doubtful[..., None], drawn * joined, traced), np.float32)
