"""Where a refiner is given less freedom than usual, as a soft map that presets and identity lock multiply by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.refine.types import Restraint
from pipeline.render.types import F32

MARGIN = 1 / 64                # of the long side: how far a restraint reaches beyond its box, and then fades over


def freedom_map(shape: tuple[int, int], restraints: Sequence[Restraint]) -> F32:
    """(H, W) 0..1: 1 where nothing is restrained, a restraint's own freedom inside its box, smooth between."""
    result = np.ones(shape, np.float32)
    reach = max(MARGIN * max(shape), 1.0)
    for restraint in restraints:
        if restraint.bbox is None:
            result *= np.float32(restraint.freedom)
            continue
        x0, y0, x1, y1 = restraint.bbox
        away = np.hypot(_beyond(shape[0], y0, y1)[:, None], _beyond(shape[1], x0, x1)[None])
        free = np.clip(away / reach - 1.0, 0.0, 1.0)
        free = free * free * (3.0 - 2.0 * free)
        result *= (restraint.freedom + (1.0 - restraint.freedom) * free).astype(np.float32)
    return result


def _beyond(length: int, first: int, stop: int) -> F32:
    """(length,) distance of every pixel from those of ``first`` to ``stop``, exclusive."""
    at = np.arange(length, dtype=np.float32)
    return np.asarray(np.maximum(np.maximum(first - at, at - (stop - 1)), 0.0), np.float32)
