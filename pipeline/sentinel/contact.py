"""Does the product stand on its ground? The shadow under its lowest contour, against the one it should throw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.types import BBox, Expected

F32 = NDArray[np.float32]

_LOWEST = 0.08       # of the product's height: contours this close to its lowest point stand on something
_START = 2           # px below the contour, where a soft edge has ended
_BAND = 0.02         # of the product's height, the strip where a contact shadow is darkest
_DEEPEST = 0.20      # of its height below the contour; less where the frame ends
_SHALLOWEST = 0.05   # with less ground in the frame there is nothing to compare with
_FURTHER = 0.6       # of that depth: from there on it is the ground to compare with
_FEWEST_COLUMNS = 12
SHADOW_CODES = 12.0  # a fainter contact shadow is not missed


@dataclass(frozen=True, slots=True)
class Contact:
    """How dark the strip below the product is, in codes of luminance."""

    expected: float      # darker than the ground further down, in the faithful picture
    observed: float
    box: BBox

    @property
    def missing(self) -> float:
        """Share of the contact shadow that the image lacks; 0 where it is darker."""
        return float(np.clip(1.0 - self.observed / self.expected, 0.0, 1.0)) if self.expected > 0 else 0.0


def contact(expected: Expected, wanted: F32, seen: F32) -> Contact | None:
    """Read both pictures under the lowest contour; None where the frame shows no ground there.

    Args:
        wanted, seen: luminances (H, W) of the faithful picture and the image, in codes.
    """
    solid = expected.alpha > 0.5
    box = bbox_of(solid)
    if box is None:
        return None
    tall = box[3] - box[1]
    height = solid.shape[0]
    columns = np.flatnonzero(solid.any(axis=0))
    lowest = height - 1 - solid[::-1, columns].argmax(axis=0)
    standing = lowest >= box[3] - 1 - _LOWEST * tall
    columns, lowest = columns[standing], lowest[standing]
    strip = max(2, round(_BAND * tall))
    near = lowest[:, None] + _START + np.arange(strip)[None]
    depth = min(round(_DEEPEST * tall), height - box[3])
    if depth < max(_SHALLOWEST * tall, 2 * strip + _START):
        return None
    far = lowest[:, None] + np.arange(round(_FURTHER * depth), depth)[None]
    inside = far[:, -1] < height
    inside[inside] &= (expected.alpha[near[inside], columns[inside, None]] < 0.01).all(axis=1)
    inside[inside] &= (expected.alpha[far[inside], columns[inside, None]] < 0.01).all(axis=1)
    if np.count_nonzero(inside) < _FEWEST_COLUMNS:
        return None
    columns, near, far = columns[inside, None], near[inside], far[inside]
    darker = [np.median(picture[far, columns], axis=1) - picture[near, columns].mean(axis=1)
              for picture in (wanted, seen)]
    # Only where the faithful picture has the shadow: beside a round base the ground is bare.
    dark = darker[0] >= SHADOW_CODES
    if np.count_nonzero(dark) < _FEWEST_COLUMNS:
        return Contact(float(np.median(darker[0])), 0.0, box)
    around = (int(columns.min()), int(near.min()), int(columns.max()) + 1, int(near.max()) + 1)
    return Contact(float(darker[0][dark].mean()), float(darker[1][dark].mean()), around)
