"""Backpacks: a soft upright body, a front pocket, shoulder straps, a handle and zips."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, Part, cap, curve, loft, superellipse, tube


def backpack(rng: np.random.Generator) -> Product:
    width, height, depth = rng.uniform(0.24, 0.34), rng.uniform(0.34, 0.48), rng.uniform(0.1, 0.17)
    power = rng.uniform(2.8, 4.5)
    body = _soft(width, height, depth, power, 0.0, rng.uniform(0.3, 0.6))
    pocket_high = height * rng.uniform(0.35, 0.55)
    pocket = _soft(width * rng.uniform(0.66, 0.84), pocket_high, depth * 0.55, power, height * 0.05, 0.25)
    # The pocket stands out of the front by a third of the body's depth.
    pocket = pocket + np.array([0.0, 0.0, depth * 0.5])
    cut = 22
    parts = [Part("body", "body", (loft(body[:cut + 1]),), "skin"), Part("base", "base", (loft(body[cut:]), cap(
        body[-1], False, 5)), "skin"), Part("crown", "body", (cap(body[0], True, 3),), "skin"),
        Part("pocket", "pocket", (loft(pocket), cap(pocket[0], True, 3), cap(pocket[-1], False, 3)))]
    for side in (1.0, -1.0):
        x = side * width * 0.2
        path = curve([(x * 0.7, height * 0.93, -depth * 0.42), (x * 0.9, height * 0.86, -depth * 0.6 - 0.02),
                      (x * 1.25, height * 0.55, -depth * 0.5 - 0.06), (x * 1.6, height * 0.22, -depth * 0.5 - 0.02),
                      (x * 1.7, height * 0.1, -depth * 0.4)], 44)
        parts.append(Part(f"strap{side:+.0f}", "strap", tube(path, rng.uniform(0.045, 0.065), 0.012, 4.0, 12,
                                                           (0.0, 0.35, 1.0))))
    grip = curve([(-0.045, height * 0.97, -depth * 0.2), (-0.038, height + 0.02, -depth * 0.2), (0.0, height + 0.035,
                  -depth * 0.2), (0.038, height + 0.02, -depth * 0.2), (0.045, height * 0.97, -depth * 0.2)], 28)
    parts.append(Part("grip", "strap", tube(grip, 0.02, 0.006, 4.0, 10, (0.0, 0.0, 1.0))))
    for name, skin, row in (("zip", body, 7), ("pocket_zip", pocket, 6)):
        line = skin[row, 10:55] if name == "zip" else skin[row, 14:51]
        parts.append(Part(name, "zip", tube(line + (line - line.mean(axis=0)) * 0.004, 0.009, 0.004, 3.0, 8,
                                            (0.0, 1.0, 0.0))))
    main, second, third = colours(rng, 3)
    kind = choice(rng, ("canvas", "fabric", "denim", "leather", "synthetic", "suede"))
    finishes = {"body": finish(rng, "body", kind, main, (second, third),
                               ("plain", "plain", "camouflage", "fade", "bands"), (0.03, 0.1)),
                "base": finish(rng, "base", choice(rng, ("leather", "suede", "rubber", kind)), second),
                "pocket": finish(rng, "pocket", kind, main if rng.random() < 0.5 else second),
                "strap": finish(rng, "strap", choice(rng, ("canvas", "knit", "fabric")), second),
                "zip": finish(rng, "zip", choice(rng, ("plastic", "metal", "canvas")), third)}
    thread, stitches = contrasting(rng, main), []
    for name in ("body", "pocket"):
        sheet = next(part for part in parts if part.name == name).sheets[0]
        low, high = sheet.uv.min(axis=0), sheet.uv.max(axis=0)
        level = low[1] + (high[1] - low[1]) * (0.93 if name == "body" else 0.42)
        line = np.stack([np.linspace(low[0] + 0.004, high[0] - 0.004, 90), np.full(90, level)], axis=1)
        stitches.append(Stitch(name, 0, line, thread, int(rng.integers(1, 3)), pitch=0.004))
    size = width * rng.uniform(0.2, 0.4)
    prints = [Print("pocket", 0, (0.5, 0.62), (size, size * rng.uniform(0.3, 0.6)), brand(rng),
                    "logo" if rng.random() < 0.5 else "label")] if rng.random() < 0.8 else []
    return Product("bag", tuple(parts), finishes, tuple(prints), tuple(stitches))


def _soft(width: float, height: float, depth: float, power: float, low: float, arch: float) -> F64:
    """(27, 65, 3) outlines from the crown down; the crown is round, the floor nearly flat."""
    t = np.linspace(0.0, 1.0, 27)
    down = t**1.15
    across = np.clip(1.0 - (1.0 - np.clip(down / arch, 0.0, 1.0)) ** 2.6, 0.0, 1.0) ** (1 / 2.4)
    floor = np.clip(1.0 - (np.clip((down - 0.92) / 0.08, 0.0, 1.0)) ** 3 * 0.25, 0.0, 1.0)
    across = np.maximum(across * floor, 0.08)
    deep = np.maximum(across ** 1.2, 0.1) * (0.8 + 0.2 * down)
    rings = []
    for k in range(len(t)):
        outline = superellipse(width * across[k], depth * deep[k], power, 64)
        rings.append(np.stack([outline[:, 0], np.full(len(outline), low + height * (1.0 - down[k])), outline[:, 1]],
                              axis=1))
    return np.array(rings)
