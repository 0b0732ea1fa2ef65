"""A desk lamp: weighted base, jointed arm, spun shade. Plain colours and metal, no texture."""

from __future__ import annotations

import numpy as np

from examples.generate.model import MaterialSpec, Model, Part
from examples.generate.shapes import (
    F64,
    Surface,
    UvRect,
    bezier,
    ellipse,
    filleted,
    lathe,
    moved,
    part,
    rotation,
    sweep,
)

WHOLE = UvRect(0.0, 0.0, 1.0, 1.0)
FOOT = np.array([-0.055, 0.0, 0.0])         # centre of the base
ELBOW = np.array([-0.115, 0.262, 0.0])
HEAD = np.array([0.075, 0.402, 0.0])
SHADE_TILT = 24.0                           # degrees the shade looks outward

PAINT = MaterialSpec("painted_steel", base_color=(0.60, 0.27, 0.035), roughness=0.42, metallic=0.0)
BRASS = MaterialSpec("brushed_brass", base_color=(0.80, 0.55, 0.25), roughness=0.3, metallic=1.0)
CORD = MaterialSpec("black_fabric_cord", base_color=(0.018, 0.018, 0.020), roughness=0.9, metallic=0.0)
ENAMEL = MaterialSpec("white_enamel", base_color=(0.86, 0.84, 0.79), roughness=0.35, metallic=0.0)
GLASS = MaterialSpec("opal_glass", base_color=(0.92, 0.89, 0.82), roughness=0.2, metallic=0.0)


def desk_lamp() -> Model:
    """A reading lamp, 45 cm high, mustard and brass."""
    base = filleted([(0.0, 0.0, 0.0), (0.078, 0.0, 0.0012), (0.080, 0.0035, 0.0015), (0.080, 0.013, 0.005),
                     (0.070, 0.0185, 0.012), (0.019, 0.0215, 0.006), (0.0, 0.0215, 0.0)], 6)
    collar = filleted([(0.0125, 0.020, 0.0), (0.0125, 0.033, 0.0015), (0.0095, 0.0365, 0.0012), (0.0, 0.0365, 0.0)], 4)
    knob = filleted([(0.0072, 0.019, 0.0), (0.0072, 0.0245, 0.0012), (0.0, 0.0245, 0.0)], 3)
    switch = moved(lathe(knob, WHOLE, 40), FOOT + np.array([0.048, 0.0, 0.0]))
    brass = [moved(lathe(collar, WHOLE, 48), FOOT), switch, _rod(FOOT + np.array([0.0, 0.030, 0.0]), ELBOW, 0.0048),
             _rod(ELBOW, HEAD, 0.0042), *_joint(ELBOW, 0.0115, 0.024), *_joint(HEAD, 0.0095, 0.020), _neck()]
    return Model("desk_lamp", (
        part("base", [moved(lathe(base, WHOLE, 72), FOOT)], PAINT.name, 35.0),
        part("arm", brass, BRASS.name, 35.0),
        *_shade(),
        part("cord", [_cord()], CORD.name, 60.0),
    ), (PAINT, BRASS, ENAMEL, GLASS, CORD))


def _rod(start: F64, end: F64, radius: float) -> Surface:
    return sweep(start + (end - start) * np.linspace(0.0, 1.0, 3)[:, None], ellipse(2 * radius, 2 * radius, 24),
                 (0.0, 0.0, 1.0), WHOLE)


def _joint(centre: F64, radius: float, width: float) -> list[Surface]:
    """A friction joint: a drum along z between two knurled nuts."""
    half = width / 2
    drum = filleted([(0.0, -half, 0.0), (radius, -half, 0.0016), (radius, half, 0.0016), (0.0, half, 0.0)], 4)
    nut = filleted([(radius * 0.62, half - 0.001, 0.0), (radius * 0.62, half + 0.0055, 0.0012),
                    (0.0, half + 0.0055, 0.0)], 3)
    forward = rotation("x", 90.0)
    return [moved(lathe(drum, WHOLE, 36), centre, forward), moved(lathe(nut, WHOLE, 24), centre, forward),
            moved(lathe(nut, WHOLE, 24), centre, rotation("x", -90.0))]


def _neck() -> Surface:
    """From the head joint into the shade's cap."""
    down = rotation("z", SHADE_TILT) @ np.array([0.0, -1.0, 0.0])
    return _rod(HEAD, HEAD + 0.030 * down, 0.0055)


def _shade() -> list[Part]:
    """Spun steel, painted outside and enamelled inside, with its lampholder and an opal bulb."""
    outer = filleted([(0.0625, -0.1225, 0.0), (0.0638, -0.1232, 0.0005), (0.0638, -0.1185, 0.0006),
                      (0.0585, -0.098, 0.05), (0.034, -0.052, 0.030), (0.0225, -0.044, 0.008), (0.0225, -0.020, 0.005),
                      (0.0, -0.0175, 0.0)], 5)
    inner = filleted([(0.0, -0.0480, 0.0), (0.021, -0.0480, 0.004), (0.0325, -0.0535, 0.028), (0.0570, -0.098, 0.05),
                      (0.0625, -0.1225, 0.0)], 4)
    bulb = filleted([(0.0, -0.1170, 0.0), (0.0235, -0.1165, 0.0225), (0.0232, -0.078, 0.020), (0.0125, -0.066, 0.008),
                     (0.0125, -0.048, 0.0)], 5)
    tilt = rotation("z", SHADE_TILT)
    return [part("shade", [moved(lathe(outer, WHOLE, 72), HEAD, tilt)], PAINT.name, 35.0),
            part("reflector", [moved(lathe(inner, WHOLE, 64), HEAD, tilt)], ENAMEL.name, 35.0),
            part("bulb", [moved(lathe(bulb, WHOLE, 32), HEAD, tilt)], GLASS.name, 35.0)]


def _cord() -> Surface:
    """Leaves the back of the base and curls on the table."""
    back = FOOT + np.array([-0.076, 0.006, 0.0])
    path = bezier([back, back + np.array([-0.03, 0.0, 0.0]), back + np.array([-0.06, -0.006, -0.01]),
                   back + np.array([-0.075, -0.0040, -0.09]), back + np.array([-0.005, -0.0030, -0.13]),
                   back + np.array([0.060, -0.0035, -0.105])], 30)
    path[:, 1] = np.maximum(path[:, 1], 0.0026)
    sections = np.broadcast_to(ellipse(0.0052, 0.0052, 12), (31, 12, 2)).copy()
    sections[-1] *= 0.02
    return sweep(path, sections, (0.0, 1.0, 0.0), WHOLE)
