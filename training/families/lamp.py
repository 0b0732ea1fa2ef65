"""Table lamps: a turned or blocky foot, a stem and a shade of fabric, paper or metal."""

from __future__ import annotations

import numpy as np

from training.families.palette import choice, colours, finish
from training.families.product import Product
from training.families.shapes import Part, curve, dense, lathe, moved, rounded, tube, turned_over


def lamp(rng: np.random.Generator) -> Product:
    height, radius = rng.uniform(0.28, 0.5), rng.uniform(0.05, 0.09)
    foot_height = height * rng.uniform(0.25, 0.55)
    neck = rng.uniform(0.006, 0.014)
    if rng.random() < 0.6:
        side = curve([(neck, foot_height), (radius * rng.uniform(0.5, 1.1), foot_height * 0.65),
                      (radius * rng.uniform(0.7, 1.1), foot_height * 0.3), (radius * rng.uniform(0.5, 0.9), 0.0)], 34)
        foot = lathe(dense(np.array([*side, (0.0, 0.0)]), 44), 72)
    else:
        thick = rng.uniform(0.012, 0.03)
        foot = lathe(dense(rounded([(0.0, thick), (radius, thick), (radius, 0.0), (0.0, 0.0)], [0.004, 0.003], 6), 30),
                     72)
        foot_height = thick
    shade_low, shade_high = height * rng.uniform(0.58, 0.68), height
    wide = radius * rng.uniform(1.3, 2.0)
    narrow = wide * rng.uniform(0.45, 1.0)
    wall = curve([(narrow, shade_high), ((wide + narrow) / 2 * rng.uniform(0.97, 1.12), (shade_low + shade_high) / 2),
                  (wide, shade_low)], 16)
    shade = lathe(wall, 90)
    lining = moved(turned_over(lathe(wall - np.array([0.0015, 0.0]), 90)), lambda points: points)
    stem = np.stack([np.zeros(12), np.linspace(shade_low + 0.05, foot_height - 0.004, 12), np.zeros(12)], axis=1)
    cable = curve([(0.0, 0.006, -radius * 0.8), (0.02, 0.004, -radius * 1.3), (0.07, 0.0035, -radius * 1.5),
                   (0.12, 0.0035, -radius * 1.2)], 40)
    bulb = rng.uniform(0.02, 0.03)
    globe = lathe(curve([(0.0, shade_low + 0.05 + 2.4 * bulb), (bulb, shade_low + 0.05 + 1.3 * bulb),
                         (bulb * 0.5, shade_low + 0.05)], 16), 40)
    parts = [Part("foot", "foot", foot), Part("shade", "shade", shade), Part("lining", "lining", lining),
             Part("stem", "stem", tube(stem, neck * 1.6, neck * 1.6, 2.0, 20, (0.0, 0.0, 1.0))),
             Part("cable", "cable", tube(cable, 0.006, 0.006, 2.0, 10)), Part("globe", "lining", globe)]
    for name, at in (("rim_top", wall[0]), ("rim_low", wall[-1])):
        theta = np.linspace(-np.pi, np.pi, 91)
        ring = np.stack([at[0] * np.sin(theta), np.full(91, at[1]), at[0] * np.cos(theta)], axis=1)
        parts.append(Part(name, "stem", tube(ring, 0.0035, 0.0035, 2.0, 8)))
    main, second, third = colours(rng, 3)
    finishes = {"foot": finish(rng, "foot", choice(rng, ("ceramic", "wood", "brass", "metal", "porcelain", "lacquer",
                                                        "cork")), second, (main, third), ("plain", "plain", "bands",
                                                                                         "fade"), (0.02, 0.07)),
                "shade": finish(rng, "shade", choice(rng, ("fabric", "canvas", "paper", "metal", "knit", "suede",
                                                          "denim")), main, (second, third),
                                ("plain", "plain", "stripes", "blotches", "dots"), (0.012, 0.06)),
                "lining": finish(rng, "lining", choice(rng, ("paper", "plastic")), (0.78, 0.76, 0.72)),
                "stem": finish(rng, "stem", choice(rng, ("brass", "steel", "metal", "lacquer")), third),
                "cable": finish(rng, "cable", choice(rng, ("canvas", "rubber")), third)}
    return Product("furniture", tuple(parts), finishes)
