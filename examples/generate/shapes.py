"""Building blocks of the products: profiles with fillets, lathes, sweeps and panels.

Everything is float64 in metres, +Y up, front towards +Z, until :func:`part` makes a
:class:`~examples.generate.model.Part` of it. A surface may repeat positions freely: normals are
computed over welded positions, so pieces that meet shade as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

from examples.generate.model import Part

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

WELD = 2e-6  # metres: corners closer than this are one point


@dataclass(frozen=True)
class Surface:
    """A triangle soup with one uv per vertex."""

    positions: F64   # (V, 3)
    uvs: F64         # (V, 2), origin top-left
    triangles: I64   # (T, 3) counter-clockwise seen from outside


@dataclass(frozen=True)
class UvRect:
    """A rectangle of the texture, in uv with the origin top-left."""

    left: float
    top: float
    right: float
    bottom: float

    def at(self, s: NDArray[np.floating] | float, t: NDArray[np.floating] | float) -> F64:
        """uv of the fraction ``s`` from the left and ``t`` from the top; (…, 2)."""
        s, t = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(t, np.float64))
        return np.stack([self.left + (self.right - self.left) * s, self.top + (self.bottom - self.top) * t], axis=-1)


def filleted(corners: Sequence[tuple[float, float, float]], arc_steps: int = 5) -> F64:
    """Open polyline (x, y, fillet radius) with every inner corner rounded by an arc; returns (N, 2).

    A radius too large for its edges is reduced to what fits.
    """
    points = np.array([corner[:2] for corner in corners], np.float64)
    result = [points[0]]
    for i in range(1, len(points) - 1):
        before, corner, after = points[i - 1], points[i], points[i + 1]
        to_before, to_after = before - corner, after - corner
        length_a, length_b = float(np.linalg.norm(to_before)), float(np.linalg.norm(to_after))
        a, b = to_before / length_a, to_after / length_b
        half = np.arccos(np.clip(a @ b, -1.0, 1.0)) / 2
        radius = corners[i][2]
        if radius <= 0 or abs(half - np.pi / 2) < 1e-4:
            result.append(corner)
            continue
        reach = min(radius / np.tan(half), 0.499 * length_a, 0.499 * length_b)
        radius = reach * np.tan(half)
        centre = corner + (a + b) / np.linalg.norm(a + b) * (radius / np.sin(half))
        start, end = corner + a * reach - centre, corner + b * reach - centre
        sweep = np.pi - 2 * half
        turn = np.sign(start[0] * end[1] - start[1] * end[0])
        for angle in np.linspace(0.0, sweep, arc_steps + 1):
            c, s = np.cos(angle), np.sin(angle) * turn
            result.append(centre + np.array([c * start[0] - s * start[1], s * start[0] + c * start[1]]))
    result.append(points[-1])
    return np.array(result)


def resampled(line: F64, longest: float) -> F64:
    """The same polyline (N, D) with extra points so that no edge is longer than ``longest``."""
    pieces = [line[:1]]
    for a, b in pairwise(line):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / longest)))
        pieces.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(pieces)


def arc_fraction(line: F64) -> F64:
    """Fraction 0..1 of the way along a polyline (N, D) at each of its points."""
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return travelled / max(float(travelled[-1]), 1e-12)


def bezier(controls: Sequence[Sequence[float]], steps: int) -> F64:
    """Points on a Bézier curve of any degree, by de Casteljau's construction; (steps + 1, D)."""
    t = np.linspace(0.0, 1.0, steps + 1)[:, None]
    points = [np.broadcast_to(np.asarray(c, np.float64), (steps + 1, len(c))) for c in controls]
    while len(points) > 1:
        points = [a * (1 - t) + b * t for a, b in pairwise(points)]
    return np.array(points[0])


