"""Colour maps: pattern, prints and thread over the material's own unevenness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.families.product import Finish
from training.materials.tile import F32, noise

U8 = NDArray[np.uint8]
_CODES = np.arange(16385) / 16384.0
_ENCODE = np.round(np.where(_CODES <= 0.0031308, _CODES * 12.92, 1.055 * _CODES ** (1 / 2.4) - 0.055) * 255
                   ).astype(np.uint8)


def encoded(linear: F32) -> U8:
    """(H, W, 3) linear to (H, W, 4) sRGB bytes, opaque."""
    out = np.full((*linear.shape[:2], 4), 255, np.uint8)
    out[..., :3] = _ENCODE[(np.clip(linear, 0.0, 1.0) * 16384).astype(np.int32)]
    return out


def spread(tile: F32, tile_metres: float, side: float, pixels: int) -> F32:
    """(pixels, pixels) a periodic tile repeated over a map of ``side`` metres, averaged where it is finer."""
    wanted = max(1, round(tile_metres / side * pixels))
    if wanted < len(tile):
        small = Image.fromarray(np.asarray(tile, np.float32)).resize((wanted, wanted), Image.Resampling.BOX)
        tile = np.asarray(small, np.float32)
    count = len(tile)
    at = (np.arange(pixels, dtype=np.float64) + 0.5) / pixels * side / tile_metres * count - 0.5
    first = np.floor(at).astype(int)
    share = (at - first).astype(np.float32)
    low, high = first % count, (first + 1) % count
    rows = tile[low] * (1.0 - share)[:, None] + tile[high] * share[:, None]
    return np.asarray(rows[:, low] * (1.0 - share) + rows[:, high] * share, np.float32)


def pattern(rng: np.random.Generator, finish: Finish, side: float, pixels: int) -> F32:
    """(pixels, pixels, 3) linear colours of a finish without its surface."""
    out = np.empty((pixels, pixels, 3), np.float32)
    out[:] = finish.colour
    if finish.pattern == "plain" or not finish.accents:
        return out
    at = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels * side
    first = np.asarray(finish.accents[0], np.float32)
    second = np.asarray(finish.accents[-1], np.float32)
    if finish.pattern == "fade":
        t = np.clip(at / side, 0.0, 1.0)[:, None, None]
        return np.asarray(out * (1.0 - t) + first * t, np.float32)
    if finish.pattern in ("camouflage", "blotches"):
        small = noise(rng, 256, side, finish.pitch * 3.0, 0.6)
        field = np.asarray(Image.fromarray(small).resize((pixels, pixels), Image.Resampling.BICUBIC))
        out[field > 0.3] = first
        if finish.pattern == "camouflage":
            out[field < -0.7] = second
        return out
    if finish.pattern == "dots":
        x, y = at % finish.pitch - finish.pitch / 2, (at + finish.pitch / 3) % finish.pitch - finish.pitch / 2
        radius = finish.pitch * rng.uniform(0.15, 0.32)
        out[np.hypot(x[None, :], y[:, None]) < radius] = first
        return out
    share = rng.uniform(0.15, 0.5)
    across, down = at % finish.pitch < share * finish.pitch, at % finish.pitch < share * finish.pitch
    if finish.pattern == "stripes":
        out[:, across] = first
    elif finish.pattern == "bands":
        out[down] = first
        out[(at + 0.3 * finish.pitch) % (2 * finish.pitch) < 0.1 * finish.pitch] = second
    else:                                              # checks, as in gingham: two half tones and their product
        half = (out[0, 0] + first) / 2
        out[down] = half
        out[:, across] = half
        out[np.ix_(down, across)] = first
    return out
