"""Smooth vertex normals, for parts that bring none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.generate.model import Part


def normals_of(part: Part) -> NDArray[np.float32]:
    """The part's normals (V, 3), else area-weighted over its triangles."""
    if part.normals is not None:
        return part.normals
    a, b, c = (part.positions[part.triangles[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros((len(part.positions), 3))
    for k in range(3):
        np.add.at(total, part.triangles[:, k], face)
    length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)
    return np.asarray(total / length, np.float32)
