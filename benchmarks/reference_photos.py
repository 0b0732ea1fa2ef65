"""Photos of products, as a shop buys them, with what is known only of made ones: masks, poses, the empty ground.

    with Studio() as studio:
        made = studio.photo(Spec("shoe", 2, "top", "wood", seed=3))
        made.data                          # a JPEG

``python -m benchmarks.reference_photos --example OUT.jpg`` makes the example catalogue's photo: a pair of brown
leather shoes from straight above on an oak floor. ``--sheet OUT.jpg`` shows a dozen of the others.

Products are those the refiner was trained on (training/families), and the example derby: no photo shows the mesh
that is placed in it. Scenes are path-traced under one large soft lamp and a dome; then come a lens, a sensor and
JPEG. The world has y up and the ground at 0; the camera stands towards +z.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import OrbitCamera, Shot
from pipeline.colour import srgb_decode, srgb_encode, view_transform
from pipeline.lone_file import open_file
from pipeline.mesh.types import Front, Material, Mesh, TextureRef
from pipeline.render import STAGES, Textures
from pipeline.render.environment import panorama_directions
from pipeline.render.fast import FastRenderer
from pipeline.render.heading import UPRIGHT
from pipeline.render.pathtrace import Traced
from pipeline.render.scene import Placement, Scene
from pipeline.render.stage import Environment
from pipeline.render.tracer import Tracer
from pipeline.render.types import CameraMatrices
from training.families import make_sample
from training.materials.tile import noise, ranked

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Kind = Literal["shoe", "mug", "bottle"]
View = Literal["top", "three-quarter", "side"]
Ground = Literal["plain", "wood", "stone", "fabric"]
Rng = np.random.Generator

ROOT = Path(__file__).resolve().parent.parent
DERBY = ROOT / "examples" / "catalogue" / "derby-brown" / "leather_derby.fbx"
SAMPLES, DEPTH = 4, 4                     # paths per pixel, then denoised; bounces
TILE_M, TILE_PX = 1.28, 2048               # of a ground's texture
GROUNDS = 12                               # of each kind
AXES = {"+x": (1.0, 0.0, 0.0), "-x": (-1.0, 0.0, 0.0), "+z": (0.0, 0.0, 1.0), "-z": (0.0, 0.0, -1.0)}
# Where a left shoe's middle line runs: share of the length from the heel, share of the width towards the outside.
_MIDDLE = ((0.0, 0.16, 0.36, 0.62, 0.79, 0.88, 1.0), (0.0, 0.0, 0.03, 0.05, 0.01, -0.02, -0.06))
_OAK = (0.40, 0.235, 0.115)                # linear


@dataclass(frozen=True, slots=True)
class Spec:
    """One photo. A pair is a left and a right shoe."""

    kind: Kind
    count: int
    view: View
    ground: Ground
    seed: int
    width: int = 1024
    height: int = 1024

    def __post_init__(self) -> None:
        if self.count not in (1, 2) or (self.count == 2 and (self.kind != "shoe" or self.view == "side")):
            raise ValueError("pairs are of shoes, and from the side one hides the other")

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.count}-{self.view}-{self.ground}-{self.seed:04d}"


@dataclass(frozen=True, slots=True)
class Truth:
    """One product of a photo. Directions are unit vectors in the camera's axes (x right, y up, z backwards)."""

    mask: Mask                             # (H, W)
    view: F64                              # 4×4 mesh → camera, with the mirror
    front: F64                             # of a shoe where its toe points, of a mug its handle; of a bottle anything
    up: F64
    mirrored: bool
    left: bool                             # a left shoe; says nothing of others


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A photo and what is known of it."""

    spec: Spec
    data: bytes                            # a JPEG
    pixels: U8                             # (H, W, 3) of it
    figures: tuple[Truth, ...]             # from left to right in the picture
    plate: U8 | None                       # (H, W, 3) the ground alone, without shadow or noise, where asked for
    light: F64                             # (3,) towards the lamp, camera space
    focal_mm: float                        # 35 mm equivalent


@dataclass(frozen=True, slots=True)
class _Subject:
    """A product to be photographed, standing on y = 0 around the origin."""

    mesh: Mesh
    textures: Textures
    front: F64                             # (3,)
    mirror: F64                            # (3, 3) that makes its partner


@dataclass(frozen=True, slots=True)
class _Look:
    """What of a photo is drawn by lot, or set by hand for the example."""

    focal_mm: float
    elevation_deg: float
    roll_deg: float
    fill: float                            # of the frame
    aim: tuple[float, float]               # where the products' middle is in the frame, −1..1
    lamp: tuple[float, float, float]       # azimuth 0 behind the camera and positive to its right, elevation, radius; °
    key: float                             # of the ground's light that comes from the lamp
    warmth: float                          # of the lamp
    exposure: float
    falloff: tuple[float, float]           # of light over half the frame, to the right and up
    grain_deg: float                       # how the ground is turned
    blur_px: float
    noise: float                           # codes in the middle of the range
    quality: int
    exif: bool                             # the file says its focal length


class Studio:
    """Takes photos; keeps one path tracer. Use as a context manager."""

    def __init__(self, threads: int = 1) -> None:
        self._tracer = Tracer(threads=threads)
        self._masks = FastRenderer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self._masks.close()
        self._tracer.close()

    def photo(self, spec: Spec, *, plate: bool = False) -> Synthetic:
        """The photo of a spec: always the same. ``plate``: with the empty ground, which takes half as long again."""
        rng = np.random.default_rng([zlib.crc32(repr((spec.kind, spec.count, spec.view, spec.ground)).encode()),
                                     spec.seed])
        subject = _subject(rng, spec)
        worlds = _standing(rng, spec, subject)
        look = _look(rng, spec)
        ground, wall, roughness = _ground(rng, spec.ground)
        return self._taken(spec, subject, worlds, look, (ground, wall, roughness), rng, SAMPLES, plate)

    def example(self, side: int = 1400, samples: int = 16) -> Synthetic:
        """A pair of brown leather shoes from above on an oak floor, in daylight from the upper left."""
        spec = Spec("shoe", 2, "top", "wood", 7, side, side)
        rng = np.random.default_rng(spec.seed)
        subject = _derby(np.array([0.96, 1.0, 1.05]), np.array([0.62, 0.54, 0.5]))
        # The camera looks down, its picture's up is −z: toes (+x) turn there by 90°.
        worlds = [_stood(subject, 94.0, -0.074, mirrored=False), _stood(subject, 85.0, 0.076, mirrored=True)]
        worlds[1][2, 3] += 0.006
        look = _Look(50.0, 89.5, 0.0, 0.66, (0.0, -0.01), (-135.0, 62.0, 24.0), 0.46, 0.0, 1.2, (-0.08, 0.08), 90.0,
                     0.55, 1.0, 88, False)
        oak = _wood(np.random.default_rng(21), (0.46, 0.315, 0.19), planks=10)
        return self._taken(spec, subject, worlds, look, (oak, (0.6, 0.58, 0.55), 0.5), rng, samples, False)

    def _taken(self, spec: Spec, subject: _Subject, worlds: Sequence[F64], look: _Look,
               ground: tuple[U8, tuple[float, float, float], float | None], rng: Rng, samples: int,
               plate: bool) -> Synthetic:
        bodies = [_moved(subject.mesh, world) for world in worlds]
        camera = _camera(spec, look, np.concatenate([body.positions for body in bodies]))
        lamp = _towards(*look.lamp[:2])
        room = _room(spec, look, ground[1], ground[2])
        environment = _daylight(look, lamp)
        textures = Textures({**subject.textures.images, ("catalogue", "ground.png"): ground[0]})

        def traced(meshes: Sequence[Mesh], paths: int, depth: int, seed: int) -> Traced:
            scene = _scene(_merged([*meshes, room]), textures, spec, camera, environment)
            return self._tracer.trace(scene, samples=paths, depth=depth, seed=seed)

        full = traced(bodies, samples, DEPTH, spec.seed)
        radiance = _denoised(full)
        gain = look.exposure * math.sqrt(0.42 / max(float(np.median(radiance[full.normal @ camera.view[:3, 1] > 0.9])),
                                                    1e-3))
        codes = _sensed(_developed(radiance * gain, look), look, rng)
        empty = None
        if plate:
            bare = traced([], samples, 2, spec.seed + 1)
            light = _ground_light(bare, camera.view[:3, 1])
            empty = np.asarray(_developed(light * gain, look) * 255.0 + 0.5).astype(np.uint8)
        data = _jpeg(codes, look)
        figures = self._truths(subject, worlds, bodies, camera, (spec.width, spec.height))
        return Synthetic(spec, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), figures, empty,
                         camera.view[:3, :3] @ lamp, look.focal_mm)

    def _truths(self, subject: _Subject, worlds: Sequence[F64], bodies: Sequence[Mesh], camera: CameraMatrices,
                size: tuple[int, int]) -> tuple[Truth, ...]:
        drawn = [self._masks.draw(body, subject.textures, camera, size) for body in bodies]
        nearest = np.min([each.depth for each in drawn], axis=0)
        found = []
        for world, each in zip(worlds, drawn, strict=True):
            view = camera.view @ world
            front, up = (view[:3, :3] @ axis for axis in (subject.front, np.array([0.0, 1.0, 0.0])))
            mirrored = bool(np.linalg.det(world[:3, :3]) < 0)
            mask = (each.color[..., 3] > 127) & (each.depth <= nearest)
            found.append(Truth(mask, view, front / np.linalg.norm(front), up / np.linalg.norm(up), mirrored,
                               not mirrored))
        return tuple(sorted(found, key=lambda truth: float(np.nonzero(truth.mask)[1].mean())))


def synthetic_photo(spec: Spec, *, plate: bool = True) -> Synthetic:
    """One photo; who wants many keeps a Studio."""
    with Studio() as studio:
        return studio.photo(spec, plate=plate)


# Products


def _subject(rng: Rng, spec: Spec) -> _Subject:
    if spec.kind != "shoe":
        sample = make_sample(spec.kind, 50_000 + spec.seed)
        while spec.kind == "mug" and not _has_handle(sample.truth):   # some are cups
            sample = make_sample(spec.kind, sample.seed + 1_000)
        return _Subject(sample.truth, sample.truth_textures, np.array([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, -1.0]))
    if rng.random() < 0.35:
        tint = rng.uniform(0.35, 1.0) * (1.0 + rng.normal(0.0, 0.08, 3))
        return _derby(np.array([rng.uniform(0.92, 1.05), rng.uniform(0.85, 1.2), rng.uniform(0.92, 1.1)]), tint)
    sample = make_sample("shoe", 50_000 + spec.seed)
    shaped = _as_left(sample.truth, rng.uniform(1.0, 2.2), rng.uniform(0.93, 1.08))
    return _Subject(shaped, sample.truth_textures, np.array([0.0, 0.0, 1.0]), np.diag([-1.0, 1.0, 1.0]))


def _has_handle(mesh: Mesh) -> bool:
    low, high = mesh.bounds
    return bool(high[0] + low[0] > 0.01)


@cache
def _opened_derby() -> tuple[Mesh, Textures]:
    """The mesh; its name in the insole is painted over, for a mirrored partner would show it mirrored."""
    opened = open_file(DERBY)
    [key] = opened.textures.images
    plain = opened.textures.images[key].copy()
    plain[1640:1790, 1460:1530] = plain[1640:1790, 1580:1650]
    return opened.mesh, Textures({key: plain})


def _derby(scale: F64, tint: F64) -> _Subject:
    """The example derby, a left shoe, stretched along, up and across."""
    mesh, textures = _opened_derby()
    points = (mesh.positions.astype(np.float64) - _foot(mesh)) * scale
    normals = mesh.normals / scale
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    red, green, blue = (float(value) for value in tint)
    materials = tuple(replace(material, base_color=(red, green, blue, 1.0)) for material in mesh.materials)
    shaped = replace(mesh, positions=points.astype(np.float32), normals=normals.astype(np.float32), tangents=None,
                     materials=materials, front=Front("+x", 1.0, "manifest"))
    return _Subject(shaped, textures, np.array([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, -1.0]))


def _foot(mesh: Mesh) -> F64:
    """The point of the ground below a mesh's middle."""
    low, high = mesh.bounds
    return np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])


