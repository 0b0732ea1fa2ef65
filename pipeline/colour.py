"""Colour: sRGB coding, the view transform and its inverse, and the composite that is delivered.

Working space is scene-linear Rec. 709. Images are compared in linear light through
:func:`from_display`, never by calling decoded sRGB linear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# Khronos PBR Neutral tone mapper, constants of its specification (Khronos Group, 2024).
_F90 = 0.04
_START_COMPRESSION = 0.8 - _F90
_DESATURATION = 0.15
PURE_BACKGROUND_RATIO = 0.995  # a shadow ratio above it is exactly white


def srgb_decode(coded: NDArray[np.floating] | NDArray[np.uint8]) -> F32:
    """IEC 61966-2-1 code values (uint8 0..255 or float 0..1) to linear light."""
    if coded.dtype == np.uint8:
        return _DECODE_8BIT[coded.astype(np.intp)]
    value = np.asarray(coded, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.04045) + 0.055) / 1.055) ** 2.4
                    ).astype(np.float32)


def srgb_encode(linear: NDArray[np.floating]) -> F32:
    """Linear light to IEC 61966-2-1 code values as float, clipped to 0..1."""
    value = np.clip(np.asarray(linear, np.float32), 0.0, 1.0)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * np.maximum(value, 0.0031308) ** (1 / 2.4) - 0.055
                    ).astype(np.float32)


def view_transform(linear: NDArray[np.floating]) -> F32:
    """Khronos PBR Neutral: scene-linear (…, 3) ≥ 0 to display-linear 0..1."""
    color = np.maximum(np.asarray(linear, np.float32), 0.0)
    low = np.minimum(np.minimum(color[..., :1], color[..., 1:2]), color[..., 2:3])  # thrice as fast as min(axis=-1)
    offset = np.where(low < 2 * _F90, low - low * low / (4 * _F90), _F90)
    color = color - offset
    peak = np.maximum(np.maximum(color[..., :1], color[..., 1:2]), color[..., 2:3])
    span = 1.0 - _START_COMPRESSION
    compressed = 1.0 - span * span / (np.maximum(peak, _START_COMPRESSION) + span - _START_COMPRESSION)
    scale = np.where(peak > _START_COMPRESSION, compressed / np.maximum(peak, 1e-8), 1.0)
    desaturate = np.where(peak > _START_COMPRESSION, 1.0 - 1.0 / (_DESATURATION * (peak - compressed) + 1.0), 0.0)
    return np.asarray(color * scale * (1.0 - desaturate) + compressed * desaturate, np.float32)


def inverse_view_transform(display: NDArray[np.floating]) -> F32:
    """Display-linear (…, 3) back to scene-linear; the exact inverse of :func:`view_transform`.

    Display values at 1.0 have no finite inverse and are held at code 255's 13.7.
    """
    color = np.clip(np.asarray(display, np.float64), 0.0, None)
    span = 1.0 - _START_COMPRESSION
    peak_out = np.minimum(color.max(axis=-1, keepdims=True), 1.0 - 0.0044)
    above = peak_out > _START_COMPRESSION
    peak = np.where(above, span * span / (1.0 - np.where(above, peak_out, 0.0)) - span + _START_COMPRESSION, peak_out)
    desaturate = np.where(above, 1.0 - 1.0 / (_DESATURATION * (peak - peak_out) + 1.0), 0.0)
    scaled = (np.minimum(color, peak_out) - peak_out * desaturate) / (1.0 - desaturate)
    restored = scaled * peak / np.maximum(peak_out, 1e-8)
    # Undo the Fresnel offset: below 2·F90 the smallest channel is x²/(4·F90).
    low = np.maximum(restored.min(axis=-1, keepdims=True), 0.0)
    # x - (x - x²/4f) = x²/4f for x < 2f; at x = 2f that is f.
    original_low = np.where(low < _F90, np.sqrt(4 * _F90 * low), low + _F90)
    return np.asarray(np.maximum(restored - low + original_low, 0.0), np.float32)


def to_display(product: F32, plate: F32, white_backdrop: bool) -> NDArray[np.uint8]:
    """The delivered image: premultiplied linear product (H, W, 4) over its plate (H, W, 3).

    On a white backdrop the plate is the shadow ratio, and the composite is made in display
    space, because the view transform maps linear 1.0 to code 240: exactly 255 where the ratio
    exceeds 0.995. Elsewhere product and plate are composited in linear light.

    Returns (H, W, 3) sRGB code values.
    """
    alpha = product[..., 3:4]
    if not white_backdrop:
        return quantise(srgb_encode(view_transform(product[..., :3] + (1.0 - alpha) * plate)))
    front = srgb_encode(view_transform(product[..., :3] / np.maximum(alpha, 1e-4)))
    background = np.where(plate > PURE_BACKGROUND_RATIO, 1.0, np.clip(plate, 0.0, 1.0))
    return quantise(front * alpha + background * (1.0 - alpha))


def over_photo(product: F32, plate: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiplied linear product (H, W, 4) over a photo (H, W, 3) of sRGB codes, which come back as they are.

    The composite is made in display-linear light: a photo holds colours that no scene reaches through the view
    transform.
    """
    return laid_over(displayed(product), plate)


