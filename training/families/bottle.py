"""Bottles and jars of cosmetics: a lathed or squashed body with a label and a cap."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import F64, Part, curve, dense, lathe, moved, rounded, wall_of


def bottle(rng: np.random.Generator) -> Product:
    height, radius = rng.uniform(0.10, 0.28), rng.uniform(0.024, 0.045)
    neck, shoulder = radius * rng.uniform(0.35, 0.75), height * rng.uniform(0.6, 0.82)
    squash = 1.0 if rng.random() < 0.7 else rng.uniform(0.6, 0.8)
    waist = radius * (1.0 if rng.random() < 0.5 else rng.uniform(0.86, 1.06))
    side = curve([(neck, height * 0.93), (neck * 1.05, height * 0.88), (radius, shoulder), (waist, height * 0.35),
                  (radius * rng.uniform(0.9, 1.0), 0.0)], 44)
    profile = rounded([(0.0, height * 0.93), *side, (0.0, 0.0)], [0.002, *[0.0005] * (len(side) - 2), 0.006], 4)
    body = lathe(dense(profile, 44), 80, squash)
    top, low = height * rng.uniform(1.02, 1.12), height * rng.uniform(0.87, 0.9)
    wide = max(neck * rng.uniform(1.06, 1.4), neck + 0.002)
    lid = lathe(dense(rounded([(0.0, top), (wide * rng.uniform(0.85, 1.0), top), (wide, low), (neck * 0.95, low)],
                              [rng.uniform(0.001, 0.006), 0.001], 6), 16), 64)
    if rng.random() < 0.4:                              # ridges to grip
        count, depth = int(rng.integers(30, 60)), rng.uniform(0.0003, 0.0006)
        lid = moved(lathe(dense(rounded([(0.0, top), (wide, top), (wide, low), (neck * 0.95, low)], [0.002, 0.001], 5),
                                14), 4 * (count // 2)), lambda p: _ridged(p, count // 2 * 2, depth, wide))
    main, second, third = colours(rng, 3)
    kind = choice(rng, ("plastic", "plastic", "lacquer", "steel", "ceramic", "metal", "porcelain"))
    finishes = {"body": finish(rng, "body", kind, main, (second, third), ("plain", "plain", "bands", "fade",
                                                                         "blotches"), (0.03, 0.12)),
                "lid": finish(rng, "lid", choice(rng, ("plastic", "wood", "metal", "rubber", "cork")), second)}
    parts = [Part("body", "body", body), Part("lid", "lid", lid)]
    prints = []
    if rng.random() < 0.9:
        size = (radius * rng.uniform(1.0, 2.4), (shoulder - height * 0.1) * rng.uniform(0.3, 0.75))
        prints.append(Print("body", wall_of(body), (0.5, rng.uniform(0.55, 0.66)), size, brand(rng),
                            "label" if rng.random() < 0.7 else "logo"))
    return Product("bottle", tuple(parts), finishes, tuple(prints))


def _ridged(points: F64, count: int, depth: float, wide: float
            ) -> F64:
    radius = np.hypot(points[:, 0], points[:, 2])
    angle = np.arctan2(points[:, 0], points[:, 2])
    factor = 1.0 - depth / wide * (0.5 + 0.5 * np.cos(count * angle)) * (radius > 0.93 * wide)
    return np.asarray(points * np.stack([factor, np.ones_like(factor), factor], axis=1))
