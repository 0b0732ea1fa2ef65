"""Bags: a soft box with straps, a pocket and sewn edges."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, Part, Sheet, cap, curve, loft, superellipse, tube


def tote(rng: np.random.Generator) -> Product:
    width, height, depth = rng.uniform(0.2, 0.42), rng.uniform(0.16, 0.36), rng.uniform(0.07, 0.16)
    kind = choice(rng, ("canvas", "leather", "denim", "suede", "fabric", "synthetic", "knit"))
    trim = choice(rng, ("leather", "canvas", "rubber", "suede"))
    main, second, third = colours(rng, 3)
    lean, bulge = rng.uniform(0.75, 1.05), rng.uniform(0.04, 0.22)
    split = rng.uniform(0.6, 0.85) if rng.random() < 0.45 else 0.0  # how far down another material begins
    skin = _rings(width, height, depth, lean, bulge, rng.uniform(3.0, 6.0), int(rng.integers(0, 1 << 30)))
    row = round(split * 30)
    parts = [Part("body", "body", (loft(skin[:row + 1] if row else skin),), "skin"),
             Part("floor", "base" if row else "body", (cap(skin[-1], False),), "skin"),
             Part("top", "top", (cap(skin[0], True, 8, -height * 0.05),))]
    if row:
        parts.append(Part("base", "base", (loft(skin[row:]),), "skin"))
    drop, spread = height * rng.uniform(0.25, 0.7), width * rng.uniform(0.2, 0.32)
    parts += [Part(f"strap{side:+.0f}", "strap", _strap(skin, side, spread, height, drop, rng.uniform(0.016, 0.03),
                                                        rng.uniform(0.003, 0.006))) for side in (1.0, -1.0)]
    finishes = {"body": finish(rng, "body", kind, main, (second, third), ("plain", "plain", "plain", "stripes", "bands",
                                                                         "checks", "camouflage"), (0.015, 0.09)),
                "base": finish(rng, "base", trim, second), "strap": finish(rng, "strap", trim, second),
                "top": finish(rng, "inside", "canvas", third)}
    prints, stitches = [], []
    if rng.random() < 0.7:
        size = width * rng.uniform(0.25, 0.5)
        prints.append(Print("body", 0, (0.5, rng.uniform(0.45, 0.6)), (size, size * rng.uniform(0.25, 0.6)), brand(rng),
                            "logo" if rng.random() < 0.6 else "label"))
    sheet = parts[0].sheets[0]
    low, high = sheet.uv.min(axis=0), sheet.uv.max(axis=0)
    thread = contrasting(rng, main)
    for level in ([0.022] if rng.random() < 0.8 else []) + ([high[1] - 0.01] if row else []):
        line = np.stack([np.linspace(low[0] + 0.003, high[0] - 0.003, 80), np.full(80, level)], axis=1)
        stitches.append(Stitch("body", 0, line, thread, int(rng.integers(1, 3)), pitch=rng.uniform(0.003, 0.005)))
    return Product("bag", tuple(parts), finishes, tuple(prints), tuple(stitches))


def _rings(width: float, height: float, depth: float, lean: float, bulge: float, power: float, seed: int) -> F64:
    """(31, 65, 3) outlines from the mouth down, rounded at the floor."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 1.0, 31) ** 0.9
    swell = 1.0 + bulge * np.sin(np.pi * t) ** 1.3
    corner = np.sqrt(np.clip(1.0 - np.clip((t - 0.93) / 0.07, 0.0, 1.0) ** 2 * 0.35, 0.0, 1.0))
    rings = []
    waves, phase = rng.integers(3, 6), rng.uniform(0, 6)
    for k, share in enumerate(t):
        mouth = 1.0 - (1.0 - share) * (1.0 - lean)
        outline = superellipse(width * mouth * corner[k], depth * swell[k] * corner[k] * (0.75 + 0.25 * share), power)
        sag = 0.012 * height * np.sin(waves * outline[:, 0] / width * 4 + phase) * np.sin(np.pi * share)
        rings.append(np.stack([outline[:, 0], np.full(len(outline), height * (1.0 - share)),
                               outline[:, 1] + sag * np.sign(outline[:, 1])], axis=1))
    return np.array(rings)


def _strap(skin: F64, side: float, spread: float, height: float, drop: float, width: float, thickness: float
           ) -> tuple[Sheet, ...]:
    """An arch from low on one face, over the mouth, and down again; it lies on the bag."""
    front = skin[:, 20:45] if side > 0 else np.concatenate([skin[:, 52:-1], skin[:, :13]], axis=1)
    knots = []
    for x, rows in ((-spread, (9, 6, 3, 1)), (spread, (1, 3, 6, 9))):
        for row in rows:
            line = front[row]
            order = np.argsort(line[:, 0])
            z = float(np.interp(x, line[order, 0], line[order, 2]))
            knots.append((x, float(line[0, 1]), z + side * thickness * 0.45))
    z = knots[3][2]
    arch = [(-spread * 0.85, height + drop * 0.6, z * 0.9), (-spread * 0.35, height + drop, z * 0.8),
            (spread * 0.35, height + drop, z * 0.8), (spread * 0.85, height + drop * 0.6, z * 0.9)]
    path = curve([*knots[:4], *arch, *knots[4:]], 72)
    return tube(path, width, thickness, 4.0, 10, (0.0, 0.0, 1.0))
