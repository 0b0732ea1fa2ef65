"""The light of a refined picture, apart from the product's own colours: what the lock keeps.

The model of a faithful picture (the contract Sentinel judges by): linear colour =
diffuse albedo · raster's diffuse light · k + raster's specular light · g, with k achromatic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.refine.lock_fields import Segment, luminance, ratio_field, segment_level, smooth
from pipeline.render.types import F32

DISAGREES = 0.18               # of log light; a pixel this far off its surroundings counts a quarter
HIGHEST_GAIN = 3.0             # of the raster's specular light; more is the refiner's own highlight
CLIPPED = 250                  # code value from which a channel no longer tells how bright it was
PRIOR = 0.01                   # of a pixel's say; many pixels that show nothing still leave the gain at 1
TINT = 0.05                    # of a pixel's light; a colour cast up to that is the refiner's, not specular light
FAINT = 0.02**2                # variance of root luminance below which there is no detail
DEEPEST = 0.6                  # of a pixel's light that fine shading may take away
BRIGHTEST = 2.0                # or add, as highlights do
FEWEST = 16                    # pixels; fewer say nothing
K_RANGE = (0.1, 8.0)           # of the light's gain: a refiner that is further off has lost the scene


@dataclass(frozen=True, slots=True)
class Parts:
    """The raster's picture of the product, split (h × w of a window, averages over the covered part of a pixel)."""

    matt: F32                              # (h, w, 3) diffuse albedo · diffuse light
    gloss: F32                             # (h, w, 3) specular light
    glow: F32                              # (h, w, 3) emissive light


def fit_gloss(observed: F32, parts: Parts, weight: F32, segments: Sequence[Segment], sigma: float) -> F32:
    """(h, w) gain of the raster's specular light, one per segment.

    Two things tell specular from diffuse light. Its shape: luminance that changes faster than ``sigma`` is fitted
    by the fast part of both. Its colour: across the albedo's own colour a pixel holds specular light alone, much of
    it on dark and saturated products. Where neither says anything the prior 1 stands; it then makes no difference.
    """
    light, matt, gloss = (luminance(field) for field in (observed, parts.matt, parts.gloss))
    gain = np.ones(light.shape, np.float32)
    for segment in segments:
        window = segment.window
        mask = np.where(segment.inside, weight[window], 0.0).astype(np.float32)
        if float(mask.sum()) < FEWEST:
            continue
        share = np.maximum(smooth(mask, sigma), 1e-4)
        fast = [np.asarray(field[window] - smooth(mask * field[window], sigma) / share)
                for field in (light, matt, gloss)]
        counts = mask > 0.0
        level = float((mask * light[window]).sum() / mask.sum())
        gain[window][segment.inside] = _gain_of_gloss(
            np.stack([field[counts] for field in fast]) / (DISAGREES * max(level, 1e-4)),
            _across(observed[window][counts], parts.matt[window][counts], parts.gloss[window][counts]), mask[counts])
    return gain


def _across(observed: F32, matt: F32, gloss: F32) -> F32:
    """(2, n) observed and specular light across the colour of the matt one, in units of a visible tint.

    Both are projected on the direction in which the specular light leaves the matt colour.
    """
    own = matt / np.maximum(np.linalg.norm(matt, axis=-1, keepdims=True), 1e-6)
    beside = gloss - (gloss * own).sum(axis=-1, keepdims=True) * own
    length = np.linalg.norm(beside, axis=-1)
    direction = beside / np.maximum(length, 1e-6)[:, None]
    tint = TINT * np.linalg.norm(observed, axis=-1) + 1e-3
    return np.stack([(observed * direction).sum(axis=-1), length]) / tint


def _gain_of_gloss(fast: F32, across: F32, weight: F32) -> float:
    """Least squares, twice, the second time without what did not fit; the priors of both gains are 1."""
    light, matt, gloss = fast.astype(np.float64)
    seen, beside = across.astype(np.float64)
    prior = PRIOR * float(weight.sum())
    shape = colour = weight.astype(np.float64)
    k = g = 1.0
    for _ in range(2):
        normal = np.array([[(shape * matt * matt).sum() + prior, (shape * matt * gloss).sum()],
                           [(shape * matt * gloss).sum(),
                            (shape * gloss * gloss).sum() + (colour * beside * beside).sum() + prior]])
        right = np.array([(shape * matt * light).sum() + prior,
                          (shape * gloss * light).sum() + (colour * beside * seen).sum() + prior])
        k, g = np.linalg.solve(normal, right)
        shape = weight / (1.0 + (light - k * matt - g * gloss) ** 2) ** 2
        colour = weight / (1.0 + (seen - g * beside) ** 2) ** 2
    return float(np.clip(g, 0.0, HIGHEST_GAIN))


