"""A stage's lights as directions: a fixed, stratified sample of its softboxes and its dome.

Every light gets a shadow map, so soft shadows, visibility and occlusion are sums over lights.
The order interleaves four equally good subsets (index mod 4), because each of a pixel's four
samples is lit by one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.render.stages import Softbox, Stage

F64 = NDArray[np.float64]
SUBSETS = 4
OVERLAP = 1.3    # of neighbouring lights' patches, so that no steps are left between their shadows
HORIZON = 0.04   # sine of the lowest elevation the dome is sampled at; below, shadows would never end


@dataclass(frozen=True, slots=True)
class Lights:
    """L directional lights in world space."""

    directions: F64                        # (L, 3) unit, towards the light
    colors: F64                            # (L, 3) light · cosine = what a white card sends back, over π
    key: int                               # lights [0, key) are the key's
    dome: int                              # lights [dome, L) are the dome's

    def irradiance(self, normal: F64) -> F64:
        """(3,) what a white card with this normal sends back, unshadowed."""
        total: F64 = np.maximum(self.directions @ normal, 0.0) @ self.colors
        return total


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

    def direction(self, azimuth: float, elevation: float) -> F64:
        """Unit vector; radians."""
        flat = math.cos(azimuth) * self.front + math.sin(azimuth) * self.right
        direction: F64 = math.cos(elevation) * flat + np.array([0.0, math.sin(elevation), 0.0])
        return direction


@dataclass(frozen=True, slots=True)
class BoxFrame:
    """A softbox's axes: to its centre, and along its width and height."""

    axis: F64
    right: F64
    up: F64
    half: tuple[float, float]              # radians of longitude and latitude about the axis
    radiance: F64


def box_frame(box: Softbox, heading: Heading) -> BoxFrame:
    axis = heading.direction(math.radians(box.azimuth_deg), math.radians(box.elevation_deg))
    right = np.cross([0.0, 1.0, 0.0], axis)
    right /= np.linalg.norm(right)
    half_width, half_height = math.radians(box.width_deg) / 2, math.radians(box.height_deg) / 2
    # Irradiance over π of a card facing the box: ∫∫ cos²(latitude)·cos(longitude) over its extent.
    spread = 2.0 * math.sin(half_width) * (half_height + math.sin(2 * half_height) / 2.0) / math.pi
    return BoxFrame(axis, right, np.cross(axis, right), (half_width, half_height), np.asarray(box.irradiance) / spread)


def sample_lights(stage: Stage, heading: Heading) -> Lights:
    """All lights of the stage, key first and dome last."""
    directions: list[F64] = []
    colors: list[F64] = []
    for box in stage.softboxes:
        frame = box_frame(box, heading)
        u, v = _stratified(box.samples)
        longitude = (2 * u - 1) * frame.half[0]
        # A box that stands on the floor is mirrored down to it, but lights from above the horizon only.
        lowest = max(-frame.half[1], HORIZON - math.radians(box.elevation_deg))
        latitude = lowest + v * (frame.half[1] - lowest)
        directions.append(np.cos(latitude)[:, None] * (np.cos(longitude)[:, None] * frame.axis
                                                       + np.sin(longitude)[:, None] * frame.right)
                          + np.sin(latitude)[:, None] * frame.up)
        solid = 2.0 * frame.half[0] * (frame.half[1] - lowest) / box.samples * np.cos(latitude) / math.pi
        colors.append(solid[:, None] * frame.radiance)
    u, v = _stratified(stage.dome_samples)
    height = HORIZON + (1.0 - HORIZON) * u
    ring = np.sqrt(1.0 - height * height)
    angle = 2 * math.pi * v
    directions.append((ring * np.cos(angle))[:, None] * heading.front + (ring * np.sin(angle))[:, None] * heading.right
                      + height[:, None] * np.array([0.0, 1.0, 0.0]))
    behind = (0.5 - 0.5 * np.cos(angle))[:, None]
    horizon = np.asarray(stage.dome_horizon) * (1 - behind) + np.asarray(stage.dome_back) * behind
    share = height[:, None]
    colors.append((horizon * (1 - share) + np.asarray(stage.dome_zenith) * share) * (2.0 / stage.dome_samples))
    first_dome = sum(box.samples for box in stage.softboxes)
    return Lights(np.concatenate(directions), np.concatenate(colors), stage.key.samples, first_dome)


def light_patches(stage: Stage) -> F64:
    """(L,) radians: radius of a disc as large as the patch of the stage that each light stands for."""
    solid = [math.radians(box.width_deg) * math.radians(box.height_deg) / box.samples for box in stage.softboxes]
    counts = [box.samples for box in stage.softboxes]
    areas = np.repeat([*solid, 2 * math.pi / stage.dome_samples], [*counts, stage.dome_samples])
    radii: F64 = OVERLAP * np.sqrt(areas / math.pi)
    return radii


def light_spacing(stage: Stage) -> tuple[float, float]:
    """Radians between neighbouring light directions: of the key, and of the dome for all others."""
    key = math.radians(stage.key.width_deg) * math.radians(stage.key.height_deg) / stage.key.samples
    return 0.75 * math.sqrt(key), 0.75 * math.sqrt(2 * math.pi / stage.dome_samples)


def _stratified(count: int) -> tuple[F64, F64]:
    """(count,) points in the unit square whose four interleaved subsets are each evenly spread.

    Rank-1 lattice by the golden ratio, shifted per subset (R. Cranley and T. Patterson 1976).
    """
    each = count // SUBSETS
    index = np.arange(each)
    u, v = np.empty(count), np.empty(count)
    for subset in range(SUBSETS):
        u[subset::SUBSETS] = (index + (subset + 0.5) / SUBSETS) / each
        v[subset::SUBSETS] = np.mod(index * 0.6180339887498949 + subset * 0.25 + 0.125, 1.0)
    return u, v
