"""What trimming and rounding leave behind in a generated mesh, removed before it is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from examples.generate.model import Model, Part

SLIVER = 1e-12  # of the squared diagonal of the model: a triangle of less area is none


def tidied(model: Model) -> Model:
    """The model without triangles that have no area, and with every normal of unit length."""
    positions = np.concatenate([part.positions for part in model.parts]).astype(np.float64)
    least = SLIVER * float((np.ptp(positions, axis=0) ** 2).sum())
    return replace(model, parts=tuple(_tidied(part, least) for part in model.parts))


def _tidied(part: Part, least_area: float) -> Part:
    a, b, c = (part.positions[part.triangles[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    solid = np.linalg.norm(face, axis=1) / 2 > least_area
    triangles = part.triangles[solid]
    if part.normals is None:
        return replace(part, triangles=triangles)
    normals = part.normals.astype(np.float64)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    lost = length[:, 0] < 0.5
    if lost.any():  # where neighbours cancel out, the vertex takes the sum of its faces
        total = np.zeros_like(normals)
        for k in range(3):
            np.add.at(total, triangles[:, k], face[solid])
        normals[lost] = total[lost]
        length = np.linalg.norm(normals, axis=1, keepdims=True)
    used = np.unique(triangles)
    rank = np.zeros(len(part.positions), np.uint32)
    rank[used] = np.arange(len(used), dtype=np.uint32)
    unit = (normals / np.maximum(length, 1e-20)).astype(np.float32)
    return replace(part, positions=part.positions[used], uvs=part.uvs[used], normals=unit[used],
                   triangles=rank[triangles])
