"""A stage's lights as directions: a fixed, stratified sample of its softboxes and its surroundings.

Every light gets a shadow map, so soft shadows, visibility and occlusion are sums over lights.
The order interleaves four equally good subsets (index mod 4), because each of a pixel's four
samples is lit by one of them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.render.heading import UPRIGHT, Heading
from pipeline.render.stage import Environment, Softbox, Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
SUBSETS = 4
OVERLAP = 1.3    # of neighbouring lights' patches, so that no steps are left between their shadows
HORIZON = 0.04   # sine of the lowest elevation the surroundings are sampled at; below, shadows would never end
PANORAMA = 512   # rows of a stage's panorama


@dataclass(frozen=True, slots=True)
class Lights:
    """L directional lights in world space, key first and surroundings last."""

    directions: F64                        # (L, 3) unit, towards the light
    colors: F64                            # (L, 3) light · cosine = what a white card sends back, over π
    radii: F64                             # (L,) radians: of a disc as large as the patch each light stands for
    key: int                               # lights [0, key) are the key's
    dome: int                              # lights [dome, L) are the surroundings'

    def irradiance(self, normal: F64) -> F64:
        """(3,) what a white card with this normal sends back, unshadowed."""
        total: F64 = np.maximum(self.directions @ normal, 0.0) @ self.colors
        return total

    def key_irradiance(self, normal: F64) -> F64:
        """(3,) the key's part of it."""
        total: F64 = np.maximum(self.directions[:self.key] @ normal, 0.0) @ self.colors[:self.key]
        return total

    @property
    def key_chromaticity(self) -> tuple[float, float, float]:
        """Linear rgb of the key light, sum 1."""
        red, green, blue = self.colors[:self.key].sum(axis=0) / self.colors[:self.key].sum()
        return float(red), float(green), float(blue)

    @property
    def spacing(self) -> tuple[float, float]:
        """Radians between neighbouring lights: of the key, and of the surroundings for all others."""
        share = 0.75 * math.sqrt(math.pi) / OVERLAP
        return share * float(np.median(self.radii[:self.key])), share * float(np.median(self.radii[self.dome:]))


@dataclass(frozen=True, slots=True)
class BoxFrame:
    """A softbox's axes: to its centre, and along its width and height."""

    axis: F64
    right: F64
    up: F64
    half: tuple[float, float]              # radians of longitude and latitude about the axis
    radiance: F64


def box_frame(box: Softbox, heading: Heading = UPRIGHT) -> BoxFrame:
    axis = heading.direction(math.radians(box.azimuth_deg), math.radians(box.elevation_deg))
    right = np.cross([0.0, 1.0, 0.0], axis)
    right /= np.linalg.norm(right)
    half_width, half_height = math.radians(box.width_deg) / 2, math.radians(box.height_deg) / 2
    # Irradiance over π of a card facing the box: ∫∫ cos²(latitude)·cos(longitude) over its extent.
    spread = 2.0 * math.sin(half_width) * (half_height + math.sin(2 * half_height) / 2.0) / math.pi
    return BoxFrame(axis, right, np.cross(axis, right), (half_width, half_height), np.asarray(box.irradiance) / spread)


def radiance_towards(stage: Stage, directions: F64, only_key: bool | None = None) -> F64:
    """(..., 3) radiance that arrives from directions (..., 3) in the stage's axes; its floor sends none.

    ``only_key``: of the key alone, or (False) of all else. A key that is part of an environment is part
    of all else.
    """
    total = np.zeros(directions.shape) if only_key else surroundings_towards(stage, directions)
    lit = _above_floor(stage, directions)
    for box in stage.softboxes:
        if only_key is not None and only_key != (box is stage.key):
            continue
        frame = box_frame(box)
        longitude = np.arctan2(directions @ frame.right, directions @ frame.axis)
        latitude = np.arcsin(np.clip(directions @ frame.up, -1.0, 1.0))
        inside = (np.abs(longitude) < frame.half[0]) & (np.abs(latitude) < frame.half[1])
        total = total + (inside[..., None] & lit) * frame.radiance
    return total


def surroundings_towards(stage: Stage, directions: F64) -> F64:
    """The same without softboxes."""
    lit = _above_floor(stage, directions)
    height = np.clip(directions[..., 1:2], 0.0, 1.0)
    if stage.environment is not None:
        return _lookup(stage.environment.radiance, directions) * lit
    level = np.maximum(np.hypot(directions[..., 0], directions[..., 2]), 1e-9)
    behind = (0.5 - 0.5 * directions[..., 2] / level)[..., None]
    horizon = np.asarray(stage.dome_horizon) * (1 - behind) + np.asarray(stage.dome_back) * behind
    total: F64 = (horizon * (1 - height) + np.asarray(stage.dome_zenith) * height) * lit
    return total


