"""A scented candle: ceramic tumbler, letterpress label, poured wax and a cotton wick. One texture for all of it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from examples.generate.artwork import Canvas, srgb
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.shapes import (
    F64,
    Surface,
    UvRect,
    bezier,
    ellipse,
    filleted,
    grid,
    lathe,
    part,
    resampled,
    sweep,
)

RADIUS, HEIGHT, WALL = 0.0385, 0.092, 0.0038
LABEL_WIDTH, LABEL_HEIGHT, LABEL_FOOT, PAPER_THICKNESS = 0.062, 0.052, 0.018, 0.0002
SIZE = 1024
LABEL = UvRect(24 / SIZE, 24 / SIZE, 1000 / SIZE, 842 / SIZE)
JAR = UvRect(0.05, 0.86, 0.22, 0.97)
WAX = UvRect(0.30, 0.86, 0.47, 0.97)
WICK = UvRect(0.55, 0.86, 0.72, 0.97)
EDGE = UvRect(0.80, 0.86, 0.97, 0.97)
CERAMIC, CREAM, WAX_COLOR, COTTON, INK, RUST, MOSS = (srgb(code) for code in (
    "#39403f", "#f3ead9", "#f1e6cf", "#d8cfbd", "#2b2a28", "#a8552f", "#5d6f57"))


def cedar_candle() -> Model:
    """Cedar & Salt, 220 g."""
    outer = resampled(filleted([(0.0, 0.0016, 0.0), (0.029, 0.0016, 0.001), (0.030, 0.0, 0.0006),
                                (0.0335, 0.0, 0.003), (RADIUS, 0.012, 0.010), (RADIUS, HEIGHT, 0.0017),
                                (RADIUS - WALL / 2, HEIGHT, 0.0)], 4), 0.05)
    level = HEIGHT - 0.014
    inside = RADIUS - WALL
    inner = filleted([(RADIUS - WALL / 2, HEIGHT, 0.0), (inside, HEIGHT, 0.0017), (inside, level, 0.0)], 4)
    # Wax creeps up the wall and sinks a little around the wick.
    wax = filleted([(inside, level + 0.0012, 0.0), (inside - 0.002, level, 0.003), (0.008, level - 0.0004, 0.02),
                    (0.0, level - 0.0012, 0.0)], 3)
    ceramic = MaterialSpec("candle", Texture("diffuse", _artwork()))
    pieces = [lathe(outer, JAR, 72), lathe(inner, JAR, 72), lathe(wax, WAX, 72), _wick(level - 0.001), *_label()]
    return Model("cedar_candle", (part("candle", pieces, ceramic.name, 40.0),), (ceramic,))


def _wick(level: float) -> Surface:
    path = bezier([(0.0, level - 0.001, 0.0), (0.0, level + 0.004, 0.0), (0.0006, level + 0.008, 0.0004),
                   (0.0016, level + 0.0125, 0.0006)], 10)
    sections = np.broadcast_to(ellipse(0.0018, 0.0018, 10), (11, 10, 2)).copy()
    sections[-1] *= 0.05
    return sweep(path, sections, (0.0, 0.0, 1.0), WICK)


def _label() -> list[Surface]:
    """Paper around the front of the jar, with rounded corners and a visible edge."""
    corner = 0.003
    angle = np.linspace(0.0, np.pi / 2, 8)
    bend = LABEL_WIDTH / 2 - corner + corner * np.sin(angle)      # from the straight edge into the corner
    columns = np.concatenate([-bend[::-1], np.linspace(-bend[0], bend[0], 29)[1:-1], bend])
    drop = np.concatenate([corner * (1 - np.cos(angle[::-1])), np.zeros(27), corner * (1 - np.cos(angle))])
    half_height = LABEL_HEIGHT / 2 - drop
    across = np.stack([-half_height, half_height])
    points = _on_jar(np.broadcast_to(columns, across.shape), across, PAPER_THICKNESS)
    uvs = LABEL.at(np.broadcast_to(columns, across.shape) / LABEL_WIDTH + 0.5, 0.5 - across / LABEL_HEIGHT)
    rim = np.concatenate([np.stack([columns, -half_height], 1), np.stack([columns[::-1], half_height[::-1]], 1)])
    rim = np.concatenate([rim, rim[:1]])
    edge = np.stack([_on_jar(rim[:, 0], rim[:, 1], depth) for depth in (-0.0001, PAPER_THICKNESS)])
    return [grid(points, uvs), grid(edge, EDGE.at(0.5, np.full(edge.shape[:2], 0.5)))]


def _on_jar(x: F64, y: F64, lift: float) -> F64:
    """Places measured along the jar's surface to points in space."""
    turn = x / RADIUS
    radius = RADIUS + lift
    return np.stack([radius * np.sin(turn), LABEL_FOOT + LABEL_HEIGHT / 2 + y, radius * np.cos(turn)], axis=-1)


def _artwork() -> Image.Image:
    canvas = Canvas(SIZE, SIZE, CREAM)
    left, top, right, bottom = (value * SIZE for value in (LABEL.left, LABEL.top, LABEL.right, LABEL.bottom))
    x = (left + right) / 2
    for inset, color, width in ((34, INK, 4.0), (46, INK, 1.6)):
        corners = [(left + inset, top + inset), (right - inset, top + inset), (right - inset, bottom - inset),
                   (left + inset, bottom - inset), (left + inset, top + inset)]
        canvas.line(corners, color, width)
    _sprig(canvas, x, 250)
    canvas.text(x, 376, "CEDAR & SALT", 66, INK, tracking=0.14, weight=0.035)
    canvas.rectangle((x - 60, 446, x + 60, 450), RUST)
    canvas.text(x, 506, "driftwood · sea fennel · smoke", 27, MOSS, tracking=0.06)
    canvas.text(x, 640, "LUMENFOLD", 30, INK, tracking=0.5, weight=0.03)
    canvas.text(x, 704, "SOY WAX CANDLE · 220 g · 45 HOURS", 19, INK, tracking=0.2, weight=0.02)
    for rect, color in ((JAR, CERAMIC), (WAX, WAX_COLOR), (WICK, COTTON), (EDGE, CREAM)):
        canvas.rectangle(((rect.left - 0.03) * SIZE, (rect.top - 0.012) * SIZE, (rect.right + 0.03) * SIZE,
                          (rect.bottom + 0.025) * SIZE), color)
    return canvas.finished()


def _sprig(canvas: Canvas, x: float, y: float) -> None:
    """A cedar twig lying on its side."""
    canvas.line([(x - 170, y + 26), (x - 60, y + 6), (x + 60, y), (x + 170, y - 22)], MOSS, 6)
    for number, place in enumerate(np.linspace(-150, 150, 13)):
        side = -1 if number % 2 else 1
        foot = y - 0.14 * place - 2
        for lean in (0, 18):
            reach = 62 - 0.1 * abs(place) - lean
            canvas.line([(x + place + lean, foot), (x + place + 30 + lean, foot + side * reach)], MOSS, 5)
    canvas.disc(x - 28, y + 58, 13, RUST)
    canvas.disc(x + 96, y + 46, 10, RUST)
