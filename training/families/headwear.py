"""Caps and helmets: a dome of sewn gores or a moulded shell, a brim, a button or vents."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Finish, Print, Product, Stitch
from training.families.shapes import F64, Part, Sheet, arc, grid, lathe, moved, turned_over


def headwear(rng: np.random.Generator) -> Product:
    soft = rng.random() < 0.6
    radius, tall = rng.uniform(0.082, 0.098), rng.uniform(0.9, 1.25)
    gores, long = (int(rng.choice([5, 6, 8])), rng.uniform(1.12, 1.25))
    dome = _dome(radius, tall, rng.uniform(2.0, 2.7))
    thick = 0.0015 if soft else rng.uniform(0.008, 0.018)

    def shaped(points: F64) -> F64:
        return points * [1.0, 1.0, long]

    outside = moved(lathe(dome, gores * (12 if gores < 8 else 9), gores=gores), shaped)
    inside = moved(turned_over(lathe(dome * (1.0 - thick / radius), 60, gores=5)), shaped)
    main, second, third = colours(rng, 3)
    kind = choice(rng, ("canvas", "denim", "knit", "suede", "fabric", "leather") if soft else
                  ("plastic", "lacquer", "plastic", "rubber", "leather"))
    other = {k for k in range(gores) if rng.random() < 0.5} if rng.random() < 0.4 else set()
    parts = [Part(f"gore{k}", "second" if k in other else "dome", (sheet,), "dome") for k, sheet in enumerate(outside)]
    parts.append(Part("inside", "inside", inside))
    parts.append(Part("hem", "trim", (_hem(dome, thick, long),)))
    brim = rng.uniform(0.03, 0.075)
    if soft or rng.random() < 0.6:
        parts.append(Part("brim", "trim", _brim(radius, long, brim, rng.uniform(0.5, 0.85), 0.003 if soft else 0.006)))
    knob = rng.uniform(0.005, 0.009)
    top = float(dome[0, 1])
    parts.append(Part("button", "trim", lathe(np.stack([knob * np.sin(np.linspace(0, np.pi / 2, 8)), top - 0.001 + 0.6
                                                       * knob * np.cos(np.linspace(0, np.pi / 2, 8))], axis=1), 32)))
    finishes: dict[str, Finish] = {
        "dome": finish(rng, "dome", kind, main, (second, third), ("plain", "plain", "camouflage", "stripes", "fade"),
                       (0.015, 0.05)),
        "second": finish(rng, "panel", kind if rng.random() < 0.6 else "knit", second),
        "inside": finish(rng, "inside", choice(rng, ("fabric", "foam", "canvas")), third),
        "trim": finish(rng, "trim", choice(rng, (kind, "leather", "rubber", "canvas")), second)}
    stitches, prints = [], []
    if soft:
        thread = contrasting(rng, main) if rng.random() < 0.5 else second
        for k, sheet in enumerate(outside):
            uv = sheet.uv.reshape(len(dome), -1, 2)
            for edge, sign in ((uv[4:, 0], 1.0), (uv[4:, -1], -1.0)):
                stitches.append(Stitch(f"gore{k}", 0, edge + np.array([sign * 0.004, 0.0]), thread, 1, pitch=0.0035))
    front = gores // 2
    if rng.random() < 0.7 and gores % 2:
        size = rng.uniform(0.035, 0.06)
        prints.append(Print(f"gore{front}", 0, (0.5, 0.66), (size, size * rng.uniform(0.4, 0.8)), brand(rng), "logo"))
    return Product("sport", tuple(parts), finishes, tuple(prints), tuple(stitches))


def _dome(radius: float, tall: float, power: float) -> F64:
    """(25, 2) radius and height from the crown down."""
    t = np.linspace(0.0, np.pi / 2, 25)
    return np.stack([radius * np.sin(t) ** (2 / power), radius * tall * np.cos(t) ** (2 / power)], axis=1)


def _hem(dome: F64, thick: float, long: float) -> Sheet:
    """The edge between outside and inside, turned in."""
    theta = np.linspace(-np.pi, np.pi, 73)
    turn = np.linspace(-0.3, np.pi + 0.3, 9)
    middle, half = dome[-1, 0] - thick / 2, thick / 2 + 0.0012
    r, y = middle + half * np.cos(turn), -half * np.sin(turn) + 0.0005
    points = np.stack([r[:, None] * np.sin(theta), np.broadcast_to(y[:, None], (9, 73)),
                       r[:, None] * np.cos(theta) * long], axis=-1)
    return grid(points, np.stack([arc(points, axis=1), arc(points, axis=0)], axis=-1))


def _brim(radius: float, long: float, reach: float, spread: float, thick: float) -> tuple[Sheet, Sheet]:
    """A curved peak over the front, upper and lower side; both meet in a round edge."""
    theta = np.linspace(-spread * np.pi / 2, spread * np.pi / 2, 49)
    out = np.concatenate([np.linspace(-0.06, 0.94, 12), [0.98, 1.0]])
    shape = np.sqrt(np.clip(1.0 - (theta / theta[-1]) ** 2, 0.0, 1.0))
    r = radius + 0.0012 + out[:, None] * reach * shape[None, :] ** 0.7
    sheets = []
    for side in (1.0, -1.0):
        y = 0.003 - 0.09 * np.abs(out[:, None]) * shape ** 0.5 * reach * 6 - 0.10 * (np.sin(theta) * r) ** 2 / radius
        edge = np.sqrt(np.clip(1.0 - np.clip(out, 0.0, 1.0) ** 8, 0.0, 1.0))[:, None]
        points = np.stack([np.sin(theta) * r, y + side * thick / 2 * edge, np.cos(theta) * r * long], axis=-1)
        points = points if side > 0 else points[:, ::-1]
        sheets.append(grid(points, np.stack([points[..., 0] * side, points[..., 2]], axis=-1)))
    return sheets[0], sheets[1]