def displayed(product: F32) -> F32:
    """Premultiplied linear (H, W, 4) through the view transform, still premultiplied and linear."""
    alpha = product[..., 3:4]
    return np.concatenate([view_transform(product[..., :3] / np.maximum(alpha, 1e-4)) * alpha, alpha], axis=-1)


def laid_over(front: F32, plate: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What :func:`displayed` gives, over a photo (H, W, 3) of sRGB codes."""
    return quantise(srgb_encode(front[..., :3] + srgb_decode(plate) * (1.0 - front[..., 3:4])))


def from_display(image: NDArray[np.uint8]) -> F32:
    """sRGB code values (H, W, 3) to scene-linear light, through the inverse view transform.

    All that curve bends depends on a pixel's highest code alone, so 256 slopes and offsets stand for it: the result of
    :func:`inverse_view_transform` to float32's precision, in a fifth of the time.
    """
    highest = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    slope, offset = (table[highest][..., None] for table in _INVERSE_OF_PEAK)
    restored = _DISPLAY_8BIT[image] * slope + offset
    low = np.maximum(np.minimum(np.minimum(restored[..., :1], restored[..., 1:2]), restored[..., 2:3]), 0.0)
    original_low = np.where(low < _F90, np.sqrt(np.float32(4 * _F90) * low), low + np.float32(_F90))
    return np.asarray(np.maximum(restored - low + original_low, 0.0), np.float32)


def quantise(coded: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Code values 0..1 to 8 bit, rounded."""
    return np.asarray(np.clip(coded, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


_DECODE_8BIT: F32 = srgb_decode(np.arange(256, dtype=np.float32) / 255.0)
_DISPLAY_8BIT: F32 = np.minimum(_DECODE_8BIT, np.float32(1.0 - 0.0044))


def _inverse_of_peak() -> tuple[F32, F32]:
    """(256,) slopes and offsets that undo compression and desaturation, by the code of the highest channel."""
    peak_out = _DISPLAY_8BIT.astype(np.float64)
    span = 1.0 - _START_COMPRESSION
    above = peak_out > _START_COMPRESSION
    peak = np.where(above, span * span / (1.0 - np.where(above, peak_out, 0.0)) - span + _START_COMPRESSION, peak_out)
    desaturate = np.where(above, 1.0 - 1.0 / (_DESATURATION * (peak - peak_out) + 1.0), 0.0)
    slope = np.where(peak_out > 0.0, peak / np.maximum(peak_out, 1e-8), 1.0) / (1.0 - desaturate)
    return slope.astype(np.float32), (-slope * peak_out * desaturate).astype(np.float32)


_INVERSE_OF_PEAK = _inverse_of_peak()
