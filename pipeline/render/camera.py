"""Cameras that frame a product by themselves, and those that come with a file or a photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import EmbeddedCameraRef, Instance, OrbitCamera, Shot, SolvedCamera
from pipeline.errors import RenderError
from pipeline.mesh.types import EmbeddedCamera, Mesh
from pipeline.render.types import CameraMatrices

F64 = NDArray[np.float64]
SENSOR_WIDTH_MM = 36.0
OVERHEAD_DEG = 80.0            # above it, the picture is a plan view with its own roll
LEGIBLE = 20.0 / 1080.0        # of the frame's width: 20 px in a built-in detail, and a smaller preview shows the same
UP = np.array([0.0, 1.0, 0.0])
_AXES = {"+x": (1.0, 0.0, 0.0), "-x": (-1.0, 0.0, 0.0), "+y": (0.0, 1.0, 0.0), "-y": (0.0, -1.0, 0.0),
         "+z": (0.0, 0.0, 1.0), "-z": (0.0, 0.0, -1.0)}


@dataclass(frozen=True, slots=True)
class Target:
    """What an orbit camera frames: points in the world, and from where if not from the orbit's angles."""

    points: F64                            # (N, 3) metres, to be framed
    product: F64                           # (M, 3) metres, outermost points of the whole product
    direction: F64 | None = None           # unit, from the target to the camera
    up: F64 | None = None                  # image up; None: world up
    min_width: float = 0.0                 # metres the frame shows at the target, at least
    capitals: float = math.inf             # metres; letters that the frame has to show at least ``LEGIBLE`` high


def world_points(mesh: Mesh, instances: tuple[Instance, ...]) -> F64:
    """(N, 3) outermost points of all instances: enough to frame and to bound the product.

    Kept are the vertices furthest along each of 400 directions, which encloses any shape to 0.4 %
    of its size, so framing costs the same for a million triangles as for a hundred.
    """
    if not instances:
        raise RenderError("shot_empty", "The shot shows no instance of the product.", "Give the shot one instance.")
    named = np.zeros(len(mesh.positions), np.bool_)
    named[mesh.triangles.ravel()] = True
    used = mesh.positions[named]
    if len(used) > 2000:
        columns = np.ascontiguousarray(used.T)
        furthest = [np.argmax(direction @ columns) for direction in _sphere(400).astype(np.float32)]
        used = used[np.unique(np.concatenate([furthest, used.argmin(axis=0), used.argmax(axis=0)]))]
    outermost = used.astype(np.float64)
    return np.concatenate([transform_points(np.asarray(instance.world, np.float64), outermost)
                           for instance in instances])


def transform_points(matrix: F64, points: F64) -> F64:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def front_direction(mesh: Mesh, instances: tuple[Instance, ...], outermost: F64) -> tuple[F64, bool]:
    """Horizontal unit vector the product faces in the first instance's pose, and whether it is known.

    Unknown fronts give the broad side of the product's footprint; of its two ends the one nearer to +Z.
    """
    pose = np.asarray(instances[0].world, np.float64)[:3, :3]
    if mesh.front.axis is not None:
        axis = pose @ np.asarray(_AXES[mesh.front.axis])
        flat = axis - UP * axis[1]
        if np.linalg.norm(flat) > 1e-3 * np.linalg.norm(axis):
            return flat / np.linalg.norm(flat), True
    points = outermost[:, [0, 2]]
    angles = np.radians(np.arange(-45.0, 45.0, 5.0))
    along = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    across = np.stack([np.cos(angles), -np.sin(angles)], axis=1)
    depths, widths = np.ptp(points @ along.T, axis=0), np.ptp(points @ across.T, axis=0)
    # The product's own axes are those of its tightest footprint; if nearly as tight, the file's axes.
    areas = depths * widths
    tight = np.flatnonzero(areas <= areas.min() * 1.02 + 1e-18)
    best = tight[np.argmin(np.abs(angles[tight]))]
    x, z = along[best] if widths[best] >= 0.95 * depths[best] else across[best]
    return np.array([x, 0.0, z]), False


def solve_camera(mesh: Mesh, shot: Shot, target: Target) -> CameraMatrices:
    """View and projection of one shot. Raises RenderError where it cannot be framed."""
    camera = shot.camera
    if isinstance(camera, SolvedCamera):
        return CameraMatrices(np.asarray(camera.view, np.float64), np.asarray(camera.projection, np.float64))
    if isinstance(camera, EmbeddedCameraRef):
        return _embedded(_find(mesh, camera.name), shot, target.points)
    front, known = front_direction(mesh, shot.instances, target.product)
    direction, up = _orbit(camera, front, known)
    if target.direction is not None:
        direction, up = target.direction, UP if target.up is None else target.up
    return _frame(camera, shot, direction, up, target)


def _orbit(camera: OrbitCamera, front: F64, known: bool) -> tuple[F64, F64]:
    """Unit direction from the product to the camera, and the image's up."""
    azimuth, elevation = math.radians(camera.azimuth_deg), math.radians(camera.elevation_deg)
    left = np.cross(UP, front)
    if abs(camera.elevation_deg) > OVERHEAD_DEG:
        # A plan view reads like a page: at azimuth 90° the front points right. Without a known front
        # the broad side lies along the page.
        azimuth += math.pi if known else math.pi / 2
    outward = math.cos(azimuth) * front + math.sin(azimuth) * left
    return (math.cos(elevation) * outward + math.sin(elevation) * UP,
            UP if abs(camera.elevation_deg) < 89.9 else -outward * math.copysign(1.0, elevation))


