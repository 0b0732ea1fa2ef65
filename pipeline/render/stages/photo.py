"""The light of a photo: one softbox where its shadows say, and the rest from everywhere.

No backdrop is drawn: the photo itself stands behind the product.
"""

from __future__ import annotations

import math

from pipeline.catalogue import PhotoLight
from pipeline.render.stage import Rgb, Softbox, Stage

NAME = "photo"
WHITE_CARD = 1.06              # light that a card on the floor sends back, as on our own stages
_FLOOR = 0.5                   # albedo of a ground of which only pictures are known


def stage_in(light: PhotoLight) -> Stage:
    """Lights and floor of a product in that photo. Their sum is what our own stages give, times its exposure."""
    share = min(max(light.key_share, 0.1), 0.85)
    key = WHITE_CARD * share / math.sin(math.radians(light.elevation_deg))
    around = WHITE_CARD * (1.0 - share)
    return Stage(
        name=NAME, backdrop="white", key=Softbox(light.azimuth_deg, light.elevation_deg, light.width_deg,
                                                 0.8 * light.width_deg, _times(light, key), 24),
        others=(), dome_zenith=_times(light, around), dome_horizon=_times(light, 0.75 * around),
        dome_back=_times(light, 0.95 * around), dome_samples=36,
        floor_albedo=(_FLOOR * light.tint[0], _FLOOR * light.tint[1], _FLOOR * light.tint[2]))


def _times(light: PhotoLight, amount: float) -> Rgb:
    red, green, blue = (amount * light.exposure * channel for channel in light.tint)
    return red, green, blue
