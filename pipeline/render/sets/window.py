"""A wooden floor by a window: low sun through the panes, a plastered wall behind."""

from __future__ import annotations

from pipeline.render.sets.panels import Panel, box
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Softbox

_WALL, _LEFT, _HEIGHT = -2.3, -3.3, 5.2
_PLASTER = (1.0, 0.96, 0.90)
_Z0, _Z1, _Y0, _Y1 = -0.9, 3.1, 0.75, 3.7             # the window's opening


def _window_wall() -> tuple[Panel, ...]:
    def part(z0: float, z1: float, y0: float, y1: float) -> Panel:
        return Panel((_LEFT, y0, z1), (0, 0, z0 - z1), (0, y1 - y0, 0), "plaster", _PLASTER, 2.5, texels=6.0)

    def bar(z0: float, z1: float, y0: float, y1: float) -> tuple[Panel, ...]:
        return box((_LEFT - 0.05, y0, z0), (_LEFT + 0.07, y1, z1), "plain", (0.80, 0.78, 0.74), texels=5.0)

    middle = (_Z0 + _Z1) / 2
    faces = [part(_WALL, _Z0, 0.0, _HEIGHT), part(_Z1, 5.0, 0.0, _HEIGHT), part(_Z0, _Z1, 0.0, _Y0),
             part(_Z0, _Z1, _Y1, _HEIGHT)]
    # Seen from outside, so that no sun comes through the wall.
    faces += [Panel((p.corner[0] - 0.08, p.corner[1], p.corner[2] + p.u[2]), (0.0, 0.0, -p.u[2]), p.v, texels=1.0)
              for p in faces]
    for z0, z1, y0, y1 in ((middle - 0.05, middle + 0.05, _Y0, _Y1), (_Z0, _Z1, 2.85, 2.95),
                           (_Z0 - 0.02, _Z0 + 0.08, _Y0, _Y1),
                           (_Z1 - 0.08, _Z1 + 0.02, _Y0, _Y1), (_Z0, _Z1, _Y0 - 0.02, _Y0 + 0.08)):
        faces += bar(z0, z1, y0, y1)
    return tuple(faces)


SET = StageSet(
    name="window",
    panels=(
        Panel((-5.0, 0.0, 5.0), (10.0, 0, 0), (0, 0, -5.0 + _WALL), "oak", (1.0, 1.0, 1.0), 1.6, gloss=0.55,
              texels=18.0),
        Panel((-5.0, 0.0, _WALL), (10.0, 0, 0), (0, _HEIGHT, 0), "plaster", _PLASTER, 2.5, texels=9.0),
        *box((-5.0, 0.0, _WALL), (5.0, 0.22, _WALL + 0.06), "plain", (0.82, 0.80, 0.76), texels=6.0),
        *_window_wall(),
        Panel((-5.0, _HEIGHT, _WALL), (10.0, 0, 0), (0, 0, 5.0 - _WALL), "plain", (0.85, 0.84, 0.82), texels=3.0),
        Panel((5.0, 0.0, _WALL), (0, 0, 5.0 - _WALL), (0, _HEIGHT, 0), "plaster", _PLASTER, 2.5, texels=3.0),
    ),
    key=Softbox(-58.0, 31.0, 2.2, 2.2, (1.55, 1.28, 0.94), 24),
    sky=(1.9, 2.1, 2.4), ground=(0.5, 0.5, 0.45), floor_albedo=(0.36, 0.22, 0.12),
)
