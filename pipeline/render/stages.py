"""The stages: backdrop and lights of a shot. One entry of ``STAGES`` each.

Angles are relative to the camera, as a photographer sets lights: azimuth 0 is behind the
camera, positive to its right. Lengths in a backdrop are shares of the product's extent, so a
ring and a chair stand in the same light.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline.errors import RenderError
from pipeline.render.context import shader_source

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Softbox:
    """A rectangular area light, far away."""

    azimuth_deg: float
    elevation_deg: float
    width_deg: float                       # as seen from the product
    height_deg: float
    irradiance: Rgb                        # what a white card facing it sends back, linear
    samples: int                           # shadow-casting directions; a multiple of 4


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that surrounds the product."""

    name: str
    backdrop: str                          # shaders/plate_<backdrop>.frag
    key: Softbox
    others: tuple[Softbox, ...]
    dome_zenith: Rgb                       # radiance of the surroundings straight above
    dome_horizon: Rgb                      # towards the camera
    dome_back: Rgb                         # behind the product
    dome_samples: int                      # shadow-casting directions; a multiple of 4
    floor_albedo: Rgb
    shadow_strength: float = 1.0           # 1 keeps the floor's broad shadow as it is, 0 removes it
    contact_strength: float = 1.0          # the same of the shadow of what is close to the floor
    shadow_reach: float = 1.9              # product sizes from its footprint to the end of its shadow
    white_backdrop: bool = False

    @property
    def softboxes(self) -> tuple[Softbox, ...]:
        return (self.key, *self.others)

    @property
    def sha256(self) -> str:
        """Of the full definition: these fields and the backdrop's shader."""
        text = json.dumps(asdict(self), sort_keys=True) + shader_source(f"plate_{self.backdrop}.frag")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key_chromaticity(self) -> Rgb:
        total = sum(self.key.irradiance)
        red, green, blue = (value / total for value in self.key.irradiance)
        return red, green, blue


STAGES: Mapping[str, Stage] = {stage.name: stage for stage in (
    Stage(
        name="white", backdrop="white",
        key=Softbox(-48.0, 46.0, 46.0, 46.0, (0.56, 0.56, 0.56), 20),
        others=(Softbox(66.0, 14.0, 26.0, 96.0, (0.22, 0.22, 0.22), 8),
                Softbox(168.0, 52.0, 70.0, 26.0, (0.30, 0.30, 0.30), 8)),
        dome_zenith=(0.54, 0.54, 0.54), dome_horizon=(0.38, 0.38, 0.38), dome_back=(0.95, 0.95, 0.95),
        dome_samples=28, floor_albedo=(0.85, 0.85, 0.85), shadow_strength=0.42, contact_strength=1.0,
        shadow_reach=0.36, white_backdrop=True,
    ),
    Stage(
        name="sweep", backdrop="sweep",
        key=Softbox(-55.0, 44.0, 34.0, 40.0, (0.80, 0.785, 0.765), 24),
        others=(Softbox(72.0, 12.0, 20.0, 90.0, (0.18, 0.185, 0.19), 8),
                Softbox(160.0, 50.0, 60.0, 22.0, (0.34, 0.335, 0.33), 8)),
        dome_zenith=(0.40, 0.40, 0.405), dome_horizon=(0.29, 0.285, 0.28), dome_back=(0.62, 0.585, 0.55),
        dome_samples=24, floor_albedo=(0.70, 0.625, 0.555),
    ),
    Stage(
        name="lifestyle", backdrop="lifestyle",
        key=Softbox(-58.0, 36.0, 9.0, 9.0, (1.20, 1.00, 0.74), 24),
        others=(Softbox(-92.0, 22.0, 54.0, 70.0, (0.27, 0.29, 0.32), 12),
                Softbox(78.0, 18.0, 44.0, 70.0, (0.17, 0.155, 0.135), 8)),
        dome_zenith=(0.30, 0.295, 0.285), dome_horizon=(0.24, 0.225, 0.205), dome_back=(0.40, 0.36, 0.31),
        dome_samples=20, floor_albedo=(0.38, 0.23, 0.12),
    ),
)}


def find_stage(name: str) -> Stage:
    """The stage of that name. Raises RenderError ``stage_unknown``."""
    if name not in STAGES:
        raise RenderError("stage_unknown", f"There is no stage {name!r}.", f"Stages: {', '.join(STAGES)}.")
    return STAGES[name]


def stage_hash(name: str) -> str:
    """Hash of everything that defines the stage; part of what passes depend on. Raises RenderError."""
    return find_stage(name).sha256
