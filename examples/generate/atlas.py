"""One picture for many charts: pieces are placed in pixels, and flat millimetres become uv."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Slot:
    """Where a chart lies in its atlas."""

    left: float                                # pixels
    top: float
    scale: float                               # pixels per mm
    size: tuple[int, int]                      # of the atlas: width, height

    def uv(self, flat: F64) -> F64:
        """(…, 2) uv of chart coordinates in mm."""
        return (flat * self.scale + (self.left, self.top)) / self.size


@dataclass
class Atlas:
    """Collects charts; empty texels are filled with their nearest neighbour, so mip levels do not bleed."""

    width: int
    height: int
    pixels: NDArray[np.uint8] = field(init=False)
    taken: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = np.zeros((self.height, self.width, 3), np.uint8)
        self.taken = np.zeros((self.height, self.width), bool)

    def place(self, image: NDArray[np.uint8], slot: Slot, mask: NDArray[np.bool_] | None = None) -> None:
        """Copy a chart's picture to its slot; only where ``mask`` holds."""
        top, left = round(slot.top), round(slot.left)
        height, width = image.shape[:2]
        if top + height > self.height or left + width > self.width:
            raise ValueError(f"chart of {width}×{height} px at {left}, {top} leaves the atlas")
        keep = np.ones((height, width), bool) if mask is None else mask
        area = (slice(top, top + height), slice(left, left + width))
        if (self.taken[area] & keep).any():
            raise ValueError(f"chart at {left}, {top} overlaps another")
        self.pixels[area][keep] = image[keep]
        self.taken[area] |= keep

    def finished(self) -> Image.Image:
        nearest = distance_transform_edt(~self.taken, return_distances=False, return_indices=True)
        return Image.fromarray(np.ascontiguousarray(self.pixels[tuple(nearest)]))
