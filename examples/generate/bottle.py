"""An insulated steel bottle: powder-coated body, bare steel base and lip, screw cap with a carrying loop."""

from __future__ import annotations

import numpy as np
from PIL import Image

from examples.generate.artwork import Canvas, srgb
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.shapes import (
    Surface,
    UvRect,
    ellipse,
    filleted,
    joined,
    lathe,
    part,
    resampled,
    sweep,
)

RADIUS, SHOULDER, NECK, CAP_FOOT, CAP_TOP = 0.0365, 0.188, 0.0245, 0.2175, 0.247
WHOLE = UvRect(0.0, 0.0, 1.0, 1.0)
COAT, INK = srgb("#21564f"), srgb("#f3efe4")


def fjellbekk_bottle() -> Model:
    """A 0.5 l bottle in spruce green with a mountain mark on its front."""
    coat = MaterialSpec("powder_coat", Texture("bottle_print", _artwork()), roughness=0.55, metallic=0.0)
    steel = MaterialSpec("brushed_steel", base_color=(0.60, 0.59, 0.57), roughness=0.32, metallic=1.0)
    plastic = MaterialSpec("cap_plastic", base_color=(0.020, 0.024, 0.024), roughness=0.5, metallic=0.0)
    wall = resampled(filleted([(0.0357, 0.0125, 0.0), (RADIUS, 0.0135, 0.0008), (RADIUS, SHOULDER, 0.034),
                               (NECK + 0.001, 0.2075, 0.012), (NECK + 0.001, 0.2125, 0.0008), (NECK, 0.2125, 0.0)], 6),
                     0.04)
    base = filleted([(0.0, 0.0032, 0.0), (0.026, 0.0032, 0.0012), (0.0275, 0.0, 0.0008), (0.0335, 0.0, 0.003),
                     (0.0357, 0.0055, 0.004), (0.0357, 0.0125, 0.0)], 4)
    collar = filleted([(NECK, 0.2125, 0.0), (NECK, 0.2165, 0.0004), (NECK - 0.002, 0.2165, 0.0)], 3)
    return Model("fjellbekk_bottle", (
        part("body", [lathe(wall, WHOLE, 96)], coat.name, 35.0),
        part("base", [lathe(base, WHOLE, 72), lathe(collar, WHOLE, 72)], steel.name, 35.0),
        part("cap", [_cap()], plastic.name, 35.0),
        part("loop", [_loop()], plastic.name, 45.0),
    ), (coat, steel, plastic))


def _cap() -> Surface:
    """Screw cap with shallow grip flutes between two plain bands."""
    outer = 0.0272
    low, high, run_out = CAP_FOOT + 0.0035, CAP_FOOT + 0.0226, 0.0021  # the fluted band and how it ends
    ramp = np.linspace(0.0, run_out, 4)
    rows = np.concatenate([low + ramp, [(low + high) / 2], high - ramp[::-1]])
    side = np.stack([np.full(len(rows), outer), rows], axis=1)
    profile = np.concatenate([filleted([(NECK - 0.002, CAP_FOOT, 0.0), (outer, CAP_FOOT, 0.0008), (outer, low, 0.0)],
                                       3),
                              side[1:],
                              filleted([(outer, CAP_TOP - 0.005, 0.0), (outer, CAP_TOP, 0.0028),
                                        (0.006, CAP_TOP + 0.0006, 0.0), (0.0, CAP_TOP + 0.0006, 0.0)], 5)])
    surface = lathe(profile, WHOLE, 192)
    points = surface.positions.copy()
    radius = np.hypot(points[:, 0], points[:, 2])
    turn = np.arctan2(points[:, 0], points[:, 2])
    band = np.clip(np.minimum(points[:, 1] - low, high - points[:, 1]) / run_out, 0.0, 1.0)
    depth = 0.0009 * band * (0.5 - 0.5 * np.cos(24 * turn)) ** 2 * (radius > outer - 0.0004)
    scale = 1.0 - depth / np.maximum(radius, 1e-6)
    points[:, 0] *= scale
    points[:, 2] *= scale
    return Surface(points, surface.uvs, surface.triangles)


def _loop() -> Surface:
    """A flat carrying loop over the cap, its feet set into the cap's sides."""
    half_span, rise = 0.0205, 0.0235
    turn = np.linspace(0.0, np.pi, 37)
    arch = np.stack([np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.62 * half_span,
                     CAP_TOP - 0.002 + np.sin(turn) ** 0.72 * rise, np.zeros_like(turn)], axis=1)
    arch[0, 1] = arch[-1, 1] = CAP_TOP - 0.004
    spread = 1.0 + 0.22 * np.abs(np.cos(turn)) ** 3
    section = ellipse(1.0, 1.0, 20, 3.2)
    sections = np.stack([section[None, :, 0] * (0.0135 * spread)[:, None],
                         np.broadcast_to(section[None, :, 1] * 0.0052, (len(turn), 20))], axis=-1)
    return joined([sweep(arch, sections, (0.0, 0.0, 1.0), WHOLE)])


def _artwork() -> Image.Image:
    """The wrap: mark and name at the front, capacity and care at the back."""
    width, height = 1536, 1408
    canvas = Canvas(width, height, COAT)
    x = width / 2
    _mountain(canvas, x, 560)
    canvas.text(x, 735, "FJELLBEKK", 46, INK, tracking=0.22, weight=0.04)
    canvas.text(x, 806, "COLD 24 H  ·  HOT 12 H", 17, INK, tracking=0.25, weight=0.02)
    back = width * 0.005
    for centre in (back, back + width):
        canvas.text(centre, 660, "500 ml", 40, INK, tracking=0.1, weight=0.03)
        canvas.text(centre, 730, "18/8 STAINLESS STEEL", 16, INK, tracking=0.3, weight=0.02)
        canvas.text(centre, 766, "HAND WASH ONLY", 16, INK, tracking=0.3, weight=0.02)
    return canvas.finished()


def _mountain(canvas: Canvas, x: float, y: float) -> None:
    """Two peaks with snow in a ring, a brook running out of them."""
    canvas.disc(x, y, 118, INK, rim=7)
    canvas.polygon([(x - 82, y + 42), (x - 22, y - 56), (x + 38, y + 42)], INK)
    canvas.polygon([(x + 2, y + 42), (x + 44, y - 18), (x + 86, y + 42)], INK)
    canvas.polygon([(x - 44, y - 20), (x - 22, y - 56), (x, y - 20), (x - 14, y - 28), (x - 24, y - 12),
                    (x - 34, y - 26)], COAT)
    t = np.linspace(0.0, 1.0, 40)
    for offset in (0, 16):
        brook = np.stack([x - 50 + 100 * t, y + 62 + offset + 5 * np.sin(4 * np.pi * t)], axis=1)
        canvas.line([(float(a), float(b)) for a, b in brook], INK, 5)


