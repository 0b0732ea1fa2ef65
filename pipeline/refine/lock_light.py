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
PRIOR = 0.02                   # of the mean light; specular detail fainter than this does not decide its gain
K_RANGE = (0.1, 8.0)           # of the light's gain: a refiner that is further off has lost the scene


@dataclass(frozen=True, slots=True)
class Parts:
    """The raster's picture of the product, split (h × w of a window, averages over the covered part of a pixel)."""

    matt: F32                              # (h, w, 3) diffuse albedo · diffuse light
    gloss: F32                             # (h, w, 3) specular light
    glow: F32                              # (h, w, 3) emissive light


def fit_gloss(observed: F32, parts: Parts, weight: F32, segments: Sequence[Segment], sigma: float) -> F32:
    """(h, w) gain of the raster's specular light, one per segment, from what changes faster than ``sigma``.

    Least squares of the high-passed luminance on the high-passed matt and specular light, twice, the second
    time without what did not fit; slow specular light is no different from diffuse and left to the prior 1.
    """
    light, matt, gloss = (luminance(field) for field in (observed, parts.matt, parts.gloss))
    gain = np.ones(light.shape, np.float32)
    for segment in segments:
        window = segment.window
        mask = np.where(segment.inside, weight[window], 0.0).astype(np.float32)
        if float(mask.sum()) < 16.0:
            continue
        share = np.maximum(smooth(mask, sigma), 1e-4)
        fast = [np.asarray(field[window] - smooth(mask * field[window], sigma) / share)
                for field in (light, matt, gloss)]
        level = float((mask * light[window]).sum() / mask.sum())
        gain[window][segment.inside] = _two_gains(*fast, mask, level)
    return gain


def _two_gains(light: F32, matt: F32, gloss: F32, mask: F32, level: float) -> float:
    """The specular gain of light ≈ k · matt + g · gloss, with a prior of 1 that yields to visible detail."""
    weight = mask.astype(np.float64)
    prior = float(weight.sum()) * (PRIOR * level) ** 2
    k = g = 1.0
    for _ in range(2):
        normal = np.array([[(weight * matt * matt).sum() + prior, (weight * matt * gloss).sum()],
                           [(weight * matt * gloss).sum(), (weight * gloss * gloss).sum() + prior]])
        right = np.array([(weight * matt * light).sum() + prior, (weight * gloss * light).sum() + prior])
        k, g = np.linalg.solve(normal, right)
        misfit = (light - k * matt - g * gloss) / max(DISAGREES * level, 1e-6)
        weight = mask / (1.0 + misfit * misfit) ** 2
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