def look_from(direction: F64, up: F64) -> F64:
    """3×3 rotation world → camera that looks against ``direction``."""
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction])


def _frame(camera: OrbitCamera, shot: Shot, direction: F64, up: F64, target: Target) -> CameraMatrices:
    """Distance and lens shift so that the target's larger relative extent takes ``fill`` and is centred."""
    low, high = target.points.min(axis=0), target.points.max(axis=0)
    centre = (low + high) / 2
    radius = float(np.linalg.norm(high - low)) / 2
    if not radius > 1e-9 or not math.isfinite(radius):
        raise RenderError("shot_unframeable", f"Shot {shot.name}: the product has no size.",
                          "Check the mesh: all its vertices lie in one point.")
    rotation = look_from(direction, up)
    local = (target.points - centre) @ rotation.T
    focal = 2.0 * camera.focal_mm / SENSOR_WIDTH_MM        # of half the frame's width
    aspect = shot.width / shot.height
    scale = np.array([focal, focal * aspect])

    def extent(distance: float) -> tuple[F64, F64]:
        ndc = local[:, :2] * scale / (distance - local[:, 2:3])
        return ndc.min(axis=0), ndc.max(axis=0)

    nearest = float(local[:, 2].max()) + radius * 1e-3
    near, far = nearest, radius * 1e4
    for _ in range(80):
        middle = math.sqrt(max(near, 1e-12) * far)
        small, large = extent(middle)
        near, far = (middle, far) if float((large - small).max()) / 2 > camera.fill else (near, middle)
    # The frame shows 2 · distance / focal metres across at the target. Small print may overflow it.
    legible = max(target.capitals / LEGIBLE * focal / 2.0, nearest)
    distance = max(min(far, legible), target.min_width * focal / 2.0)
    small, large = extent(distance)
    view = np.eye(4)
    view[:3, :3] = rotation
    view[:3, 3] = -rotation @ (centre + direction * distance)
    return CameraMatrices(view, _projection(scale, (small + large) / 2, view, target.points))


def _projection(scale: F64, shift: F64, view: F64, points: F64) -> F64:
    """OpenGL projection: ndc = scale · xy / depth − shift; near and far enclose the points with room to spare."""
    depths = -transform_points(view, points)[:, 2]
    near = max(float(depths.min()) * 0.5, float(depths.max()) * 1e-3, 1e-6)
    far = max(float(depths.max()) * 2.0, near * 2.0)
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = scale
    matrix[0, 2], matrix[1, 2] = shift
    matrix[2, 2] = (far + near) / (near - far)
    matrix[2, 3] = 2.0 * far * near / (near - far)
    matrix[3, 2] = -1.0
    return matrix


def _find(mesh: Mesh, name: str) -> EmbeddedCamera:
    """By name, else by position; after ``gltf:`` digits are always a position, whatever the names are."""
    wanted = name.removeprefix("gltf:")
    position = int(wanted) if wanted.isdecimal() else None
    if wanted == name or position is None:
        for camera in mesh.cameras:
            if camera.name == wanted:
                return camera
    if position is not None and position < len(mesh.cameras):
        return mesh.cameras[position]
    listed = ", ".join(f"{index} {camera.name}" for index, camera in enumerate(mesh.cameras))
    raise RenderError("camera_unknown", f"The mesh file holds no camera {wanted!r}.",
                      f"Cameras in it: {listed}." if listed else "It holds no camera at all: give the shot angles.")


def _embedded(camera: EmbeddedCamera, shot: Shot, points: F64) -> CameraMatrices:
    world = np.asarray(camera.world, np.float64)
    # Only the camera's pose counts; a scaled node must not scale the picture's depth.
    axes = world[:3, :3] / np.linalg.norm(world[:3, :3], axis=0)
    view = np.eye(4)
    view[:3, :3] = axes.T
    view[:3, 3] = -axes.T @ world[:3, 3]
    focal = 1.0 / math.tan(camera.yfov / 2.0)
    return CameraMatrices(view, _projection(np.array([focal * shot.height / shot.width, focal]), np.zeros(2), view,
                                            points))


def project(camera: CameraMatrices, points: F64, width: int, height: int) -> F64:
    """(N, 2) pixels with a top-left origin; points behind the camera are NaN."""
    clip = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ (camera.projection @ camera.view).T
    with np.errstate(divide="ignore", invalid="ignore"):
        ndc = np.where(clip[:, 3:4] > 0.0, clip[:, :2] / clip[:, 3:4], np.nan)
    return (ndc * [0.5, -0.5] + 0.5) * [width, height]


def toe_direction(mesh: Mesh, shot: Shot, camera: CameraMatrices) -> tuple[float, float] | None:
    """Unit image direction (x right, y down) of the product's front; None if unknown or towards the viewer."""
    if mesh.front.axis is None:
        return None
    axis = np.asarray(shot.instances[0].world, np.float64)[:3, :3] @ np.asarray(_AXES[mesh.front.axis])
    local = camera.view[:3, :3] @ (axis / np.linalg.norm(axis))
    size = float(np.hypot(local[0], local[1]))
    if size < 0.25:
        return None
    return float(local[0] / size), float(-local[1] / size)


def _sphere(count: int) -> F64:
    """(count, 3) Fibonacci points on the unit sphere."""
    index = np.arange(count) + 0.5
    height = 1.0 - 2.0 * index / count
    angle = math.pi * (3.0 - math.sqrt(5.0)) * index
    ring = np.sqrt(1.0 - height * height)
    return np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=1)
