"""What the ground's own grain does not explain: edges, which tell a product from a ground of its colour.

A grey shoe on grey stone stands out by its seams and its outline; a shadow has no such edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

SHARP = 7.0                    # of 255 in colour per pixel: steeper than a shadow falls off
BORDER = 0.08                  # of the shorter side: what is taken for ground alone
HALF_EDGE = 0.5                # of the least steepness of an edge: half as good as one
NEAR_HORIZON = 10              # px of the small photo
_NEAR = np.ones((5, 5), np.uint8)
_SMALL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Edges:
    """Edges of a small photo."""

    strong: Mask                           # (H, W); none within the border
    border: Mask
    slopes: F32                            # (2, H, W, 3) of colours to the right and down; 1 is the least of an edge

    @classmethod
    def of(cls, pixels: U8, horizon: F32 | None) -> Edges:
        """Of (H, W, 3) sRGB; floor and wall, parted by ``horizon``, have their own grain."""
        lab = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), np.float32)
        smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
        slopes = np.stack([cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1)]) / 16.0
        height, width = lab.shape[:2]
        edge = max(4, round(BORDER * min(height, width)))
        border = np.ones((height, width), np.bool_)
        border[edge:-edge, edge:-edge] = False
        parts = [np.ones_like(border)]
        if horizon is not None:
            below = np.arange(height)[:, None] - horizon[None, :]
            parts = [below < -NEAR_HORIZON, below > NEAR_HORIZON, np.abs(below) <= NEAR_HORIZON]
            slopes[1, parts[2]] = 0.0      # what crosses the horizon is no part of it
        steepness = np.sqrt((slopes**2).sum(axis=(0, 3)))
        least = np.full(border.shape, np.inf, np.float32)
        for part in parts:
            ground = steepness[part & border]
            if len(ground):
                least[part] = SHARP + 1.2 * float(np.percentile(ground, 99.5))
        return cls(~border & (steepness > least), border, np.asarray(slopes / least[..., None], np.float32))

    def outside(self, mask: Mask) -> float:
        """Edges that a mask does not hold, as a share of its outline's length."""
        away = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((11, 11), np.uint8))) == 0
        return float((away & self.strong).sum() / max(int(_outline(mask).sum()), 1))

    def support(self, mask: Mask) -> float:
        """Share of a mask's outline that runs along edges."""
        outline = _outline(mask) & ~self.border
        near = np.asarray(cv2.dilate(self.strong.astype(np.uint8), _NEAR)) > 0
        return float((near & outline).sum() / max(int(outline.sum()), 1))

    def flatness(self, mask: Mask) -> float:
        """0..1: how little of an edge a mask's outline runs along, on average."""
        steepness = np.asarray(cv2.dilate(np.sqrt((self.slopes**2).sum(axis=(0, 3))), _SMALL))
        return float((1.0 / (1.0 + (steepness[_outline(mask)] / HALF_EDGE) ** 2)).mean())

    def doubt(self, mask: Mask) -> float:
        """How badly edges agree with a mask: its outline is flat, or there are edges outside of it."""
        return self.flatness(mask) + 2.0 * self.outside(mask)

    def enclosed(self, reach: int) -> Mask:
        """What edges enclose, where gaps of twice ``reach`` px between them are bridged. Holes are filled."""
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        broad = np.asarray(cv2.dilate(np.pad(self.strong.astype(np.uint8), 2 * reach), kernel))
        filled = ndimage.binary_fill_holes(broad).astype(np.uint8)
        narrow = np.asarray(cv2.erode(filled, kernel))[2 * reach : -2 * reach, 2 * reach : -2 * reach]
        # An edge is as broad as the filter that finds it; single ones enclose nothing.
        thinner = cv2.erode(narrow, _SMALL)
        return np.asarray(cv2.morphologyEx(thinner, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))) > 0


def _outline(mask: Mask) -> Mask:
    return mask & ~(np.asarray(cv2.erode(mask.astype(np.uint8), _SMALL)) > 0)
