"""Rubber and foam: pebbled, ribbed or nearly smooth."""

from __future__ import annotations

import numpy as np

from training.materials.leather import cells
from training.materials.tile import Tile, blurred, made, noise, ranked

PIXELS = 256


def rubber(rng: np.random.Generator) -> Tile:
    style = rng.random()
    if style < 0.35:
        return _pebbles(rng)
    if style < 0.6:
        return _ribs(rng)
    return _matte(rng, rng.uniform(0.004, 0.012))


def foam(rng: np.random.Generator) -> Tile:
    """Moulded foam: a fine skin with shallow pits."""
    return _matte(rng, rng.uniform(0.008, 0.022))


def _pebbles(rng: np.random.Generator) -> Tile:
    pitch = rng.uniform(0.8, 2.0)
    edge = cells(rng, PIXELS, 16, jitter=rng.uniform(0.2, 0.7))
    dome = np.sqrt(np.clip(edge, 0.0, 1.0))
    height = blurred(np.asarray(dome, np.float32), 1.2) * pitch * rng.uniform(0.05, 0.11)
    return made(pitch * 16, height, ranked(dome, 1, 60), np.ones_like(height), None, tint=rng.uniform(0.1, 0.3))


def _ribs(rng: np.random.Generator) -> Tile:
    pitch, count = rng.uniform(1.2, 3.0), 12
    size = pitch * count
    y = (np.arange(PIXELS) + 0.5) / PIXELS * count
    wave = np.clip(0.5 + 0.9 * np.sin(2 * np.pi * y), 0.0, 1.0)
    ribs = blurred(np.repeat(wave[:, None], PIXELS, axis=1).astype(np.float32), 1.0)
    height = ribs * pitch * rng.uniform(0.05, 0.12) + 0.003 * noise(rng, PIXELS, size, 0.6)
    return made(size, np.asarray(height, np.float32), ribs, np.ones_like(ribs), None, tint=rng.uniform(0.15, 0.35))


def _matte(rng: np.random.Generator, depth_mm: float) -> Tile:
    size = 32.0
    grain = noise(rng, PIXELS, size, rng.uniform(0.4, 0.9), 0.6)
    tone = 1.0 + 0.015 * noise(rng, PIXELS, size, 8.0, 1.0)
    return made(size, grain * depth_mm, ranked(grain), tone, 0.05 * noise(rng, PIXELS, size, 6.0, 1.0), tint=0.08)