def _above_floor(stage: Stage, directions: F64) -> NDArray[np.bool_]:
    if stage.floor_albedo is None:
        return np.ones((*directions.shape[:-1], 1), np.bool_)
    lit: NDArray[np.bool_] = directions[..., 1:2] > 0.0
    return lit


def panorama_directions(height: int) -> F64:
    """(height, 2·height, 3) unit vectors through the pixel centres of an Environment."""
    longitude = (np.arange(2 * height) + 0.5) / height * math.pi - math.pi
    latitude = math.pi / 2 - (np.arange(height) + 0.5) / height * math.pi
    flat = np.cos(latitude)[:, None]
    return np.stack([np.sin(longitude) * flat, np.repeat(np.sin(latitude)[:, None], 2 * height, axis=1),
                     -np.cos(longitude) * flat], axis=-1)


@lru_cache(maxsize=8)
def panorama(stage: Stage, height: int = PANORAMA) -> Environment:
    """All light of the stage as one picture, 2×2 samples a pixel; black below the horizon, where its floor is."""
    fine = radiance_towards(stage, panorama_directions(2 * height)).astype(np.float32)
    coarse = fine.reshape(height, 2, 2 * height, 2, 3).mean(axis=(1, 3))
    return Environment(coarse, hashlib.sha256(coarse.tobytes()).hexdigest())


