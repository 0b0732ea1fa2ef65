"""Paper, cardboard, wood and cork."""

from __future__ import annotations

import numpy as np

from training.materials.leather import cells
from training.materials.tile import Tile, made, noise, ranked

PIXELS = 256


def paper(rng: np.random.Generator) -> Tile:
    """Coated or natural stock: felted fibres, hardly any relief."""
    size = 40.0
    fibres = noise(rng, PIXELS, size, rng.uniform(0.5, 1.2), 0.8, stretch=2.0)
    cloud = noise(rng, PIXELS, size, 6.0, 1.0)
    return made(size, fibres * rng.uniform(0.001, 0.008), ranked(fibres), 1.0 + 0.008 * fibres + 0.01 * cloud,
                0.04 * cloud, tint=0.03)


def cardboard(rng: np.random.Generator) -> Tile:
    """Kraft: flecks, and the flutes of the corrugation faintly through the liner."""
    size, flutes = 48.0, int(rng.choice([7, 16]))
    fibres = noise(rng, PIXELS, size, rng.uniform(0.7, 1.5), 0.8, stretch=2.5)
    x = (np.arange(PIXELS) + 0.5) / PIXELS
    flute = np.sin(2 * np.pi * flutes * x)[None, :] * (rng.uniform(0.01, 0.06) if rng.random() < 0.6 else 0.0)
    height = fibres * rng.uniform(0.006, 0.016) + flute
    fleck = np.clip(noise(rng, PIXELS, size, 1.2, 0.5, stretch=2.0) - 1.6, 0.0, 1.0)
    tone = 1.0 + 0.03 * fibres - rng.uniform(0.05, 0.25) * fleck
    return made(size, np.asarray(height, np.float32), ranked(fibres), tone, None, tint=0.1, figured=True)


def wood(rng: np.random.Generator) -> Tile:
    """Planed and oiled: long pores and a slow figure along the rows."""
    size = rng.uniform(50.0, 90.0)
    figure = noise(rng, PIXELS, size, rng.uniform(4.0, 10.0), 0.7, stretch=10.0)
    pores = np.clip(noise(rng, PIXELS, size, rng.uniform(0.6, 1.1), 0.5, stretch=14.0) - 0.9, 0.0, 2.0)
    tone = 1.0 + rng.uniform(0.06, 0.16) * figure - 0.12 * pores
    height = 0.006 * figure - rng.uniform(0.015, 0.05) * pores
    return made(size, np.asarray(height, np.float32), 1.0 - np.clip(pores, 0.0, 1.0), tone, 0.06 * figure, tint=0.35,
                figured=True)


def cork(rng: np.random.Generator) -> Tile:
    size = 50.0
    edge = np.clip(cells(rng, PIXELS, 18, jitter=1.0), 0.0, 1.0)
    patches = noise(rng, PIXELS, size, 4.0, 0.7)
    pits = np.clip(noise(rng, PIXELS, size, 2.0, 0.5) - 1.3, 0.0, 1.0)
    height = 0.05 * edge - 0.15 * pits
    return made(size, np.asarray(height, np.float32), 1.0 - pits, 1.0 + 0.1 * patches - 0.3 * pits, None, tint=0.4,
                figured=True)
