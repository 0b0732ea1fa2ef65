"""Stools and small tables: turned or square legs, rungs, a seat of wood or upholstery."""

from __future__ import annotations

import numpy as np

from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Product, Stitch
from training.families.shapes import F64, Part, Sheet, cap, loft, superellipse, tube


def stool(rng: np.random.Generator) -> Product:
    height, width = rng.uniform(0.3, 0.56), rng.uniform(0.26, 0.38)
    depth = width * (1.0 if rng.random() < 0.6 else rng.uniform(0.7, 0.95))
    power = rng.choice([2.0, 3.0, 5.0])
    soft = rng.random() < 0.6
    thick = rng.uniform(0.04, 0.08) if soft else rng.uniform(0.02, 0.035)
    seat = _seat(width, depth, power, height - thick, height, thick * (0.45 if soft else 0.2), soft)
    parts = [Part("seat", "seat", (seat,), "seat"), Part("seat_top", "seat", (cap(_rim(seat, True), True, 12, thick * (
        0.3 if soft else -0.05)),), "seat"), Part("seat_base", "frame", (cap(_rim(seat, False), False, 5),))]
    legs, splay = int(rng.choice([3, 4, 4])), rng.uniform(0.0, 0.22)
    fat, slim = rng.uniform(0.022, 0.036), rng.uniform(0.45, 1.0)
    square = rng.choice([2.0, 2.0, 6.0])
    at = np.radians(45.0 + np.arange(legs) * 360.0 / legs + (0.0 if legs == 4 else 45.0))
    reach = (0.62 if power < 2.5 or legs == 3 else 0.8)
    tops = np.stack([np.sin(at) * width / 2 * reach, np.full(legs, height - thick + 0.002), np.cos(at) * depth / 2
                     * reach], axis=1)
    feet = tops * np.array([1.0 + splay, 0.0, 1.0 + splay])
    for k in range(legs):
        parts.append(Part(f"leg{k}", "frame", _leg(tops[k], feet[k], fat, slim, square)))
        tip = feet[k] + np.array([0.0, 0.012, 0.0])
        parts.append(Part(f"foot{k}", "feet", _leg(tip, feet[k], fat * slim * 1.12, 1.0, square)))
    if rng.random() < 0.7:
        level = rng.uniform(0.2, 0.5)
        for k in range(legs):
            one, two = (feet[j] + (tops[j] - feet[j]) * level for j in (k, (k + 1) % legs))
            parts.append(Part(f"rung{k}", "frame", tube(one + (two - one) * np.linspace(0.0, 1.0, 8)[:, None], 0.014,
                                                       0.014, 2.0, 12)))
    main, second, third = colours(rng, 3)
    frame = choice(rng, ("wood", "wood", "metal", "lacquer", "steel", "plastic", "brass"))
    kind = choice(rng, ("leather", "fabric", "suede", "canvas", "knit", "denim") if soft else (frame, "wood", "cork",
                                                                                            "plastic", "lacquer"))
    finishes = {"seat": finish(rng, "seat", kind, main, (second, third), ("plain", "plain", "checks", "stripes",
                                                                         "blotches"), (0.02, 0.08)),
                "frame": finish(rng, "frame", frame, second, upright=True),
                "feet": finish(rng, "feet", choice(rng, ("rubber", "plastic", "metal")), third)}
    stitches = []
    if soft and rng.random() < 0.7:
        low, high = seat.uv.min(axis=0), seat.uv.max(axis=0)
        level = low[1] + (high[1] - low[1]) * 0.3
        line = np.stack([np.linspace(low[0] + 0.003, high[0] - 0.003, 90), np.full(90, level)], axis=1)
        stitches.append(Stitch("seat", 0, line, contrasting(rng, main), int(rng.integers(1, 3)), pitch=0.0045))
    return Product("furniture", tuple(parts), finishes, (), tuple(stitches))


def _seat(width: float, depth: float, power: float, low: float, high: float, edge: float, soft: bool) -> Sheet:
    turn = np.linspace(0.0, np.pi / 2, 8)
    heights = np.concatenate([high - edge * (1 - np.cos(turn)), low + edge * (1 - np.sin(turn))])
    lost = np.concatenate([edge * (1 - np.sin(turn)), edge * (1 - np.cos(turn))])
    rings = []
    for y, inset in zip(heights, lost, strict=True):
        bulge = 0.004 * np.sin(np.pi * np.clip((y - low) / (high - low), 0.0, 1.0)) if soft else 0.0
        outline = superellipse(width - 2 * inset + 2 * bulge, depth - 2 * inset + 2 * bulge, power, 72)
        rings.append(np.stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]], axis=1))
    return loft(np.array(rings))


def _rim(sheet: Sheet, first: bool) -> F64:
    return sheet.positions[:73] if first else sheet.positions[-73:]


def _leg(top: F64, foot: F64, fat: float, slim: float, square: float) -> tuple[Sheet, ...]:
    """Straight and tapering downwards."""
    t = np.linspace(0.0, 1.0, 14)
    outline = superellipse(1.0, 1.0, square, 24)
    rings = np.stack([top + (foot - top) * share + (fat * (1.0 + (slim - 1.0) * share)) * np.stack(
        [outline[:, 0], np.zeros(len(outline)), outline[:, 1]], axis=1) for share in t])
    return loft(rings), cap(rings[-1], False, 2)
