"""A part moved by its node's matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.raw import RawPart


def bounds_of(parts: Sequence[RawPart]) -> NDArray[np.float64]:
    """(2, 3): lowest and highest corner of all parts. By column: numpy's reduction along axis 0 is slow for three."""
    columns = [[(part.positions[:, k].min(), part.positions[:, k].max()) for part in parts] for k in range(3)]
    return np.array([[min(low for low, _ in column) for column in columns],
                     [max(high for _, high in column) for column in columns]], np.float64)


def transform_part(part: RawPart, matrix: NDArray[np.float64]) -> RawPart:
    """Apply a 4×4 matrix. A mirroring one also turns the winding, so that outside stays outside."""
    if np.array_equal(matrix, np.eye(4)):
        return part
    linear = matrix[:3, :3]
    determinant = float(np.linalg.det(linear))
    with np.errstate(over="ignore", invalid="ignore"):
        positions = part.positions @ linear.T + matrix[:3, 3]
        # Cofactors instead of the inverse transpose: the same direction, and defined for a flattened object.
        cofactors = np.stack([np.cross(linear[1], linear[2]), np.cross(linear[2], linear[0]),
                              np.cross(linear[0], linear[1])])
        turned = None if part.normals is None else part.normals @ cofactors.T * (-1.0 if determinant < 0 else 1.0)
        tangents = part.tangents
        if tangents is not None:
            handed = tangents[:, 3:] * (-1.0 if determinant < 0 else 1.0)
            tangents = np.concatenate([tangents[:, :3] @ linear.T, handed], axis=1)
    triangles = part.triangles[:, ::-1] if determinant < 0 else part.triangles
    return replace(part, positions=positions, triangles=triangles, normals=turned, tangents=tangents)
