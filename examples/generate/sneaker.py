"""The court sneaker's parts in space, and where each chart lies in its atlas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from examples.generate.atlas import Slot
from examples.generate.grids import grid_part, joined
from examples.generate.laces import Eyelet, LaceSection, bar, crossing, eyelet_ring, eyelets, hidden_bar, swept
from examples.generate.lining import lining
from examples.generate.model import Part
from examples.generate.paint import Canvas
from examples.generate.pattern import Pattern
from examples.generate.sneaker_last import SNEAKER_LAST
from examples.generate.sneaker_panels import Panel, sneaker_panels
from examples.generate.sole import CUPSOLE_SECTION, SoleShape, Wall, footbed, plan, sole_parts, wall
from examples.generate.tongue import Tongue, TongueShape, patch, tongue
from examples.generate.upper import as_part, layers

F64 = NDArray[np.float64]

UPPER_ATLAS = (2048, 2048)
TRIM_ATLAS = (2048, 1024)
PATTERN_SCALE = 6.4                            # px per mm of the upper: a stitch is 12 px long
LABEL_SCALE = 14.0
LABEL_MM = (36.0, 20.5)
EYELET_COUNT = 7
FACE_MM = 2.1                                  # the eyestay's face over the last
UNDER_MM = 2.8                                 # depth of its underside
LACE = LaceSection(half_width=3.7, half_height=0.85)

CUPSOLE = SoleShape(
    top=((-10, 30), (0, 29.8), (60, 27.0), (120, 25), (190, 23.2), (240, 24.5), (275, 28.5), (300, 32.5)),
    bottom=((-10, 1.5), (10, 0.0), (40, 0.0), (120, 0.0), (200, 0.0), (235, 1.2), (260, 4.5), (280, 9.0), (300, 15.0)),
    section=CUPSOLE_SECTION, bumper=1.2)

UPPER_SLOTS = {
    "lateral": Slot(6, 6, PATTERN_SCALE, UPPER_ATLAS),
    "medial": Slot(6, 660, PATTERN_SCALE, UPPER_ATLAS),
    "tongue": Slot(10, 1326, 4.8, UPPER_ATLAS),
    "label": Slot(1180, 1330, LABEL_SCALE, UPPER_ATLAS),
    "tongue back": Slot(1180, 1700, 2.2, UPPER_ATLAS),
}
TRIM_SLOTS = {
    "wall lateral": Slot(4, 4, 5.6, TRIM_ATLAS),
    "wall medial": Slot(4, 264, 5.6, TRIM_ATLAS),
    "tread": Slot(4, 528, 2.4, TRIM_ATLAS),
    "footbed": Slot(740, 528, 2.6, TRIM_ATLAS),
    "lining": Slot(4, 800, 2.0, TRIM_ATLAS),
    "lace": Slot(1240, 800, 7.0, TRIM_ATLAS),
}


@dataclass(frozen=True)
class Sneaker:
    """Everything about the shoe that no colourway changes."""

    patterns: tuple[Pattern, Pattern]          # lateral, medial
    panels: tuple[tuple[Panel, ...], tuple[Panel, ...]]
    eyelets: tuple[tuple[Eyelet, ...], tuple[Eyelet, ...]]
    tongue: Tongue
    walls: tuple[Wall, Wall]
    lining_size: tuple[float, float]
    footbed_flat: F64
    parts: tuple[Part, ...]


@cache
def sneaker() -> Sneaker:
    """Build the shoe once; every colourway shares it."""
    last = SNEAKER_LAST
    patterns = (Pattern.of(last, "lateral"), Pattern.of(last, "medial"))
    panels = (sneaker_panels(patterns[0]), sneaker_panels(patterns[1]))
    parts: list[Part] = []
    for pattern, pieces in zip(patterns, panels, strict=True):
        coarse = Canvas(*pattern.size, scale=2.0, ground=(0, 0, 0))
        parts += [as_part(f"{name} {pattern.side}", layer, UPPER_SLOTS[pattern.side], "upper_leather")
                  for name, layer in layers(pattern, pieces, coarse)]

    inner, inner_flat = lining(last, collar_mm=8.5, throat_mm=2.2)
    parts.append(grid_part("lining", [(inner, inner_flat, TRIM_SLOTS["lining"], False)], "lining_textile"))
    bed = footbed(last, CUPSOLE)
    bed_flat = plan(bed, mirrored=False)
    parts.append(grid_part("footbed", [(bed, bed_flat, TRIM_SLOTS["footbed"], False)], "lining_textile"))

    flap = tongue(last, TongueShape())
    parts.append(grid_part("tongue", [(flap.front, flap.flat, UPPER_SLOTS["tongue"], True),
                                      (flap.back, flap.back_flat, UPPER_SLOTS["tongue back"], False)],
                           "tongue_textile"))
    label, label_flat = patch(flap, *LABEL_MM, below_top=5.0, thickness=0.9)
    parts.append(grid_part("tongue label", [(label, label_flat, UPPER_SLOTS["label"], True)], "tongue_textile"))

    holes = (eyelets(patterns[0], 0.90, 0.565, EYELET_COUNT, 8.5), eyelets(patterns[1], 0.90, 0.575, EYELET_COUNT, 8.5))
    parts += [_eyelet_part(holes), _lace_part(holes, flap)]
    walls = (wall(last, CUPSOLE, "lateral"), wall(last, CUPSOLE, "medial"))
    parts.append(sole_parts(walls, TRIM_SLOTS, "sole_rubber"))
    width, height = inner_flat.reshape(-1, 2).max(axis=0)
    return Sneaker(patterns, panels, holes, flap, walls, (float(width), float(height)), bed_flat, tuple(parts))


def _eyelet_part(holes: tuple[tuple[Eyelet, ...], ...]) -> Part:
    rings = []
    for side in holes:
        for hole in side:
            points = eyelet_ring(hole, FACE_MM, outer=4.3, inner=2.5, height=0.9)
            flat = np.full((*points.shape[:2], 2), 0.5)
            rings.append(grid_part("eyelet", [(points, flat, TRIM_SLOTS["lace"], False)], "eyelet_metal"))
    return joined("eyelets", rings)


def _lace_part(holes: tuple[tuple[Eyelet, ...], tuple[Eyelet, ...]], flap: Tongue) -> Part:
    lateral, medial = holes
    paths = [hidden_bar(lateral[0], medial[0], _crest(flap, lateral[0], medial[0], 0.2), UNDER_MM)]
    for k in range(EYELET_COUNT - 1):
        # The two laces of a crossing take turns in lying on top.
        heights = (2.9, 1.2) if k % 2 else (1.2, 2.9)
        pair = ((lateral[k], medial[k + 1]), (medial[k], lateral[k + 1]))
        for (start, end), clearance in zip(pair, heights, strict=True):
            paths.append(crossing(start, end, _crest(flap, start, end, clearance), FACE_MM, UNDER_MM))
    paths.append(bar(lateral[-1], medial[-1], _crest(flap, lateral[-1], medial[-1], 1.6), FACE_MM))
    tubes = []
    for path, up in paths:
        run = np.linspace(0, 1, len(path))
        pinch = 0.62 + 0.38 * np.clip(run / 0.22, 0, 1) ** 0.8 * np.clip((1 - run) / 0.22, 0, 1) ** 0.8
        points, flat = swept(path, up, LACE, pinch)
        tubes.append(grid_part("lace", [(points, flat, TRIM_SLOTS["lace"], True)], "lace_textile"))
    return joined("laces", tubes)


def _crest(flap: Tongue, a: Eyelet, b: Eyelet, clearance: float) -> F64:
    """The place ``clearance`` mm over the tongue, halfway between two eyelets."""
    ridge = flap.front[:, flap.front.shape[1] // 2]
    middle = (a.edge + b.edge) / 2
    nearest = int(((ridge - middle)[:, [0, 2]] ** 2).sum(axis=1).argmin())
    up = a.edge_normal + b.edge_normal
    up = up / np.linalg.norm(up)
    height = max(float((ridge[nearest] - middle) @ up), 0.0)
    result: F64 = middle + (height + clearance + LACE.half_height) * up
    return result
