"""What made photos are taken on: grounds drawn by lot, and the room they lie in."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference_specs import Ground, Spec
from pipeline.colour import srgb_encode
from pipeline.mesh.types import Material, Mesh, TextureRef
from training.materials.tile import noise, ranked

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Rng = np.random.Generator

TILE_M, TILE_PX = 1.28, 2048               # of a ground's texture
GROUNDS = 12                               # of each kind
_OAK = (0.40, 0.235, 0.115)                # linear


def drawn_by_lot(rng: Rng, kind: Ground) -> tuple[U8, tuple[float, float, float], float | None]:
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
        tone = [_OAK, (0.24, 0.125, 0.06), (0.50, 0.38, 0.25), (0.34, 0.29, 0.24), (0.58, 0.52, 0.45)][number % 5]
        return wood(rng, tone, int(rng.integers(7, 12)))
    if kind == "stone":
        return _stone(rng)
    return _fabric(rng) if kind == "fabric" else _paper(rng)


def _texture(colour: NDArray[np.floating]) -> U8:
    codes = np.asarray(srgb_encode(np.clip(colour, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8)
    return np.dstack([codes, np.full(codes.shape[:2], 255, np.uint8)])


def _waves(rng: Rng, wavelength_mm: float, width: float = 0.5, stretch: float = 1.0) -> F32:
    return noise(rng, TILE_PX, TILE_M * 1000.0, wavelength_mm, width, stretch)


def wood(rng: Rng, colour: tuple[float, float, float], planks: int) -> U8:
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


def room(spec: Spec, grain_deg: float, wall: tuple[float, float, float], roughness: float | None) -> Mesh:
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
    points, uv, triangles = _strip(profile, reach, grain_deg)
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
