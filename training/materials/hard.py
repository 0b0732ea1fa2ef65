"""Hard surfaces: glaze, moulded plastic, paint and worked metal."""

from __future__ import annotations

import numpy as np

from training.materials.tile import Tile, made, noise, ranked

PIXELS = 256


def ceramic(rng: np.random.Generator) -> Tile:
    """Glaze: a slow swell, sometimes iron speckles or a matte eggshell."""
    size = 60.0
    swell = noise(rng, PIXELS, size, rng.uniform(6.0, 14.0), 0.6)
    fine = noise(rng, PIXELS, size, 1.0, 0.5)
    height = swell * rng.uniform(0.004, 0.02) + fine * rng.uniform(0.0, 0.003)
    speckle = np.clip(noise(rng, PIXELS, size, rng.uniform(0.7, 1.6), 0.3) - rng.uniform(2.0, 3.0), 0.0, 1.0)
    amount = rng.uniform(0.2, 0.8) if rng.random() < 0.45 else 0.0
    tone = (1.0 - amount * speckle) * (1.0 + rng.uniform(0.0, 0.03) * swell)
    return made(size, np.asarray(height, np.float32), np.ones_like(height), tone, 0.06 * swell, tint=0.0, figured=True)


def plastic(rng: np.random.Generator) -> Tile:
    """From polished to coarse spark erosion (VDI 3400 ref. 12–36)."""
    size = 24.0
    coarse = rng.uniform(0.25, 0.7)
    grain = noise(rng, PIXELS, size, coarse, 0.5)
    depth = 0.0 if rng.random() < 0.3 else rng.uniform(0.002, 0.014)
    swell = noise(rng, PIXELS, size, 8.0, 0.6) * 0.002
    return made(size, np.asarray(grain * depth + swell, np.float32), ranked(grain),
                np.ones_like(grain), 0.02 * noise(rng, PIXELS, size, 5.0, 1.0), tint=4.0 * depth)


def lacquer(rng: np.random.Generator) -> Tile:
    """Sprayed paint: orange peel of 1–4 mm."""
    size = 40.0
    peel = noise(rng, PIXELS, size, rng.uniform(1.0, 4.0), 0.4)
    return made(size, peel * rng.uniform(0.001, 0.006), np.ones_like(peel), np.ones_like(peel),
                0.03 * noise(rng, PIXELS, size, 10.0), tint=0.0)


def metal(rng: np.random.Generator) -> Tile:
    """Brushed, bead-blasted or polished with fine smears."""
    size = 30.0
    style = rng.random()
    if style < 0.45:
        lines = noise(rng, PIXELS, size, 0.35, 0.7, stretch=rng.uniform(20.0, 60.0))
        return made(size, lines * rng.uniform(0.0006, 0.002), np.ones_like(lines),
                    1.0 + rng.uniform(0.01, 0.05) * lines, 0.03 * lines, tint=0.0)
    if style < 0.75:
        beads = noise(rng, PIXELS, size, rng.uniform(0.3, 0.6), 0.4)
        return made(size, beads * rng.uniform(0.0005, 0.0018), ranked(beads), 1.0 + 0.02 * beads, None, tint=0.05)
    smear = noise(rng, PIXELS, size, 6.0, 1.0, stretch=2.0)
    return made(size, smear * 0.002, np.ones_like(smear), np.ones_like(smear), 0.03 * smear, tint=0.0)
