"""Silhouettes from points on the surface: a fit asks for a thousand small ones, one after the other.

A graphics driver takes 5 ms to begin and end a picture of any size; 30,000 points on 112 × 112 pixels are a
matrix product and a scatter, 1 ms. Gaps between points are closed by a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Mesh

COUNT = 30_000                 # of a whole surface; a figure of 60 px has 3,000 pixels, and both sides of it show
_CLOSING = np.ones((3, 3), np.uint8)


def surface_points(mesh: Mesh, count: int = COUNT) -> NDArray[np.float32]:
    """(N, 3) points all over a mesh's surface, always the same, and its vertices: every part has its outermost ones,
    however small its area is."""
    corners = np.asarray(mesh.positions, np.float64)[mesh.triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    total = float(areas.sum())
    chosen = rng.choice(len(areas), count, p=areas / total if total > 0 else None)
    first, second = np.sqrt(rng.random(count)), rng.random(count)
    share = np.stack([1.0 - first, first * (1.0 - second), first * second], axis=1)
    surface = np.einsum("nk,nkd->nd", share, corners[chosen])
    named = np.unique(mesh.triangles)
    vertices = mesh.positions[named[:: max(1, len(named) // count)]]
    return np.concatenate([surface, vertices]).astype(np.float32)


class PointSilhouettes:
    """Draws silhouettes of one mesh."""

    def __init__(self, mesh: Mesh, count: int = COUNT) -> None:
        points = surface_points(mesh, count)
        self._points = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1).T.copy()

    def draw(self, clip: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
        """(N, side, side) of N cameras: what (N, 4, 4) matrices mesh → clip space see, top-left origin."""
        return np.stack([self._one(matrix, side) for matrix in clip]) if len(clip) else np.zeros((0, side, side), bool)

    def _one(self, clip: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
        # Two rows more than are asked for, all around: what lies beyond them is cut off below.
        x, y, w = clip[[0, 1, 3]].astype(np.float32) @ self._points
        scale = np.float32(0.5 * side) / np.maximum(w, 1e-9)
        column = (x * scale + np.float32(0.5 * side + 2.0)).astype(np.int32)
        row = (np.float32(0.5 * side + 2.0) - y * scale).astype(np.int32)
        wide = side + 4
        inside = (column >= 0) & (column < wide) & (row >= 0) & (row < wide) & (w > 0.0)
        mask = np.zeros(wide * wide, np.uint8)
        mask[(row * wide + column)[inside]] = 1
        closed = cv2.morphologyEx(mask.reshape(wide, wide), cv2.MORPH_CLOSE, _CLOSING)
        return np.asarray(closed[2:-2, 2:-2] > 0)
