"""A shot in a photo: the passes of its product, before the photo instead of a stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.colour import from_display
from pipeline.render.types import ControlPasses, Replaced


def in_photo(passes: ControlPasses, replaced: Replaced) -> ControlPasses:
    """The passes before a photo. Their linear plate is what the view transform can show of it."""
    linear = from_display(replaced.plate).astype(np.float16).astype(np.float32)
    beauty = passes.beauty.copy()
    beauty[..., :3] = passes.product[..., :3] + (1.0 - passes.alpha[..., None]) * linear
    return replace(passes, plate=linear, beauty=beauty.astype(np.float16).astype(np.float32), replaced=replaced)
