"""Where a region of the texture lies on the product, so that a camera can look at it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region
from pipeline.errors import RenderError
from pipeline.mesh.types import Mesh
from pipeline.render.camera import UP, Target, look_from, transform_points
from pipeline.render.geometry import transformed_uv

F64 = NDArray[np.float64]
GRID = 24                  # uv samples across a region's bounding box
NEAREST_SHARE = 0.12       # of the product's size; closer than that, a picture is no longer of the product


def region_target(mesh: Mesh, instances: tuple[Instance, ...], region: Region, product: F64) -> Target:
    """A target that looks along the region's mean normal with its text upright.

    Of several occurrences (a label mapped onto both sides) the largest is framed.
    Raises RenderError ``region_not_found`` where no triangle shows the region.
    """
    triangles, weights = _locate(mesh, region)
    if len(triangles) == 0:
        raise RenderError("region_not_found", f"Region {region.name!r}: no triangle of material {region.material!r} "
                          "shows this part of the texture.",
                          "Check the region's uv corners and material in product.yaml.")
    pose = np.asarray(instances[0].world, np.float64)
    corners = transform_points(pose, mesh.positions.astype(np.float64).reshape(-1, 3))[mesh.triangles[triangles]]
    points = np.einsum("nk,nkd->nd", weights, corners)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if np.linalg.det(pose[:3, :3]) < 0:
        normals = -normals
    sizes = np.linalg.norm(normals, axis=1)
    charts = mesh.triangle_chart[triangles]
    best = max(np.unique(charts), key=lambda chart: _spread(points[charts == chart]))
    chosen = charts == best
    points, normals, sizes = points[chosen], normals[chosen], sizes[chosen]
    direction = (normals / np.maximum(sizes, 1e-20)[:, None]).mean(axis=0)
    length = np.linalg.norm(direction)
    direction = direction / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
    # Never from below the floor.
    direction[1] = max(direction[1], 0.05)
    direction /= np.linalg.norm(direction)
    up = UP
    if direction[1] > 0.85:
        up = _texture_up(mesh, region, triangles[chosen], corners[chosen])
        up = up - direction * float(up @ direction)
        up = up / np.linalg.norm(up) if np.linalg.norm(up) > 1e-6 else np.array([0.0, 0.0, -1.0])
    size = float((product.max(axis=0) - product.min(axis=0)).max())
    return Target(points, product, direction, up, NEAREST_SHARE * size,
                  region.cap_height(_shorter_side(points, direction)) if region.text else math.inf)


def _spread(points: F64) -> float:
    """Diagonal of the points' bounding box."""
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


def _shorter_side(points: F64, direction: F64) -> float:
    """Least extent of the points in any direction of the picture, as seen along ``direction``."""
    first, second = look_from(direction, np.eye(3)[np.argmin(np.abs(direction))])[:2]
    angles = np.radians(np.arange(0.0, 180.0, 3.0))
    across = np.outer(np.cos(angles), first) + np.outer(np.sin(angles), second)
    return float(np.ptp(points @ across.T, axis=0).min())


def _uv(mesh: Mesh, material: int) -> F64:
    ref = mesh.materials[material].textures.get("base_color")
    index = min(ref.uv_set, len(mesh.uv_sets) - 1) if ref else 0
    return transformed_uv(mesh.uv_sets[index], ref)


def _locate(mesh: Mesh, region: Region) -> tuple[NDArray[np.int64], F64]:
    """Triangle index and barycentric weights of every sampled uv point that some triangle shows."""
    corners = np.asarray(region.polygon if len(region.polygon) >= 3 else region.path, np.float64)
    samples = _samples(corners, len(region.polygon) >= 3)
    found: list[NDArray[np.int64]] = []
    weights: list[F64] = []
    for material, entry in enumerate(mesh.materials):
        if not mesh.uv_sets or region.material not in ("*", entry.name):
            continue
        own = np.flatnonzero(mesh.triangle_material == material)
        uv = _uv(mesh, material)[mesh.triangles[own]]
        # Whole-number shifts bring repeated textures back into the first tile.
        uv = uv - np.floor(uv.mean(axis=1, keepdims=True) + 1e-9)
        near = np.flatnonzero(((uv.min(axis=1) <= samples.max(axis=0)) & (uv.max(axis=1) >= samples.min(axis=0)))
                              .all(axis=1))
        for chunk in np.array_split(near, max(1, len(near) // 2000 + 1)):
            barycentric = _barycentric(uv[chunk], samples)
            hit = (barycentric >= -1e-6).all(axis=2)
            which, sample = np.nonzero(hit)
            found.append(own[chunk[which]])
            weights.append(barycentric[which, sample])
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, 3))
    return np.concatenate(found), np.concatenate(weights)


def _samples(corners: F64, closed: bool) -> F64:
    """(N, 2) points inside a polygon, corners included, or along a path."""
    if not closed:
        return np.concatenate([np.linspace(a, b, GRID) for a, b in pairwise(corners)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    u, v = np.meshgrid(np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID))
    grid = np.stack([u.ravel(), v.ravel()], axis=1)
    following = np.roll(corners, -1, axis=0)
    crosses = (corners[None, :, 1] > grid[:, None, 1]) != (following[None, :, 1] > grid[:, None, 1])
    rise = following[:, 1] - corners[:, 1]
    slope = (following[:, 0] - corners[:, 0]) / np.where(rise == 0.0, 1.0, rise)
    left = grid[:, None, 0] < corners[None, :, 0] + slope * (grid[:, None, 1] - corners[None, :, 1])
    inside = (crosses & left).sum(axis=1) % 2 == 1
    return np.concatenate([corners, grid[inside]])


def _barycentric(triangles: F64, points: F64) -> F64:
    """(T, P, 3) weights of P points in T 2D triangles; −1 for degenerate ones."""
    a, b, c = (triangles[:, None, k] for k in range(3))
    ab, ac, ap = b - a, c - a, points[None] - a
    area = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    safe = np.where(area == 0.0, 1.0, area)
    second = (ap[..., 0] * ac[..., 1] - ap[..., 1] * ac[..., 0]) / safe
    third = (ab[..., 0] * ap[..., 1] - ab[..., 1] * ap[..., 0]) / safe
    weights = np.stack([1.0 - second - third, second, third], axis=2)
    return np.where((area == 0.0)[..., None], -1.0, weights)


def _texture_up(mesh: Mesh, region: Region, triangles: NDArray[np.int64], corners: F64) -> F64:
    """World direction in which the texture's v decreases, on average."""
    total = np.zeros(3)
    for triangle, points in zip(triangles, corners, strict=True):
        uv = _uv(mesh, int(mesh.triangle_material[triangle]))[mesh.triangles[triangle]]
        (u1, v1), (u2, v2) = uv[1] - uv[0], uv[2] - uv[0]
        area = u1 * v2 - u2 * v1
        if area != 0.0:
            total -= ((points[2] - points[0]) * u1 - (points[1] - points[0]) * u2) / area
    return total
