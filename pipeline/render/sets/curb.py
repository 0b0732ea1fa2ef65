"""A kerb in the sun: concrete in front, a street and planted façades out of focus behind."""

from __future__ import annotations

from pipeline.render.sets.panels import Panel, box, rounded_edge
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Softbox

_EDGE, _ROAD, _FAR = -1.15, -0.42, -9.0
_R = 0.07

SET = StageSet(
    name="curb",
    panels=(
        Panel((-6.0, 0.0, 4.0), (12.0, 0, 0), (0, 0, -3.42), "concrete", (1.06, 1.03, 0.98), 1.9, gloss=0.12,
              texels=14.0),
        # The kerb stones, the joints around them, and their rounded edge.
        *(Panel((x, 0.0006, 0.58), (0.012, 0, 0), (0, 0, _EDGE - 0.58), "concrete", (0.26, 0.25, 0.24), 4.0,
                texels=14.0)
          for x in (-4.52, -1.52, 1.48, 4.48)),
        Panel((-7.0, 0.0006, 0.59), (14.0, 0, 0), (0, 0, -0.014), "concrete", (0.26, 0.25, 0.24), 4.0, texels=14.0),
        *(Panel((x, 0.0, 0.58), (3.0, 0, 0), (0, 0, _EDGE - 0.58), "concrete", tint, 1.4, gloss=0.12, texels=15.0)
          for x, tint in ((-7.5, (0.86, 0.85, 0.83)), (-4.5, (0.93, 0.91, 0.88)), (-1.5, (0.90, 0.885, 0.86)),
                          (1.5, (0.84, 0.83, 0.82)), (4.5, (0.92, 0.90, 0.87)))),
        *rounded_edge((-6.0, 0.0, _EDGE), (12.0, 0, 0), _R, "concrete", (0.9, 0.88, 0.86), tile=1.4, outward=-1.0),
        Panel((9.0, _ROAD, _EDGE - _R), (-18.0, 0, 0), (0, -_ROAD - _R, 0), "concrete", (0.85, 0.84, 0.82), texels=5.0),
        Panel((-12.0, _ROAD, _EDGE - _R), (24.0, 0, 0), (0, 0, _FAR + 2.0 - _EDGE + _R), "asphalt", (1.2, 1.2, 1.2),
              2.0, texels=5.0),
        *box((-12.0, _ROAD, _FAR), (12.0, -0.15, _FAR + 2.0), "concrete", (0.95, 0.93, 0.9), texels=3.0),
        Panel((-12.0, -0.2, _FAR), (13.5, 0, 0), (0, 8.0, 0), "bricks", (1.35, 1.25, 1.15), 2.4, texels=4.0),
        Panel((1.5, -0.2, _FAR), (10.5, 0, 0), (0, 8.0, 0), "plaster", (1.0, 0.90, 0.72), 3.0, texels=4.0),
        *box((-5.2, -0.1, _FAR), (-3.4, 2.6, _FAR + 0.06), "plain", (0.05, 0.07, 0.09), texels=3.0),
        *box((3.1, 0.6, _FAR), (4.7, 2.9, _FAR + 0.06), "plain", (0.07, 0.09, 0.11), texels=3.0),
        *box((6.4, 0.6, _FAR), (8.0, 2.9, _FAR + 0.06), "plain", (0.07, 0.09, 0.11), texels=3.0),
        *box((-12.0, -0.15, _FAR + 0.5), (-5.6, 1.5, _FAR + 1.6), "leaves", (0.60, 0.50, 0.64), tile=1.6, texels=4.0),
        *(panel for x, top in ((-2.9, 0.75), (-2.2, 1.15), (-1.4, 0.9), (-0.8, 1.3), (0.0, 1.0), (0.6, 0.7))
          for panel in box((x, -0.15, _FAR + 0.5), (x + 0.85, top, _FAR + 1.5), "leaves", (0.62, 0.52, 0.66), tile=1.6,
                           texels=4.0)),
        *box((4.9, -0.15, _FAR + 0.6), (6.2, 1.9, _FAR + 1.4), "leaves", (0.55, 0.48, 0.60), tile=1.6, texels=4.0),
    ),
    key=Softbox(-52.0, 42.0, 2.5, 2.5, (1.30, 1.19, 1.02), 24),
    sky=(0.33, 0.40, 0.52), ground=(0.15, 0.15, 0.15), floor_albedo=(0.42, 0.40, 0.37),
)
