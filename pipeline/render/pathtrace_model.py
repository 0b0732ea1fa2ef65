"""What the path tracer is given: surfaces and surrounding light as plain arrays, made from a Scene or by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render.environment import panorama
from pipeline.render.geometry import MAX_SEE_THROUGH
from pipeline.render.scene import Scene
from pipeline.render.stage import Environment, Rgb
from pipeline.render.textures import Textures

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
FLOOR_REACH = 100.0        # product sizes from the middle to the floor's edge
BLACK: Rgb = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Texture:
    """A map as a material looks at it."""

    image: NDArray[np.uint8] | F32         # (H, W, 3 or 4); uint8: code values; float32: linear
    coded: bool = False                    # uint8 holds sRGB, not linear values
    uv_set: int = 0
    matrix: F64 = field(default_factory=lambda: np.eye(3))  # 3×3 uv → uv in the map
    wrap: tuple[str, str] = ("repeat", "repeat")
    nearest: bool = False
    strength: float = 1.0                  # of a normal map's slope


@dataclass(frozen=True, slots=True)
class Look:
    """What a surface is made of; values multiply their maps. ``roughness`` None: perfectly diffuse."""

    albedo: tuple[float, ...] = (0.5, 0.5, 0.5)  # linear rgb, or rgb and alpha
    roughness: float | None = None
    metallic: float = 0.0
    clearcoat: float = 0.0
    sheen: float = 0.0
    emission: Rgb = BLACK                  # radiance, from the outside only
    opacity: float = 1.0
    alpha_mode: str = "opaque"             # mask: a hole below ``cutoff``; blend: alpha is an opacity
    cutoff: float = 0.5
    maps: Mapping[str, Texture] = field(default_factory=dict)  # by a Material's slots


@dataclass(frozen=True, slots=True)
class Surface:
    """Triangles of one look, seen from both sides, in the frame of whoever traces them."""

    positions: NDArray[np.floating]        # (V, 3)
    triangles: NDArray[np.integer]         # (T, 3), counter-clockwise seen from outside
    look: Look = Look()
    normals: NDArray[np.floating] | None = None  # (V, 3); None: faceted
    uv: tuple[NDArray[np.floating], ...] = ()    # up to two sets of (V, 2), origin top-left
    colors: NDArray[np.floating] | None = None   # (V, 4) linear, multiply albedo
    ids: tuple[int, int] = (0, 0)          # 1 + instance, 1 + material; 0, 0: not the product

    def __post_init__(self) -> None:
        # The tracer itself would read past an array's end without a word.
        count = len(self.positions)
        columns = [column for column in (self.normals, self.colors, *self.uv) if column is not None]
        if any(len(column) != count for column in columns) or (len(self.triangles) and self.triangles.max() >= count):
            raise ValueError(f"a surface of {count} vertices has columns of {[len(column) for column in columns]} and "
                             "triangles between vertices it does not have, or one of the two")


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that light meets, and the light."""

    surfaces: tuple[Surface, ...]
    environment: Environment | None        # None: the only light is emission
    axes: F64 = field(default_factory=lambda: np.eye(3))  # rows: the environment's x, y, z in the surfaces' frame


def model_of(scene: Scene, *, product: bool = True, floor: bool = True, extra: Sequence[Surface] = (),
             environment: Environment | None = None) -> Model:
    """A scene in world metres under all the light of its stage.

    ``extra`` are surfaces in the stage's axes and product sizes; ``environment`` takes the place of the
    stage's light. The floor is a plane of the stage's albedo that ends far away.
    """
    surfaces: list[Surface] = []
    if product:
        surfaces += product_surfaces(scene.mesh, scene.textures, scene.instances)
    to_world = scene.stage_to_world
    surfaces += [moved(surface, to_world) for surface in extra]
    if floor and scene.stage.floor_albedo is not None:
        surfaces.append(moved(plane(FLOOR_REACH, Look(scene.stage.floor_albedo)), to_world))
    light = panorama(scene.stage) if environment is None else environment
    return Model(tuple(surfaces), light, scene.heading.axes)


def plane(reach: float, look: Look) -> Surface:
    """A horizontal square at height 0, seen from above."""
    corners = np.array([[-1.0, 0.0, -1.0], [-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, -1.0]])
    return Surface(corners * reach, np.array([[0, 1, 2], [0, 2, 3]]), look)


def moved(surface: Surface, matrix: F64) -> Surface:
    """The surface after a 4×4 transform; mirroring keeps its outside outside."""
    linear = matrix[:3, :3]
    normals = surface.normals
    if normals is not None:
        normals = np.asarray(normals, np.float64) @ np.linalg.inv(linear)
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    triangles = surface.triangles if np.linalg.det(linear) > 0 else surface.triangles[:, ::-1]
    positions = np.asarray(surface.positions, np.float64) @ linear.T + matrix[:3, 3]
    return Surface(positions, triangles, surface.look, normals, surface.uv, surface.colors, surface.ids)


