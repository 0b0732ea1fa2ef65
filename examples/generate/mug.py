"""A stoneware mug: turned body with a foot ring and a rounded lip, a handle that grows out of the wall."""

from __future__ import annotations

import numpy as np
from PIL import Image

from examples.generate.artwork import Canvas, Color, srgb
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.shapes import (
    F64,
    Surface,
    UvRect,
    arc_fraction,
    bezier,
    ellipse,
    filleted,
    lathe,
    part,
    resampled,
    sweep,
)

HEIGHT, RADIUS, WALL = 0.094, 0.0405, 0.0042
PRINT = UvRect(0.0, 0.0, 1.0, 0.86)        # the outer wall, foot to lip
INSIDE = UvRect(0.02, 0.885, 0.30, 0.985)  # glaze inside
HANDLE = UvRect(0.37, 0.885, 0.63, 0.985)
CLAY = UvRect(0.70, 0.885, 0.98, 0.985)    # unglazed foot
GLAZE, NAVY, FOAM, SAND, CORAL = (srgb(code) for code in ("#f1ebdf", "#1f3a52", "#7fb2b8", "#cdb18a", "#d9694a"))


def tidewater_mug() -> Model:
    """A coffee bar's mug with waves all around and its name on both sides."""
    outer = resampled(filleted([(0.0365, 0.0035, 0.0), (0.0400, 0.0065, 0.006), (RADIUS, 0.030, 0.05),
                                (RADIUS, HEIGHT, 0.0018), (RADIUS - WALL / 2, HEIGHT, 0.0)], 5), 0.012)
    inner = resampled(filleted([(RADIUS - WALL / 2, HEIGHT, 0.0), (RADIUS - WALL, HEIGHT, 0.0018),
                                (RADIUS - WALL, 0.0085, 0.014), (0.0, 0.0075, 0.0)], 7), 0.014)
    foot = filleted([(0.0, 0.0028, 0.0), (0.0318, 0.0028, 0.001), (0.0326, 0.0, 0.0008), (0.0357, 0.0, 0.0008),
                     (0.0365, 0.0035, 0.0)], 3)
    body = [lathe(outer, PRINT), lathe(inner, INSIDE), lathe(foot, CLAY)]
    glaze = MaterialSpec("glazed_ceramic", Texture("mug_glaze", _artwork()), roughness=0.22, metallic=0.0)
    return Model("tidewater_mug", (part("body", body, glaze.name, 50.0), part("handle", [_handle()], glaze.name)),
                 (glaze,))


def _handle() -> Surface:
    """A D of oval section towards +X, widening into the wall at both ends like pulled clay."""
    root = 0.0042  # fillet radius where handle and wall meet
    lead = root * (1.0 - np.cos(np.linspace(0.0, np.pi / 2, 8)))  # rings where the fillet bends
    top, bottom = 0.0765, 0.0265
    arch = bezier([(RADIUS + root, top, 0.0), (RADIUS + 0.0205, top + 0.001, 0.0), (RADIUS + 0.0385, top - 0.002, 0.0),
                   (RADIUS + 0.0325, 0.0440, 0.0), (RADIUS + 0.0225, bottom, 0.0), (RADIUS + root, bottom, 0.0)], 34)
    # The last ring but one stands 0.06 mm proud, so that its edge is clean on the faceted wall.
    lead = np.concatenate([[-0.0004], lead + 0.00006])
    ends = [np.stack([RADIUS + lead, np.full(9, y), np.zeros(9)], axis=1) for y in (top, bottom)]
    path = np.concatenate([ends[0][:-1], arch, ends[1][-2::-1]])
    distance = np.clip(path[:, 0] - RADIUS, 0.0, root)
    flare = root - np.sqrt(root**2 - (root - distance) ** 2)
    slim = 1.0 - 0.12 * np.sin(np.pi * arc_fraction(path))
    base = ellipse(1.0, 1.0, 32, 2.5)
    sections = np.stack([base[None, :, 0] * (0.0132 * slim + 2 * flare)[:, None],
                         base[None, :, 1] * (0.0086 * slim + 2 * flare)[:, None]], axis=-1)
    surface = sweep(path, sections, (0.0, 0.0, 1.0), HANDLE)
    return Surface(_bent_to_wall(surface.positions), surface.uvs, surface.triangles)


def _bent_to_wall(points: F64) -> F64:
    """Rings near the wall follow its curve, so the joint line lies on it."""
    sagitta = RADIUS - np.sqrt(np.maximum(RADIUS**2 - points[:, 2] ** 2, 0.0))
    near = np.clip(1.0 - (points[:, 0] - RADIUS - 0.001) / 0.009, 0.0, 1.0)
    bent = points.copy()
    bent[:, 0] -= sagitta * near
    return bent


def _artwork() -> Image.Image:
    width, height = 2048, 1024
    canvas = Canvas(width, height, GLAZE)
    bottom = PRINT.bottom * height
    _speckle(canvas, bottom)
    for row, (level, color) in enumerate(((0.69, FOAM), (0.76, SAND), (0.83, NAVY))):
        _wave(canvas, level * bottom, 17 + 3 * row, 8, row * 0.37, color, bottom)
    canvas.rectangle((0, bottom * 0.965, width, bottom), NAVY)
    for centre in (width * 0.5, 0.0, width):
        _mark(canvas, centre, bottom)
    canvas.rectangle((0, bottom, width * 0.335, height), GLAZE)
    canvas.rectangle((width * 0.335, bottom, width * 0.665, height), NAVY)
    canvas.rectangle((width * 0.665, bottom, width, height), SAND)
    return canvas.finished()


def _mark(canvas: Canvas, x: float, bottom: float) -> None:
    """Sun over a horizon, the name below it."""
    y = bottom * 0.235
    canvas.disc(x, y, 62, CORAL)
    for step in range(3):
        top = y + 10 + 19 * step
        canvas.rectangle((x - 90, top, x + 90, top + 6 + 2 * step), GLAZE)
    canvas.text(x, bottom * 0.405, "TIDEWATER", 50, NAVY, tracking=0.16, weight=0.055)
    canvas.text(x, bottom * 0.505, "COFFEE BAR", 22, NAVY, tracking=0.55, weight=0.02)
    canvas.text(x, bottom * 0.575, "EST. 1987 · PIER 9", 15, CORAL, tracking=0.35, weight=0.03)


def _wave(canvas: Canvas, level: float, amplitude: float, count: int, phase: float, color: Color, bottom: float
          ) -> None:
    """A band of crests that closes around the mug, filled to the foot."""
    x = np.arange(0, canvas.width + 1, 4)
    turn = 2 * np.pi * (x / canvas.width * count + phase)
    y = level - amplitude * (np.abs(np.sin(turn / 2 + 0.4 * np.sin(turn))) * 1.6 - 0.8)
    canvas.polygon([*zip(x.tolist(), y.tolist(), strict=True), (canvas.width, bottom), (0, bottom)], color)


def _speckle(canvas: Canvas, bottom: float) -> None:
    """Iron specks of a stoneware glaze."""
    random = np.random.default_rng(9)
    for x, y, size, tone in random.random((260, 4)):
        tint = srgb("#b9a88c") if tone < 0.6 else srgb("#8f7a5e")
        canvas.disc(x * canvas.width, y * bottom, 0.7 + 1.9 * size**3, tint)
