"""A photo's lens: how much softer than a render its products are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import PhotoLight

F32 = NDArray[np.float32]

OWN_BLUR_PX = 0.45             # sigma of a render's own pixels, measured as a photo's lens is
LEAST_BLUR_PX = 0.2            # of what is added; less is not seen


def missing_blur(light: PhotoLight | None) -> float:
    """Sigma in px of what a render lacks to be as soft as its photo; 0 where it lacks nothing that is seen."""
    blur = 0.0 if light is None else max(light.blur_px ** 2 - OWN_BLUR_PX ** 2, 0.0) ** 0.5
    return blur if blur >= LEAST_BLUR_PX else 0.0


def softened(layer: F32, sigma: float) -> F32:
    """(H, W, C) premultiplied linear light, each channel blurred by a Gaussian; as it is where ``sigma`` is 0."""
    if sigma == 0.0:
        return layer
    return np.stack([ndimage.gaussian_filter(layer[..., channel], sigma) for channel in range(layer.shape[2])],
                    axis=-1)
