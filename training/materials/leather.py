"""Leather grain: rounded cells between creases, pores; and suede's nap."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from training.materials.tile import F32, Tile, blurred, made, noise, ranked

PIXELS = 256


def leather(rng: np.random.Generator) -> Tile:
    """Cells of 0.8–2.5 mm; full grain is uneven, embossed grain even."""
    cell = rng.uniform(0.8, 2.5)
    size = cell * 18
    edge = cells(rng, PIXELS, 18, jitter=rng.uniform(0.6, 1.0), stretch=rng.uniform(1.0, 1.6))
    crease = 1.0 - np.exp(-((edge / rng.uniform(0.14, 0.3)) ** 1.5))
    uneven = 0.6 + 0.4 * ranked(noise(rng, PIXELS, size, cell * 5, 0.8))
    pores = np.clip(noise(rng, PIXELS, size, cell * 0.35, 0.4) - 1.8, 0.0, None)
    height = blurred(np.asarray(crease * uneven - 0.25 * pores, np.float32), 0.7) * cell * rng.uniform(0.04, 0.10)
    height = height + 0.006 * cell * noise(rng, PIXELS, size, cell * 4, 0.8)
    tone = 1.0 + rng.uniform(0.01, 0.05) * noise(rng, PIXELS, size, size / 3, 0.8)
    return made(size, np.asarray(height, np.float32), np.asarray(crease, np.float32), tone,
                (1.0 - np.asarray(crease, np.float32)) * rng.uniform(0.0, 0.2), tint=rng.uniform(0.15, 0.45))


def suede(rng: np.random.Generator) -> Tile:
    """Short nap: clumps of fibre about a millimetre across, brushed one way here and the other there."""
    clump = rng.uniform(0.5, 1.2)
    size = clump * 40
    nap = noise(rng, PIXELS, size, clump, 0.7, stretch=rng.uniform(0.5, 0.9))
    brushed = noise(rng, PIXELS, size, clump * 14, 0.6)
    height = np.asarray(nap * clump * rng.uniform(0.018, 0.032), np.float32)
    tone = 1.0 + 0.05 * nap + rng.uniform(0.01, 0.035) * brushed
    return made(size, height, ranked(nap), tone, None, tint=rng.uniform(0.15, 0.3))


def cells(rng: np.random.Generator, pixels: int, across: int, jitter: float, stretch: float = 1.0) -> F32:
    """(N, N) distance from the nearest border of a periodic Voronoi pattern, in cells.

    F2 − F1 of S. Worley, "A Cellular Texture Basis Function", 1996.
    """
    down = max(2, round(across * stretch))
    grid = np.stack(np.meshgrid(np.arange(across) + 0.5, np.arange(down) + 0.5), axis=-1).reshape(-1, 2)
    seeds = (grid + jitter * rng.uniform(-0.5, 0.5, grid.shape)) / [across, down] % 1.0 * [1.0, down / across / stretch]
    period = np.array([1.0, down / across / stretch])
    tree = cKDTree(seeds, boxsize=period)
    at = (np.arange(pixels) + 0.5) / pixels
    places = np.stack(np.meshgrid(at * period[0], at * period[1]), axis=-1).reshape(-1, 2)
    distance = np.asarray(tree.query(places, k=2)[0])
    return np.asarray((distance[:, 1] - distance[:, 0]).reshape(pixels, pixels) * across, np.float32)
