"""A brown leather derby: open facings over the vamp, a straight toe cap, a stitched welt and a stacked heel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from examples.generate.atlas import Slot
from examples.generate.derby_last import DERBY_LAST
from examples.generate.grids import arc_lengths, grid_part, joined
from examples.generate.laces import Eyelet, LaceSection, bar, eyelets, swept
from examples.generate.lining import lining
from examples.generate.model import Part
from examples.generate.paint import Canvas
from examples.generate.panels import Chain, curve, line
from examples.generate.pattern import Pattern
from examples.generate.sneaker_panels import Panel, cut, drop
from examples.generate.sole import UP, SectionPoint, SoleShape, Wall, footbed, plan, sole_parts, wall
from examples.generate.tongue import Tongue, TongueShape, tongue
from examples.generate.upper import as_part, layers

F64 = NDArray[np.float64]

ATLAS = (2048, 2048)
PATTERN_SCALE = 6.0
FACING_MM = 1.6
EYELET_COUNT = 5
LACE = LaceSection(half_width=1.45, half_height=1.45, power=2.0, points=10)
ROWS_MM = (1.8, 3.7)
TOE_CAP_X = 247.0
HEEL_END = 0.205                               # share of each side that the heel block takes

SLOTS = {
    "lateral": Slot(6, 6, PATTERN_SCALE, ATLAS),
    "medial": Slot(6, 700, PATTERN_SCALE, ATLAS),
    "wall lateral": Slot(6, 1394, 5.2, ATLAS),
    "wall medial": Slot(6, 1514, 5.2, ATLAS),
    "heel": Slot(6, 1634, 4.2, ATLAS),
    "tread": Slot(790, 1634, 1.7, ATLAS),
    "footbed": Slot(1410, 1634, 1.9, ATLAS),
    "lining": Slot(6, 1806, 2.0, ATLAS),
    "tongue": Slot(1290, 1808, 1.7, ATLAS),
    "tongue back": Slot(1440, 1808, 1.7, ATLAS),
    "lace": Slot(1640, 1806, 6.0, ATLAS),
}

# Upper, stitched welt ledge, a groove, the outsole's edge.
WELT_SECTION: tuple[SectionPoint, ...] = (
    (-1.5, "top", -1.6), (-0.4, "top", -0.2), (0.2, "top", 0.0), (1.4, "top", 0.05), (3.4, "top", 0.05),
    (4.1, "top", -0.15), (4.45, "top", -0.7), (4.5, "top", -2.3), (4.3, "top", -2.7), (3.95, "top", -2.9),
    (3.95, "top", -3.15), (4.35, "top", -3.35), (4.55, "top", -3.8), (4.55, "bottom", 1.2), (4.3, "bottom", 0.4),
    (3.7, "bottom", 0.0), (1.0, "bottom", 0.0),
)
_TOP = tuple((x, y + 2.8) for x, y in DERBY_LAST.feather_heights)
WELTED = SoleShape(
    top=_TOP, bottom=tuple((x, y - 9.3) for x, y in _TOP), section=WELT_SECTION, footbed=3.0,
    width=((-10, 0.5), (20, 0.5), (70, 0.45), (120, 0.5), (170, 0.95), (220, 1.1), (260, 1.1), (300, 1.1)))


@dataclass(frozen=True)
class Derby:
    """The shoe's parts and what its painter needs."""

    patterns: tuple[Pattern, Pattern]
    panels: tuple[tuple[Panel, ...], tuple[Panel, ...]]
    eyelets: tuple[tuple[Eyelet, ...], tuple[Eyelet, ...]]
    tongue: Tongue
    walls: tuple[Wall, Wall]
    lining_size: tuple[float, float]
    footbed_flat: F64
    heel_flat: F64
    parts: tuple[Part, ...]


def toe_cap(pattern: Pattern) -> Panel:
    """Straight across the toe, as the eye sees it."""
    rise = np.linspace(0, 1, 200)
    edge = []
    for along in np.linspace(1.0, 0.6, 41):
        x = pattern.point(np.full_like(rise, along), rise)[:, 0]
        if x[0] < TOE_CAP_X:
            break
        edge.append((float(along), float(np.interp(-TOE_CAP_X, -x, rise))))
    crown, foot = edge[0], (edge[-1][0] - 0.006, 0.0)
    return cut(pattern, "toe cap", 1.0, [
        Chain(curve(pattern, [*edge[:-1:3], foot])),
        Chain(line(foot, (1.0, 0.0)), free=False), Chain(line((1.0, 0.0), crown), free=False)], ROWS_MM)


def quarter(pattern: Pattern) -> Panel:
    front = [(0.875, 1.0), (0.885, 0.93), (0.865, 0.85), (0.80, 0.70), (0.725, 0.50), (0.665, 0.26), (0.645, 0.0)]
    return cut(pattern, "quarter", FACING_MM, [
        Chain(line((0.0, 1.0), front[0])), Chain(curve(pattern, front)),
        Chain(line(front[-1], (0.0, 0.0)), free=False), Chain(line((0.0, 0.0), (0.0, 1.0)), free=False)], ROWS_MM)


def facing(pattern: Pattern) -> Panel:
    """The reinforced strip that holds the eyelets."""
    outer = [drop(pattern, 0.858, 14.0), drop(pattern, 0.75, 15.0), drop(pattern, 0.64, 15.5),
             drop(pattern, 0.56, 16.0), drop(pattern, 0.505, 14.5), drop(pattern, 0.468, 6.0)]
    return cut(pattern, "facing", 2.3, [
        Chain(line((0.462, 1.0), (0.858, 1.0))), Chain(line((0.858, 1.0), outer[0])),
        Chain(curve(pattern, [*outer, (0.462, 1.0)]))], ROWS_MM)


