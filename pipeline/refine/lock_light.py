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
NEIGHBOURS = 3.0               # px, σ over which a pixel and its neighbours are judged together
WIDER = 6.0                    # times σ, of the light that an unknown place falls back to
STEP_RANGE = (0.3, 3.0)        # of one step
HIGHEST_GAIN = 3.0             # of the raster's specular light; more is the refiner's own highlight
CLIPPED = 250                  # code value from which a channel no longer tells how bright it was
PRIOR = 0.01                   # of a pixel's say; many pixels that show nothing still leave the gain at 1
BOUNCED = 0.10                 # of a pixel's light that may have another colour than the raster's light gives it
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
            np.asarray(np.stack([field[counts] for field in fast]) / (DISAGREES * max(level, 1e-4)), np.float32),
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
    return np.asarray(np.stack([(observed * direction).sum(axis=-1), length]) / tint, np.float32)


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


def light_gain(seen: F32, matt: F32, gloss: F32, weight: F32, segments: Sequence[Segment], sigma: float) -> F32:
    """(h, w) achromatic gain k of the raster's diffuse light, smooth over ``sigma`` pixels. All are luminances."""
    level = np.clip(segment_level(np.maximum(seen - gloss, 0.0), matt, weight, segments, 1.0), *K_RANGE)
    wide = light_step(seen, matt, gloss, weight, segments, WIDER * sigma, level)
    return light_step(seen, matt, gloss, weight, segments, sigma, wide)


def light_step(seen: F32, matt: F32, gloss: F32, weight: F32, segments: Sequence[Segment], sigma: float, gain: F32
               ) -> F32:
    """(h, w) a better gain: one Newton step towards equal sums of √(k · matt + gloss) and √seen around every pixel.

    Square roots, because pictures are blurred, resized and decoded as code values: so a sum does not move when
    print is smeared or shifted inside its window. What is missing or invented disagrees even when blurred, and
    counts little.
    """
    shown, due = np.sqrt(np.maximum(seen, 0.0)), np.sqrt(np.maximum(matt * gain + gloss, np.float32(1e-5)))
    slope = matt * gain / (2.0 * due)
    trust = weight * agreement(shown, due, weight)
    step = ratio_field(shown - due + slope, slope, trust, segments, sigma, np.ones_like(gain))
    return np.clip(gain * np.clip(step, *STEP_RANGE), *K_RANGE)


def agreement(shown: F32, due: F32, weight: F32) -> F32:
    """(h, w) 1 where two root luminances agree in their blurred values, a quarter where ``DISAGREES`` apart."""
    floor = np.float32(0.03)
    above, below = smooth(weight * (shown + floor), NEIGHBOURS), smooth(weight * (due + floor), NEIGHBOURS)
    off = 2.0 * np.log((above + np.float32(1e-6)) / (below + np.float32(1e-6))) / DISAGREES
    return np.asarray(1.0 / (1.0 + off * off) ** 2, np.float32)


def unclipped(pixels: NDArray[np.uint8]) -> F32:
    """(h, w) 1 where no channel is blown out."""
    highest = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    return np.asarray(highest < CLIPPED, np.float32)


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


def legitimate(change: F32, expected: F32, gloss: F32) -> F32:
    """(h, w, 3) the part of a change that light can make: more or less of the expected colour, more or less gloss.

    Gloss across the expected colour counts beyond a tint only, for a cast looks the same; other colours pass
    as far as light bounced between parts may have them.
    """
    size = _dot(expected, expected) ** 0.5
    own = expected / np.maximum(size, np.float32(1e-5))
    along = _dot(change, own)
    along = np.clip(along, -DEEPEST * size, BRIGHTEST * (size + np.float32(0.2)))
    white = gloss / np.maximum(_dot(gloss, gloss) ** 0.5, np.float32(1e-5))
    shared = _dot(white, own)
    beside = white - shared * own
    apart = _dot(beside, beside) ** 0.5
    across = _dot(change, beside) / np.maximum(apart, np.float32(1e-5))
    across = np.sign(across) * np.maximum(np.abs(across) - np.float32(TINT) * size, 0.0)
    # So much gloss brings light of the own colour with it; where the two are alike that soon is more than there is.
    most = (np.maximum(along, 0.0) + np.float32(TINT) * size) * apart / np.maximum(shared, np.float32(0.1))
    across = np.clip(across, -most, most)
    light = along * own + across * beside / np.maximum(apart, np.float32(1e-5))
    # What one part throws onto another is tinted; that much colour passes, the product's slow cast being gone.
    rest = change - light
    rest *= np.minimum(np.float32(BOUNCED) * size / np.maximum(_dot(rest, rest) ** 0.5, np.float32(1e-5)), 1.0)
    return np.asarray(light + rest, np.float32)


def cast_of(observed: F32, parts: Parts, weight: F32, sigma: float) -> F32:
    """(h, w, 3) the refined picture's slow colour cast, of luminance 1 on grey: what no light of the stage explains.

    Over ``sigma`` pixels and all parts of the product together, so that one odd material does not count as one.
    """
    expected = parts.matt + parts.gloss + parts.glow
    level = luminance(observed) / np.maximum(luminance(expected), np.float32(1e-3))
    known = weight * np.float32(1.0) / (np.float32(0.05) + luminance(expected))
    ratios = []
    for channel in range(3):
        above = known * observed[..., channel]
        below = known * expected[..., channel] * level
        ratios.append((smooth(above, sigma) + 1e-4) / (smooth(below, sigma) + 1e-4))
    cast = np.stack(ratios, axis=-1)
    return np.asarray(cast / luminance(cast)[..., None], np.float32)


def _dot(first: F32, second: F32) -> F32:
    """(h, w, 1) scalar products of (h, w, 3) vectors."""
    return np.asarray(np.einsum("ijk,ijk->ij", first, second)[..., None])
