"""Tileable albedo maps of what sets are made of, generated once per process: 1024², uint8 sRGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import srgb_encode

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
SIZE = 1024


def grain(seed: int, across: float, along: float) -> F64:
    """(SIZE, SIZE) periodic Gaussian noise, mean 0 and deviation 1; features of so many texels along x and y."""
    y, x = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None, :]
    white = np.random.default_rng(seed).standard_normal((SIZE, SIZE))
    low = np.exp(-0.5 * ((x * across * 2) ** 2 + (y * along * 2) ** 2) * np.pi)
    low[0, 0] = 0.0
    noise: F64 = np.fft.irfft2(np.fft.rfft2(white) * low, s=(SIZE, SIZE))
    noise /= noise.std()
    return noise


def boards(dark: tuple[float, float, float], light: tuple[float, float, float], count: int, seed: int) -> U8:
    """Boards along x, ``count`` to a tile."""
    rng = np.random.default_rng(seed)
    y = np.arange(SIZE)[:, None] / SIZE * count
    board = np.floor(y).astype(int)
    within = y - board
    tint = rng.uniform(-0.5, 0.5, count)[board]
    shift = (rng.integers(0, SIZE, count)[board] + np.arange(SIZE)[None, :]) % SIZE
    rows = np.broadcast_to(np.arange(SIZE)[:, None], (SIZE, SIZE))
    streaks = grain(seed + 1, 180.0, 3.0)[rows, shift]
    rings = np.sin(grain(seed + 2, 260.0, 26.0)[rows, shift] * 4.0 + within * 9.0)
    pores = np.clip(grain(seed + 3, 22.0, 1.2)[rows, shift] - 1.1, 0.0, None)
    value = np.clip(0.5 + 0.16 * streaks + 0.17 * rings + 0.30 * tint, 0.0, 1.0)[..., None]
    color = np.asarray(dark) * (1 - value) + np.asarray(light) * value
    color = color * (1.0 - 0.22 * np.clip(pores, 0.0, 1.0))[..., None]
    joint = np.minimum(within, 1.0 - within) * SIZE / count
    return _coded(color * (0.30 + 0.70 * np.clip(joint / 2.2, 0.0, 1.0))[..., None])


def stone(color: tuple[float, float, float], seed: int, speckle: float, cloud: float, chips: float = 0.0) -> U8:
    value = 1.0 + cloud * grain(seed, 90.0, 90.0) + 0.6 * cloud * grain(seed + 1, 24.0, 24.0)
    value = value + speckle * grain(seed + 2, 1.6, 1.6)
    found = np.asarray(color) * value[..., None]
    if chips:
        shade = np.clip(grain(seed + 3, 7.0, 7.0) - 1.25, 0.0, 0.6)[..., None] / 0.6
        warm = 0.5 + 0.5 * np.tanh(grain(seed + 4, 14.0, 14.0))[..., None]
        found = found * (1 - chips * shade) + chips * shade * (np.array([0.16, 0.13, 0.11]) * warm
                                                               + np.array([0.42, 0.36, 0.30]) * (1 - warm))
    return _coded(found)


def bricks() -> U8:
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    row = np.floor(y * 16).astype(int)
    shifted = x * 6 + 0.5 * (row % 2)
    column = np.floor(shifted).astype(int) % 6
    tint = np.random.default_rng(8).uniform(-0.35, 0.35, (16, 6))[row, column]
    joint = np.minimum(np.minimum(y * 16 % 1, 1 - y * 16 % 1) / 0.13,
                       np.minimum(shifted % 1, 1 - shifted % 1) / 0.05).clip(0.0, 1.0)[..., None]
    clay = np.array([0.36, 0.15, 0.10]) * (1.0 + tint + 0.10 * grain(9, 5.0, 5.0))[..., None]
    return _coded(clay * joint + np.array([0.45, 0.42, 0.38]) * (1 - joint))


def leaves() -> U8:
    shade = 0.5 + 0.5 * np.tanh(0.9 * grain(21, 26.0, 30.0) + 0.7 * grain(22, 9.0, 10.0))[..., None]
    light = np.clip(grain(23, 14.0, 14.0) - 1.0, 0.0, 1.5)[..., None]
    return _coded(np.array([0.018, 0.040, 0.010]) * (1 - shade) + np.array([0.11, 0.19, 0.045]) * shade
                  + light * np.array([0.22, 0.24, 0.08]))


def _coded(linear: F64) -> U8:
    coded: U8 = np.rint(srgb_encode(np.clip(linear, 0.0, 1.0)) * 255.0).astype(np.uint8)
    return coded


TEXTURES: Mapping[str, Callable[[], U8]] = {
    "plain": lambda: np.full((SIZE, SIZE, 3), 255, np.uint8),
    "oak": lambda: boards((0.24, 0.135, 0.068), (0.46, 0.30, 0.165), 4, 1),
    "walnut": lambda: boards((0.060, 0.030, 0.017), (0.185, 0.098, 0.052), 3, 31),
    "plaster": lambda: stone((0.70, 0.67, 0.62), 41, 0.012, 0.020),
    "concrete": lambda: stone((0.47, 0.455, 0.43), 51, 0.050, 0.055, chips=0.25),
    "asphalt": lambda: stone((0.115, 0.115, 0.118), 61, 0.34, 0.08, chips=0.5),
    "bricks": bricks,
    "leaves": leaves,
}


@cache
def texture(name: str) -> U8:
    """(SIZE, SIZE, 3) of one entry."""
    return TEXTURES[name]()
