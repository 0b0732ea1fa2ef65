"""Small electronics: speakers, alarm clocks, chargers. A rounded block with a fabric or ribbed band, feet and keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, finish
from training.families.product import Print, Product
from training.families.shapes import F64, Part, Sheet, cap, dense, lathe, loft, moved, rounded, superellipse


def puck(rng: np.random.Generator) -> Product:
    width, depth, height = rng.uniform(0.08, 0.22), rng.uniform(0.06, 0.14), rng.uniform(0.035, 0.16)
    if rng.random() < 0.4:
        depth = width
    power = 2.0 if depth == width and rng.random() < 0.5 else rng.uniform(2.4, 7.0)
    edge = min(height, depth) * rng.uniform(0.06, 0.3)
    low, high = height * rng.uniform(0.05, 0.25), height * rng.uniform(0.7, 0.95)
    inset = rng.uniform(0.001, 0.0025)
    band = _block(width - 2 * inset, depth - 2 * inset, power, [(low - 0.002, 0.0), (high + 0.002, 0.0)][::-1], 14)
    top = _block(width, depth, power, _edge(high, height, min(edge, 0.9 * (height - high)), True), 1)
    base = _block(width, depth, power, _edge(0.0, low, min(edge, low * 0.8), False), 1)
    lid, floor = cap(_ring(top, True), True, 7), cap(_ring(base, False), False, 5)
    parts = [Part("band", "band", (band,)), Part("top", "shell", (top, lid)),
             Part("base", "shell" if rng.random() < 0.6 else "base", (base, floor))]
    main, second, third = colours(rng, 3)
    shell = choice(rng, ("plastic", "plastic", "rubber", "metal", "wood", "lacquer", "steel"))
    cloth = choice(rng, ("fabric", "fabric", "knit", "canvas", "plastic", "leather", "rubber"))
    for k in range(int(rng.integers(0, 4))):
        radius = min(width, depth) * rng.uniform(0.05, 0.09)
        place = np.array([(k - 1) * width * 0.22, 0.0, depth * rng.uniform(-0.05, 0.2)])
        key = lathe(dense(rounded([(0.0, height + 0.002), (radius, height + 0.002), (radius, height - 0.002)],
                                  [0.0012], 5), 12), 36)
        parts.append(Part(f"key{k}", "keys", _at(key, place)))
    finishes = {"band": finish(rng, "band", cloth, main, (second, third),
                               ("plain", "plain", "plain", "stripes", "fade"), (0.004, 0.02)),
                "shell": finish(rng, "shell", shell, second),
                "base": finish(rng, "foot", choice(rng, ("rubber", "plastic", "cork")), third),
                "keys": finish(rng, "keys", choice(rng, ("rubber", "plastic", "metal")), third)}
    size = width * rng.uniform(0.2, 0.4)
    prints = [Print("band", 0, (0.5, rng.uniform(0.4, 0.65)), (size, min(size * 0.5, (high - low) * 0.5)), brand(rng),
                    "logo")] if rng.random() < 0.7 else []
    if rng.random() < 0.4:
        prints.append(Print("top", 1, (0.5, 0.8), (size * 0.8, size * 0.25),
                            brand(rng), "logo"))
    return Product("appliance", tuple(parts), finishes, tuple(prints))


def _at(sheets: Sequence[Sheet], place: F64) -> tuple[Sheet, ...]:
    return moved(sheets, lambda points: points + place)


def _edge(low: float, high: float, radius: float, up: bool) -> list[tuple[float, float]]:
    """Heights and insets from the top down, rounded at the end that shows."""
    turn = np.linspace(0.0, np.pi / 2, 7)
    if up:
        bend = [(high - radius * (1 - np.cos(a)), radius * (1 - np.sin(a))) for a in turn]
        return [*bend, (low + 0.0006, 0.0), (low, 0.0006), (low, 0.004)]
    bend = [(low + radius * (1 - np.sin(a)), radius * (1 - np.cos(a))) for a in turn]
    return [(high, 0.004), (high, 0.0006), (high - 0.0006, 0.0), *bend]


def _block(width: float, depth: float, power: float, levels: list[tuple[float, float]], between: int) -> Sheet:
    rings = []
    for y, lost in levels:
        outline = superellipse(width - 2 * lost, depth - 2 * lost, power, 72)
        rings.append(np.stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]], axis=1))
    skin = np.array(rings)
    if between > 1:
        t = np.linspace(0.0, 1.0, between)[:, None, None]
        skin = skin[0] * (1 - t) + skin[-1] * t
    return loft(skin)


def _ring(sheet: Sheet, first: bool) -> F64:
    """The block's first or last outline."""
    return sheet.positions[:73] if first else sheet.positions[-73:]
