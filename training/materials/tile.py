"""A square of a material that repeats: its relief, its pores, and what they do to light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.refine.nets.guide import USUAL_SLOPE
from pipeline.refine.nets.guide import Tile as Guide

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tile:
    """Periodic maps of ``size_mm`` × ``size_mm``, rows running down."""

    size_mm: float
    height: F32                            # (N, N) mm, mean 0
    cavity: F32                            # (N, N) 0 deep between fibres .. 1 open to the light
    tone: F32                              # (N, N) factor of the base colour, mean about 1: uneven yarn, hide or print
    gloss: F32                             # (N, N) added to the roughness, mean 0
    tint: float = 0.5                      # 0..1 how much darker the colour is where the cavity is 0
    figured: bool = False                  # its tone is a figure that every colour map shows: wood, flecks, speckles


def noise(rng: np.random.Generator, pixels: int, size_mm: float, wavelength_mm: float, width: float = 0.5,
          stretch: float = 1.0) -> F32:
    """(N, N) periodic Gaussian noise of unit deviation around one wavelength.

    ``width``: octaves to either side. ``stretch``: how much longer its features are along the rows.
    """
    frequency = fft.fftfreq(pixels, size_mm / pixels)
    fx, fy = np.meshgrid(frequency * stretch, frequency / 1.0)
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1e-9
    band = np.exp(-0.5 * (np.log2(radius * wavelength_mm) / width) ** 2)
    spectrum = fft.fft2(rng.standard_normal((pixels, pixels)).astype(np.float32)) * band
    return unit(np.real(fft.ifft2(spectrum)))


def unit(values: NDArray[np.floating]) -> F32:
    """Mean 0, deviation 1."""
    centred = values - values.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-9), np.float32)


def ranked(values: NDArray[np.floating], low: float = 2.0, high: float = 98.0) -> F32:
    """0..1 between two percentiles."""
    bottom, top = np.percentile(values, [low, high])
    return np.asarray(np.clip((values - bottom) / max(float(top - bottom), 1e-9), 0.0, 1.0), np.float32)


def blurred(values: F32, sigma_px: float) -> F32:
    """Periodic Gaussian blur."""
    frequency = fft.fftfreq(len(values))
    row = np.exp(-2.0 * (np.pi * sigma_px * frequency) ** 2).astype(np.float32)
    return np.asarray(np.real(fft.ifft2(fft.fft2(values) * row[:, None] * row[None, :])), np.float32)


def slopes(tile: Tile) -> tuple[F32, F32]:
    """∂h/∂x to the right and ∂h/∂y downwards, dimensionless."""
    step = 2.0 * tile.size_mm / len(tile.height)
    across = (np.roll(tile.height, -1, axis=1) - np.roll(tile.height, 1, axis=1)) / step
    down = (np.roll(tile.height, -1, axis=0) - np.roll(tile.height, 1, axis=0)) / step
    return across, down


def slope_rms(tile: Tile) -> float:
    across, down = slopes(tile)
    return float(np.sqrt(np.mean(across**2 + down**2)))


def guiding(tile: Tile) -> Guide:
    """As pipeline.refine.nets.guide wants it: the heights' deviation says how steep they are."""
    tone = np.log(np.maximum(shaded(tile), 1e-3))
    return Guide(tile.size_mm, np.asarray(unit(tile.height) * (slope_rms(tile) / USUAL_SLOPE), np.float32),
                 np.asarray(tone - tone.mean(), np.float32))


def normal_map(across: F32, down: F32) -> NDArray[np.uint8]:
    """(H, W, 4) tangent-space normals of a height field's slopes, green pointing up as in glTF."""
    length = np.sqrt(across**2 + down**2 + 1.0)
    out = np.full((*across.shape, 4), 255, np.uint8)
    for channel, value in enumerate((-across / length, down / length, 1.0 / length)):
        out[..., channel] = (value * 127.5 + 128.0).astype(np.uint8)
    return out


def turned(tile: Tile) -> Tile:
    """A quarter turn: what ran along the rows runs along the columns."""
    height, cavity, tone, gloss = (np.ascontiguousarray(np.rot90(values))
                                   for values in (tile.height, tile.cavity, tile.tone, tile.gloss))
    return replace(tile, height=height, cavity=cavity, tone=tone, gloss=gloss)


def shaded(tile: Tile, strength: float = 1.0) -> F32:
    """(N, N) factor of the base colour: darker in the pores, uneven; its mean is kept at 1.

    ``strength``: 1 as it is, less as a colour map tells it; a figure is told in any case.
    """
    dark = 1.0 - strength * tile.tint * (1.0 - tile.cavity)
    factor = dark * (1.0 + max(strength, 0.8 if tile.figured and strength < 1.0 else 0.0) * (tile.tone - 1.0))
    return np.asarray(factor / factor.mean(), np.float32)


def made(size_mm: float, height: F32, cavity: F32, tone: F32, gloss: F32 | None = None, tint: float = 0.5,
         figured: bool = False) -> Tile:
    """A tile with its height centred; without ``gloss`` its roughness is even."""
    flat = np.zeros_like(height) if gloss is None else gloss - gloss.mean()
    return Tile(size_mm, np.asarray(height - height.mean(), np.float32), np.asarray(cavity, np.float32),
                np.asarray(tone, np.float32), np.asarray(flat, np.float32), tint, figured)
