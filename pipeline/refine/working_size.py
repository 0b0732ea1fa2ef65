"""The size a diffusion model works at, and the way there and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

F32 = NDArray[np.float32]
GRID = 8  # an autoencoder of the Stable Diffusion family reduces by 8


def working_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(width, height) with the long side at most ``long_side``, both multiples of 8, enlarged by 4 px at most.

    Both sides are rounded on their own. The aspect changes by at most 4 px and changes back on the way
    back, since image and controls are stretched alike.
    """
    scale = min(1.0, long_side / max(width, height))

    def rounded(side: int) -> int:
        return max(1, min(round(side * scale / GRID), long_side // GRID)) * GRID

    return rounded(width), rounded(height)


def resized(image: F32, width: int, height: int) -> F32:
    """(H, W, C) in 0..1 resampled with Lanczos-3 in float, clipped to 0..1; the same array where nothing changes."""
    if image.shape[:2] == (height, width):
        return image
    planes = [np.asarray(Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
        (width, height), Image.Resampling.LANCZOS)) for c in range(image.shape[-1])]
    result: F32 = np.clip(np.stack(planes, axis=-1), 0.0, 1.0).astype(np.float32)
    return result
