"""Charts in metres to one square texture per material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.families.shapes import F64, Sheet

MARGIN = 0.004  # metres between charts: a shrunken map must not mix neighbours


@dataclass(frozen=True, slots=True)
class Packed:
    """Where a material's charts lie. uv = (chart + offset) / side."""

    side: float                            # metres of the whole texture
    offsets: tuple[F64, ...]               # (2,) of each sheet
    charts: tuple[F64, ...]                # (V, 2) of each sheet, metres, fitted to the tile where they close

    def uv(self, sheet: int, metres: F64) -> F64:
        return np.asarray((metres + self.offsets[sheet]) / self.side)


def pack(sheets: Sequence[Sheet], tile: float) -> Packed:
    """Shelves of falling height (A. Lodi et al. 2002). ``tile``: metres; closed charts hold whole tiles."""
    charts = [_fitted(sheet, tile) for sheet in sheets]
    low = [chart.min(axis=0) for chart in charts]
    size = np.array([chart.max(axis=0) for chart in charts]) - low + 2 * MARGIN
    side = max(float(size.max()), float(np.sqrt(size.prod(axis=1).sum())))
    while True:
        corners = _shelves(size, side)
        if corners is not None:
            break
        side *= 1.04
    return Packed(side, tuple(corners[k] + MARGIN - low[k] for k in range(len(charts))), tuple(charts))


def _fitted(sheet: Sheet, tile: float) -> F64:
    if not sheet.wraps:
        return sheet.uv
    width = float(np.ptp(sheet.uv[:, 0]))
    return np.asarray(sheet.uv * [max(1, round(width / tile)) * tile / width, 1.0])


def _shelves(size: F64, side: float) -> F64 | None:
    """(N, 2) corners, or None where they do not fit."""
    corners = np.zeros_like(size)
    x = y = height = 0.0
    for k in np.argsort(-size[:, 1], kind="stable"):
        if x + size[k, 0] > side + 1e-9:
            x, y, height = 0.0, y + height, 0.0
        corners[k] = x, y
        x, height = x + size[k, 0], max(height, float(size[k, 1]))
        if y + height > side + 1e-9 or x > side + 1e-9:
            return None
    return corners
