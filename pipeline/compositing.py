"""From a solved reference photo to a shot in it: camera, instances, light, and the photo without its product."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import Instance, PhotoLight, Shot, SolvedCamera
from pipeline.inpainting import DiffusionFill
from pipeline.mesh.types import Mesh
from pipeline.reference import Pose
from pipeline.reference.backplate import Fill, backplate
from pipeline.reference.fill import filled
from pipeline.reference.light import extent_of, lit_like, read_light
from pipeline.reference.pose import mirror_of
from pipeline.referencing import Solved, camera_of, untextured
from pipeline.refine.in_photo import photographed
from pipeline.render import Renderer, Textures
from pipeline.render.fast import FastRenderer
from pipeline.render.heading import Heading
from pipeline.render.in_photo import in_photo
from pipeline.render.partner_prints import with_readable_prints
from pipeline.render.scene import compose
from pipeline.render.stages.photo import NAME, stage_in
from pipeline.render.types import CameraMatrices, Replaced
from pipeline.workpiece import Workpiece

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LARGEST = 1600                 # px of the longer side of a shot, at scale 1
SHADOW_SIDE = 512              # px of the longer side, where our shadow is drawn
SHADOW_LIGHTS = 16             # each of key and surroundings: its shape is soft
UNSURE_CLOCK = 315.0           # light from the upper left, as most pictures have it


@dataclass(frozen=True, eq=False)
class PhotoShot:
    """A shot in a photo, with its pictures (H × W pixels)."""

    shot: Shot
    plate: U8                              # (H, W, 3) sRGB
    photo: U8                              # (H, W, 3) sRGB, as it was
    replaced: NDArray[np.bool_]            # (H, W) the old products
    clock_deg: float | None                # where the photo's light comes from; None: it does not tell


def photo_shot(name: str, solved: Solved, mesh: Mesh, renderer: Renderer, scale: float = 1.0,
               fill: Fill | None = None) -> PhotoShot:
    """The shot of an accepted photo.

    Args:
        scale: as a catalogue's: of the size at which shots are taken.
        fill: makes the uncovered ground; by default the model of ``PACKSHOT_INPAINTING``, or pieces of the photo.
    """
    pixels = solved.photo.pixels
    size = _shot_size(pixels.shape[1], pixels.shape[0], scale)
    photo = _resized(pixels, size)
    old = _resized(solved.found.mask.astype(np.uint8) * 255, size) > 127
    read = read_light(pixels, solved.found)
    clock = solved.hints.light if solved.hints.light is not None else read.clock_deg
    camera, instances = _scene(solved, mesh)
    azimuth = _azimuth(camera, UNSURE_CLOCK if clock is None else clock)
    shrink = size[0] / pixels.shape[1]
    told = read.light if solved.hints.white is None else lit_like(read.light, solved.hints.white)
    light = replace(told, azimuth_deg=azimuth, blur_px=round(told.blur_px * shrink, 3))
    shot = Shot(name, SolvedCamera(_rows(camera.view), _rows(camera.projection)), *size, stage=NAME,
                instances=instances, light=light, prompt="product photograph, in place of another product in a photo")
    new, shadow = _silhouette_and_shadow(solved, untextured(mesh), renderer, light, size)
    extent = max(extent_of(figure.mask) for figure in solved.found.figures) * shrink
    fill = fill or DiffusionFill.from_environment() or filled
    made = backplate(photo, old, new, shadow, extent, fill)
    return PhotoShot(replace(shot, backplate=picture_sha256(made.pixels)), made.pixels, photo, old, clock)


def picture(made: PhotoShot, piece: Workpiece, renderer: Renderer) -> U8:
    """(H, W, 3) the product as it is rendered, in its photo."""
    textures = piece.textures
    if piece.product.manifest.partner_prints == "readable" and any(each.mirrored for each in made.shot.instances):
        textures = with_readable_prints(textures, piece.mesh, piece.regions)
    passes = in_photo(renderer.render(piece.mesh, made.shot, textures),
                      Replaced(made.photo, made.replaced, made.plate))
    return photographed(passes.display, passes)


def picture_sha256(pixels: U8) -> str:
    """Of a picture's size and codes."""
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _shot_size(width: int, height: int, scale: float) -> tuple[int, int]:
    shrink = min(1.0, LARGEST / max(width, height)) * scale
    return max(64, round(width * shrink)), max(64, round(height * shrink))


