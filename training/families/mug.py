"""Mugs and cups: a lathed body, glazed inside, with a handle."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import F64, Part, Sheet, curve, dense, lathe, resampled, rounded, tube, wall_of


def mug(rng: np.random.Generator) -> Product:
    radius, height = rng.uniform(0.035, 0.05), rng.uniform(0.07, 0.125)
    wall, foot = rng.uniform(0.0028, 0.0048), radius * rng.uniform(0.6, 0.97)
    belly = radius * rng.uniform(0.95, 1.12)
    side = curve([(radius, height - wall / 2), (belly, height * 0.5), (foot, 0.0)], 30)
    outer = rounded([(radius - wall / 2, height), *side[1:-1], (foot, 0.0), (foot * 0.86, 0.0), (foot * 0.82, 0.002),
                     (0.0, 0.002)], [wall / 2, *[0.0001] * (len(side) - 3), 0.006, 0.002, 0.001], 4)
    inside = side[::-1] - np.array([wall, 0.0])
    inside = inside[inside[:, 1] > wall * 1.6]
    inner = rounded([(0.0, wall * 1.5), (inside[0, 0] * 0.96, wall * 1.5), *inside[1:-2], (radius - wall / 2, height)],
                    [0.010, *[0.0001] * (len(inside) - 3)], 5)
    body = lathe(dense(outer, 40), 80)
    kind = choice(rng, ("ceramic", "ceramic", "porcelain", "lacquer", "plastic"))
    main, second, third = colours(rng, 3)
    same = rng.random() < 0.45
    parts = [Part("body", "body", body), Part("inner", "body" if same else "inner", lathe(dense(inner, 26), 64))]
    if rng.random() < 0.85:
        parts.append(Part("handle", "body" if rng.random() < 0.7 else "handle", _handle(rng, side, height)))
    finishes = {"body": finish(rng, "body", kind, main, (second, third), ("plain", "plain", "bands", "fade", "dots",
                                                                         "blotches"), (0.015, 0.05)),
                "inner": finish(rng, "inside", kind, second),
                "handle": finish(rng, "handle", choice(rng, (kind, "wood", "rubber")), third)}
    prints = []
    if rng.random() < 0.65:
        width = rng.uniform(0.035, 0.07)
        prints.append(Print("body", wall_of(body), (0.5 + rng.normal(0, 0.02), 0.45),
                            (width, width * rng.uniform(0.4, 0.9)), brand(rng),
                            "logo" if rng.random() < 0.6 else "label"))
    return Product("mug", tuple(parts), finishes, tuple(prints))


def _handle(rng: np.random.Generator, side: F64, height: float
            ) -> tuple[Sheet, ...]:
    top, bottom = height * rng.uniform(0.75, 0.9), height * rng.uniform(0.15, 0.32)
    reach = rng.uniform(0.022, 0.036)
    at = [float(np.interp(y, side[::-1, 1], side[::-1, 0])) for y in (top, bottom)]
    outermost = max(at) + reach
    path = curve([(at[0] - 0.002, top, 0.0), (outermost - 0.006, top + rng.uniform(-0.004, 0.008), 0.0),
                  (outermost, (top + bottom) / 2 + 0.008, 0.0), (outermost - rng.uniform(0.004, 0.014), bottom + 0.006,
                                                                 0.0), (at[1] - 0.002, bottom, 0.0)], 36)
    return tube(resampled(path, 36), rng.uniform(0.006, 0.010), rng.uniform(0.009, 0.017), rng.uniform(2.0, 3.5), 16,
                (0.0, 0.0, 1.0))
