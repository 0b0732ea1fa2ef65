"""The products of made photos, and how they stand: the refiner's procedural ones, and the example derby reshaped.

No photo shows the mesh that is placed in it. The world has y up and the ground at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference_specs import Spec
from pipeline.lone_file import open_file
from pipeline.mesh.types import Front, Mesh
from pipeline.render import Textures
from training.families import make_sample

F64 = NDArray[np.float64]
Rng = np.random.Generator

DERBY = Path(__file__).resolve().parent.parent / "examples" / "catalogue" / "derby-brown" / "leather_derby.fbx"
# Where a left shoe's middle line runs: share of the length from the heel, share of the width towards the outside.
_MIDDLE = ((0.0, 0.16, 0.36, 0.62, 0.79, 0.88, 1.0), (0.0, 0.0, 0.03, 0.05, 0.01, -0.02, -0.06))


@dataclass(frozen=True, slots=True)
class Subject:
    """A product to be photographed, standing on y = 0 around the origin."""

    mesh: Mesh
    textures: Textures
    front: F64                             # (3,)
    mirror: F64                            # (3, 3) that makes its partner


def subject_of(rng: Rng, spec: Spec) -> Subject:
    if spec.kind != "shoe":
        sample = make_sample(spec.kind, 50_000 + spec.seed)
        while spec.kind == "mug" and not _has_handle(sample.truth):   # some are cups
            sample = make_sample(spec.kind, sample.seed + 1_000)
        return Subject(sample.truth, sample.truth_textures, np.array([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, -1.0]))
    if rng.random() < 0.35:
        tint = rng.uniform(0.35, 1.0) * (1.0 + rng.normal(0.0, 0.08, 3))
        return derby(np.array([rng.uniform(0.92, 1.05), rng.uniform(0.85, 1.2), rng.uniform(0.92, 1.1)]), tint)
    sample = make_sample("shoe", 50_000 + spec.seed)
    shaped = _as_left(sample.truth, rng.uniform(1.0, 2.2), rng.uniform(0.93, 1.08))
    return Subject(shaped, sample.truth_textures, np.array([0.0, 0.0, 1.0]), np.diag([-1.0, 1.0, 1.0]))


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


def derby(scale: F64, tint: F64) -> Subject:
    """The example derby, a left shoe, stretched along, up and across."""
    mesh, textures = _opened_derby()
    points = (mesh.positions.astype(np.float64) - _foot(mesh)) * scale
    normals = mesh.normals / scale
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    red, green, blue = (float(value) for value in tint)
    materials = tuple(replace(material, base_color=(red, green, blue, 1.0)) for material in mesh.materials)
    shaped = replace(mesh, positions=points.astype(np.float32), normals=normals.astype(np.float32), tangents=None,
                     materials=materials, front=Front("+x", 1.0, "manifest"))
    return Subject(shaped, textures, np.array([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, -1.0]))


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


def stood(subject: Subject, yaw_deg: float, x: float, *, mirrored: bool) -> F64:
    """4×4 mesh → world of a product at (x, 0, 0), turned counter-clockwise as seen from above."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    world = np.eye(4)
    world[:3, :3] = turn @ (subject.mirror if mirrored else np.eye(3))
    foot = _foot(subject.mesh)
    world[:3, 3] = np.array([x, 0.0, 0.0]) - world[:3, :3] @ foot
    return world


def standing(rng: Rng, spec: Spec, subject: Subject) -> list[F64]:
    """Where the products stand: of a pair the left one on its left, toes a little apart."""
    ahead = math.degrees(math.atan2(subject.front[0], subject.front[2]))  # yaw of the front, from +z towards +x
    if spec.view == "side":
        faces = float(rng.choice([-90.0, 90.0])) + rng.uniform(-20.0, 20.0)
    else:
        faces = rng.uniform(-180.0, 180.0)
    if spec.count == 1:
        return [stood(subject, faces - ahead, 0.0, mirrored=bool(spec.kind == "shoe" and rng.random() < 0.5))]
    low, high = subject.mesh.bounds
    across = float((high - low)[0 if abs(subject.front[2]) > 0.5 else 2])
    gap = rng.uniform(0.03, 0.07)
    spread = rng.uniform(-4.0, 15.0)
    turn = _turn(faces)
    worlds = []
    for mirrored, side in ((False, 1.0), (True, -1.0)):
        # Facing +z, the left foot is at +x; toes outwards turn it further towards +x.
        world = stood(subject, faces - ahead + side * spread / 2, 0.0, mirrored=mirrored)
        along = rng.uniform(-0.02, 0.02)
        world[:3, 3] += turn @ np.array([side * (across + gap + 0.0016 * abs(spread) * 2) / 2, 0.0, along])
        worlds.append(world)
    return worlds


def _turn(yaw_deg: float) -> F64:
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def moved(mesh: Mesh, world: F64) -> Mesh:
    linear = world[:3, :3]
    triangles = mesh.triangles if np.linalg.det(linear) > 0 else mesh.triangles[:, ::-1]
    return replace(mesh, positions=(mesh.positions @ linear.T + world[:3, 3]).astype(np.float32),
                   normals=(mesh.normals @ linear.T).astype(np.float32), triangles=np.ascontiguousarray(triangles),
                   tangents=None)
