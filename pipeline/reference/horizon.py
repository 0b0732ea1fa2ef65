"""Where floor and wall meet in a photo whose products are known: each is filled and lit for itself.

A horizon is a straight line, nearly level, along which the ground changes in the same way wherever it can be seen. It
is looked for in a small picture by the mean difference of what is above and below all such lines (a Radon transform of
small angles), and refined in the photo itself.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIDE = 384                     # px of the small picture's longer side
BAND = 7                       # px there, above and below, that are compared
SLOPES = np.linspace(-0.08, 0.08, 17)  # a camera is held level
LEAST_STEP = 3.5               # of L*a*b*, on average along the line
CLEAR = 0.5                    # of the strongest step of all lines
ALIKE, LEAST_ALIKE = 0.3, 0.85  # of the step; of the places along the line that have to show so much of it
LEAST_SEEN = 0.3               # of the photo's width
LEAST_SHARE = 0.03             # of the photo, of either ground
REACH = 4                      # px of the small picture: how far from there the photo is looked at
SOFT_PX = 2.0                  # above the line and below it, over which the one turns into the other


def floor_and_wall(photo: U8, ground: Mask) -> tuple[F32, ...]:
    """(H, W) shares of the grounds that a photo shows: floor and wall; or one ground alone.

    Args:
        photo: (H, W, 3) sRGB.
        ground: (H, W) what is no product.
    """
    height, width = ground.shape
    line = _line(photo, ground)
    if line is not None:
        wall = np.clip(0.5 + (line[None, :] - np.arange(height)[:, None]) / (2.0 * SOFT_PX), 0.0, 1.0)
        wall = (wall * wall * (3.0 - 2.0 * wall)).astype(np.float32)
        if min(float((ground & part).mean()) for part in (wall < 0.01, wall > 0.99)) > LEAST_SHARE:
            return 1.0 - wall, wall
    return (np.ones((height, width), np.float32),)


def _line(photo: U8, ground: Mask) -> F32 | None:
    """(W,) row at which wall turns into floor."""
    height, width = ground.shape
    shrink = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    open_ground = np.asarray(cv2.resize(ground.astype(np.float32), size, interpolation=cv2.INTER_AREA)) > 0.99
    rough = _rough(small, open_ground)
    if rough is None:
        return None
    offset, slope = rough
    columns = np.arange(width)
    middle = (offset + slope * (columns * shrink - size[0] / 2)) / shrink
    reach = max(2, round(REACH / shrink))
    around = np.round(middle).astype(int) + np.arange(-reach, reach + 1)[:, None]
    rows = np.clip(around, 0, height - 1)
    seen = np.flatnonzero((ground[rows, columns] & (rows == around)).all(axis=0))
    if len(seen) < 2:
        return None
    lab = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB), np.float32)
    steep = np.abs(cv2.Scharr(cv2.GaussianBlur(lab, (0, 0), 1.5), cv2.CV_32F, 0, 1)).sum(axis=-1)
    at = rows[steep[rows, columns].argmax(axis=0), columns]
    # P. Huber's weights: here and there something else is steeper.
    along, down, x, y = np.asarray(cv2.fitLine(np.stack([seen, at[seen]], axis=1).astype(np.float32), cv2.DIST_HUBER,
                                               0, 0.01, 0.01)).reshape(-1)
    return np.asarray(y + (columns - x) * down / along, np.float32)


def _rough(small: U8, ground: Mask) -> tuple[float, float] | None:
    """Row in the middle of the small picture, and rows per column; None where there is no horizon."""
    height, width = ground.shape
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)
    band = cv2.blur(lab, (1, BAND))
    half = BAND // 2 + 1
    step = np.roll(band, half, axis=0) - np.roll(band, -half, axis=0)
    kernel = np.ones((2 * BAND + 1, 1), np.uint8)
    whole = np.asarray(cv2.erode(ground.astype(np.uint8), kernel, borderValue=0))
    found: list[tuple[float, int, float]] = []
    for slope in SLOPES:
        level = np.array([[1.0, 0.0, 0.0], [-slope, 1.0, slope * width / 2]])
        steps = np.asarray(cv2.warpAffine(step, level, (width, height)))
        seen = np.asarray(cv2.warpAffine(whole, level, (width, height), flags=cv2.INTER_NEAREST)) > 0
        count = seen.sum(axis=1)
        mean = (steps * seen[..., None]).sum(axis=1) / np.maximum(count, 1)[:, None]
        size = np.linalg.norm(mean, axis=1)
        alike = ((steps * mean[:, None]).sum(axis=2) > ALIKE * size[:, None] ** 2) & seen
        held = (size > LEAST_STEP) & (count > LEAST_SEEN * width) & (alike.sum(axis=1) >= LEAST_ALIKE * count)
        found += [(float(size[row]), int(row), float(slope)) for row in np.flatnonzero(held)]
    if not found:
        return None
    # Boards may meet along such lines too, and a wall have a faint one: the uppermost of the clear ones.
    clear_step = CLEAR * max(size for size, *_ in found)
    top = min(row for size, row, _ in found if size >= clear_step)
    _, row, slope = max(each for each in found if top <= each[1] <= top + 2 * BAND)
    return float(row), slope
