"""Kettles and teapots: a lathed body with spout, lid and handle."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import Part, curve, dense, lathe, rounded, tube, wall_of


def kettle(rng: np.random.Generator) -> Product:
    height, radius = rng.uniform(0.12, 0.22), rng.uniform(0.06, 0.095)
    mouth = radius * rng.uniform(0.45, 0.8)
    belly = rng.uniform(0.2, 0.5)
    side = curve([(mouth, height), (radius * rng.uniform(0.85, 0.98), height * 0.7), (radius, height * belly),
                  (radius * rng.uniform(0.75, 1.0), 0.0)], 40)
    body = lathe(dense(rounded([(mouth * 0.9, height), *side, (0.0, 0.0)],
                               [0.003, *[0.0005] * (len(side) - 2), 0.01], 5), 40), 80)
    rise, knob = rng.uniform(0.008, 0.03), rng.uniform(0.008, 0.014)
    lid = lathe(dense(rounded([(0.0, height + rise), (mouth * 0.6, height + rise * 0.85),
                               (mouth * 0.97, height + 0.002), (mouth * 0.97, height - 0.004)],
                              [mouth * 0.3, 0.003], 6), 20), 64)
    top = height + rise
    grip = lathe(curve([(0.0, top + knob * 2), (knob, top + knob * 1.5), (knob * 0.8, top + knob * 0.6),
                        (knob * 0.55, top - 0.002)], 18), 40)
    low, out = height * rng.uniform(0.25, 0.5), radius * rng.uniform(1.5, 1.9)
    spout_path = curve([(radius * 0.8, low, 0.0), (radius * 1.2, low + height * 0.08, 0.0),
                        (radius * 1.45, height * 0.75, 0.0), (out, height * rng.uniform(0.95, 1.1), 0.0)], 30)[::-1]
    wide = rng.uniform(0.022, 0.034)
    spout = tube(spout_path, wide, wide, 2.0, 24, (0.0, 0.0, 1.0))
    if rng.random() < 0.5:                              # over the lid
        reach = top + rng.uniform(0.05, 0.09)
        path = curve([(-radius * 0.8, height * 0.8, 0.0), (-radius * 0.85, reach * 0.88, 0.0),
                      (0.0, reach + 0.012, 0.0), (radius * 0.85, reach * 0.88, 0.0),
                      (radius * 0.8, height * 0.8, 0.0)], 44)
    else:
        path = curve([(-radius * 0.85, height * 0.85, 0.0), (-radius * 1.35, height * 0.9, 0.0),
                      (-radius * 1.55, height * 0.55, 0.0), (-radius * 0.97, height * 0.22, 0.0)], 40)
    handle = tube(path, rng.uniform(0.011, 0.016), rng.uniform(0.014, 0.024), rng.uniform(2.0, 4.0), 16,
                  (0.0, 0.0, 1.0))
    main, second, third = colours(rng, 3)
    kind = choice(rng, ("lacquer", "ceramic", "steel", "metal", "copper", "porcelain", "plastic"))
    finishes = {"body": finish(rng, "body", kind, main, (second, third),
                               ("plain", "plain", "bands", "blotches", "dots"), (0.02, 0.08)),
                "lid": finish(rng, "lid", kind, main if rng.random() < 0.6 else second),
                "grip": finish(rng, "grip", choice(rng, ("wood", "plastic", "rubber", "leather", "cork")), third)}
    parts = (Part("body", "body", body), Part("spout", "lid", spout), Part("lid", "lid", lid),
             Part("knob", "grip", grip), Part("handle", "grip", handle))
    size = radius * rng.uniform(0.6, 1.0)
    prints = [Print("body", wall_of(body), (0.5, 0.55), (size, size * rng.uniform(0.4, 0.8)), brand(rng),
                    "logo" if rng.random() < 0.7 else "label")]
    return Product("appliance", parts, finishes, tuple(prints[:int(rng.integers(0, 2))]))
