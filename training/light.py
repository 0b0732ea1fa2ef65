"""Studios that no stage of ours is, so that the model learns light and not five rooms."""

from __future__ import annotations

import math

import numpy as np

from pipeline.render.environment import panorama_directions
from pipeline.render.stage import Environment

ROWS = 32


def random_environment(rng: np.random.Generator) -> Environment:
    """A smooth surrounding, brighter above, and one to four soft lamps; a white card below it sends back about 1."""
    directions = panorama_directions(ROWS).astype(np.float64)
    height = directions[..., 1:2]
    low, high = rng.uniform(0.05, 0.35), rng.uniform(0.15, 0.7)
    tint = 1.0 + rng.normal(0.0, 0.04, (2, 3))
    image = low * tint[0] + (high * tint[1] - low * tint[0]) * np.clip(0.5 + 0.5 * height, 0.0, 1.0) ** 1.5
    for _ in range(int(rng.integers(1, 5))):
        azimuth, elevation = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(8.0, 75.0))
        towards = np.array([math.sin(azimuth) * math.cos(elevation), math.sin(elevation),
                            -math.cos(azimuth) * math.cos(elevation)])
        width = math.radians(rng.uniform(10.0, 32.0))
        cosine = directions @ towards
        lamp = 1.0 / (1.0 + np.exp((math.cos(width) - cosine) / 0.03))
        image = image + rng.uniform(1.0, 6.0) * lamp[..., None] * (1.0 + rng.normal(0.0, 0.05, 3))
    solid = np.sqrt(np.maximum(1.0 - height[..., 0] ** 2, 0.0)) * (math.pi / ROWS) ** 2
    card = float((image[..., 1] * np.maximum(height[..., 0], 0.0) * solid).sum() / math.pi)
    image = np.maximum(image / card * rng.uniform(0.75, 1.05), 0.0).astype(np.float32)
    return Environment(image, f"random {int(rng.integers(1 << 62)):x}")
