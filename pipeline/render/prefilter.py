"""What a rough surface mirrors: the stage's panorama, blurred by the GGX lobe of each roughness.

Split-sum prefiltering with the view along the normal (B. Karis, "Real Shading in Unreal Engine 4", 2013).
The lobe is round, so on a panorama it is a convolution along each pair of rows, done by FFT.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.render.environment import panorama_directions, radiance_towards
from pipeline.render.stage import Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
ROUGHNESS = (0.0, 0.16, 0.28, 0.42, 0.58, 0.78, 1.0)   # of the layers; shaders interpolate between them
ROWS = 256                 # of every layer
_FILTER_ROWS = 64          # rough layers hold nothing finer


def prefiltered(stage: Stage) -> tuple[F32, F32]:
    """Two (layers, ROWS, 2·ROWS, 4) arrays in stage axes: all light but the key's, and the key's.

    Alpha of the first is the share of the lobe that meets the floor, whose light is not in it.
    """
    rest = np.empty((len(ROUGHNESS), ROWS, 2 * ROWS, 4), np.float32)
    key = np.zeros_like(rest)
    sharp_key = _picture(stage, ROWS, key=True)
    sharp = np.concatenate([_picture(stage, ROWS, key=False), _floor(stage, ROWS)], axis=2)
    rest[0], key[0, ..., :3] = sharp, sharp_key
    for layer, roughness in enumerate(ROUGHNESS[1:], start=1):
        rows = 2 * _FILTER_ROWS if roughness < 0.25 else _FILTER_ROWS
        step = ROWS // rows
        small = np.concatenate([sharp, sharp_key], axis=2)
        small = small.reshape(rows, step, 2 * rows, step, 7).mean(axis=(1, 3))
        blurred = _enlarged(_convolved(small, roughness), step)
        rest[layer], key[layer, ..., :3] = blurred[..., :4], blurred[..., 4:]
    return rest, key


def _picture(stage: Stage, rows: int, key: bool) -> F32:
    """(rows, 2·rows, 3) light of the key alone, or of all else; 2×2 samples a pixel."""
    fine = radiance_towards(stage, panorama_directions(2 * rows), only_key=key)
    coarse: F32 = fine.reshape(rows, 2, 2 * rows, 2, 3).mean(axis=(1, 3)).astype(np.float32)
    return coarse


def _floor(stage: Stage, rows: int) -> F32:
    """(rows, 2·rows, 1) share of directions that meet the floor."""
    below = np.zeros((rows, 2 * rows, 1), np.float32)
    if stage.floor_albedo is not None:
        below[rows // 2:] = 1.0
    return below


def _convolved(image: F32, roughness: float) -> F32:
    """(H, W, C) averaged over directions with the weight D(θ/2)·cos θ."""
    rows, columns = image.shape[:2]
    latitude = math.pi / 2 - (np.arange(rows) + 0.5) / rows * math.pi
    turn = np.arange(columns) / columns * 2 * math.pi
    # cos θ between every two rows at every difference of longitude
    cosine = (np.sin(latitude)[:, None, None] * np.sin(latitude)[None, :, None]
              + np.cos(latitude)[:, None, None] * np.cos(latitude)[None, :, None] * np.cos(turn))
    weight = ggx_lobe(cosine, roughness) * np.cos(latitude)[None, :, None]
    kernel = np.fft.rfft(weight, axis=2)
    spectrum = np.fft.rfft(image.astype(np.float64), axis=1)
    mixed = np.einsum("oik,ikc->okc", kernel, spectrum)
    total = weight.sum(axis=(1, 2))
    blurred = np.fft.irfft(mixed, n=columns, axis=1).real / total[:, None, None]
    result: F32 = np.maximum(blurred, 0.0).astype(np.float32)
    return result


def ggx_lobe(cosine: F64, roughness: float) -> F64:
    """Weight of light at the angle θ from the mirrored ray, up to a factor: D(θ/2)·cos θ, 0 past 90°.

    D of B. Walter et al., "Microfacet Models for Refraction through Rough Surfaces" (2007).
    """
    alpha = max(roughness * roughness, 1e-3)
    half = (1.0 + cosine) / 2.0                            # cos²(θ/2)
    spread = half * (alpha * alpha - 1.0) + 1.0
    weight: F64 = np.maximum(cosine, 0.0) / (spread * spread)
    return weight


def _enlarged(image: F32, factor: int) -> F32:
    """Bilinear, around the longitude; pixel centres stay where they are."""
    padded = np.concatenate([image[:, -1:], image, image[:, :1]], axis=1)
    padded = np.concatenate([padded[:1], padded, padded[-1:]], axis=0)
    rows, columns = image.shape[0] * factor, image.shape[1] * factor
    y = (np.arange(rows) + 0.5) / factor + 0.5
    x = (np.arange(columns) + 0.5) / factor + 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    return np.stack([ndimage.map_coordinates(padded[..., c], grid, order=1) for c in range(image.shape[2])], axis=2)
