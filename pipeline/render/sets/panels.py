"""What sets are built of: flat rectangles with an albedo each, every one a chart of the set's light maps.

Lengths are in product sizes, axes are the stage's (x right, y up, z towards the camera, the product's foot at 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rgb = tuple[float, float, float]
Vector = tuple[float, float, float]
ATLAS = 256                # texels across the light maps
MARGIN = 1                 # texels around each chart, so that filters stay inside


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle ``corner + a·u + b·v`` with 0 ≤ a, b ≤ 1, seen from the side that u × v points to."""

    corner: Vector
    u: Vector
    v: Vector
    texture: str = "plain"                 # an entry of textures.TEXTURES
    tint: Rgb = (1.0, 1.0, 1.0)            # linear, multiplies the texture
    tile: float = 1.5                      # product sizes that the texture spans
    gloss: float = 0.0                     # 0..1 how much of the surroundings it mirrors at a flat angle
    emission: Rgb = (0.0, 0.0, 0.0)        # radiance, instead of an albedo
    texels: float = 16.0                   # of the light maps, per product size
    bend: tuple[Vector, Vector] | None = None  # normals at b = 0 and b = 1, of a strip of something round

    @property
    def normal(self) -> F64:
        n = np.cross(self.u, self.v)
        return n / np.linalg.norm(n)

    @property
    def sides(self) -> tuple[float, float]:
        return float(np.linalg.norm(self.u)), float(np.linalg.norm(self.v))


@dataclass(frozen=True, slots=True)
class Chart:
    """Where a panel lies in the light maps, in texels without its margin."""

    left: int
    top: int
    width: int
    height: int


def box(low: Vector, high: Vector, texture: str, tint: Rgb = (1.0, 1.0, 1.0), *, tile: float = 1.5,
        texels: float = 10.0, gloss: float = 0.0, bottom: bool = False) -> tuple[Panel, ...]:
    """The sides of an upright box that a camera in front can see: front, back, left, right and top."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    x, y, z = x1 - x0, y1 - y0, z1 - z0

    def side(corner: Vector, u: Vector, v: Vector) -> Panel:
        return Panel(corner, u, v, texture, tint, tile, gloss, texels=texels)

    faces = [side((x0, y0, z1), (x, 0, 0), (0, y, 0)), side((x1, y0, z0), (-x, 0, 0), (0, y, 0)),
             side((x0, y0, z0), (0, 0, z), (0, y, 0)), side((x1, y0, z1), (0, 0, -z), (0, y, 0)),
             side((x0, y1, z1), (x, 0, 0), (0, 0, -z))]
    if bottom:
        faces.append(side((x0, y0, z0), (x, 0, 0), (0, 0, z)))
    return tuple(faces)


def rounded_edge(start: Vector, along: Vector, radius: float, texture: str, tint: Rgb = (1.0, 1.0, 1.0), *,
                 tile: float = 1.5, steps: int = 4, outward: float = 1.0) -> tuple[Panel, ...]:
    """A quarter round along ``along``, from facing up at ``start`` to facing ±z (``outward``), ``radius`` below."""
    found = []
    for step in range(steps):
        angles = np.array([step, step + 1]) / steps * np.pi / 2
        points = np.stack([np.zeros(2), (np.cos(angles) - 1.0) * radius, np.sin(angles) * radius * outward], axis=1)
        first, second = np.asarray(start) + points
        across = second - first
        corner, u, v = (second, np.asarray(along), -across) if outward > 0 else (first, np.asarray(along), across)
        found.append(Panel(_vector(corner), _vector(u), _vector(v), texture, tint, tile, texels=12.0))
    return tuple(found)


def _vector(array: F64) -> Vector:
    x, y, z = array.tolist()
    return x, y, z


def charts(panels: Sequence[Panel]) -> tuple[Chart, ...]:
    """Every panel's place, on shelves from the highest chart to the lowest. Raises ValueError if they do not fit."""
    sizes = [tuple(max(2, min(ATLAS - 2 * MARGIN, round(side * panel.texels))) for side in panel.sides)
             for panel in panels]
    places: dict[int, Chart] = {}
    left, top, shelf = 0, 0, 0
    for index in sorted(range(len(panels)), key=lambda i: (-sizes[i][1], -sizes[i][0])):
        width, height = sizes[index]
        if left + width + 2 * MARGIN > ATLAS:
            left, top, shelf = 0, top + shelf, 0
        if top + height + 2 * MARGIN > ATLAS:
            raise ValueError("the panels' charts do not fit into the light maps")
        places[index] = Chart(left + MARGIN, top + MARGIN, width, height)
        left += width + 2 * MARGIN
        shelf = max(shelf, height + 2 * MARGIN)
    return tuple(places[index] for index in range(len(panels)))


def texel_centres(panel: Panel, chart: Chart) -> F64:
    """(height, width, 3) places that the chart's texels stand for; row 0 at the panel's corner."""
    a = (np.arange(chart.width) + 0.5) / chart.width
    b = (np.arange(chart.height) + 0.5) / chart.height
    places: F64 = (np.asarray(panel.corner, np.float64) + a[None, :, None] * np.asarray(panel.u)
                   + b[:, None, None] * np.asarray(panel.v))
    return places


def texel_normals(panel: Panel, chart: Chart) -> F64:
    """(height, width, 3) which way the chart's texels face when light is baked."""
    if panel.bend is None:
        return np.broadcast_to(panel.normal, (chart.height, chart.width, 3))
    b = (np.arange(chart.height) + 0.5)[:, None, None] / chart.height
    mixed = np.asarray(panel.bend[0]) * (1 - b) + np.asarray(panel.bend[1]) * b
    unit: F64 = mixed / np.linalg.norm(mixed, axis=2, keepdims=True)
    return np.broadcast_to(unit, (chart.height, chart.width, 3))


def vertices(panels: Sequence[Panel]) -> F32:
    """(6·panels, 11): position, normal, uv in tiles, uv of the light maps, panel number."""
    rows = []
    for number, (panel, chart) in enumerate(zip(panels, charts(panels), strict=True)):
        width, height = (side / panel.tile for side in panel.sides)
        for a, b in ((0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)):
            place = np.asarray(panel.corner) + a * np.asarray(panel.u) + b * np.asarray(panel.v)
            light = ((chart.left + a * chart.width) / ATLAS, (chart.top + b * chart.height) / ATLAS)
            rows.append([*place, *panel.normal, a * width, b * height, *light, number])
    return np.asarray(rows, np.float32)