def _as_left(mesh: Mesh, bent: float, wider: float) -> Mesh:
    """The procedural shoe, which is nearly its own mirror image, as a left one: front +z, outside +x."""
    points = mesh.positions.astype(np.float64)
    low, high = points[:, 2].min(), points[:, 2].max()
    share = (points[:, 2] - low) / (high - low)
    sole = points[:, 1] < 0.03
    bins = np.clip((share[sole] * 40).astype(int), 0, 39)
    inner = range(2, 38)
    middle = [(points[sole][bins == k, 0].min() + points[sole][bins == k, 0].max()) / 2 for k in inner]
    known = np.polynomial.Polynomial.fit((np.array(inner) + 0.5) / 40, middle, 5)
    width = float(np.ptp(points[sole, 0]))
    wanted = np.polynomial.Polynomial.fit(_MIDDLE[0], np.array(_MIDDLE[1]) * width * bent, 5)
    moved = points.copy()
    moved[:, 0] = (points[:, 0] - known(np.clip(share, 0.05, 0.95))) * wider + wanted(share)
    return replace(mesh, positions=moved.astype(np.float32))


def _stood(subject: _Subject, yaw_deg: float, x: float, *, mirrored: bool) -> F64:
    """4×4 mesh → world of a product at (x, 0, 0), turned counter-clockwise as seen from above."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    world = np.eye(4)
    world[:3, :3] = turn @ (subject.mirror if mirrored else np.eye(3))
    foot = _foot(subject.mesh)
    world[:3, 3] = np.array([x, 0.0, 0.0]) - world[:3, :3] @ foot
    return world


def _standing(rng: Rng, spec: Spec, subject: _Subject) -> list[F64]:
    """Where the products stand: of a pair the left one on its left, toes a little apart."""
    ahead = math.degrees(math.atan2(subject.front[0], subject.front[2]))  # yaw of the front, from +z towards +x
    if spec.view == "side":
        faces = float(rng.choice([-90.0, 90.0])) + rng.uniform(-20.0, 20.0)
    else:
        faces = rng.uniform(-180.0, 180.0)
    if spec.count == 1:
        return [_stood(subject, faces - ahead, 0.0, mirrored=bool(spec.kind == "shoe" and rng.random() < 0.5))]
    low, high = subject.mesh.bounds
    across = float((high - low)[0 if abs(subject.front[2]) > 0.5 else 2])
    gap = rng.uniform(0.03, 0.07)
    spread = rng.uniform(-4.0, 15.0)
    turn = _turn(faces)
    worlds = []
    for mirrored, side in ((False, 1.0), (True, -1.0)):
        # Facing +z, the left foot is at +x; toes outwards turn it further towards +x.
        world = _stood(subject, faces - ahead + side * spread / 2, 0.0, mirrored=mirrored)
        along = rng.uniform(-0.02, 0.02)
        world[:3, 3] += turn @ np.array([side * (across + gap + 0.0016 * abs(spread) * 2) / 2, 0.0, along])
        worlds.append(world)
    return worlds


def _turn(yaw_deg: float) -> F64:
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _moved(mesh: Mesh, world: F64) -> Mesh:
    linear = world[:3, :3]
    triangles = mesh.triangles if np.linalg.det(linear) > 0 else mesh.triangles[:, ::-1]
    return replace(mesh, positions=(mesh.positions @ linear.T + world[:3, 3]).astype(np.float32),
                   normals=(mesh.normals @ linear.T).astype(np.float32), triangles=np.ascontiguousarray(triangles),
                   tangents=None)


# Ground, light and camera


def _ground(rng: Rng, kind: Ground) -> tuple[U8, tuple[float, float, float], float | None]:
    """Texture, the wall's colour, and the ground's roughness (None: matt)."""
    light = rng.uniform(0.45, 0.75)
    wall = (light, light * rng.uniform(0.94, 1.0), light * rng.uniform(0.88, 1.0))
    texture = _drawn_ground(kind, int(rng.integers(GROUNDS)))
    return texture, wall, float(rng.uniform(0.42, 0.7)) if kind == "wood" else None


@cache
def _drawn_ground(kind: Ground, number: int) -> U8:
    """One of a kind's grounds; drawing it takes as long as tracing a photo."""
    rng = np.random.default_rng([zlib.crc32(kind.encode()), number])
    if kind == "wood":
        wood = [_OAK, (0.24, 0.125, 0.06), (0.50, 0.38, 0.25), (0.34, 0.29, 0.24), (0.58, 0.52, 0.45)][number % 5]
        return _wood(rng, wood, int(rng.integers(7, 12)))
    if kind == "stone":
        return _stone(rng)
    return _fabric(rng) if kind == "fabric" else _paper(rng)


