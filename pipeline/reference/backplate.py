"""The photo without its product: clean ground, and on it the shadow that ours throws.

A photo of a ground is texture × light. The light is low-passed from what can be seen of the ground, outside the old
product and a rim, as a ratio to a smooth fit of it (floor and wall apart); there it still holds the old product's own
shadow, which is kept: ours stands in the same place. Inside it is made anew: what our mesh darkens, brought to the
photo's own depth of shadow at the rim. The texture is filled from elsewhere in the photo, only where ours leaves the
old product's place uncovered. Every other pixel is the photo's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.colour import quantise, srgb_decode, srgb_encode
from pipeline.reference.fill import filled
from pipeline.reference.horizon import floor_and_wall
from pipeline.reference.light import RIM_PX, SMOOTH, ground_fit, smoothed

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Texture, hole, what is known, and parts of the photo that go with themselves alone → the texture without the hole.
Fill = Callable[[F32, Mask, Mask, Sequence[Mask]], F32]

CONTACT = 0.025                # of the product's extent: how far outside the old product our own contact shadow falls
EDGE = 0.008                   # of the product's extent, sigma at the rim: contact shadows are steep
SEAM_PX = 4.0                  # sigma over which old and new meet
HORIZON_PX = 4                 # beside where floor and wall meet: whose texture is not used
_UNDER = 6                     # px of ground that are made under our product's edge, for its soft outline
_DEEPEST = 0.25                # of the light that is left in the deepest shadow


@dataclass(frozen=True, slots=True)
class Backplate:
    """What stands behind our product in a photo (H × W pixels)."""

    pixels: U8                             # (H, W, 3) sRGB
    hole: Mask                             # (H, W) where nothing of the photo was kept
    reach_px: int                          # farther from either product than this, every pixel is the photo's


def backplate(photo: U8, old: Mask, new: Mask, shadow: F32, extent: float, fill: Fill = filled) -> Backplate:
    """Remove the ``old`` product from a photo and lay our ``shadow`` on its ground.

    Args:
        photo: (H, W, 3) sRGB.
        old: (H, W) all of the old products.
        new: (H, W) ours.
        shadow: (H, W) share of the light that ours leaves on the ground, 0..1.
        extent: px, the longer side of one product.
        fill: makes the ground's texture where nothing is known of it.
    """
    rim = RIM_PX + round(0.004 * extent)
    hole = _grown(old, rim)
    linear = srgb_decode(photo)
    ground = ~hole
    shares = floor_and_wall(photo, ground)
    fit = np.asarray(sum(share[..., None] * ground_fit(linear, ground & (share > 0.99)) for share in shares),
                     np.float32)
    sigma = max(2.0, SMOOTH * extent)
    ratio = np.asarray(linear / np.maximum(fit, 1e-4), np.float32)
    light = smoothed(ratio, ground, sigma)
    lit = np.asarray(fit * light, np.float32)
    grey = np.asarray(light.mean(axis=-1), np.float32)
    ours = np.asarray(np.clip(shadow, _DEEPEST, 1.0), np.float32)
    # At the rim the photo's own shadow says how deep shadows are in its light; inside, ours has its shape.
    edge = smoothed(np.asarray(ratio.mean(axis=-1), np.float32), ground, max(1.5, EDGE * extent))
    depth = _membrane(np.clip(edge / ours, 0.3, 2.5).astype(np.float32), hole)
    meets = _soft(hole, SEAM_PX)
    colour = smoothed(np.asarray(light / np.maximum(grey[..., None], 1e-4), np.float32), ground, sigma)
    inside = fit * colour * (ours * depth)[..., None]
    shown = np.where(hole[..., None], inside, lit)
    texture = np.clip(linear / np.maximum(lit, 1e-3), 0.0, 4.0).astype(np.float32)
    uncovered = hole & ~_eroded(new, _UNDER)
    # Where floor and wall meet nothing is known: what is left of a soft or an uneven edge goes nowhere else.
    pure = np.logical_or.reduce([share > 0.99 for share in shares])
    which = np.argmax(np.stack(shares), axis=0)
    texture = fill(texture, uncovered, ground & ~_grown(hole, 2) & ~_grown(~pure, HORIZON_PX),
                   [which == number for number in range(len(shares))])
    made = np.where(hole[..., None], shown * texture, linear)
    # Where ours stands out beyond the old product, its own contact shadow has to reach the photo's ground.
    reach = max(rim + 2, round(CONTACT * extent))
    darkened = np.asarray(ours / np.maximum(smoothed(grey, np.ones_like(hole), sigma), 0.2), np.float32)
    own = _contact(old, new, darkened, reach, rim)
    made = made * own[..., None]
    # The seam: over a few pixels inside the hole the photo's own ground fades into the new one.
    mixed = linear * own[..., None] * (1.0 - meets[..., None]) + made * meets[..., None]
    touched = hole | (own < 0.9995)
    pixels = np.where(touched[..., None], quantise(srgb_encode(mixed)), photo)
    return Backplate(np.asarray(pixels, np.uint8), hole, reach)


def _membrane(values: F32, hole: Mask) -> F32:
    """The values, and inside the hole the smoothest surface that meets them at its rim (Laplace's equation).

    Solved from a small picture up: each level starts from the one before, so that few sweeps do.
    """
    height, width = values.shape
    if not hole.any() or min(height, width) < 8:
        return values
    if max(height, width) > 48:
        half = (max(4, width // 2), max(4, height // 2))
        known = (~hole).astype(np.float32)
        weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
        coarse = cv2.resize(values * known, half, interpolation=cv2.INTER_AREA) / np.maximum(weight, 1e-3)
        inner = _membrane(np.asarray(coarse, np.float32), weight < 0.3)
        start = np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    else:
        start = np.full_like(values, float(values[~hole].mean()) if (~hole).any() else 1.0)
    out = np.where(hole, start, values).astype(np.float32)
    sweep = np.array([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]], np.float32)
    for _ in range(24 if max(height, width) > 48 else 200):
        out = np.where(hole, cv2.filter2D(out, cv2.CV_32F, sweep, borderType=cv2.BORDER_REPLICATE), values)
    return np.asarray(out, np.float32)


def _contact(old: Mask, new: Mask, darkened: F32, reach: int, rim: int) -> F32:
    """(H, W) factor ≤ 1 outside the old product's rim, near ours and nowhere else."""
    beyond = new & ~_grown(old, rim)
    if not beyond.any():
        return np.ones(old.shape, np.float32)
    beside = np.asarray(cv2.distanceTransform((~beyond).astype(np.uint8), cv2.DIST_L2, 5))
    weight = np.clip(1.0 - beside / reach, 0.0, 1.0)
    weight = weight * weight * (3.0 - 2.0 * weight)
    away = np.asarray(cv2.distanceTransform((~old).astype(np.uint8), cv2.DIST_L2, 5))
    weight *= np.clip((away - rim) / max(rim, 1), 0.0, 1.0)  # beside the old product its own shadow is there
    return np.asarray(1.0 - weight * np.clip(1.0 - darkened, 0.0, 1.0), np.float32)


def _soft(mask: Mask, sigma: float) -> F32:
    """0 outside, rising to 1 within about ``sigma`` pixels inside."""
    depth = np.asarray(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5))[1:-1, 1:-1]
    share = np.clip(depth / sigma, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def _grown(mask: Mask, reach: int) -> Mask:
    if reach <= 0:
        return mask
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)) <= reach


def _eroded(mask: Mask, reach: int) -> Mask:
    return np.asarray(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5))[1:-1, 1:-1] > reach
