"""A café table in the light of a large window; the room behind it is out of focus."""

from __future__ import annotations

import numpy as np

from pipeline.render.sets.panels import Panel, box
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Softbox

_EDGE, _FLOOR, _BACK = -1.35, -2.3, -6.5
_LAMP = (9.0, 5.4, 2.5)


def _lamps() -> tuple[Panel, ...]:
    places = np.random.default_rng(5).uniform(size=(9, 3))
    found = []
    for number, (a, b, c) in enumerate(places):
        x, y, z = -4.6 + 9.2 * (number + 0.7 * a) / 9, 1.2 + 1.7 * b, _BACK + 0.6 + 2.2 * c
        found.append(Panel((x, y, z), (0.30, 0, 0), (0, 0.30, 0), tile=0.30, emission=_LAMP, texels=1.0))
    return tuple(found)


SET = StageSet(
    name="cafe",
    panels=(
        Panel((-3.2, 0.0, 3.0), (6.4, 0, 0), (0, 0, _EDGE - 3.0), "walnut", (1.7, 1.6, 1.5), 1.7, gloss=0.8,
              texels=18.0),
        Panel((-3.2, -0.12, _EDGE), (6.4, 0, 0), (0, 0.12, 0), "walnut", tile=1.7, texels=6.0),
        Panel((-7.0, _FLOOR, _EDGE + 1.0), (14.0, 0, 0), (0, 0, _BACK - _EDGE - 1.0), "oak", (0.7, 0.65, 0.6), 3.0,
              texels=5.0),
        Panel((-7.0, _FLOOR, _BACK), (14.0, 0, 0), (0, 2.6, 0), "plain", (0.055, 0.10, 0.085), texels=5.0),
        Panel((-7.0, _FLOOR + 2.6, _BACK), (14.0, 0, 0), (0, 4.4, 0), "plaster", (0.80, 0.66, 0.50), 3.0, texels=5.0),
        *box((-7.0, 0.25, _BACK), (7.0, 0.40, _BACK + 0.12), "walnut", texels=3.0),
        *box((-3.6, _FLOOR, -4.3), (-2.3, 0.1, -4.15), "walnut", (1.6, 1.5, 1.4), texels=5.0),
        *box((1.5, _FLOOR, -4.9), (2.9, 0.25, -4.75), "walnut", (1.4, 1.3, 1.2), texels=5.0),
        *box((3.3, -1.0, -4.4), (5.2, -0.86, -3.2), "walnut", (2.0, 1.9, 1.8), texels=5.0),
        *box((-1.0, 0.55, _BACK), (0.75, 2.0, _BACK + 0.05), "plain", (0.50, 0.42, 0.30), texels=4.0),
        *box((-5.4, 0.7, _BACK), (-4.2, 1.9, _BACK + 0.05), "plain", (0.10, 0.16, 0.20), texels=4.0),
        *_lamps(),
    ),
    key=Softbox(-64.0, 40.0, 26.0, 30.0, (1.08, 1.05, 1.00), 24),
    sky=(0.62, 0.60, 0.57), ground=(0.10, 0.08, 0.06), floor_albedo=(0.20, 0.105, 0.055),
)