def grid(points: F64, uvs: F64) -> Surface:
    """Quads over (M, N, 3): the outside is where rows go up while columns go right."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Surface(points.reshape(-1, 3), uvs.reshape(-1, 2), triangles)


def lathe(profile: F64, uv: UvRect, segments: int = 96) -> Surface:
    """Turn a profile (N, 2) of (radius, height) around +Y; outside is to the right of its direction of travel upward.

    u runs once around, 0.5 at the front (+Z), growing to the right of who looks at it; v runs along
    the profile, its first point at the rectangle's bottom.
    """
    turn = np.linspace(-np.pi, np.pi, segments + 1)
    radius, height = profile[:, :1], profile[:, 1:]
    points = np.stack(np.broadcast_arrays(radius * np.sin(turn), height, radius * np.cos(turn)), axis=-1)
    s = np.broadcast_to((turn + np.pi) / (2 * np.pi), points.shape[:2])
    t = np.broadcast_to(1.0 - arc_fraction(profile)[:, None], points.shape[:2])
    return grid(points, uv.at(s, t))


def sweep(path: F64, sections: F64, side: Sequence[float] | F64, uv: UvRect, closed: bool = False) -> Surface:
    """Carry closed sections (N, S, 2) or one (S, 2) along a path (N, 3).

    A section's first coordinate lies along ``side`` (one vector, or one per point, made perpendicular
    to the path), its second along path direction × side. Sections run counter-clockwise.
    """
    count = len(path)
    sections = np.broadcast_to(sections, (count, *sections.shape[-2:]))
    tangent = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    sideways = np.broadcast_to(np.asarray(side, np.float64), path.shape)
    sideways = sideways - (sideways * tangent).sum(1, keepdims=True) * tangent
    sideways = sideways / np.linalg.norm(sideways, axis=1, keepdims=True)
    across = np.cross(tangent, sideways)
    points = path[:, None] + sections[..., :1] * sideways[:, None] + sections[..., 1:] * across[:, None]
    points = np.concatenate([points, points[:, :1]], axis=1)
    if closed:
        points = np.concatenate([points, points[:1]], axis=0)
        path = np.concatenate([path, path[:1]], axis=0)
    widest = sections[len(sections) // 2]
    s = np.broadcast_to(arc_fraction(np.concatenate([widest, widest[:1]])), points.shape[:2])
    t = np.broadcast_to(1.0 - arc_fraction(path)[:, None], points.shape[:2])
    return grid(points, uv.at(s, t))


def ellipse(width: float, height: float, steps: int = 20, power: float = 2.0) -> F64:
    """Counter-clockwise superellipse (steps, 2) with the given full extents; power 2 is an ellipse."""
    angle = np.arange(steps) * (2 * np.pi / steps)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.sign(c) * np.abs(c) ** (2 / power) * width / 2,
                     np.sign(s) * np.abs(s) ** (2 / power) * height / 2], axis=1)


def panel(outline: F64, origin: F64, right: F64, up: F64, uv: UvRect, extent: tuple[float, float, float, float]
          ) -> Surface:
    """A flat polygon (N, 2), counter-clockwise, placed at origin + x·right + y·up; faces right × up.

    ``extent`` (x0, y0, x1, y1) in outline units is what fills the uv rectangle.
    """
    indices = mapbox_earcut.triangulate_float64(outline, np.array([len(outline)], np.uint32))
    triangles = np.asarray(indices, np.int64).reshape(-1, 3)
    a, b, c = (outline[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    x0, y0, x1, y1 = extent
    uvs = uv.at((outline[:, 0] - x0) / (x1 - x0), 1.0 - (outline[:, 1] - y0) / (y1 - y0))
    return Surface(origin + outline[:, :1] * right + outline[:, 1:] * up, uvs, triangles)


def moved(surface: Surface, offset: Sequence[float] | F64 = (0.0, 0.0, 0.0), matrix: F64 | None = None) -> Surface:
    """The surface turned by ``matrix`` (3×3), then shifted; a mirroring matrix turns the winding over."""
    turn = np.eye(3) if matrix is None else matrix
    triangles = surface.triangles if np.linalg.det(turn) > 0 else surface.triangles[:, ::-1]
    return Surface(surface.positions @ turn.T + np.asarray(offset, np.float64), surface.uvs, triangles)


def flipped(surface: Surface) -> Surface:
    """The same surface seen from its other side."""
    return Surface(surface.positions, surface.uvs, surface.triangles[:, ::-1])


def rotation(axis: str, degrees: float) -> F64:
    """3×3 rotation about x, y or z, right-handed."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {"x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
            "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])}[axis]


