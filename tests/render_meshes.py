"""Small meshes, textures and shots that the renderer's tests look at."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import OrbitCamera, Shot, SolvedCamera
from pipeline.mesh.types import Front, Material, Mesh, TextureRef
from pipeline.render import Textures, load_textures

UNKNOWN_FRONT = Front()
GREY = Material("grey", base_color=(0.5, 0.5, 0.5, 1.0))


def box(size: tuple[float, float, float] = (0.2, 0.1, 0.3), material: Material = GREY, front: Front = UNKNOWN_FRONT
        ) -> Mesh:
    """A box on the origin, its middle at half its height; each face is a chart with uv 0..1."""
    positions: list[NDArray[np.float64]] = []
    normals: list[NDArray[np.float64]] = []
    uv: list[tuple[int, int]] = []
    triangles: list[tuple[int, int, int]] = []
    charts: list[int] = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal = np.zeros(3)
            normal[axis] = sign
            up = np.array([0.0, 0.0, -1.0]) if axis == 1 else np.array([0.0, 1.0, 0.0])
            right = np.cross(up, normal)
            first = len(positions)
            for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
                positions.append((normal + right * (2 * u - 1) + up * (1 - 2 * v)) * np.array(size) / 2
                                 + np.array([0.0, size[1] / 2, 0.0]))
                normals.append(normal)
                uv.append((u, v))
            triangles += [(first, first + 2, first + 1), (first, first + 3, first + 2)]
            charts += [first // 4] * 2
    return _mesh(np.array(positions), np.array(normals), np.array(uv), np.array(triangles), np.array(charts), material,
                 front)


def sphere(radius: float = 0.1, material: Material = GREY, rings: int = 32) -> Mesh:
    """A uv sphere that stands on the origin."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    normals = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], axis=-1)
    uv = np.stack([phi / (2 * np.pi), theta / np.pi], axis=-1)
    row, column = np.meshgrid(np.arange(rings), np.arange(2 * rings), indexing="ij")
    corner = (row * (2 * rings + 1) + column).ravel()
    below = corner + 2 * rings + 1
    triangles = np.concatenate([np.stack([corner, corner + 1, below], axis=1),
                                np.stack([corner + 1, below + 1, below], axis=1)])
    positions = normals.reshape(-1, 3) * radius + np.array([0.0, radius, 0.0])
    return _mesh(positions, normals.reshape(-1, 3), uv.reshape(-1, 2), triangles, np.zeros(len(triangles)), material)


def quad(left: float, right: float, bottom: float, top: float, material: Material = GREY, depth: float = 1.0) -> Mesh:
    """An upright rectangle that faces +Z at z = −depth; uv 0..1 with v running down."""
    positions = np.array([[left, top, -depth], [right, top, -depth], [right, bottom, -depth], [left, bottom, -depth]])
    return _mesh(positions, np.tile([0.0, 0.0, 1.0], (4, 1)), np.array([[0, 0], [1, 0], [1, 1], [0, 1]]),
                 np.array([[0, 2, 1], [0, 3, 2]]), np.zeros(2), material)


def _mesh(positions: NDArray[np.float64], normals: NDArray[np.float64], uv: NDArray[np.float64],
          triangles: NDArray[np.int64], charts: NDArray[np.float64], material: Material,
          front: Front = UNKNOWN_FRONT) -> Mesh:
    return Mesh(positions.astype(np.float32), normals.astype(np.float32), (uv.astype(np.float32),),
                triangles.astype(np.uint32), np.zeros(len(triangles), np.uint16), charts.astype(np.uint32), (material,),
                front)


def png(pixels: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def textures_of(mesh: Mesh, files: Mapping[str, bytes] | None = None) -> Textures:
    given = files or {}

    def read(ref: TextureRef) -> bytes:
        if ref.path not in given:
            raise FileNotFoundError(ref.path)
        return given[ref.path]

    return load_textures(mesh, read, max_megapixels=67.2)


def shot(size: int | tuple[int, int] = 96, stage: str = "white", **camera: float) -> Shot:
    width, height = (size, size) if isinstance(size, int) else size
    return Shot("test", OrbitCamera(**camera), width, height, stage)


def straight_shot(size: int = 64, stage: str = "white") -> Shot:
    """A camera at the origin that looks down -Z and shows x, y of −1..1 at depth 1."""
    view = tuple(tuple(row) for row in np.eye(4).tolist())
    near, far = 0.1, 10.0
    projection = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0),
                  (0.0, 0.0, (far + near) / (near - far), 2 * far * near / (near - far)), (0.0, 0.0, -1.0, 0.0))
    return Shot("straight", SolvedCamera(view, projection), size, size, stage)


def plates(gap: float, material: Material = GREY) -> Mesh:
    """A horizontal square of side 1 on the floor, and one of side 0.3 above its middle."""
    positions = [(x * half, y, z * half) for half, y in ((0.5, 0.0), (0.15, gap))
                 for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    triangles = [(0, 2, 1), (0, 3, 2), (4, 6, 5), (4, 7, 6)]
    return _mesh(np.array(positions), np.tile([0.0, 1.0, 0.0], (8, 1)),
                 np.tile([[0, 0], [1, 0], [1, 1], [0, 1]], (2, 1)), np.array(triangles), np.zeros(4), material)


def well(material: Material) -> Mesh:
    """The inside of a box of 1 × 1 × 1 without its lid."""
    walls = [((0.0, 1.0, 0.0), (1.0, 0.0, 0.0))]
    walls += [((x, 0.0, z), (0.0, 1.0, 0.0)) for x, z in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))]
    positions: list[np.ndarray] = []
    normals: list[np.ndarray] = []
    triangles: list[tuple[int, int, int]] = []
    for inwards, up in walls:
        normal, along = np.array(inwards), np.array(up)
        across = np.cross(along, normal)
        first = len(positions)
        positions += [0.5 * (-normal + x * across + y * along) + [0.0, 0.5, 0.0]
                      for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        normals += [normal] * 4
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return _mesh(np.array(positions), np.array(normals), np.tile([[0, 0], [1, 0], [1, 1], [0, 1]], (5, 1)),
                 np.array(triangles), np.zeros(len(triangles)), material)
