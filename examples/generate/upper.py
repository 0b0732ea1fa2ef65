"""An upper in space: the last's surface and the panels over it, each hidden part left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from examples.generate.atlas import Slot
from examples.generate.model import Part
from examples.generate.paint import Canvas
from examples.generate.panels import Sheet, sheet
from examples.generate.pattern import Pattern, grid_triangles
from examples.generate.sneaker_panels import Panel

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

HIDDEN_MARGIN_MM = 4.0                         # a layer is kept this far under the edge of the one above


def base_sheet(pattern: Pattern, columns: int = 91, rows: int = 27) -> Sheet:
    """The last's surface itself: vamp and collar, where no panel lies."""
    along, rise = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows), indexing="ij")
    triangles = grid_triangles(columns, rows)
    if pattern.side == "medial":               # the ring runs the other way round there
        triangles = triangles[:, ::-1]
    return Sheet(pattern.point(along, rise).reshape(-1, 3), pattern.normal(along, rise).reshape(-1, 3),
                 pattern.flat(along, rise).reshape(-1, 2), triangles)


def without_hidden(layer: Sheet, covered: F32, scale: float) -> Sheet:
    """Drop triangles that lie well under the panels above; ``covered`` (H, W) is their coverage."""
    depth = distance_transform_edt(covered > 0.5) / scale
    column, row = (np.clip((layer.flat * scale).astype(int), 0, np.array(covered.shape)[::-1] - 1)).T
    hidden = (depth[row, column] > HIDDEN_MARGIN_MM)[layer.triangles].all(axis=1)
    triangles = layer.triangles[~hidden]
    used, compact = np.unique(triangles, return_inverse=True)
    return Sheet(layer.positions[used], layer.normals[used], layer.flat[used], compact.reshape(-1, 3))


def layers(pattern: Pattern, panels: tuple[Panel, ...], canvas: Canvas) -> list[tuple[str, Sheet]]:
    """Base and panels of one side, named, lowest first."""
    masks = [canvas.mask([panel.loop]) for panel in panels]
    sheets = [("vamp", base_sheet(pattern))]
    sheets += [(p.name, sheet(pattern, p.loop, p.free, p.height, p.spacing)) for p in panels]
    result = []
    for level, (name, layer) in enumerate(sheets):
        # The topmost edge of the upper stays closed: only what is covered by one higher panel goes.
        above = masks[level:]
        covered = np.max(above, axis=0) if above else np.zeros_like(masks[0])
        result.append((name, without_hidden(layer, covered, canvas.scale)))
    return result


def as_part(name: str, layer: Sheet, slot: Slot, material: str) -> Part:
    """A sheet in metres, with uv in its atlas."""
    return Part(name, (layer.positions / 1000.0).astype(np.float32), slot.uv(layer.flat).astype(np.float32),
                layer.triangles.astype(np.uint32), material, layer.normals.astype(np.float32))
