"""Vases, bowls and storage jars: a wavy profile, sometimes fluted or with a lid."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import F64, Part, curve, dense, lathe, moved, rounded, wall_of


def vase(rng: np.random.Generator) -> Product:
    height = rng.uniform(0.07, 0.34)
    widest = height * rng.uniform(0.22, 0.5) if height > 0.14 else height * rng.uniform(0.45, 0.95)
    share = rng.uniform(0.45, 1.0, 4)
    side = curve([(widest * share[0], height), (widest * share[1], height * rng.uniform(0.68, 0.8)),
                  (widest, height * rng.uniform(0.35, 0.55)), (widest * share[2] * 0.9, 0.0)], 34)
    wall = rng.uniform(0.003, 0.006)
    rim = side[0, 0]
    outer = rounded([(rim - wall / 2, height), (rim, height - wall / 3), *side[2:], (side[-1, 0] * 0.85, 0.0),
                     (0.0, 0.002)], [wall / 3, *[0.0004] * (len(side) - 3), 0.005, 0.003], 4)
    inside = side[::-1] - np.array([wall, 0.0])
    inside = inside[(inside[:, 1] > wall * 2) & (inside[:, 0] > 0.002)]
    inner = rounded([(0.0, wall * 1.6), (inside[0, 0] * 0.9, wall * 1.6), *inside[1:-2], (rim - wall / 2, height)],
                    [0.008, *[0.0004] * (len(inside) - 3)], 4)
    fluted = int(rng.integers(10, 28)) if rng.random() < 0.3 else 0
    depth = rng.uniform(0.01, 0.035)
    around = (4 if fluted > 20 else 5) * fluted if fluted else 80
    body = moved(lathe(dense(outer, 40), around), lambda points: _fluted(points, fluted, depth, height))
    lidded = rng.random() < 0.35
    main, second, third = colours(rng, 3)
    kind = choice(rng, ("ceramic", "ceramic", "porcelain", "wood", "lacquer", "metal", "brass", "plastic"))
    parts = [Part("body", "body", body)]
    if lidded:
        rise = rng.uniform(0.006, 0.03)
        parts.append(Part("lid", "lid", lathe(dense(rounded(
            [(0.0, height + rise), (rim * 0.7, height + rise * 0.8), (rim * 1.02, height + 0.002),
             (rim * 1.02, height - 0.004), (rim * 0.9, height - 0.004)], [rim * 0.3, 0.002, 0.001], 5), 20), 64)))
        knob = rng.uniform(0.007, 0.014)
        parts.append(Part("knob", "knob", lathe(curve(
            [(0.0, height + rise + knob * 2), (knob, height + rise + knob * 1.4), (knob * 0.6, height + rise - 0.001)],
            14), 32)))
    else:
        parts.append(Part("inner", "body" if rng.random() < 0.5 else "inner", lathe(dense(inner, 26), 64)))
    finishes = {"body": finish(rng, "body", kind, main, (second, third), ("plain", "plain", "bands", "fade", "blotches",
                                                                         "checks", "stripes"), (0.012, 0.07)),
                "lid": finish(rng, "lid", choice(rng, (kind, "wood", "cork", "metal")), second),
                "knob": finish(rng, "knob", choice(rng, ("wood", "brass", "plastic")), third),
                "inner": finish(rng, "inside", kind, second)}
    prints = []
    if rng.random() < 0.35:
        size = widest * rng.uniform(0.5, 0.9)
        prints.append(Print("body", wall_of(body), (0.5, 0.55), (size, size * rng.uniform(0.4, 0.8)), brand(rng),
                            "logo" if rng.random() < 0.4 else "label"))
    return Product("jar", tuple(parts), finishes, tuple(prints))


def _fluted(points: F64, count: int, depth: float, height: float) -> F64:
    """Upright grooves that fade out towards rim and foot."""
    if not count:
        return points
    angle = np.arctan2(points[:, 0], points[:, 2])
    fade = np.sin(np.pi * np.clip(points[:, 1] / height, 0.0, 1.0)) ** 0.5
    factor = 1.0 - depth * fade * (0.5 + 0.5 * np.cos(count * angle))
    return np.asarray(points * np.stack([factor, np.ones_like(factor), factor], axis=1))
