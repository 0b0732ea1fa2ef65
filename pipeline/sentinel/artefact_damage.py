"""The artefacts that image models and cut-outs leave, put into an image in true units.

Signature and defaults as in :mod:`pipeline.sentinel.injectors`: each default is the smallest that must not pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.types import U8, Expected


def tint_background(expected: Expected, image: U8, regions: Sequence[Region] = (), *, code: int = 252) -> U8:
    """Turn pure white into an almost white of one code value."""
    result = image.copy()
    result[(image == 255).all(axis=-1) & (expected.alpha == 0)] = code
    return result


def overexpose(expected: Expected, image: U8, regions: Sequence[Region] = (), *, share: float = 0.12) -> U8:
    """Burn out the brightest ``share`` of the product."""
    solid = expected.alpha > 0.99
    brightness = image.min(axis=-1)
    result = image.copy()
    result[solid & (brightness >= np.quantile(brightness[solid], 1.0 - share))] = 255
    return result


def draw_halo(expected: Expected, image: U8, regions: Sequence[Region] = (), *, codes: float = 16.0,
              width_px: int = 6) -> U8:
    """A rim beside the product that is ``codes`` darker than its ground, or lighter where the ground is dark."""
    solid = expected.alpha > 0
    rim = maximum_filter(solid, 2 * width_px + 1) & ~solid
    if not rim.any():
        return image.copy()
    sign = -1.0 if image[rim].mean() > 128 else 1.0
    result = image.astype(np.float32)
    result[rim] += sign * codes
    return np.asarray(np.clip(result, 0, 255), np.uint8)


def draw_ghost(expected: Expected, image: U8, regions: Sequence[Region] = (), *, strength: float = 0.25,
               shift_px: int = 9) -> U8:
    """Blend the picture with itself, moved to the right."""
    moved = np.roll(image, shift_px, axis=1)
    moved[:, :shift_px] = image[:, :shift_px]
    return np.asarray(np.rint(image * (1.0 - strength) + moved * strength), np.uint8)


def posterise(expected: Expected, image: U8, regions: Sequence[Region] = (), *, step: int = 8) -> U8:
    """Keep every ``step``-th code only; white stays white."""
    coarse = np.asarray(image // step * step + step // 2, np.uint8)
    return np.where((image == 255).all(axis=-1, keepdims=True), image, coarse)


def add_noise(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma: float = 6.0) -> U8:
    """Grain of ``sigma`` codes, alike in all channels, on everything that is not pure white."""
    grain = np.random.default_rng(5).normal(0.0, sigma, (*image.shape[:2], 1))
    noisy = np.asarray(np.clip(np.rint(image + grain), 0, 255), np.uint8)
    return np.where((image == 255).all(axis=-1, keepdims=True), image, noisy)


def lift_off(expected: Expected, image: U8, regions: Sequence[Region] = (), *, share: float = 0.8) -> U8:
    """Take ``share`` of the shadow off the ground below the product, as if it did not touch it."""
    solid = expected.alpha > 0.5
    box = bbox_of(solid)
    if box is None:
        return image.copy()
    result = image.astype(np.float32)
    tall, height = box[3] - box[1], solid.shape[0]
    for column in range(box[0], box[2]):
        rows = np.flatnonzero(expected.alpha[:, column] > 0)
        if rows.size == 0:
            continue
        below = np.arange(rows[-1] + 1, min(height, rows[-1] + 1 + round(0.2 * tall)))
        if below.size < 3:
            continue
        bare = result[below[-1], column]
        result[below, column] += share * np.maximum(bare - result[below, column], 0.0)
    return np.asarray(np.rint(result), np.uint8)
