"""The inside of an upper: a padded roll over the top edge and the lining that falls from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.generate.grids import arc_lengths
from examples.generate.last import Last

F64 = NDArray[np.float64]


def lining(last: Last, collar_mm: float, throat_mm: float, stations: int = 181) -> tuple[F64, F64]:
    """Roll and lining around the whole opening.

    ``collar_mm`` and ``throat_mm`` are the upper's thickness at the padded collar and at the eyelets.
    Stations are those of both sides' base sheets, so that no crack opens along the edge.
    Returns (stations, K, 3) points in mm, from the outside over the edge and down, and (stations, K, 2)
    chart coordinates.
    """
    ring = np.linspace(0, 1, stations)
    edge, normal = last.point(ring, np.ones_like(ring)), last.normal(ring, np.ones_like(ring))
    up = edge - last.point(ring, np.full_like(ring, 0.97))
    up -= (up * normal).sum(axis=1, keepdims=True) * normal
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    fade = 1.0 / (1.0 + np.exp((edge[:, 0] - 108.0) / 4.0))
    thick = throat_mm + (collar_mm - throat_mm) * fade
    columns = []
    for angle in np.linspace(0, np.pi, 9):
        across = (thick / 2 * (1 - np.cos(angle)))[:, None]
        columns.append(edge - across * normal + (np.minimum(thick / 2, 3.2) * np.sin(angle))[:, None] * up)
    for rise in np.linspace(0.93, 0.0, 9):
        level = np.full_like(ring, rise)
        # The pad thins out below the collar; the plain lining is thin leather.
        depth = 3.0 + (thick - 3.0) * np.clip((rise - 0.45) / 0.5, 0, 1) ** 0.7
        columns.append(last.point(ring, level) - depth[:, None] * last.normal(ring, level))
    points = np.stack(columns, axis=1)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
    down = arc_lengths(points, 1)
    return points, np.stack([np.broadcast_to(run[:, None], down.shape), down], axis=-1)
