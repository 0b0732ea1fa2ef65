"""One closed line along edges that leaves none outside: for a product of its ground's colour, with a faint outline.

Seen from the middle of all edges the line has one distance in every direction. The best one is found by dynamic
programming (R. Bellman 1957; for outlines U. Montanari 1971): it runs where the photo is steep across it, pays for
every edge that it leaves outside, and turns little. Twice around, so that its end meets its start.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.reference.edges import HALF_EDGE, Edges

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

DIRECTIONS, DISTANCES = 300, 150
BEYOND, MARGIN = 1.25, 6.0     # times as far as edges reach, and px: where the line is looked for
FEWEST = 20                    # px of edges: fewer are no product
TRIMMED = 1.0                  # % of edges on either side that say nothing of where the product ends
LEFT_OUTSIDE = 0.1             # cost of an edge's pixel
LARGE = 0.1                    # cost of lying inside of the farthest line: of two equals the outer one is the outline
BEND, TURNED = 0.08, 3         # cost of a step nearer or farther from direction to direction, and the most of them
EDGE_WIDTH = 4                 # steps: an edge is as broad as the filter that finds it


def closed_contour(edges: Edges) -> Mask | None:
    """(H, W) what the line encloses; None where there are hardly any edges."""
    rows, columns = np.nonzero(edges.strong)
    if len(rows) < FEWEST:
        return None
    (left, right), (top, bottom) = (np.percentile(axis, (TRIMMED, 100.0 - TRIMMED)) for axis in (columns, rows))
    centre = np.array([left + right, top + bottom]) / 2.0
    radii = np.array([right - left, bottom - top]) / 2.0 * BEYOND + MARGIN
    angles = np.arange(DIRECTIONS) / DIRECTIONS * 2.0 * np.pi
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shares = (np.arange(DISTANCES) + 0.5) / DISTANCES
    places = (centre + (rays * radii)[:, None] * shares[:, None]).astype(np.float32)    # (A, D, 2)
    line = _best_line(_costs(edges, places, rays / radii))
    polygon = places[np.arange(DIRECTIONS), line]
    mask = np.zeros(edges.strong.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return mask > 0


def _costs(edges: Edges, places: F32, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """(A, D) of a line at (A, D, 2) places; ``across``: (A, 2) along which it should be steep, any length."""
    x, y = places[..., 0], places[..., 1]
    normal = (across / np.linalg.norm(across, axis=1, keepdims=True)).astype(np.float32)[:, None, :, None]
    slopes = np.stack([cv2.remap(slope, x, y, cv2.INTER_LINEAR) for slope in edges.slopes], axis=2)   # (A, D, 2, 3)
    steepness = np.sqrt(((slopes * normal).sum(axis=2) ** 2).sum(axis=-1))
    strong = cv2.remap(edges.strong.astype(np.float32), x, y, cv2.INTER_LINEAR) > 0.5
    outside = np.cumsum(strong[:, ::-1], axis=1)[:, ::-1]
    outside = np.pad(outside[:, EDGE_WIDTH - 1 :], ((0, 0), (0, EDGE_WIDTH - 1)))
    share = (np.arange(places.shape[1]) + 0.5) / places.shape[1]
    return np.asarray(1.0 / (1.0 + (steepness / HALF_EDGE) ** 2) + LEFT_OUTSIDE * outside + LARGE * (1.0 - share))


def _best_line(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """(A,) which of (A, D) places it takes in every direction; it closes."""
    directions, distances = costs.shape
    steps = np.arange(-TURNED, TURNED + 1)
    total = costs[0]
    came = np.zeros((3 * directions, distances), np.intp)
    for number in range(1, 3 * directions):
        before = sliding_window_view(np.pad(total, TURNED, constant_values=np.inf), len(steps)) + BEND * np.abs(steps)
        taken = before.argmin(axis=1)
        came[number] = np.arange(distances) + steps[taken]
        total = before[np.arange(distances), taken] + costs[number % directions]
    at = int(total.argmin())
    line = np.empty(3 * directions, np.intp)
    for number in range(3 * directions - 1, -1, -1):
        line[number] = at
        at = int(came[number, at])
    return line[directions : 2 * directions]
