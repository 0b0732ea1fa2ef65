"""Knitted meshes: rows of V-shaped loops."""

from __future__ import annotations

import numpy as np

from training.materials.tile import Tile, blurred, made, noise, ranked

PIXELS = 512


def knit(rng: np.random.Generator) -> Tile:
    """Jersey: every loop is two legs that lean together; wale pitch 1.5–4 mm."""
    pitch = rng.uniform(1.5, 4.0)
    wales, courses = 12, int(rng.choice([14, 16, 18]))
    size = wales * pitch
    x, y = np.meshgrid((np.arange(PIXELS, dtype=np.float32) + 0.5) / PIXELS * wales,
                       (np.arange(PIXELS, dtype=np.float32) + 0.5) / PIXELS * courses)
    x = x + noise(rng, PIXELS, size, pitch * 6, 1.0) * 0.05
    y = y + noise(rng, PIXELS, size, pitch * 6, 1.0) * 0.05
    lean = rng.uniform(0.5, 0.8)
    inside = x - np.floor(x) - 0.5                       # -0.5..0.5 across one wale
    along = y + lean * 2.0 * np.abs(inside)              # a V per wale and course
    leg = along - np.floor(along) - 0.5
    middle = (np.abs(inside) - 0.25) / 0.25              # -1..1 across one leg
    thread = np.sqrt(np.clip(1.0 - (leg / 0.5) ** 2, 0.0, 1.0)) * np.sqrt(np.clip(1.0 - 0.85 * middle**2, 0.0, 1.0))
    twist = np.sin(2 * np.pi * (x * 3 + along * 2)) * 0.04
    fuzz = noise(rng, PIXELS, size, pitch * 0.12, 0.7) * 0.04
    height = blurred(np.asarray(thread + (twist + fuzz) * thread, np.float32), 2.0) * pitch * rng.uniform(0.14, 0.26)
    cell = np.floor(along).astype(int) % courses
    yarn = rng.standard_normal(courses).astype(np.float32)[cell]
    tone = 1.0 + rng.uniform(0.01, 0.04) * yarn + 0.02 * noise(rng, PIXELS, size, pitch * 3, 1.0)
    return made(size, height, ranked(thread, 1, 75), tone, None, tint=rng.uniform(0.45, 0.75))
