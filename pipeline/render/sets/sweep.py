"""A seamless paper sweep in a studio: floor, curve and wall of one warm sheet."""

from __future__ import annotations

import math

from pipeline.render.sets.panels import Panel
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Softbox

_PAPER = (0.70, 0.625, 0.555)
_BEND, _RADIUS, _WIDE, _HIGH = -0.9, 2.2, 9.0, 3.0
_STRIPS = 36


def _curve() -> tuple[Panel, ...]:
    """A quarter cylinder from the floor's end up to the wall, in strips that are lit as if they were round."""
    def at(step: int) -> tuple[float, float]:
        angle = step / _STRIPS * math.pi / 2
        return _RADIUS * (1.0 - math.cos(angle)), _BEND - _RADIUS * math.sin(angle)

    def normal(step: int) -> tuple[float, float, float]:
        angle = step / _STRIPS * math.pi / 2
        return 0.0, math.cos(angle), math.sin(angle)

    found = []
    for step in range(_STRIPS):
        (y0, z0), (y1, z1) = at(step), at(step + 1)
        found.append(Panel((-_WIDE, y0, z0), (2 * _WIDE, 0, 0), (0, y1 - y0, z1 - z0), tint=_PAPER, texels=5.0,
                           bend=(normal(step), normal(step + 1))))
    return tuple(found)


SET = StageSet(
    name="sweep",
    panels=(
        Panel((-_WIDE, 0.0, 6.0), (2 * _WIDE, 0, 0), (0, 0, _BEND - 6.0), tint=_PAPER, texels=5.0),
        *_curve(),
        Panel((-_WIDE, _RADIUS, _BEND - _RADIUS), (2 * _WIDE, 0, 0), (0, _HIGH, 0), tint=_PAPER, texels=5.0),
    ),
    key=Softbox(-55.0, 44.0, 34.0, 40.0, (0.80, 0.785, 0.765), 24),
    others=(Softbox(72.0, 12.0, 20.0, 90.0, (0.18, 0.185, 0.19), 8),
            Softbox(160.0, 62.0, 60.0, 22.0, (0.34, 0.335, 0.33), 8)),
    sky=(0.26, 0.258, 0.255), ground=(0.1, 0.1, 0.1), floor_albedo=_PAPER, samples=8192, smooth=0.6,
)
