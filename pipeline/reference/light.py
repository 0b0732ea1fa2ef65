"""What a photo tells of its light: the share of it on the ground, where shadows point, its tint, lens and grain.

The ground's light is a ratio: the photo, smoothed, over a quadratic fitted to the ground far from any product, in
logarithms. Fitting a light to the replaced object itself was measured and misses by 60°; its shadow on the ground
is what a photo gives away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import PhotoLight
from pipeline.colour import srgb_decode, srgb_encode
from pipeline.reference.segmentation import Segmentation

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BEYOND = 0.5                   # of logarithms: brighter or darker than all that was seen of a ground
SMOOTH = 0.03                  # of the product's extent, sigma of the ground's light
RIM_PX = 6                     # around a product: blur and JPEG carry it this far
REACH = 0.7                    # of the product's extent: its shadow is looked for there
CLEAR_SIDE = 0.12              # how one-sided a shadow has to be to name a direction
FAINT = 0.04                   # of the light: less is no shadow
_SIDE = 512                    # px of the longer side, where shadows are looked at
_NEUTRAL = 9.0                 # Lab chroma below which a bright ground is white in a tinted light
_BRIGHT = 0.35                 # linear; a darker neutral ground may be anything
_GROUND_ALBEDO, _WHITE_ALBEDO = 0.82, 0.9  # of such a ground, and of paper


@dataclass(frozen=True, slots=True)
class GroundLight:
    """What a photo's shadows say."""

    clock_deg: float | None                # where the light comes from in the picture; None: the shadow does not tell
    light: PhotoLight                      # the rest; its azimuth is not set