def product_surfaces(mesh: Mesh, textures: Textures, instances: Sequence[Instance]) -> list[Surface]:
    """One surface per instance and material."""
    looks = {mirrored: [look_of(material, textures, mirrored=mirrored) for material in mesh.materials]
             for mirrored in {instance.mirrored for instance in instances}}
    found: list[Surface] = []
    for number, instance in enumerate(instances, start=1):
        for index, look in enumerate(looks[instance.mirrored]):
            triangles = mesh.triangles[mesh.triangle_material == index]
            if len(triangles) == 0:
                continue
            used, local = np.unique(triangles, return_inverse=True)
            surface = Surface(mesh.positions[used], local.reshape(-1, 3), look, mesh.normals[used],
                              tuple(uv[used] for uv in mesh.uv_sets[:2]),
                              None if mesh.colors is None else mesh.colors[used], (number, index + 1))
            found.append(moved(surface, np.asarray(instance.world, np.float64)))
    return found


def look_of(material: Material, textures: Textures, *, mirrored: bool = False) -> Look:
    maps = {str(slot): _texture(ref, slot in ("base_color", "emissive"), textures.of(ref, mirrored=mirrored))
            for slot, ref in material.textures.items() if slot != "occlusion"}
    # A file that says unlit shows its colour without light; in ours it is lit, but mirrors nothing.
    roughness = None if material.unlit else material.roughness
    return Look(material.base_color, roughness, material.metallic, material.clearcoat, material.sheen,
                material.emissive, 1.0 - MAX_SEE_THROUGH * material.transmission, material.alpha_mode,
                material.alpha_cutoff, maps)


def _texture(ref: TextureRef, coded: bool, image: NDArray[np.uint8]) -> Texture:
    # KHR_texture_transform: translation · rotation · scale; v runs down, so counter-clockwise is −sin below.
    cosine, sine = math.cos(ref.rotation), math.sin(ref.rotation)
    matrix = np.eye(3)
    matrix[:2, :2] = np.array([[cosine, sine], [-sine, cosine]]) * ref.scale
    matrix[:2, 2] = ref.offset
    return Texture(image, coded, ref.uv_set, matrix, (ref.wrap_u, ref.wrap_v), ref.nearest,
                   ref.strength)


class Exchange:
    """A folder through which arrays go to the child: a description in JSON names .npy files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: dict[int, tuple[str, object]] = {}

    def array(self, values: NDArray[Any], dtype: type | None = None) -> str:
        """Name of the array's file; an array that was given before is written once."""
        known = self._written.get(id(values))
        if known is not None:
            return known[0]
        name = f"{len(self._written)}.npy"
        np.save(self.folder / name, np.ascontiguousarray(values, dtype))
        self._written[id(values)] = (name, values)   # kept alive, so that its id stays its own
        return name

    def write(self, job: Mapping[str, object]) -> Path:
        path = self.folder / "job.json"
        path.write_text(json.dumps(job))
        return path

    def model(self, model: Model) -> dict[str, object]:
        return {"surfaces": [self._surface(surface) for surface in model.surfaces],
                "environment": None if model.environment is None else self.array(_grid(model.environment.radiance)),
                "axes": np.asarray(model.axes, np.float64).tolist()}

    def _surface(self, surface: Surface) -> dict[str, object]:
        look = surface.look
        return {
            "positions": self.array(surface.positions, np.float32),
            "triangles": self.array(surface.triangles, np.uint32),
            "normals": None if surface.normals is None else self.array(surface.normals, np.float32),
            "uv": [self.array(uv, np.float32) for uv in surface.uv[:2]],
            "colors": None if surface.colors is None else self.array(surface.colors, np.float32),
            "ids": list(surface.ids),
            "look": {
                "albedo": list(look.albedo), "roughness": look.roughness, "metallic": look.metallic,
                "clearcoat": look.clearcoat, "sheen": look.sheen, "emission": list(look.emission),
                "opacity": look.opacity, "alpha_mode": look.alpha_mode, "cutoff": look.cutoff,
                "maps": {slot: self._map(texture, len(surface.uv)) for slot, texture in look.maps.items()},
            },
        }

    def _map(self, texture: Texture, uv_sets: int) -> dict[str, object]:
        return {"image": self.array(texture.image), "coded": texture.coded,
                "uv_set": min(texture.uv_set, uv_sets - 1, 1), "matrix": np.asarray(texture.matrix).tolist(),
                "wrap": list(texture.wrap), "nearest": texture.nearest,
                "strength": texture.strength}


def _grid(radiance: F32) -> F32:
    """The panorama (H, W, 3) on Mitsuba's grid (2H + 1, W, 3): column 0 looks along −z, rows run from pole to pole.

    Every row and edge between rows becomes a row, so interpolation along the meridians stays what it was.
    """
    rolled = np.roll(radiance, -radiance.shape[1] // 2, axis=1)
    height = rolled.shape[0]
    position = np.clip(np.arange(2 * height + 1) / 2.0 - 0.5, 0.0, height - 1.0)
    above = np.floor(position).astype(int)
    share = (position - above)[:, None, None].astype(np.float32)
    grid: F32 = rolled[above] * (1 - share) + rolled[np.minimum(above + 1, height - 1)] * share
    return grid


def uniform_light(radiance: Rgb = (1.0, 1.0, 1.0), height: int = 16) -> Environment:
    """The same radiance from everywhere, as in a white furnace."""
    image = np.broadcast_to(np.asarray(radiance, np.float32), (height, 2 * height, 3)).copy()
    return Environment(image, f"uniform {radiance} {height}")
