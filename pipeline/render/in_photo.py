"""A shot in a photo: the passes of its product, before the photo instead of a stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import from_display
from pipeline.render.types import ControlPasses, Replaced


def in_photo(passes: ControlPasses, plate: NDArray[np.uint8], replaced: Replaced) -> ControlPasses:
    """The passes before a ``plate`` (H, W, 3) of sRGB codes, which the view transform brings back exactly."""
    linear = from_display(plate).astype(np.float16).astype(np.float32)
    beauty = passes.beauty.copy()
    beauty[..., :3] = passes.product[..., :3] + (1.0 - passes.alpha[..., None]) * linear
    return replace(passes, plate=linear, beauty=beauty.astype(np.float16).astype(np.float32), replaced=replaced)
