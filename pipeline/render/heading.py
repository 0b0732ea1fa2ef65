"""How a stage is turned: its backdrop stands behind the product as the camera sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heading:
    """The camera's compass: horizontal unit vectors towards the camera and to its right."""

    front: F64
    right: F64

    @classmethod
    def of(cls, rotation: F64) -> Heading:
        """From the 3×3 world → camera rotation; a camera that looks down takes the image's up."""
        backwards = rotation[2] * [1.0, 0.0, 1.0]
        right = rotation[0] * [1.0, 0.0, 1.0]
        if np.linalg.norm(backwards) < 0.3:
            # Light on a plan view falls from the top of the page, as readers of shading expect.
            backwards = rotation[1] * [1.0, 0.0, 1.0]
        front = backwards / np.linalg.norm(backwards)
        right = right - front * float(right @ front)
        right /= np.linalg.norm(right)
        return cls(front, right)

    @property
    def axes(self) -> F64:
        """(3, 3) rows: the stage's x, y and z in the world."""
        return np.stack([self.right, [0.0, 1.0, 0.0], self.front])

    def direction(self, azimuth: float, elevation: float) -> F64:
        """Unit vector; radians."""
        flat = math.cos(azimuth) * self.front + math.sin(azimuth) * self.right
        direction: F64 = math.cos(elevation) * flat + np.array([0.0, math.sin(elevation), 0.0])
        return direction


UPRIGHT = Heading(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))  # the stage's own axes