def _lookup(image: F32, directions: F64) -> F64:
    """(..., 3) bilinear."""
    rows, columns = image.shape[:2]
    x = (np.arctan2(directions[..., 0], -directions[..., 2]) / (2 * math.pi) + 0.5) * columns - 0.5
    y = np.clip((0.5 - np.arcsin(np.clip(directions[..., 1], -1.0, 1.0)) / math.pi) * rows - 0.5, 0, rows - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = (x - left)[..., None], (y - top)[..., None]
    right, below = (left + 1) % columns, np.minimum(top + 1, rows - 1)
    left = left % columns
    mixed: F64 = ((image[top, left] * (1 - u) + image[top, right] * u) * (1 - v)
                  + (image[below, left] * (1 - u) + image[below, right] * u) * v)
    return mixed


@lru_cache(maxsize=8)
def _stage_lights(stage: Stage) -> Lights:
    """All lights in the stage's axes."""
    directions: list[F64] = []
    colors: list[F64] = []
    radii: list[F64] = []
    for box in stage.softboxes:
        frame = box_frame(box)
        u, v = _stratified(box.samples)
        longitude = (2 * u - 1) * frame.half[0]
        # A box that stands on the floor is mirrored down to it, but lights from above the horizon only.
        lowest = -frame.half[1]
        if stage.floor_albedo is not None:
            lowest = max(lowest, HORIZON - math.radians(box.elevation_deg))
        latitude = lowest + v * (frame.half[1] - lowest)
        directions.append(np.cos(latitude)[:, None] * (np.cos(longitude)[:, None] * frame.axis
                                                       + np.sin(longitude)[:, None] * frame.right)
                          + np.sin(latitude)[:, None] * frame.up)
        solid = 4.0 * frame.half[0] * frame.half[1] / box.samples
        colors.append((solid * (frame.half[1] - lowest) / (2 * frame.half[1]) * np.cos(latitude) / math.pi)[:, None]
                      * frame.radiance)
        radii.append(np.full(box.samples, OVERLAP * math.sqrt(solid / math.pi)))
    first = sum(box.samples for box in stage.softboxes)
    found = (_dome_lights(stage) if stage.environment is None
             else _panorama_lights(stage.environment, stage.dome_samples, stage.floor_albedo is None))
    directions.append(found[0])
    colors.append(found[1])
    radii.append(found[2])
    colors = [color * _correction(stage, which, direction, color)
              for which, (direction, color) in enumerate(zip(directions, colors, strict=True))]
    key = stage.key.samples if stage.key is not None else stage.dome_samples // 4
    return Lights(np.concatenate(directions), np.concatenate(colors), np.concatenate(radii), key,
                  first if stage.key is not None else key)


def _correction(stage: Stage, which: int, directions: F64, colors: F64) -> F64:
    """(3,) factor that gives a card the light of the whole softbox, or of the surroundings, and not of a sample.

    The card lies on the floor; where there is none, it faces the sample's middle.
    """
    towards = panorama_directions(PANORAMA // 2)
    one = replace(stage, key=None, others=stage.softboxes[which:which + 1])
    exact = (surroundings_towards(stage, towards) if which == len(stage.softboxes)
             else radiance_towards(one, towards) - surroundings_towards(stage, towards))
    up = np.array([0.0, 1.0, 0.0])
    if stage.floor_albedo is None and which < len(stage.softboxes):
        up = directions.mean(axis=0) / np.linalg.norm(directions.mean(axis=0))
    solid = np.hypot(towards[..., 0], towards[..., 2]) * (2 * math.pi / PANORAMA) ** 2
    wanted = (exact * (np.maximum(towards @ up, 0.0) * solid)[..., None]).sum(axis=(0, 1)) / math.pi
    sampled = np.maximum(directions @ up, 0.0) @ colors
    return np.where(sampled > 1e-9, wanted / np.maximum(sampled, 1e-9), 1.0)


def sample_lights(stage: Stage, heading: Heading) -> Lights:
    """All lights of the stage in the world."""
    lights = _stage_lights(stage)
    return Lights(lights.directions @ heading.axes, lights.colors, lights.radii, lights.key, lights.dome)


def _dome_lights(stage: Stage) -> tuple[F64, F64, F64]:
    u, v = _stratified(stage.dome_samples)
    lowest = -1.0 if stage.floor_albedo is None else HORIZON
    height = lowest + (1.0 - lowest) * u
    ring = np.sqrt(1.0 - height * height)
    angle = 2 * math.pi * v
    directions = np.stack([ring * np.sin(angle), height, ring * np.cos(angle)], axis=1)
    solid = 2 * math.pi * (1.0 - min(lowest, 0.0)) / stage.dome_samples
    colors = surroundings_towards(stage, directions) * (solid / math.pi)
    return directions, colors, np.full(stage.dome_samples, OVERLAP * math.sqrt(solid / math.pi))


def _panorama_lights(environment: Environment, count: int, whole: bool) -> tuple[F64, F64, F64]:
    """Median cut (P. Debevec, "A Median Cut Algorithm for Light Probe Sampling", 2005), of the upper half or all.

    Directions, colours and radii, the strongest radiance first. Regions are halved by energy along their
    longer side until there are ``count``.
    """
    image = environment.radiance
    rows = image.shape[0]
    step = max(1, rows // 256)
    image = image[:rows // step * step, :rows // step * step * 2]
    image = image.reshape(rows // step, step, -1, step, 3).mean(axis=(1, 3)).astype(np.float64)
    rows, columns = image.shape[:2]
    directions = panorama_directions(rows)[..., :]
    solid = np.maximum(np.cos(math.pi / 2 - (np.arange(rows) + 0.5) / rows * math.pi), 0.0)
    solid = np.broadcast_to(solid[:, None] * (math.pi / rows) ** 2, (rows, columns))
    above = rows if whole else rows // 2
    power = image * solid[..., None]
    energy = np.zeros((above + 1, columns + 1))
    energy[1:, 1:] = power[:above].sum(axis=2).cumsum(axis=0).cumsum(axis=1)
    regions = [(0, above, 0, columns)]
    while len(regions) < count:
        weights = [_energy(energy, region) if _divisible(region) else -1.0 for region in regions]
        regions.extend(_halved(energy, regions.pop(int(np.argmax(weights))), rows))
    found, colors, areas = [], [], []
    for top, bottom, left, right in regions:
        part = power[top:bottom, left:right]
        weight = part.sum(axis=2, keepdims=True) + 1e-12 * solid[top:bottom, left:right, None]
        centre = (directions[top:bottom, left:right] * weight).sum(axis=(0, 1))
        centre /= np.linalg.norm(centre)
        centre[1] = centre[1] if whole else max(centre[1], HORIZON)
        found.append(centre / np.linalg.norm(centre))
        colors.append(part.sum(axis=(0, 1)) / math.pi)
        areas.append(float(solid[top:bottom, left:right].sum()))
    strength = np.asarray(colors).sum(axis=1) / np.asarray(areas)
    order = np.argsort(-strength, kind="stable")
    return (np.asarray(found)[order], np.asarray(colors)[order],
            OVERLAP * np.sqrt(np.minimum(np.asarray(areas)[order], 2.0) / math.pi))


def _energy(table: F64, region: tuple[int, int, int, int]) -> float:
    top, bottom, left, right = region
    return float(table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left])


def _divisible(region: tuple[int, int, int, int]) -> bool:
    return region[1] - region[0] > 1 or region[3] - region[2] > 1


def _halved(table: F64, region: tuple[int, int, int, int], rows: int) -> list[tuple[int, int, int, int]]:
    top, bottom, left, right = region
    latitude = math.pi / 2 - (top + bottom) / 2 / rows * math.pi
    wide = (right - left) * math.cos(latitude) >= bottom - top
    if (wide and right - left > 1) or bottom - top <= 1:
        sums = table[bottom, left + 1:right] - table[top, left + 1:right] - table[bottom, left] + table[top, left]
        at = left + 1 + int(np.argmin(np.abs(sums - _energy(table, region) / 2)))
        return [(top, bottom, left, at), (top, bottom, at, right)]
    sums = table[top + 1:bottom, right] - table[top + 1:bottom, left] - table[top, right] + table[top, left]
    at = top + 1 + int(np.argmin(np.abs(sums - _energy(table, region) / 2)))
    return [(top, at, left, right), (at, bottom, left, right)]


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