def gloss_share(parts: Parts, gain: F32) -> F32:
    """(h, w) share of the raster's light that is specular, 0..1."""
    gloss = gain * luminance(parts.gloss)
    return np.asarray(gloss / np.maximum(gloss + luminance(parts.matt), 1e-5))


def light_gain(matt_seen: F32, matt: F32, weight: F32, segments: Sequence[Segment], sigma: float,
               otherwise: F32 | None = None) -> F32:
    """(h, w) achromatic gain k of the raster's diffuse light, smooth over ``sigma`` pixels.

    Both are luminances. A ratio of sums does not move when print is smeared or shifted inside its window; what
    is missing or invented there disagrees with its surroundings and counts little the second time.
    """
    if otherwise is None:
        level = segment_level(matt_seen, matt, weight, segments, 1.0)
        otherwise = ratio_field(matt_seen, matt, weight, segments, 6.0 * sigma, level)
    first = np.clip(ratio_field(matt_seen, matt, weight, segments, sigma, otherwise), *K_RANGE)
    again = weight * agreement(matt_seen, matt * first)
    return np.clip(ratio_field(matt_seen, matt, again, segments, sigma, np.clip(otherwise, *K_RANGE)), *K_RANGE)


def agreement(seen: F32, expected: F32) -> F32:
    """(h, w) 1 where two luminances agree, a quarter where they are ``DISAGREES`` apart, then falling fast."""
    floor = np.float32(2e-3)
    off = np.log((seen + floor) / (expected + floor)) / DISAGREES
    return np.asarray(1.0 / (1.0 + off * off) ** 2, np.float32)


def unclipped(pixels: NDArray[np.uint8]) -> F32:
    """(h, w) 1 where no channel is blown out."""
    return np.asarray(pixels.max(axis=-1) < CLIPPED, np.float32)


def structure(seen: F32, expected: F32, weight: F32, sigma: float) -> F32:
    """(h, w) 0..1: how well the refined picture repeats, around each pixel, the detail it should show.

    The contrast-and-structure term of SSIM (Z. Wang et al. 2004), 2·cov / (var + var), of the square roots of two
    luminances: 1 for the same detail in the same place, less for a blurred, moved or redrawn one. Windows
    count ``weight`` only. What no detail is, is repeated well.
    """
    x, y = np.sqrt(np.maximum(seen, 0.0)), np.sqrt(np.maximum(expected, 0.0))
    share = smooth(weight, sigma) + np.float32(1e-4)
    mean_x, mean_y = smooth(weight * x, sigma) / share, smooth(weight * y, sigma) / share
    power = smooth(weight * (x * x + y * y), sigma) / share - mean_x * mean_x - mean_y * mean_y
    shared = smooth(weight * x * y, sigma) / share - mean_x * mean_y
    return np.asarray((2.0 * shared + FAINT) / (np.maximum(power, 0.0) + FAINT), np.float32)


def ramp(values: F32, low: float, high: float) -> F32:
    """0 below ``low``, 1 above ``high``, smooth between."""
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def legitimate(change: F32, expected: F32, matt: F32, gloss: F32) -> F32:
    """(h, w, 3) the part of a change that light can make: more or less of the matt colour, more or less gloss.

    Gloss across the matt colour counts beyond a tint only, for a cast looks the same.
    """
    own = matt / np.maximum(np.linalg.norm(matt, axis=-1, keepdims=True), np.float32(1e-5))
    along = (change * own).sum(axis=-1, keepdims=True)
    size = np.linalg.norm(expected, axis=-1, keepdims=True)
    along = np.clip(along, -DEEPEST * size, BRIGHTEST * (size + np.float32(0.2)))
    beside = gloss - (gloss * own).sum(axis=-1, keepdims=True) * own
    beside = beside / np.maximum(np.linalg.norm(beside, axis=-1, keepdims=True), np.float32(1e-5))
    across = (change * beside).sum(axis=-1, keepdims=True)
    across = np.sign(across) * np.maximum(np.abs(across) - np.float32(TINT) * size, 0.0)
    return np.asarray(along * own + across * beside, np.float32)
