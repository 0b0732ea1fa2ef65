"""Folding boxes and tins: bevelled edges, a printed front."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import Part, Sheet, cap, loft, rounded_rectangle


def carton(rng: np.random.Generator) -> Product:
    width, height, depth = rng.uniform(0.08, 0.28), rng.uniform(0.06, 0.26), rng.uniform(0.04, 0.18)
    bevel = rng.uniform(0.0008, 0.0035) if rng.random() < 0.7 else rng.uniform(0.004, 0.02)
    kind = choice(rng, ("cardboard", "paper", "paper", "paper", "lacquer", "wood", "leather"))
    main, second, third = colours(rng, 3)
    cut = height * rng.uniform(0.55, 0.9) if rng.random() < 0.4 else 0.0
    parts = [Part(name, material, box(width + grow, depth + grow, low, high, bevel))
             for name, material, low, high, grow in (
                 [("body", "body", 0.0, height, 0.0)] if not cut else
                 [("body", "body", 0.0, cut + 0.01, 0.0), ("lid", "lid", cut, height, 0.003)])]
    finishes = {"body": finish(rng, "body", kind, main, (second, third), ("plain", "plain", "stripes", "bands", "dots",
                                                                         "checks", "blotches", "fade"), (0.01, 0.08)),
                "lid": finish(rng, "lid", kind, second if rng.random() < 0.5 else main)}
    size = (width * rng.uniform(0.4, 0.8), min(height, cut or height) * rng.uniform(0.3, 0.6))
    middle = 0.5 + rng.uniform(-0.02, 0.02)
    prints = [Print("body", 0, (middle, 0.5), size, brand(rng), "label" if rng.random() < 0.6 else "logo")]
    if rng.random() < 0.5 and depth > 0.06:
        prints.append(Print("body", 0, (0.75, 0.5), (depth * 0.6, size[1] * 0.7), brand(rng), "logo"))
    if rng.random() < 0.5:
        prints.append(Print("lid" if cut else "body", 1, (0.5, 0.5), (width * 0.5, depth * 0.35), brand(rng), "logo"))
    return Product("box", tuple(parts), finishes, tuple(prints))


def box(width: float, depth: float, low: float, high: float, bevel: float, steps: int = 8
        ) -> tuple[Sheet, ...]:
    """Walls in one strip, lid and floor; sheet 0 the walls, 1 the lid, 2 the floor."""
    turn = np.linspace(0.0, np.pi / 2, steps)
    wall = np.linspace(high - bevel, low + bevel, 14)[1:-1]
    inset = np.concatenate([bevel * (1 - np.sin(turn)), 0.0 * wall, bevel * (1 - np.cos(turn))])
    heights = np.concatenate([high - bevel * (1 - np.cos(turn)), wall, low + bevel * (1 - np.sin(turn))])
    rings = []
    for lost, y in zip(inset, heights, strict=True):
        outline = rounded_rectangle(width - 2 * lost, depth - 2 * lost, max(bevel * 1.3 - lost, 2e-4), 8)
        rings.append(np.stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]], axis=1))
    skin = np.array(rings)
    return loft(skin), cap(skin[0], True, 9), cap(skin[-1], False, 9)
