"""Cushions and pouches: two sewn sides, full in the middle."""

from __future__ import annotations

import numpy as np

from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, Part, Sheet, grid, tube


def cushion(rng: np.random.Generator) -> Product:
    width = rng.uniform(0.14, 0.5)
    height, full = width * rng.uniform(0.55, 1.0), width * rng.uniform(0.09, 0.2)
    power = rng.uniform(2.5, 6.0)
    kind = choice(rng, ("canvas", "fabric", "knit", "suede", "leather", "denim"))
    main, second, third = colours(rng, 3)
    sides = [_side(rng, width, height, full, power, front) for front in (True, False)]
    parts = [Part("front", "front", (sides[0],)), Part("back", "back", (sides[1],))]
    finishes = {"front": finish(rng, "front", kind, main, (second, third),
                                ("plain", "plain", "stripes", "checks", "bands", "blotches", "dots"), (0.012, 0.09)),
                "back": finish(rng, "back", choice(rng, (kind, "canvas", "suede")), second),
                "piping": finish(rng, "piping", choice(rng, ("canvas", "leather")), third)}
    if rng.random() < 0.6:
        rim = _rim(width, height, power) + np.array([0.0, height / 2, 0.0])
        parts.append(Part("piping", "piping", tube(rim, 0.005, 0.005, 2.0, 8, (0.0, 0.0, 1.0))))
    prints, stitches = [], []
    if rng.random() < 0.4:
        size = width * rng.uniform(0.2, 0.45)
        prints.append(Print("front", 0, (0.5, 0.5), (size, size * rng.uniform(0.3, 0.7)), brand(rng), "logo"))
    if rng.random() < 0.6:
        line = _rim(width * 0.86, height * 0.86, power)[:, :2] * [1.0, -1.0]
        stitches.append(Stitch("front", 0, line, contrasting(rng, main), int(rng.integers(1, 3))))
    return Product("furniture", tuple(parts), finishes, tuple(prints), tuple(stitches))


def _side(rng: np.random.Generator, width: float, height: float, full: float, power: float, front: bool) -> Sheet:
    """A pillow's side: a superellipse inflated; wrinkles run in from the corners."""
    count = 49
    s = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count))      # denser towards the rim
    u, v = np.meshgrid(s, -s)
    # From the square to the superellipse along its rays.
    ray = (np.abs(u) ** power + np.abs(v) ** power) ** (1.0 / power)
    square = np.maximum(np.abs(u), np.abs(v))
    pull = np.where(ray > 1e-9, square / np.maximum(ray, 1e-9), 1.0)
    x, y = u * pull, v * pull
    depth = np.clip((1.0 - square**2), 0.0, 1.0) ** rng.uniform(0.45, 0.6)
    angle = np.arctan2(v, u)
    folds = np.cos(angle * 4 + np.pi) * np.cos(angle * rng.integers(14, 26) + rng.uniform(0, 6))
    depth = depth * (1.0 + 0.05 * folds * np.clip(1.0 - np.abs(square - 0.8) / 0.2, 0.0, 1.0))
    points = np.stack([x * width / 2, (y + 1.0) * height / 2, depth * full / 2], axis=-1)
    uv = np.stack([x * width / 2, -y * height / 2], axis=-1)
    if not front:
        points = points * [-1.0, 1.0, -1.0]
    return grid(points, uv)


def _rim(width: float, height: float, power: float) -> F64:
    """(N, 3) closed line around both sides, centred at half the height of the cushion it is drawn for."""
    theta = np.linspace(-np.pi, np.pi, 161)
    x, y = np.sin(theta), np.cos(theta)
    size = (np.abs(x) ** power + np.abs(y) ** power) ** (-1.0 / power)
    return np.stack([x * size * width / 2, y * size * height / 2, 0.0 * x], axis=1)