def extent_of(mask: Mask) -> float:
    """The longer side of a figure's box, in px."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)


def ground_fit(linear: F32, ground: Mask) -> F32:
    """(H, W, 3) the ground without shadows: a quadratic in each channel's logarithm, over the brighter ground.

    Far from where it was fitted it is held near the values there: a quadratic through a strip goes anywhere.
    """
    height, width = ground.shape
    rows, columns = np.mgrid[-1:1:height * 1j, -1:1:width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(rows), rows, columns, rows * rows, columns * columns, rows * columns], axis=-1)
    chosen = np.flatnonzero(ground)[:: max(1, int(ground.sum()) // 20000)]
    flat = terms.reshape(-1, 6)
    values = np.log(np.maximum(linear.reshape(-1, 3)[chosen], 1e-3))
    weight = np.ones(len(chosen), np.float32)
    fit = np.zeros((6, 3), np.float32)
    for _ in range(6):  # what lies below the fit is shadow, and counts less each time
        fit, *_rest = np.linalg.lstsq(flat[chosen] * weight[:, None], values * weight[:, None], rcond=None)
        below = (flat[chosen] @ fit - values).mean(axis=1)
        spread = max(1.4826 * float(np.median(np.abs(below))), 0.01)
        weight = np.where(below > 1.5 * spread, 0.1, np.where(below < -3.0 * spread, 0.3, 1.0)).astype(np.float32)
    held = np.clip(flat @ fit, values.min(axis=0) - BEYOND, values.max(axis=0) + BEYOND)
    return np.exp(held).reshape(height, width, 3).astype(np.float32)


def read_light(pixels: U8, found: Segmentation) -> GroundLight:
    """Look at the shadows around all figures of a photo (H, W, 3)."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, _SIDE / max(height, width))
    small = np.asarray(cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
    mask = np.asarray(cv2.resize(found.mask.astype(np.uint8) * 255, small.shape[1::-1],
                                 interpolation=cv2.INTER_AREA)) > 16
    extent = max(extent_of(figure.mask) for figure in found.figures) * shrink
    linear = srgb_decode(small)
    beside = np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    ground = beside > 2.0 + RIM_PX * shrink
    fit = ground_fit(linear, ground)
    ratio = smoothed(linear.mean(axis=-1) / fit.mean(axis=-1), ground, max(1.0, 0.4 * SMOOTH * extent))
    near = ground & (beside < REACH * extent)
    missing = np.where(near, np.clip(1.0 - ratio - FAINT, 0.0, 1.0), 0.0).astype(np.float32)
    tint, exposure = _white_balance(fit, ground)
    blur, grain = lens_and_grain(pixels, found)
    dark = float(np.percentile(missing[near], 97)) if near.any() else 0.0
    clock = None if dark < FAINT else _direction(missing, beside)
    rest = PhotoLight(elevation_deg=_elevation(missing, beside, extent) if clock is not None else 60.0,
                      width_deg=_width(ratio, missing, near, extent), key_share=float(np.clip(1.15 * dark, 0.25, 0.75)),
                      tint=tint, exposure=exposure, blur_px=blur, grain=grain)
    return GroundLight(clock, rest)


def smoothed(values: F32, known: Mask, sigma: float) -> F32:
    """Normalised convolution: each pixel the average of what is known around it; far from all, of everything."""
    weight = known.astype(np.float32)
    channels = values if values.ndim == 3 else values[..., None]
    out = np.empty(channels.shape, np.float32)
    far = 8.0 * sigma
    near_weight, far_weight = _blur(weight, sigma), _blur(weight, far)
    for index in range(channels.shape[2]):
        held = np.where(known, channels[..., index], 0.0).astype(np.float32)
        mean = float(held.sum() / max(weight.sum(), 1.0))
        coarse = (_blur(held, far) + 1e-4 * mean) / (far_weight + 1e-4)
        out[..., index] = (_blur(held, sigma) + 1e-3 * coarse) / (near_weight + 1e-3)
    return out if values.ndim == 3 else out[..., 0]


def _blur(values: F32, sigma: float) -> F32:
    """A Gaussian; wide ones at a fraction of the size."""
    step = max(1, int(sigma / 4.0))
    if step == 1:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
    height, width = values.shape
    small = cv2.resize(values, (max(2, width // step), max(2, height // step)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _direction(missing: F32, beside: F32) -> float | None:
    """Clock angle the light comes from: shadow lies on the other side of the product."""
    away_x, away_y = cv2.Sobel(beside, cv2.CV_32F, 1, 0), cv2.Sobel(beside, cv2.CV_32F, 0, 1)
    length = np.maximum(np.hypot(away_x, away_y), 1e-6)
    # The outline's own unevenness is taken off: what an even shadow all around would give.
    total, even = float(missing.sum()), (missing > 0).astype(np.float32)
    x, y = (float((missing * part / length).sum()) for part in (away_x, away_y))
    x0, y0 = (float((even * part / length).sum()) / max(float(even.sum()), 1.0) for part in (away_x, away_y))
    x, y = x / max(total, 1e-6) - 0.3 * x0, y / max(total, 1e-6) - 0.3 * y0
    if math.hypot(x, y) < CLEAR_SIDE:
        return None
    return math.degrees(math.atan2(-x, y)) % 360.0


def _elevation(missing: F32, beside: F32, extent: float) -> float:
    """Longer shadows come from a lower light; how high the product is remains unknown, so this is coarse."""
    length = float((missing * beside).sum() / max(float(missing.sum()), 1e-6)) / extent
    return float(np.clip(72.0 - 170.0 * length, 36.0, 68.0))


def _width(ratio: F32, missing: F32, near: Mask, extent: float) -> float:
    """Degrees of the source: from how slowly a shadow ends, against the product's extent."""
    if not (missing > 0.5 * FAINT).any():
        return 90.0
    steep = np.hypot(cv2.Sobel(ratio, cv2.CV_32F, 1, 0), cv2.Sobel(ratio, cv2.CV_32F, 0, 1)) / 8.0
    rate = float(np.percentile(steep[near], 97))
    penumbra = float(np.percentile(missing[near], 97)) / max(rate, 1e-5) / extent
    return float(np.clip(20.0 + 420.0 * penumbra, 25.0, 90.0))


def _white_balance(fit: F32, ground: Mask) -> tuple[tuple[float, float, float], float]:
    """Tint and exposure, where the ground is a bright neutral one; else a studio's own."""
    colour = np.median(fit[ground], axis=0) if ground.any() else np.full(3, 0.5)
    lab = cv2.cvtColor(srgb_encode(colour).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]
    if math.hypot(float(lab[1]), float(lab[2])) > _NEUTRAL or float(colour.mean()) < _BRIGHT:
        return (1.0, 1.0, 1.0), 1.0
    return _tint(colour), float(np.clip(colour.mean() / _GROUND_ALBEDO, 0.7, 1.15))


def lit_like(light: PhotoLight, white: str) -> PhotoLight:
    """With the tint and exposure in which a white sheet is seen as ``#rrggbb``, whatever the ground says."""
    colour = srgb_decode(np.frombuffer(bytes.fromhex(white.removeprefix("#")), np.uint8))
    return replace(light, tint=_tint(colour), exposure=float(colour.mean()) / _WHITE_ALBEDO)


def _tint(colour: F32) -> tuple[float, float, float]:
    red, green, blue = (float(channel) for channel in colour / colour.mean())
    return red, green, blue




def lens_and_grain(pixels: U8, found: Segmentation) -> tuple[float, float]:
    """Sigma of the lens in px, from the sharpest parts of the outlines, and of the noise in codes, on the ground."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mask = found.mask.astype(np.uint8)
    rim = (cv2.dilate(mask, np.ones((5, 5), np.uint8)) - cv2.erode(mask, np.ones((5, 5), np.uint8))) > 0
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8.0
    kernel = np.ones((9, 9), np.uint8)
    step = cv2.dilate(grey, kernel) - cv2.erode(grey, kernel)
    clear = rim & (step > 30.0)
    blur = 0.0
    if clear.sum() > 50:
        sharpest = float(np.percentile(steep[clear] / step[clear], 95))
        # An edge of sigma s has the slope 1 / (s·sqrt(2π)); Sobel and the pixel themselves blur by 0.8.
        blur = math.sqrt(max((1.0 / (math.sqrt(2.0 * math.pi) * max(sharpest, 1e-3))) ** 2 - 0.8 ** 2, 0.0))
    away = cv2.dilate(mask, np.ones((25, 25), np.uint8)) == 0
    # Second differences cancel a texture's slopes (Immerkær 1996); the calmest fifth of blocks is noise alone.
    kernel_i = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel_i))
    side = 16
    height, width = (size // side * side for size in grey.shape)
    blocks = response[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    whole = away[:height, :width].reshape(height // side, side, width // side, side).all(axis=(1, 3))
    grain = float(np.percentile(blocks[whole], 20)) * math.sqrt(math.pi / 2.0) / 6.0 if whole.any() else 0.0
    return float(min(blur, 1.2)), float(min(grain, 4.0))
