"""A modelled set, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.render.sets.panels import Panel, Rgb
from pipeline.render.stage import Softbox


@dataclass(frozen=True, slots=True)
class StageSet:
    """Panels, the key light and the sky around them, in the stage's axes and product sizes."""

    name: str
    panels: tuple[Panel, ...]
    key: Softbox                           # the sun, or the brightest window
    sky: Rgb                               # radiance from above the horizon
    ground: Rgb                            # and from below it, of whatever lies beyond
    floor_albedo: Rgb                      # mean of what the product stands on
    others: tuple[Softbox, ...] = ()       # lights that the product mirrors sharply
    samples: int = 1024                    # paths per texel when light is baked
    smooth: float = 1.0                    # texels over which baked light but the key's is smoothed
