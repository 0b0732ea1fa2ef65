"""Photos for tests: a ground with planks, a figure on it, its shadow, noise; all of it known."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.mesh.types import Mesh
from pipeline.reference import Figure, Photo, Segmentation
from pipeline.reference.pose import Pose, view_rotation
from pipeline.referencing import camera_of, untextured
from pipeline.render import Textures
from pipeline.render.fast import FastRenderer

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Staged:
    """A photo and what is true of it (H × W)."""

    photo: U8
    clean: U8                              # the same ground without figure and shadow
    mask: Mask

    @property
    def found(self) -> Segmentation:
        return Segmentation((Figure(self.mask),), 50.0)

    def jpeg(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.photo).save(buffer, "JPEG", quality=92, subsampling=0)
        return buffer.getvalue()


def planks(side: int, seed: int = 0, contrast: float = 0.06) -> F32:
    """(side, side, 3) 0..1 sRGB: boards from top to bottom, with grain along them."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), sigmaX=1.2, sigmaY=18.0)
    grain = np.asarray(grain / grain.std() * contrast, np.float32)
    boards = np.linspace(0, 6, side, endpoint=False)
    gap = (np.minimum(boards % 1.0, 1.0 - boards % 1.0) * side / 6 < 1.5).astype(np.float32)
    tone = np.array([0.72, 0.58, 0.44], np.float32)
    return np.asarray(tone * (1.0 + grain - 0.35 * gap[None, :])[..., None], np.float32)


def staged(mask: Mask, *, colour: tuple[float, float, float] = (0.45, 0.2, 0.1), light_from: tuple[float, float] =
           (-1.0, -1.0), ground: F32 | None = None, noise: float = 1.5) -> Staged:
    """A figure of one colour with a soft shadow on the side away from ``light_from`` (x right, y down)."""
    side = mask.shape[0]
    under = planks(side) if ground is None else ground
    length = 0.06 * side
    away = -np.asarray(light_from) / np.linalg.norm(light_from) * length
    move = np.array([[1.0, 0.0, away[0]], [0.0, 1.0, away[1]]])
    cast = cv2.warpAffine(mask.astype(np.float32), move, (side, side))
    cast = cv2.GaussianBlur(np.maximum(cast, mask.astype(np.float32)), (0, 0), 0.02 * side)
    shade = (1.0 - 0.45 * cast)[..., None]
    rows, columns = np.mgrid[:side, :side] / side
    body = np.asarray(colour, np.float32) * (0.8 + 0.3 * rows + 0.1 * np.sin(40 * columns))[..., None]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)[..., None]
    picture = under * shade * (1.0 - soft) + body * soft
    rng = np.random.default_rng(1)
    grains = rng.normal(0.0, noise / 255.0, picture.shape)
    return Staged(_coded(picture + grains), _coded(under), mask)


def seen_mask(mesh: Mesh, side: int, azimuth: float, elevation: float, distance: float = 5.0) -> Mask:
    """Where a mesh is in a square photo, looked at from an angle, in radii of it."""
    low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
    radius = float(np.linalg.norm(high - low)) / 2
    rotation = view_rotation(azimuth, elevation)
    view = np.eye(4)
    view[:3, :3] = rotation
    view[:3, 3] = np.array([0.0, 0.0, -distance * radius]) - rotation @ ((low + high) / 2)
    pose = Pose(azimuth, elevation, 0.0, False, 1.0, tuple(tuple(map(float, row)) for row in view))
    photo = Photo(np.zeros((side, side, 3), np.uint8))
    with FastRenderer() as renderer:
        seen = renderer.draw(untextured(mesh), Textures(), camera_of(photo, pose), (side, side))
    return np.asarray(seen.color[..., 3] > 127)


def ellipse(side: int, across: float, down: float, turn_deg: float = 0.0, at: tuple[float, float] = (0.5, 0.5)
            ) -> Mask:
    """Half axes as shares of the side."""
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (round(at[0] * side), round(at[1] * side)), (round(across * side), round(down * side)), turn_deg,
                0, 360, 1, -1)
    return mask > 0


def _coded(picture: NDArray[np.floating]) -> U8:
    return np.asarray(np.clip(picture * 255.0 + 0.5, 0, 255), np.uint8)
