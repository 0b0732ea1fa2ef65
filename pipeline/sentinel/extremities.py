"""Parts of the outline that stick out: handles, straps, heels, corners. A refiner loses these first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, label

from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.types import Expected

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_GRID = 320            # cells over the product's larger extent: protrusions need no more
_ROUND = 0.07          # of that extent: radius of the disc that does not fit into what sticks out
_LEAST_AREA = 0.15     # of the disc's radius squared; a right angle leaves 0.21, an obtuse one less


def extremity_points(expected: Expected, points: F64) -> Bools:
    """(n,) which contour points (n, 2) lie on parts that stick out.

    What sticks out is what an opening with a disc takes off the silhouette (top-hat transform; Serra, 1982): thin
    parts, and corners that are no blunter than a right angle.
    """
    solid = expected.alpha > 0.5
    box = bbox_of(solid)
    if box is None:
        return np.zeros(len(points), bool)
    step = max(1, (max(box[2] - box[0], box[3] - box[1])) // _GRID)
    cells = np.pad(solid[box[1]:box[3]:step, box[0]:box[2]:step], 1)
    radius = _ROUND * max(cells.shape)
    core = distance_transform_edt(cells) >= radius
    if not core.any():  # thin all over
        return np.ones(len(points), bool)
    opened = distance_transform_edt(~core) < radius
    parts, count = label(cells & ~opened, np.ones((3, 3)))
    area = np.bincount(parts.ravel(), minlength=count + 1)
    large = area >= _LEAST_AREA * radius**2
    large[0] = False
    near = binary_dilation(large[parts], iterations=2)
    column, row = (np.clip(np.rint((points[:, axis] - box[axis]) / step).astype(int) + 1, 0, cells.shape[1 - axis] - 1)
                   for axis in (0, 1))
    return np.asarray(near[row, column])