def backstay(pattern: Pattern) -> Panel:
    edge = [(0.034, 1.0), (0.036, 0.8), (0.046, 0.5), (0.075, 0.2), (0.10, 0.0)]
    return cut(pattern, "backstay", 2.4, [
        Chain(line((0.0, 1.0), edge[0])), Chain(curve(pattern, edge)),
        Chain(line(edge[-1], (0.0, 0.0)), free=False), Chain(line((0.0, 0.0), (0.0, 1.0)), free=False)], ROWS_MM)


def heel_block(walls: tuple[Wall, Wall]) -> tuple[list[Part], F64]:
    """A stack of leather lifts under the sole, its breast straight across. Returns parts and the wall's chart."""
    lateral, medial = (w.points[: round(HEEL_END * (len(w.points) - 1)) + 1] for w in walls)
    rim = np.concatenate([medial[::-1, -3], lateral[1:, -3]])
    tread_height = np.concatenate([medial[::-1, -1, 1], lateral[1:, -1, 1]])
    centre = rim.mean(axis=0)
    levels = np.array([1.0, 0.97, 0.5, 0.06, 0.015, 0.0])
    shrink = np.array([0.30, 0.55, 1.3, 2.1, 2.4, 3.0])
    inward = centre - rim
    inward[:, 1] = 0
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    rows = [rim * (1, 0, 1) + inward * s + (level * (tread_height + 0.4))[:, None] * UP
            for level, s in zip(levels, shrink, strict=True)]
    block = np.stack(rows, axis=1)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(rim, axis=0), axis=1))])
    down = arc_lengths(block, 1)
    flat = np.stack([np.broadcast_to((run[-1] - run)[:, None], down.shape), down], axis=-1)
    breast = np.stack([block[0], block[-1]], axis=1).transpose(1, 0, 2)
    breast_flat = np.stack([flat[-1], flat[-1] + (8.0, 0.0)])
    foot = block[:, -1]
    half = len(foot) // 2
    floor = np.stack([foot[:half + 1], foot[::-1][:half + 1]], axis=1)
    floor_flat = np.stack(np.broadcast_arrays(np.full(floor.shape[:2], 6.0), np.full(floor.shape[:2], 27.0)), axis=-1)
    parts = [grid_part("heel", [(block, flat, SLOTS["heel"], True)], "sole_leather"),
             grid_part("heel breast", [(breast, breast_flat, SLOTS["heel"], False)], "sole_leather"),
             grid_part("heel floor", [(floor, floor_flat, SLOTS["heel"], True)], "sole_leather")]
    return parts, flat


@cache
def derby() -> Derby:
    last = DERBY_LAST
    patterns = (Pattern.of(last, "lateral"), Pattern.of(last, "medial"))
    makers = (toe_cap, quarter, facing, backstay)
    panels = (tuple(make(patterns[0]) for make in makers), tuple(make(patterns[1]) for make in makers))
    parts: list[Part] = []
    for pattern, pieces in zip(patterns, panels, strict=True):
        coarse = Canvas(*pattern.size, scale=2.0, ground=(0, 0, 0))
        parts += [as_part(f"{name} {pattern.side}", layer, SLOTS[pattern.side], "upper_leather")
                  for name, layer in layers(pattern, pieces, coarse)]
    inner, inner_flat = lining(last, collar_mm=4.0, throat_mm=2.6)
    bed = footbed(last, WELTED)
    bed_flat = plan(bed, mirrored=False)
    parts.append(grid_part("lining", [(inner, inner_flat, SLOTS["lining"], False)], "lining_leather"))
    parts.append(grid_part("footbed", [(bed, bed_flat, SLOTS["footbed"], False)], "lining_leather"))
    flap = tongue(last, TongueShape(top_along=0.545, under_mm=12.0, sunk_mm=4.6, rise_mm=25.0, lean_from_deg=148.0,
                                    lean_to_deg=122.0, corner_mm=9.0, throat_pad_mm=0.9, end_pad_mm=1.3))
    parts.append(grid_part("tongue", [(flap.front, flap.flat, SLOTS["tongue"], True),
                                      (flap.back, flap.back_flat, SLOTS["tongue back"], False)], "upper_leather"))
    holes = (eyelets(patterns[0], 0.825, 0.575, EYELET_COUNT, 7.5),
             eyelets(patterns[1], 0.825, 0.585, EYELET_COUNT, 7.5))
    parts.append(_laces(holes, flap))
    walls = (wall(last, WELTED, "lateral"), wall(last, WELTED, "medial"))
    parts.append(sole_parts(walls, SLOTS, "sole_leather"))
    heel, heel_flat = heel_block(walls)
    parts += heel
    width, height = inner_flat.reshape(-1, 2).max(axis=0)
    return Derby(patterns, panels, holes, flap, walls, (float(width), float(height)), bed_flat, heel_flat, tuple(parts))


def _laces(holes: tuple[tuple[Eyelet, ...], tuple[Eyelet, ...]], flap: Tongue) -> Part:
    """Straight bars, as dress shoes are laced."""
    ridge = flap.front[:, flap.front.shape[1] // 2]
    tubes = []
    for a, b in zip(*holes, strict=True):
        middle = (a.edge + b.edge) / 2
        up = a.edge_normal + b.edge_normal
        up = up / np.linalg.norm(up)
        nearest = int(((ridge - middle)[:, [0, 2]] ** 2).sum(axis=1).argmin())
        crest = middle + (max(float((ridge[nearest] - middle) @ up), 0.6) + LACE.half_height + 0.8) * up
        points, flat = swept(*bar(a, b, crest, 2.3), LACE)
        tubes.append(grid_part("lace", [(points, flat, SLOTS["lace"], True)], "lace_textile"))
    return joined("laces", tubes)