def _resized(pixels: U8, size: tuple[int, int]) -> U8:
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _scene(solved: Solved, mesh: Mesh) -> tuple[CameraMatrices, tuple[Instance, ...]]:
    """The world is the first figure's mesh; the others lie in it as its camera sees them."""
    first, *others = solved.placement.chosen
    camera = camera_of(solved.photo, first)
    own = _mirror(mesh) if first.mirrored else np.eye(4)
    view = camera.view @ np.linalg.inv(own)
    back = np.linalg.inv(view)
    worlds = [(own, first.mirrored), *((back @ np.asarray(pose.view), pose.mirrored) for pose in others)]
    return (CameraMatrices(view, camera.projection),
            tuple(Instance(_rows(world), mirrored) for world, mirrored in worlds))


def _mirror(mesh: Mesh) -> F64:
    """4×4 reflection through the mesh's middle that makes its partner."""
    low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
    matrix = np.eye(4)
    matrix[:3, :3] = mirror_of(mesh)
    matrix[:3, 3] = (low + high) / 2 - matrix[:3, :3] @ ((low + high) / 2)
    return matrix


def _azimuth(camera: CameraMatrices, clock_deg: float) -> float:
    """A stage's azimuth at which a light comes from a direction of the picture, as shadows on the ground tell it."""
    rotation = camera.view[:3, :3]
    heading = Heading.of(rotation)
    wanted = np.array([math.sin(math.radians(clock_deg)), math.cos(math.radians(clock_deg))])

    def agrees(azimuth: float) -> float:
        seen = (rotation @ heading.direction(math.radians(azimuth), 0.0))[:2]
        return float(seen @ wanted) / max(float(np.linalg.norm(seen)), 1e-9)

    return float(max(range(-180, 180, 2), key=agrees))


def _silhouette_and_shadow(solved: Solved, mesh: Mesh, renderer: Renderer, light: PhotoLight, size: tuple[int, int]
                           ) -> tuple[NDArray[np.bool_], F32]:
    """Where our products are, and what light they leave on the ground.

    Each is drawn on a floor of its own: two poses that were solved apart never lie exactly on one.
    """
    small = SHADOW_SIDE / max(size)
    width, height = max(16, round(size[0] * small)), max(16, round(size[1] * small))
    new = np.zeros((size[1], size[0]), np.bool_)
    shadow = np.ones((size[1], size[0]), np.float32)
    stage = stage_in(replace(light, tint=(1.0, 1.0, 1.0)))
    assert stage.key is not None
    stage = replace(stage, white_backdrop=True, dome_samples=SHADOW_LIGHTS,
                    key=replace(stage.key, samples=SHADOW_LIGHTS))
    for pose in solved.placement.chosen:
        alone = _alone(solved, pose, mesh, (width, height), light)
        floor = renderer.floor(compose(mesh, alone, Textures({}), stage=stage))
        shadow *= np.asarray(cv2.resize(floor.mean(axis=-1), size, interpolation=cv2.INTER_LINEAR))
        with FastRenderer() as quick:
            new |= quick.draw(mesh, Textures({}), camera_of(solved.photo, pose), size).color[..., 3] > 127
    return new, shadow


def _alone(solved: Solved, pose: Pose, mesh: Mesh, size: tuple[int, int], light: PhotoLight) -> Shot:
    camera = camera_of(solved.photo, pose)
    own = _mirror(mesh) if pose.mirrored else np.eye(4)
    return Shot("shadow", SolvedCamera(_rows(camera.view @ np.linalg.inv(own)), _rows(camera.projection)), *size,
                stage=NAME, instances=(Instance(_rows(own), pose.mirrored),), light=light)


def _rows(matrix: F64) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