def _texture(colour: NDArray[np.floating]) -> U8:
    codes = np.asarray(srgb_encode(np.clip(colour, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8)
    return np.dstack([codes, np.full(codes.shape[:2], 255, np.uint8)])


def _waves(rng: Rng, wavelength_mm: float, width: float = 0.5, stretch: float = 1.0) -> F32:
    return noise(rng, TILE_PX, TILE_M * 1000.0, wavelength_mm, width, stretch)


def _wood(rng: Rng, colour: tuple[float, float, float], planks: int) -> U8:
    """Planks along the rows, with figure, pores and dark joints."""
    rows = np.arange(TILE_PX)
    edges = np.round(np.linspace(0, TILE_PX, planks + 1)).astype(int)
    bow, figure = _waves(rng, 60.0, 0.7, 9.0), _waves(rng, 9.0, 0.8, 18.0)
    fibre, pores = _waves(rng, 2.2, 0.5, 22.0), _waves(rng, 2.0, 0.4, 9.0)
    tone = np.ones((TILE_PX, TILE_PX), np.float32)
    tint = np.ones((TILE_PX, TILE_PX, 3), np.float32)
    pixel = TILE_M * 1000.0 / TILE_PX
    column = np.arange(TILE_PX)
    for top, bottom in itertools.pairwise(edges):
        shift = int(rng.integers(TILE_PX))
        joint = int(rng.integers(TILE_PX))
        part = np.s_[top:bottom]
        across = (rows[part, None] - top) * pixel
        rings = np.sin(2.0 * np.pi * (across / rng.uniform(9.0, 22.0) + 0.55 * np.roll(bow[part], shift, axis=1)
                                      + 0.16 * np.roll(figure[part], shift, axis=1)))
        dark = np.clip(np.roll(pores[part], shift, axis=1) - 1.1, 0.0, 2.0)
        for half in (0, 1):                # two boards meet in every row
            board = ((column - joint) % TILE_PX < TILE_PX // 2) == bool(half)
            level = 1.0 + rng.normal(0.0, 0.09)
            hue = 1.0 + rng.normal(0.0, 0.013, 3)
            tone[part] = np.where(board, level * (1.0 + 0.075 * rings + 0.055 * np.roll(figure[part], shift, axis=1)
                                                  + 0.045 * np.roll(fibre[part], shift, axis=1) - 0.12 * dark),
                                  tone[part])
            tint[part] = np.where(board[None, :, None], hue, tint[part])
        beside = np.minimum(across, (bottom - top) * pixel - across)
        tone[part] *= 1.0 - 0.62 * np.exp(-((beside / 0.9) ** 2)) - 0.10 * np.exp(-((beside / 3.0) ** 2))
        for end in (joint, joint + TILE_PX // 2):
            away = np.abs((column - end + TILE_PX // 2) % TILE_PX - TILE_PX // 2) * pixel
            tone[part] *= 1.0 - 0.6 * np.exp(-((away / 0.9) ** 2))[None]
    deeper = np.clip(tone, 0.08, 1.6)[..., None] ** np.array([0.9, 1.05, 1.2])  # darker wood is redder
    return _texture(np.asarray(colour) * tint * deeper)


def _stone(rng: Rng) -> U8:
    level = rng.uniform(0.14, 0.6)
    colour = level * (1.0 + rng.normal(0.0, 0.03, 3) + np.array([0.03, 0.0, -0.04]) * rng.uniform(-0.5, 1.5))
    clouds = _waves(rng, 90.0, 1.0) * 0.05 + _waves(rng, 18.0, 0.9) * 0.05 + _waves(rng, 3.0, 0.6) * 0.05
    specks = np.clip(_waves(rng, rng.uniform(3.0, 6.0), 0.5) - 1.3, 0.0, 1.2)
    bright = np.clip(_waves(rng, 3.5, 0.5) - 1.6, 0.0, 1.0)
    return _texture(colour * (1.0 + clouds - rng.uniform(0.15, 0.4) * specks + 0.3 * bright)[..., None])


def _fabric(rng: Rng) -> U8:
    count = round(TILE_M * 1000.0 / rng.uniform(2.4, 4.0))
    phase = np.arange(TILE_PX) / TILE_PX * count * 2.0 * np.pi
    wander = _waves(rng, 40.0, 0.8) * 0.5
    warp = np.sin(phase[None, :] / 2 + wander) ** 2
    weft = np.sin(phase[:, None] / 2 + wander.T) ** 2
    over = np.sign(np.sin(phase[None, :] / 2)) * np.sign(np.sin(phase[:, None] / 2))
    height = np.where(over > 0, warp, weft)
    yarn = np.where(over > 0, _waves(rng, 5.0, 0.7, 0.1), _waves(rng, 5.0, 0.7, 10.0))
    folds = _waves(rng, 220.0, 0.5)
    palette = [(0.62, 0.58, 0.50), (0.30, 0.32, 0.36), (0.45, 0.40, 0.33), (0.70, 0.69, 0.67), (0.22, 0.27, 0.24)]
    colour = np.array(palette[int(rng.integers(5))]) * (1.0 + rng.normal(0.0, 0.04, 3))
    return _texture(colour * (0.80 + 0.26 * height + 0.07 * yarn + 0.025 * folds)[..., None])


def _paper(rng: Rng) -> U8:
    palette = [(0.78, 0.78, 0.77), (0.62, 0.60, 0.57), (0.70, 0.52, 0.42), (0.42, 0.55, 0.62), (0.68, 0.62, 0.40),
               (0.20, 0.21, 0.23), (0.48, 0.56, 0.45)]
    colour = np.array(palette[int(rng.integers(len(palette)))])
    uneven = 0.010 * _waves(rng, 300.0, 0.6) + 0.008 * _waves(rng, 40.0, 0.8) + 0.010 * ranked(_waves(rng, 2.0, 0.6))
    return _texture(colour * (1.0 + uneven)[..., None])


def _room(spec: Spec, look: _Look, wall: tuple[float, float, float], roughness: float | None) -> Mesh:
    """The ground and what stands behind it; a sheet of paper is bent upwards."""
    reach, behind, high = 5.0, 0.75 if spec.view == "side" else 3.2, 4.0
    ref = TextureRef("catalogue", "ground.png")
    ground = Material("ground", roughness=0.6 if roughness is None else roughness, unlit=roughness is None,
                      textures={"base_color": ref})
    back = Material("wall", base_color=(*wall, 1.0), unlit=True)
    bend = 0.35 if spec.ground == "plain" else 0.0
    angles = np.linspace(0.0, math.pi / 2, 17)
    profile = [(reach, 0.0), *((-behind + bend - bend * math.sin(a), bend - bend * math.cos(a)) for a in angles)] \
        if bend else [(reach, 0.0), (-behind, 0.0)]
    if bend:
        profile.append((-behind, high))
    points, uv, triangles = _strip(profile, reach, look.grain_deg)
    owner = [0] * len(triangles)
    materials: tuple[Material, ...] = (ground,)
    if not bend:
        more, more_uv, wall_triangles = _strip([(-behind, 0.0), (-behind, high)], reach, 0.0)
        triangles = np.concatenate([triangles, wall_triangles + len(points)])
        points, uv = np.concatenate([points, more]), np.concatenate([uv, more_uv])
        owner += [1] * len(wall_triangles)
        materials = (ground, back)
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(points[triangles[:, 1]] - points[triangles[:, 0]],
                                                     points[triangles[:, 2]] - points[triangles[:, 0]]))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(points.astype(np.float32), normals.astype(np.float32), (uv.astype(np.float32),),
                triangles.astype(np.uint32), np.array(owner, np.uint16), np.zeros(len(triangles), np.uint32), materials)


def _strip(profile: Sequence[tuple[float, float]], reach: float, turned_deg: float
           ) -> tuple[F64, F64, NDArray[np.int64]]:
    """A band along x over (z, y) of a profile that runs away from the camera, its texture laid along it."""
    line = np.array(profile)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]) - line[0, 0]
    points = np.array([(x, y, z) for z, y in line for x in (-reach, reach)])
    flat = np.array([(x, -a) for a in along for x in (-reach, reach)])
    c, s = math.cos(math.radians(turned_deg)), math.sin(math.radians(turned_deg))
    uv = flat @ np.array([[c, s], [-s, c]]) / TILE_M + 0.37
    first = 2 * np.arange(len(line) - 1)
    triangles = np.concatenate([np.stack([first, first + 1, first + 3], axis=1),
                                np.stack([first, first + 3, first + 2], axis=1)])
    return points, uv, triangles


def _look(rng: Rng, spec: Spec) -> _Look:
    elevation = {"top": (76.0, 90.0), "three-quarter": (22.0, 50.0), "side": (3.0, 10.0)}[spec.view]
    if spec.view == "top" and spec.kind != "shoe":
        elevation = (66.0, 84.0)           # straight from above a bottle is a disc
    # No lamp stands behind the wall.
    azimuth = rng.uniform(-180.0, 180.0) if spec.view == "top" else rng.uniform(-115.0, 115.0)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    falloff = rng.uniform(0.02, 0.12)
    return _Look(focal_mm=float(rng.uniform(38.0, 85.0)), elevation_deg=float(rng.uniform(*elevation)),
                 roll_deg=float(rng.normal(0.0, 1.0)), fill=float(rng.uniform(0.52, 0.74)),
                 aim=(float(rng.uniform(-0.08, 0.08)), float(rng.uniform(-0.08, 0.08))),
                 lamp=(azimuth, float(rng.uniform(35.0, 68.0)), float(rng.uniform(10.0, 26.0))),
                 key=float(rng.uniform(0.4, 0.75)), warmth=float(rng.uniform(-0.05, 0.12)),
                 exposure=float(rng.uniform(0.9, 1.12)), falloff=(falloff * math.cos(angle), falloff * math.sin(angle)),
                 grain_deg=float(rng.choice([0.0, 90.0, rng.uniform(0.0, 180.0)])),
                 blur_px=float(rng.uniform(0.4, 0.9)), noise=float(rng.uniform(1.0, 3.0)),
                 quality=int(rng.integers(80, 96)), exif=bool(rng.random() < 0.5))


def _towards(azimuth_deg: float, elevation_deg: float) -> F64:
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def _daylight(look: _Look, lamp: F64, rows: int = 64) -> Environment:
    """A dome, a little brighter above, and a lamp with a soft rim; white paper on the ground sends back 1."""
    directions = panorama_directions(rows)
    height = directions[..., 1]
    solid = np.sqrt(np.maximum(1.0 - height**2, 0.0)) * (math.pi / rows) ** 2
    weight = np.maximum(height, 0.0) * solid / math.pi
    radius = math.radians(look.lamp[2])
    away = np.arccos(np.clip(directions @ lamp, -1.0, 1.0))
    disc = 1.0 / (1.0 + np.exp((away - radius) / (0.12 * radius)))
    dome = 0.75 + 0.25 * height
    warm = np.array([1.0 + look.warmth, 1.0, 1.0 - look.warmth])
    cool = np.array([1.0 - 0.4 * look.warmth, 1.0, 1.0 + 0.4 * look.warmth])
    image = (look.key * (disc / (disc * weight).sum())[..., None] * warm
             + (1.0 - look.key) * (dome / (dome * weight).sum())[..., None] * cool).astype(np.float32)
    return Environment(image, f"{zlib.crc32(image.tobytes()):08x}")


def _camera(spec: Spec, look: _Look, points: NDArray[np.floating]) -> CameraMatrices:
    """A pinhole that sees all points within the frame's ``fill``."""
    e, r = math.radians(look.elevation_deg), math.radians(look.roll_deg)
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, math.cos(e), -math.sin(e)], [0.0, math.sin(e), math.cos(e)]])
    rotation = np.array([[math.cos(r), math.sin(r), 0.0], [-math.sin(r), math.cos(r), 0.0], [0.0, 0.0, 1.0]]) @ tilt
    focal = look.focal_mm / 36.0 * max(spec.width, spec.height)
    scale = np.array([2.0 * focal / spec.width, 2.0 * focal / spec.height])
    turned = np.asarray(points[:: max(1, len(points) // 4000)], np.float64) @ rotation.T
    middle = (turned.min(axis=0) + turned.max(axis=0)) / 2
    shift, distance = -middle[:2], 3.0
    for _ in range(12):
        depth = distance - (turned[:, 2] - middle[2])
        seen = (turned[:, :2] + shift) * scale / depth[:, None]
        low, high = seen.min(axis=0), seen.max(axis=0)
        distance *= float((high - low).max()) / (2.0 * look.fill)
        shift = shift + (np.asarray(look.aim) - (low + high) / 2) * distance / scale
    view = np.eye(4)
    view[:3, :3] = rotation
    view[:3, 3] = [*shift, -middle[2] - distance]
    near, far = 0.05 * distance, 20.0 + distance
    projection = np.zeros((4, 4))
    projection[0, 0], projection[1, 1] = scale
    projection[2, 2], projection[2, 3] = (far + near) / (near - far), 2.0 * far * near / (near - far)
    projection[3, 2] = -1.0
    return CameraMatrices(view, projection)


def _scene(mesh: Mesh, textures: Textures, spec: Spec, camera: CameraMatrices, environment: Environment) -> Scene:
    stage = replace(STAGES["white"], name="photo", key=None, others=(), floor_albedo=None, environment=environment)
    shot = Shot(spec.name, OrbitCamera(), spec.width, spec.height, "white")
    return Scene(shot, mesh, textures, Placement(np.zeros((1, 3)), np.zeros(3), 1.0), stage, UPRIGHT, camera)


def _merged(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one; of their uv sets the first."""
    vertices = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    materials = np.cumsum([0, *(len(mesh.materials) for mesh in meshes)])
    return Mesh(np.concatenate([mesh.positions for mesh in meshes]), np.concatenate([mesh.normals for mesh in meshes]),
                (np.concatenate([mesh.uv_sets[0] for mesh in meshes]),),
                np.concatenate([mesh.triangles + np.uint32(start)
                                for mesh, start in zip(meshes, vertices, strict=False)]).astype(np.uint32),
                np.concatenate([mesh.triangle_material + np.uint16(start)
                                for mesh, start in zip(meshes, materials, strict=False)]).astype(np.uint16),
                np.zeros(sum(len(mesh.triangles) for mesh in meshes), np.uint32),
                tuple(material for mesh in meshes for material in mesh.materials))


# From light to a file


def _denoised(traced: Traced) -> F32:
    """By Intel Open Image Denoise, in one go: the tracer would do it once more for the product alone."""
    import pyoidn

    return np.asarray(pyoidn.denoise(np.ascontiguousarray(traced.radiance), albedo=np.clip(traced.albedo, 0.0, 1.0),
                                     normal=traced.normal, hdr=True, clean_aux=False), np.float32)


def _ground_light(traced: Traced, up: F64) -> F32:
    """An empty scene without noise: its light, smooth on the ground and on the wall, times what it falls on."""
    light = traced.radiance / np.maximum(traced.albedo, 1e-3)
    ground = traced.normal @ up > 0.7
    smooth = np.zeros_like(light)
    for part in (ground, ~ground):
        weight = part.astype(np.float32)
        blurred = cv2.GaussianBlur(light * weight[..., None], (0, 0), 5.0)
        smooth[part] = (np.asarray(blurred) / np.maximum(cv2.GaussianBlur(weight, (0, 0), 5.0), 1e-6)[..., None])[part]
    return np.asarray(smooth * traced.albedo, np.float32)


def _developed(radiance: F32, look: _Look) -> F32:
    """(H, W, 3) codes 0..1 as a lens and a camera's curve show them."""
    height, width = radiance.shape[:2]
    y, x = np.mgrid[1:-1:height * 1j, -1:1:width * 1j]
    light = np.exp(look.falloff[0] * x + look.falloff[1] * y) * (1.0 - 0.035 * (x * x + y * y))
    lit = np.asarray(radiance * light[..., None], np.float32)
    blurred = np.asarray(cv2.GaussianBlur(lit, (0, 0), look.blur_px), np.float32)
    return srgb_encode(view_transform(blurred))


def _sensed(codes: F32, look: _Look, rng: Rng) -> U8:
    """Photons are counted: noise grows with the root of light; what the curve makes of it is even in codes."""
    linear = srgb_decode(codes)
    sigma = look.noise / 255.0 * np.sqrt(0.25 + 0.75 * linear / 0.2) / np.sqrt(np.clip(linear / 0.2, 0.15, 1.0))
    noisy = codes + rng.standard_normal(codes.shape).astype(np.float32) * np.minimum(sigma, 3.0 / 255.0)
    return np.asarray(np.clip(noisy, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _jpeg(codes: U8, look: _Look) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    if look.exif:
        exif.get_ifd(0x8769)[0xA405] = round(look.focal_mm)
    Image.fromarray(codes).save(out, "JPEG", quality=look.quality, exif=exif)
    return out.getvalue()


# Photos that are kept


def save(made: Synthetic, path: Path) -> None:
    """Write one .npz; it appears whole or not at all."""
    spec = made.spec
    about = {"spec": asdict(spec), "focal_mm": made.focal_mm, "mirrored": [truth.mirrored for truth in made.figures],
             "left": [truth.left for truth in made.figures]}
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8), "data": np.frombuffer(made.data, np.uint8),
        "light": made.light, "masks": np.packbits(np.stack([truth.mask for truth in made.figures])),
        "views": np.stack([truth.view for truth in made.figures]),
        "fronts": np.stack([truth.front for truth in made.figures]),
        "ups": np.stack([truth.up for truth in made.figures])}
    if made.plate is not None:
        arrays["plate"] = made.plate
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load(path: Path) -> Synthetic:
    """What :func:`save` wrote."""
    with np.load(path) as file:
        about = json.loads(file["about"].tobytes())
        spec = Spec(**about["spec"])
        count = len(about["left"])
        bits = np.unpackbits(file["masks"], count=count * spec.width * spec.height)
        masks = bits.reshape(count, spec.height, spec.width).astype(np.bool_)
        figures = tuple(Truth(masks[k], file["views"][k], file["fronts"][k], file["ups"][k], about["mirrored"][k],
                              about["left"][k]) for k in range(count))
        data = file["data"].tobytes()
        return Synthetic(spec, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), figures,
                         file.get("plate"), file["light"], about["focal_mm"])


def spec_of(number: int, seed: int = 0) -> Spec:
    """The numbered photo of an endless series: kinds, views, grounds and counts in turn."""
    kinds: tuple[Kind, ...] = ("shoe", "shoe", "mug", "shoe", "shoe", "bottle")
    views: tuple[View, ...] = ("top", "three-quarter", "side")
    grounds: tuple[Ground, ...] = ("plain", "wood", "stone", "fabric")
    kind = kinds[number % 6]
    view = views[(number // 6 + number) % 3]
    pair = kind == "shoe" and view != "side" and number % 2 == 1
    size = (640, 640) if number % 4 else (800, 600)  # products are looked for at 512 px
    return Spec(kind, 2 if pair else 1, view, grounds[(number + number // 4) % 4], seed + number, *size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, metavar="OUT.jpg", help="the example catalogue's photo")
    parser.add_argument("--side", type=int, default=1400, help="px of the example")
    parser.add_argument("--samples", type=int, default=16, help="paths per pixel of the example")
    parser.add_argument("--sheet", type=Path, metavar="OUT.jpg", help="twelve photos of the series, small")
    parser.add_argument("--first", type=int, default=0, help="of the sheet")
    given = parser.parse_args()
    with Studio() as studio:
        if given.example is not None:
            given.example.parent.mkdir(parents=True, exist_ok=True)
            given.example.write_bytes(studio.example(given.side, given.samples).data)
        if given.sheet is not None:
            page = Image.new("RGB", (4 * 400, 3 * 400), "white")
            for place in range(12):
                picture = Image.fromarray(studio.photo(spec_of(given.first + place)).pixels)
                picture.thumbnail((396, 396))
                page.paste(picture, (place % 4 * 400, place // 4 * 400))
            page.save(given.sheet)


if __name__ == "__main__":
    main()
