"""What noise and banding do to areas that the faithful picture shows smooth.

Noise is read by a Laplacian. Banding leaves gaps between codes: a posterised gradient jumps over them, whatever
relief or other light does to it fills them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, minimum_filter1d, uniform_filter1d

from pipeline.sentinel.types import U8, BBox, Expected

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709, on code values
FEWEST_PIXELS = 2000     # of smooth area; fewer say nothing of it
_REACH = 9               # px, a smooth place is smooth all over such a square
_RANGE = 14.0            # codes within it; a gradient of more is an edge
_ROUGHNESS = 2.0         # codes of Laplacian, mean within it: rounding alone reads 1.0
_BRIGHT, _DARK = 252, 2  # codes at which a channel may be cut off, so that noise would be halved
_CELLS = 8               # per axis of the picture; noise may be in one part only
_FEWEST_CODES = 24.0     # effective number of codes in a gradient, smoothed; σ 4 alone makes 17 of one
_STEP_CODES = 4.0        # codes, σ: the teeth of a comb up to 12 codes apart merge


@dataclass(frozen=True, slots=True)
class SmoothAreas:
    """Readings of one image in the places that are smooth in the faithful picture."""

    pixels: int            # of smooth area
    coverage: float        # share of it that the image does not cut off
    noise: float           # σ in codes beyond the faithful picture's own, of the noisiest eighth by eighth
    noise_box: BBox | None
    banding: float | None  # 0..1 share of a gradient's codes that the image skips; None: there is no gradient
    banding_place: str     # background or product


def luminance(image: U8) -> F32:
    """(H, W) of code values, float32."""
    return np.asarray(image.astype(np.float32) @ LUMA, np.float32)


def highest(image: U8) -> U8:
    """(H, W) code of the brightest channel; a tenth of the time of ``max(axis=-1)``."""
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])


def lowest(image: U8) -> U8:
    """(H, W) code of the darkest channel."""
    return np.minimum(np.minimum(image[..., 0], image[..., 1]), image[..., 2])


def smooth_areas(expected: Expected, observed: U8, wanted: F32, seen: F32) -> SmoothAreas:
    """Read noise and banding; ``wanted`` and ``seen`` are the luminances of both pictures."""
    laplacian = _laplacian(wanted)
    smooth = _is_smooth(wanted, laplacian) & (highest(expected.display) < _BRIGHT) & (lowest(expected.display) > _DARK)
    count = int(np.count_nonzero(smooth))
    if count < FEWEST_PIXELS:
        return SmoothAreas(count, 0.0, 0.0, None, None, "")
    usable = smooth & (highest(observed) < 255) & (lowest(observed) > 0)
    noise, where = _noise(usable, _laplacian(seen), laplacian)
    banding, place = _banding(expected, observed, usable)
    return SmoothAreas(count, float(np.count_nonzero(usable) / count), noise, where, banding, place)


def _is_smooth(wanted: F32, laplacian: F32) -> Bools:
    most, least = wanted, wanted
    for axis in (0, 1):
        most, least = maximum_filter1d(most, _REACH, axis), minimum_filter1d(least, _REACH, axis)
    return np.asarray((most - least <= _RANGE) & (_mean(np.abs(laplacian)) <= _ROUGHNESS))


def _mean(values: F32) -> F32:
    """(H, W) over a square of ``_REACH``."""
    return np.asarray(uniform_filter1d(uniform_filter1d(values, _REACH, 0), _REACH, 1))


def _laplacian(values: F32) -> F32:
    """(H, W) Immerkær's difference of two Laplacians over 6: σ of white noise stays σ, gradients drop out.

    Fast Noise Variance Estimation, Computer Vision and Image Understanding 64 (1996). Zero on the border.
    """
    result = np.zeros_like(values)
    rows = values[:-2] - 2.0 * values[1:-1] + values[2:]
    result[1:-1, 1:-1] = (rows[:, :-2] - 2.0 * rows[:, 1:-1] + rows[:, 2:]) / 6.0
    return result


def _noise(usable: Bools, seen: F32, wanted: F32) -> tuple[float, BBox | None]:
    """σ beyond the faithful picture's own, in the noisiest cell of the picture."""
    height, width = usable.shape
    rows, columns = (np.linspace(0, side, _CELLS + 1).astype(int) for side in (height, width))
    worst, box = 0.0, None
    for y0, y1 in pairwise(rows):
        for x0, x1 in pairwise(columns):
            part = usable[y0:y1, x0:x1]
            if np.count_nonzero(part) < FEWEST_PIXELS / 4:
                continue
            # The mean size of a normal variable is √(2/π) σ.
            sizes = [np.sqrt(np.pi / 2) * float(np.abs(picture[y0:y1, x0:x1][part]).mean())
                     for picture in (seen, wanted)]
            sigma = float(np.sqrt(max(sizes[0] ** 2 - sizes[1] ** 2, 0.0)))
            if sigma > worst:
                worst, box = sigma, (int(x0), int(y0), int(x1), int(y1))
    return worst, box


def _banding(expected: Expected, observed: U8, usable: Bools) -> tuple[float | None, str]:
    """Share of the codes of a gradient that the image skips, beyond those that the faithful picture does."""
    worst, place, sloped = 0.0, "", False
    for area, name in ((usable & (expected.alpha == 0), "background"), (usable & (expected.alpha > 0.99), "product")):
        if np.count_nonzero(area) < FEWEST_PIXELS:
            continue
        for wanted, seen in zip(expected.display[area].T, observed[area].T, strict=True):
            if _effective(_smoothed(wanted)) < _FEWEST_CODES:
                continue
            sloped = True
            lost = skipped_codes(seen) - skipped_codes(wanted)
            if lost > worst:
                worst, place = lost, name
    return (worst if sloped else None), place


def skipped_codes(values: U8) -> float:
    """0..1 from (n,) codes: 0 where neighbouring codes are about as frequent, 3/4 where only every fourth occurs.

    The effective number of codes, e to the entropy of their histogram, against that of the histogram smoothed over
    a step of a posterised gradient.
    """
    return float(1.0 - _effective(_counts(values)) / _effective(_smoothed(values)))


def _counts(values: U8) -> NDArray[np.float64]:
    return np.bincount(values, minlength=256).astype(np.float64)


def _smoothed(values: U8) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter1d(_counts(values), _STEP_CODES, mode="nearest"))


def _effective(counts: NDArray[np.float64]) -> float:
    """Number of codes, e to the entropy of their histogram."""
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
