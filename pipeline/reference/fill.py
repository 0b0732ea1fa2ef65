"""Ground where there was none: a hole is filled block by block with the piece of the photo that fits its rim best.

As Criminisi, Pérez and Toyama (2004), with large blocks, and from the hole's rim inwards: planks and weave continue
because a block brings its own neighbourhood along. The search looks at a smaller picture, and once more closely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOCK = 40                     # px of the hole that are filled at once
RIM = 20                       # px around a block that have to fit
FEATHER = 8                    # px over which a piece fades into what is there
COARSE_SIDE = 384              # px of the longer side, where pieces are looked for
_CLOSE = 4                     # px around the coarse answer that are tried closely
_IMPOSSIBLE = 1e12


def filled(texture: F32, hole: Mask, known: Mask, grounds: Sequence[Mask] = ()) -> F32:
    """(H, W, 3) with the hole filled. ``known``: where pieces may come from and what they have to fit; not the hole.

    Where no whole piece is known the texture's mean stays. ``grounds``: parts of the photo of which each is filled from
    itself alone, floor and wall; what fits a grainy rim best would be the smoother of them.
    """
    if grounds:                            # all of the photo, each pixel once
        for ground in grounds:
            texture = filled(texture, hole & ground, known & ground)
        return texture
    out = texture.copy()
    out[hole] = texture[known].mean(axis=0) if known.any() else 1.0  # a texture's mean: it is a ratio to its light
    there = known & ~hole
    left = hole.copy()
    finder = _Finder(texture, there)
    for rows, columns in _blocks(hole):
        wanted = left[rows, columns]
        if not wanted.any():
            continue
        window = _around((rows, columns), RIM, hole.shape)
        found = finder.find(out, there | (hole & ~left), window)
        if found is None:
            continue
        top, left_edge = found
        height, width = window[0].stop - window[0].start, window[1].stop - window[1].start
        piece = texture[top : top + height, left_edge : left_edge + width]
        missing = left[window].copy()
        inner = np.zeros_like(missing)
        inner[rows.start - window[0].start : rows.stop - window[0].start,
              columns.start - window[1].start : columns.stop - window[1].start] = True
        new = missing & inner
        # What was filled before fades into the piece, the photo's own pixels never do.
        fade = np.clip(1.0 - cv2.distanceTransform((~new).astype(np.uint8), cv2.DIST_L2, 3) / FEATHER, 0.0, 1.0)
        fade = np.where(hole[window], np.where(new, 1.0, np.where(missing, 0.0, fade)), 0.0)[..., None]
        out[window] = out[window] * (1.0 - fade) + piece * fade
        left[window] &= ~new
    return out.astype(np.float32)


def _blocks(hole: Mask) -> Iterator[tuple[slice, slice]]:
    """Blocks that cover the hole, those nearest to its rim first."""
    depth = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    found = []
    for top in range(0, hole.shape[0], BLOCK):
        for left in range(0, hole.shape[1], BLOCK):
            where = slice(top, min(top + BLOCK, hole.shape[0])), slice(left, min(left + BLOCK, hole.shape[1]))
            inside = depth[where]
            if (inside > 0).any():
                found.append((float(inside[inside > 0].mean()), top, left, where))
    for *_, where in sorted(found, key=lambda each: each[:3]):
        yield where


def _around(block: tuple[slice, slice], reach: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (slice(max(0, part.start - reach), min(size, part.stop + reach))
                     for part, size in zip(block, shape, strict=False))
    return rows, columns


class _Finder:
    """Looks for the piece of the known ground that agrees best with what is there of a window."""

    def __init__(self, texture: F32, known: Mask) -> None:
        self._texture, self._known = texture, known
        self._step = max(1, round(max(known.shape) / COARSE_SIDE))
        # In grey, a third of the work; the closer look has colours.
        self._small = _reduced(np.asarray(texture.mean(axis=-1), np.float32), self._step)
        self._unknown = cv2.integral(_reduced((~known).astype(np.float32), self._step))
        self._sums = cv2.integral((~known).astype(np.uint8))

    def find(self, picture: F32, there: Mask, window: tuple[slice, slice]) -> tuple[int, int] | None:
        """Top and left of the best piece, in px; None where no whole piece is known."""
        step = self._step
        # The smaller picture's pixels: those that lie in the window, whole ones of the larger one.
        rows, columns = (slice(-(-part.start // step) * step, part.stop // step * step) for part in window)
        size = (rows.stop - rows.start) // step, (columns.stop - columns.start) // step
        if min(size) < 1:
            return None
        inner = rows, columns
        seen = _reduced(np.where(there[inner], 1.0, 0.0).astype(np.float32), step)
        target = _reduced(np.where(there[inner], picture[inner].mean(axis=-1), 0.0).astype(np.float32), step)
        target = np.asarray(target / np.maximum(seen, 1e-3), np.float32)
        weight = np.where(seen > 0.6, 1.0, 0.0).astype(np.float32)
        if not weight.any():
            return None
        apart = cv2.matchTemplate(self._small, target, cv2.TM_SQDIFF, mask=weight)
        (down, right), sums = size, self._unknown
        blocked = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
        cost = np.where(blocked > 0.01, _IMPOSSIBLE, np.maximum(apart, 0.0))
        # A piece from far away is as good, one that lies close has the same light and the same grain.
        y, x = np.unravel_index(int(np.argmin(cost)), cost.shape)
        if cost[y, x] >= _IMPOSSIBLE:
            return None
        return self._closely(picture, there, window, (max(0, int(y) * step - rows.start + window[0].start),
                                                      max(0, int(x) * step - columns.start + window[1].start)))

    def _closely(self, picture: F32, there: Mask, window: tuple[slice, slice], near: tuple[int, int]
                 ) -> tuple[int, int] | None:
        height, width = window[0].stop - window[0].start, window[1].stop - window[1].start
        reach = max(_CLOSE, self._step + 1)
        top, left = max(0, near[0] - reach), max(0, near[1] - reach)
        region = self._texture[top : near[0] + height + reach, left : near[1] + width + reach]
        if region.shape[0] < height or region.shape[1] < width:
            return None
        weight = there[window].astype(np.float32)
        cost = cv2.matchTemplate(region, picture[window].astype(np.float32), cv2.TM_SQDIFF,
                                 mask=np.repeat(weight[..., None], 3, axis=2))
        best: tuple[float, tuple[int, int] | None] = (_IMPOSSIBLE, None)
        for y, x in np.ndindex(cost.shape):
            here = top + y, left + x
            if cost[y, x] < best[0] and self._whole(here, height, width):
                best = float(cost[y, x]), here
        return best[1]

    def _whole(self, corner: tuple[int, int], height: int, width: int) -> bool:
        y, x = corner
        sums = self._sums
        below, above = sums[y + height, [x, x + width]], sums[y, [x, x + width]]
        return int(below[1] - below[0]) == int(above[1] - above[0])


def _reduced(values: F32, step: int) -> F32:
    if step == 1:
        return values
    height, width = values.shape[0] // step, values.shape[1] // step
    return np.asarray(cv2.resize(values[: height * step, : width * step], (max(1, width), max(1, height)),
                                 interpolation=cv2.INTER_AREA), np.float32)
