"""Photos of products, as a shop buys them, with what is known only of made ones: masks, poses, the empty ground.

    with Studio() as studio:
        made = studio.photo(Spec("shoe", 2, "top", "wood", seed=3))
        made.data                          # a JPEG

``python -m benchmarks.reference_photos --example OUT.jpg`` makes the example catalogue's photo: a pair of brown
leather shoes from straight above on an oak floor. ``--sheet OUT.jpg`` shows a dozen of the others.

Scenes are path-traced under one large soft lamp and a dome; then come a lens, a sensor and JPEG. The world has y up
and the ground at 0; the camera stands towards +z.
"""

from __future__ import annotations

import argparse
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.reference_grounds import drawn_by_lot, room, wood
from benchmarks.reference_specs import Spec, Synthetic, Truth, spec_of
from benchmarks.reference_subjects import Subject, derby, moved, standing, stood, subject_of
from pipeline.catalogue import OrbitCamera, Shot
from pipeline.colour import srgb_decode, srgb_encode, view_transform
from pipeline.mesh.types import Mesh
from pipeline.render import STAGES, Textures
from pipeline.render.environment import panorama_directions
from pipeline.render.fast import FastRenderer
from pipeline.render.heading import UPRIGHT
from pipeline.render.pathtrace import Traced
from pipeline.render.scene import Placement, Scene
from pipeline.render.stage import Environment
from pipeline.render.tracer import Tracer
from pipeline.render.types import CameraMatrices

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Rng = np.random.Generator

SAMPLES, DEPTH = 4, 4                     # paths per pixel, then denoised; bounces


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
        subject = subject_of(rng, spec)
        worlds = standing(rng, spec, subject)
        look = _look(rng, spec)
        ground, wall, roughness = drawn_by_lot(rng, spec.ground)
        return self._taken(spec, subject, worlds, look, (ground, wall, roughness), rng, SAMPLES, plate)

    def example(self, side: int = 1400, samples: int = 16) -> Synthetic:
        """A pair of brown leather shoes from above on an oak floor, in daylight from the upper left."""
        spec = Spec("shoe", 2, "top", "wood", 7, side, side)
        rng = np.random.default_rng(spec.seed)
        subject = derby(np.array([0.96, 1.0, 1.05]), np.array([0.62, 0.54, 0.5]))
        # The camera looks down, its picture's up is −z: toes (+x) turn there by 90°.
        worlds = [stood(subject, 94.0, -0.074, mirrored=False), stood(subject, 85.0, 0.076, mirrored=True)]
        worlds[1][2, 3] += 0.006
        look = _Look(50.0, 89.5, 0.0, 0.66, (0.0, -0.01), (-135.0, 62.0, 24.0), 0.46, 0.0, 1.2, (-0.08, 0.08), 90.0,
                     0.55, 1.0, 88, False)
        oak = wood(np.random.default_rng(21), (0.46, 0.315, 0.19), planks=10)
        return self._taken(spec, subject, worlds, look, (oak, (0.6, 0.58, 0.55), 0.5), rng, samples, False)

    def _taken(self, spec: Spec, subject: Subject, worlds: Sequence[F64], look: _Look,
               ground: tuple[U8, tuple[float, float, float], float | None], rng: Rng, samples: int,
               plate: bool) -> Synthetic:
        bodies = [moved(subject.mesh, world) for world in worlds]
        camera = _camera(spec, look, np.concatenate([body.positions for body in bodies]))
        lamp = _towards(*look.lamp[:2])
        floor = room(spec, look.grain_deg, ground[1], ground[2])
        environment = _daylight(look, lamp)
        textures = Textures({**subject.textures.images, ("catalogue", "ground.png"): ground[0]})

        def traced(meshes: Sequence[Mesh], paths: int, depth: int, seed: int) -> Traced:
            scene = _scene(_merged([*meshes, floor]), textures, spec, camera, environment)
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

    def _truths(self, subject: Subject, worlds: Sequence[F64], bodies: Sequence[Mesh], camera: CameraMatrices,
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


# Light and camera


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