def joined(surfaces: Sequence[Surface]) -> Surface:
    """All surfaces as one."""
    starts = np.cumsum([0] + [len(s.positions) for s in surfaces[:-1]])
    return Surface(np.concatenate([s.positions for s in surfaces]), np.concatenate([s.uvs for s in surfaces]),
                   np.concatenate([s.triangles + start for s, start in zip(surfaces, starts, strict=True)]))


def part(name: str, surfaces: Sequence[Surface], material: str, crease_deg: float = 40.0) -> Part:
    """One :class:`Part` of the surfaces, with smooth normals broken at creases.

    Numbers are rounded to 0.1 µm and to 1/32768 of the texture, so that the last bit of a sine on
    another processor does not change the file.
    """
    whole = joined(surfaces)
    positions = np.round(whole.positions, 7) + 0.0
    uvs = np.round(whole.uvs * 32768) / 32768
    welded = _weld(positions)
    corners = welded[whole.triangles]
    flat = (corners[:, 0] == corners[:, 1]) | (corners[:, 1] == corners[:, 2]) | (corners[:, 2] == corners[:, 0])
    triangles = whole.triangles[~flat]
    normals = np.round(_corner_normals(positions, triangles, welded, crease_deg), 5) + 0.0
    corner_values = np.concatenate([positions[triangles.ravel()], uvs[triangles.ravel()], normals], axis=1)
    vertices, first, inverse = np.unique(corner_values, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # vertices in order of use: readable files, kind to caches
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    vertices = vertices[order].astype(np.float32)
    return Part(name, np.ascontiguousarray(vertices[:, :3]), np.ascontiguousarray(vertices[:, 3:5]),
                rank[inverse.ravel()].reshape(-1, 3).astype(np.uint32), material,
                np.ascontiguousarray(vertices[:, 5:]))


def _weld(positions: F64) -> I64:
    """One number per distinct position, (V,)."""
    cells = np.round(positions / WELD).astype(np.int64)
    return np.asarray(np.unique(cells, axis=0, return_inverse=True)[1], np.int64).ravel()


def _corner_normals(positions: F64, triangles: I64, welded: I64, crease_deg: float) -> F64:
    """Normals (3T, 3) per triangle corner: neighbours within the crease angle, weighted by area × angle."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    area = np.linalg.norm(face, axis=1, keepdims=True)
    unit = face / np.maximum(area, 1e-20)
    weights = np.stack([_angle(b - a, c - a), _angle(c - b, a - b), _angle(a - c, b - c)], axis=1) * area
    corner_face = np.repeat(np.arange(len(triangles)), 3)
    key = welded[triangles.ravel()]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) > 0]))
    sizes = np.diff(np.append(starts, len(order)))
    repeat = np.repeat(sizes, sizes)                       # group size, per sorted corner
    group_start = np.repeat(starts, sizes)
    mine = np.repeat(order, repeat)
    within = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    other = order[np.repeat(group_start, repeat) + within]
    near = (unit[corner_face[mine]] * unit[corner_face[other]]).sum(1) > np.cos(np.radians(crease_deg))
    mine, other = mine[near], other[near]
    contribution = unit[corner_face[other]] * weights.ravel()[other][:, None]
    total = np.stack([np.bincount(mine, contribution[:, k], len(key)) for k in range(3)], axis=1)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20), np.float64)


def _angle(a: F64, b: F64) -> F64:
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-20)
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)), np.float64)
