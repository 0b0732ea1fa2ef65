"""How much softer one picture is than another: the Gaussian that turns the first into the second.

The fit compares high-passed code values in small blocks at the places where the expected picture
has something to see. Amplitude counts as much as shape, so a texture of a single scale works too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

CORE = 24                    # px of a block's side that count
_MARGIN = 10                 # px around it that the filters need
_MOST_BLOCKS = 48
_HIGH_PASS = 3.0             # px; coarser structure belongs to light, not to sharpness
_LEAST_CONTRAST = 0.010      # rms of high-passed code values 0..1; fainter texture drowns in JPEG noise
_CANDIDATES: F64 = np.array([0.0, 0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0])
_GAIN = (0.8, 1.25)          # local contrast that light and relief may change
PRINT_GAIN = (0.3, 1.6)      # of a print: its edges tell σ by their shape, so that a pale one is not a soft one


@dataclass(frozen=True, slots=True)
class Blur:
    """σ in px of the Gaussian that fits best, and how well it then correlates (−1..1)."""

    sigma: float
    correlation: float
    blocks: int              # of texture, that it was fitted to


def high_pass(luma: F32) -> F32:
    """Luma less its Gaussian mean."""
    return np.asarray(luma - gaussian_filter(luma, _HIGH_PASS, truncate=3.0), np.float32)


def luma_of(image: NDArray[np.uint8]) -> F32:
    """(H, W) Rec. 709 luma of code values, 0..1."""
    return np.asarray(image @ np.array([0.2126, 0.7152, 0.0722], np.float32) / np.float32(255.0), np.float32)


def fit_blur(expected: F32, observed: F32, mask: Bools, gain_range: tuple[float, float] = _GAIN,
             light: F32 | None = None) -> Blur | None:
    """σ by which ``observed`` (H, W luma) is softer than ``expected`` within ``mask``.

    ``gain_range`` is what local contrast may change by without counting as blur; ``light`` (H, W), by how much
    brighter the image is, where that is known better than from local means. None where the expected
    picture shows too little texture there to tell.
    """
    corners = _textured_blocks(expected, mask)
    if not corners:
        return None
    wanted, seen = (_cut(picture, corners) for picture in (expected, observed))
    weight = _core(_cut(mask.astype(np.float32), corners)).astype(np.float64)
    smooth = (0.0, _HIGH_PASS, _HIGH_PASS)
    # Light changes contrast and brightness alike; dividing by the local mean takes it out.
    relit = gaussian_filter(wanted, smooth) / np.maximum(gaussian_filter(seen, smooth), 0.02) if light is None else (
        1.0 / np.maximum(_cut(light, corners), 0.02))
    wanted_high = wanted - gaussian_filter(wanted, smooth)
    seen_high = _core((seen - gaussian_filter(seen, smooth)) * np.clip(relit, 0.5, 2.0))
    power = float((weight * seen_high**2).sum())
    errors, correlations = [], []
    for sigma in _CANDIDATES:
        softened = _core(gaussian_filter(wanted_high, (0.0, sigma, sigma)) if sigma else wanted_high)
        cross, own = float((weight * softened * seen_high).sum()), float((weight * softened**2).sum())
        gain = np.clip(cross / max(own, 1e-12), *gain_range)
        errors.append(power - 2 * gain * cross + gain**2 * own)
        correlations.append(cross / max(float(np.sqrt(own * power)), 1e-12))
    best = int(np.argmin(errors))
    return Blur(_vertex(_CANDIDATES, np.array(errors), best), correlations[best], len(corners))


def _textured_blocks(expected: F32, mask: Bools) -> list[tuple[int, int]]:
    """Top left corners of the blocks with most texture inside the mask, where there is enough."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return []
    y0, x0 = int(rows[0]), int(columns[0])
    down, across = -(-(rows[-1] + 1 - y0) // CORE), -(-(columns[-1] + 1 - x0) // CORE)
    window = (slice(max(0, y0 - _MARGIN), y0 + down * CORE + _MARGIN),
              slice(max(0, x0 - _MARGIN), x0 + across * CORE + _MARGIN))
    power = np.zeros(expected.shape, np.float32)
    power[window] = high_pass(expected[window]) ** 2
    padded = np.zeros((down * CORE, across * CORE), np.float32)
    counted = np.zeros_like(padded)
    height, width = min(down * CORE, mask.shape[0] - y0), min(across * CORE, mask.shape[1] - x0)
    inside = mask[y0:y0 + height, x0:x0 + width]
    padded[:height, :width] = np.where(inside, power[y0:y0 + height, x0:x0 + width], 0.0)
    counted[:height, :width] = inside
    energy, count = (a.reshape(down, CORE, across, CORE).sum(axis=(1, 3)) for a in (padded, counted))
    rms = np.sqrt(energy / np.maximum(count, 1.0))
    enough = (rms >= _LEAST_CONTRAST) & (count >= 0.1 * CORE * CORE)
    order = np.argsort(np.where(enough, -energy, 0.0), axis=None, kind="stable")[:min(_MOST_BLOCKS, int(enough.sum()))]
    return [(y0 + CORE * (int(i) // across), x0 + CORE * (int(i) % across)) for i in order]


def _cut(picture: F32, corners: list[tuple[int, int]]) -> F32:
    """(n, s, s) blocks with their margins; beyond the border the picture is continued."""
    around = np.arange(-_MARGIN, CORE + _MARGIN)
    at = np.array(corners)
    rows = np.clip(at[:, :1] + around, 0, picture.shape[0] - 1)
    columns = np.clip(at[:, 1:] + around, 0, picture.shape[1] - 1)
    return picture[rows[:, :, None], columns[:, None, :]]


def _core(blocks: F32) -> F32:
    return blocks[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _vertex(x: F64, y: F64, best: int) -> float:
    """Minimum of the parabola through three neighbours on an uneven grid."""
    if best in (0, len(x) - 1):
        return float(x[best])
    (a, b, c), (fa, fb, fc) = x[best - 1:best + 2], y[best - 1:best + 2]
    upper = (b - a) ** 2 * (fb - fc) - (b - c) ** 2 * (fb - fa)
    lower = (b - a) * (fb - fc) - (b - c) * (fb - fa)
    return float(b if abs(lower) < 1e-18 else np.clip(b - 0.5 * upper / lower, a, c))
