"""Rows of stitches: where they lie, as colour and as relief."""

from __future__ import annotations

import itertools

import numpy as np

from training.families.shapes import F64, arc, resampled
from training.materials.tile import F32

THICK = 0.0010  # metres of a thread
PUCKER = 0.0022  # metres over which the material dips beside the row


def rows_of(path: F64, rows: int, gap: float) -> list[F64]:
    """Parallel lines beside a path (N, 2), ``gap`` metres apart."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return [path + across * (gap * (k - (rows - 1) / 2)) for k in range(rows)]


def sew(cover: F32, relief: F32, path: F64, pitch: float, side: float) -> None:
    """Add one row to coverage (0..1) and relief (mm) maps of ``side`` metres. ``path``: (N, 2) map metres."""
    pixels = len(cover)
    texel = side / pixels
    thick = max(THICK, 1.2 * texel)
    length = float(arc(path)[-1])
    count = max(1, int(length / pitch))
    ends = resampled(path, count + 1)
    reach = int(np.ceil((pitch / 2 + PUCKER + thick) / texel)) + 1
    for start, end in itertools.pairwise(ends):
        middle, way = (start + end) / 2, end - start
        # Round ends included, three quarters of the pitch are thread.
        half = way / 2 * max(0.2, 0.76 - thick / max(float(np.hypot(*way)), 1e-9))
        x, y = int(middle[0] / texel), int(middle[1] / texel)
        left, right = max(x - reach, 0), min(x + reach + 1, pixels)
        top, bottom = max(y - reach, 0), min(y + reach + 1, pixels)
        if left >= right or top >= bottom:
            continue
        dx = (np.arange(left, right) + 0.5) * texel - middle[0]
        dy = ((np.arange(top, bottom) + 0.5) * texel - middle[1])[:, None]
        t = np.clip((dx * half[0] + dy * half[1]) / max(float(half @ half), 1e-12), -1.0, 1.0)
        away = np.hypot(dx - t * half[0], dy - t * half[1])
        here = np.clip((thick / 2 - away) / texel + 0.5, 0.0, 1.0)
        # A stitch is highest in its middle and dives at both ends; the material beside it is drawn in.
        dome = np.sqrt(np.clip(1.0 - (away / (thick / 2)) ** 2, 0.0, 1.0)) * (1.0 - 0.55 * t * t)
        dip = -0.22 * np.exp(-((away / PUCKER) ** 2))
        window = np.s_[top:bottom, left:right]
        np.maximum(cover[window], here, out=cover[window])
        relief[window] = np.where(dome > 0.0, np.maximum(relief[window], 0.45 * dome),
                                  np.where(relief[window] > 0.0, relief[window], np.minimum(relief[window], dip)))
