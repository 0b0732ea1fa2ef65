"""What is printed on the mirror image of a mesh: its texts, turned round so that they can be read.

The partner of a shoe is its mirror image, the words on it are not. Each label and logo that holds a text is flipped
along its own reading direction inside the map that a mirrored instance wears; marks without words stay mirrored, as
stripes are on a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.mesh.types import Mesh
from pipeline.render.geometry import transformed_uv
from pipeline.render.textures import Key, Textures, key_of

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

_SOFT_PX = 1.5                 # sigma of the border of what is flipped


def with_readable_prints(textures: Textures, mesh: Mesh, regions: Sequence[Region]) -> Textures:
    """The same maps, and those that mirrored instances wear instead where a text is on them."""
    worn: dict[Key, U8] = {}
    for material in mesh.materials:
        ref = material.textures.get("base_color")
        if ref is None or key_of(ref) not in textures.images:
            continue
        for region in regions:
            if region.text and len(region.polygon) >= 3 and region.material in ("*", material.name):
                before = worn.get(key_of(ref), textures.of(ref))
                height, width = before.shape[:2]
                corners = transformed_uv(np.asarray(region.polygon), ref) * [width, height]
                worn[key_of(ref)] = flipped(before, corners.astype(np.float32))
    return replace(textures, mirrored=worn) if worn else textures


def flipped(image: U8, corners: F32) -> U8:
    """(H, W, 4) with a polygon (N, 2) px flipped; four corners read from the first to the second."""
    quad = corners if len(corners) == 4 else _box(corners)
    width, height = (max(2.0, float(np.linalg.norm(quad[a] - quad[0]))) for a in (1, 3))
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    there = cv2.getPerspectiveTransform(quad, flat)
    turn = np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    around = np.linalg.inv(there) @ turn @ there
    # Only the polygon's rectangle is worked on: a map may have 16 megapixels.
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 6, 0, None)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 6, image.shape[1::-1])
    if (high - low < 2).any():
        return image
    window = slice(low[1], high[1]), slice(low[0], high[0])
    shift = np.array([[1.0, 0.0, float(low[0])], [0.0, 1.0, float(low[1])], [0.0, 0.0, 1.0]])
    part = np.ascontiguousarray(image[window])
    size = (part.shape[1], part.shape[0])
    turned = cv2.warpPerspective(part, np.linalg.inv(shift) @ around @ shift, size, flags=cv2.INTER_CUBIC,
                                 borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(corners - low).astype(np.int32)], 255)
    share = cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), _SOFT_PX)[..., None]
    out = image.copy()
    out[window] = np.round(part * (1.0 - share) + turned * share).astype(np.uint8)
    return out


def _box(corners: F32) -> F32:
    """The corners of a polygon's upright box, read along its longer side."""
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    across = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
    return across if x1 - x0 >= y1 - y0 else np.roll(across, -1, axis=0)
