"""What a stage is: the backdrop and lights of a shot, as plain data.

Angles are relative to the camera, as a photographer sets lights: azimuth 0 is behind the
camera, positive to its right. Lengths in a backdrop are shares of the product's extent, so a
ring and a chair stand in the same light.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """Light from every direction, as a panorama in the stage's axes.

    Column centres run from longitude −π to π, the middle column looking away from the camera and columns
    to its right looking to the camera's right; row 0 is straight up:

        longitude = 2π·(column + ½)/W − π,  latitude = π/2 − π·(row + ½)/H
        direction = (sin(longitude)·cos(latitude), sin(latitude), −cos(longitude)·cos(latitude))
    """

    radiance: NDArray[np.float32]          # (H, W, 3) linear Rec. 709, W = 2 H
    sha256: str                            # of the radiance, or of the file it came from


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that surrounds the product.

    Stage axes: x to the camera's right, y up, z horizontally towards the camera; the origin is on the floor
    below the product's middle, the unit of length is the product's largest side.
    """

    name: str
    backdrop: str                          # shaders/plate_<backdrop>.frag, or "set": modelled in 3D
    key: Softbox | None                    # None: the environment's brightest part is the key
    others: tuple[Softbox, ...]
    dome_zenith: Rgb                       # radiance of the surroundings straight above
    dome_horizon: Rgb                      # towards the camera
    dome_back: Rgb                         # behind the product
    dome_samples: int                      # shadow-casting directions of dome or environment; a multiple of 4
    floor_albedo: Rgb | None               # None: no floor, light from below as well
    white_backdrop: bool = False
    edge_fade: float = 0.0                 # of the picture's shorter side, over which a shadow on white ends
    environment: Environment | None = None  # takes the place of the dome

    @property
    def softboxes(self) -> tuple[Softbox, ...]:
        return self.others if self.key is None else (self.key, *self.others)

    @property
    def sha256(self) -> str:
        """Of the full definition: these fields and the backdrop's shader."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.environment is not None:
            values["environment"] = self.environment.sha256
        text = json.dumps(values, sort_keys=True, default=repr) + "".join(
            shader_source(name) for name in (("set.vert", "set.frag", "set_focus.frag") if self.backdrop == "set"
                                             else (f"plate_{self.backdrop}.frag",)))
        return hashlib.sha256(text.encode()).hexdigest()
