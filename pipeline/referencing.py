"""A reference photo and a product: where the product would stand in it, drawn for whoever has to decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.catalogue import SETTINGS, Product
from pipeline.errors import CatalogueError, PhotoError
from pipeline.mesh.types import Mesh
from pipeline.reference import (
    Hints,
    Photo,
    Placement,
    Pose,
    PoseAtlas,
    Segmentation,
    from_mask,
    front_angle,
    place,
    pose_atlas,
    read_hints,
    read_photo,
    segment,
)
from pipeline.reference.network import SegmentationNetwork
from pipeline.reference.outline import MeshOutline
from pipeline.reference.points import PointSilhouettes
from pipeline.reference.segmentation import Figure
from pipeline.render import Textures
from pipeline.render.fast import FastRenderer
from pipeline.render.types import CameraMatrices
from pipeline.settings import SegmentationSettings

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Finder = Callable[[U8], Segmentation]
Read = Callable[[str], bytes | None]       # a file beside the photo, by name; None where there is none

SHEET_SIDE, TILE_SIDE = 900, 300           # px
UNCONTESTED = 99.0            # of a margin: there is no other answer
ATLAS_POINTS = 8_000           # enough for 48 px
_CHOSEN, _OTHER, _FOUND = (20, 150, 70), (110, 110, 110), (230, 0, 200)


@dataclass(frozen=True)
class Solved:
    """A photo with everything that was found out about it."""

    photo: Photo
    hints: Hints
    found: Segmentation
    placement: Placement


class DepthRenderer:
    """Draws how far away one mesh is, and nothing of its maps."""

    def __init__(self, mesh: Mesh) -> None:
        self._plain, self._no_maps, self._renderer = untextured(mesh), Textures({}), FastRenderer()

    def close(self) -> None:
        self._renderer.close()

    def draw(self, view: F64, lens: F64, side: int) -> F32:
        """(side, side) metres along the view axis, +inf where nothing is; see :data:`pipeline.reference.DrawDepth`."""
        return self.seen(CameraMatrices(view, with_range(lens, view)), (side, side))

    def seen(self, camera: CameraMatrices, size: tuple[int, int]) -> F32:
        """(H, W) likewise; ``size`` is (width, height)."""
        return self._renderer.draw(self._plain, self._no_maps, camera, size).depth


class PhotoSolver:
    """Places one mesh in photos; what all of them are compared with is drawn once. Use as a context manager."""

    def __init__(self, mesh: Mesh, category: str, atlases: Mapping[bool, PoseAtlas] | None = None,
                 find: Finder = segment) -> None:
        """``atlases``: drawn before of the same mesh, by whether they hold its mirror image; ``find``: the products."""
        self._find = find
        self._mesh, self._pairs = mesh, category == "footwear"
        self.atlases = dict(atlases or {})
        self._outline, self._exact = MeshOutline(mesh), DepthRenderer(mesh)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self._exact.close()

    def solve(self, data: bytes, name: str, read: Read) -> Solved:
        """Segment a photo and place the product in it. Raises PhotoError where no pose can even be proposed.

        Whether the answer is sure enough is in ``placement.problem``.
        """
        hint_file = f"{PurePosixPath(name).stem}.yaml"
        hint_text = read(hint_file)
        hints = Hints() if hint_text is None else read_hints(hint_text.decode("utf-8", "replace"), hint_file)
        photo = read_photo(data, name)
        found = _masked(hints.mask, read, photo) if hints.mask else self._find(photo.pixels)
        if self._pairs:
            found = found.without_holes()
        atlas = self._atlas(self._pairs if hints.pair is None else hints.pair)
        placement = place(self._mesh, self._outline, atlas, self._exact.draw, photo, found, hints, pairs=self._pairs)
        if len(placement.chosen) > len(found.figures):
            found = _parted(found, self._exact, photo, placement.chosen)
        return Solved(photo, hints, found, placement)

    def _atlas(self, partners: bool) -> PoseAtlas:
        if partners not in self.atlases:
            self.atlases[partners] = pose_atlas(self._mesh, PointSilhouettes(self._mesh, ATLAS_POINTS).draw,
                                                partners=partners)
        return self.atlases[partners]


def finder(product: Product, settings: SegmentationSettings | None) -> Finder:
    """What finds the products in a photo: the catalogue's own network, or what is built in."""
    if settings is None:
        return segment
    loaded: list[SegmentationNetwork] = []

    def find(pixels: U8) -> Segmentation:
        if not loaded:                         # a photo with a mask of its own needs none
            loaded.append(SegmentationNetwork(network_file(product, settings), settings))
        return from_mask(loaded[0].mask(pixels), (pixels.shape[0], pixels.shape[1]))

    return find


def network_file(product: Product, settings: SegmentationSettings) -> bytes:
    """Raises CatalogueError ``segmentation_missing``."""
    try:
        return product.beside_catalogue(settings.model)
    except OSError as error:
        raise CatalogueError("segmentation_missing", f"There is no segmentation network {settings.model!r}.",
                             f"Put the file beside {SETTINGS}, or correct `segmentation:` there.") from error


def solve(data: bytes, name: str, read: Read, mesh: Mesh, category: str, find: Finder = segment) -> Solved:
    """Place a mesh in one photo; see :class:`PhotoSolver`."""
    with PhotoSolver(mesh, category, find=find) as solver:
        return solver.solve(data, name, read)


def as_dict(solved: Solved, mesh: Mesh) -> dict[str, Any]:
    """What `packshot reference --json` answers."""
    placement = solved.placement

    def told(pose: Pose) -> dict[str, Any]:
        front = front_angle(pose, mesh)
        return {"azimuth_deg": round(pose.azimuth_deg, 1), "elevation_deg": round(pose.elevation_deg, 1),
                "tilt_deg": round(pose.tilt_deg, 1), "mirrored": pose.mirrored, "iou": round(pose.iou, 4),
                "toe_direction": None if front is None else round(front, 1), "view": pose.view}

    height, width = solved.photo.pixels.shape[:2]
    return {"size": [width, height], "figures": len(solved.found.figures), "accepted": placement.problem is None,
            "problem": placement.problem.as_dict() if placement.problem else None,
            "margin": round(min(placement.margin, UNCONTESTED), 2), "inside": round(placement.answer.inside, 3),
            "chosen": [told(pose) for pose in placement.chosen],
            "candidates": [[told(pose) for pose in poses] for poses in placement.candidates]}


def sheet(solved: Solved, mesh: Mesh, textures: Textures) -> Image.Image:
    """The photo with what was found, and below it a row of candidates for every figure, the chosen one in green."""
    photo = solved.photo.pixels
    height, width = photo.shape[:2]
    zoom = SHEET_SIDE / max(height, width)
    head = _outlined(photo, [figure.mask for figure in solved.found.figures], zoom)
    rows = [[_tile(solved, pose, figure.box, drawn, mesh) for pose, drawn in zip(poses, _drawn(mesh, textures,
             solved.photo, poses), strict=True)]
            for figure, poses in zip(solved.found.figures, solved.placement.candidates, strict=True)]
    across = max(SHEET_SIDE, TILE_SIDE * max(map(len, rows)))
    page = Image.new("RGB", (across, head.height + 40 + (TILE_SIDE + 28) * len(rows)), "white")
    page.paste(head, ((across - head.width) // 2, 40))
    problem = solved.placement.problem
    pen = ImageDraw.Draw(page)
    pen.text((10, 10), "accepted" if problem is None else f"not accepted: {problem.message}", fill=_CHOSEN if problem
             is None else (190, 20, 20), font=ImageFont.load_default(size=16))
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            page.paste(tile, (column * TILE_SIDE, head.height + 40 + row * (TILE_SIDE + 28)))
    return page


def _masked(mask: str, read: Read, photo: Photo) -> Segmentation:
    data = read(mask)
    if data is None:
        raise PhotoError("mask_missing", f"There is no {mask} beside the photo.", "Correct `mask:` or add the file.")
    height, width = photo.pixels.shape[:2]
    drawn = np.frombuffer(data, np.uint8)
    decoded = cv2.imdecode(drawn, cv2.IMREAD_GRAYSCALE) if len(drawn) else None
    if decoded is None:
        raise PhotoError("mask_unreadable", f"{mask} cannot be read as a picture.", "Save it as PNG.")
    return from_mask(np.asarray(decoded, np.uint8), (height, width))


def untextured(mesh: Mesh) -> Mesh:
    """The mesh in its plain colours: a photo's shot does not depend on any map."""
    return replace(mesh, materials=tuple(replace(material, textures={}, alpha_mode="opaque")
                                         for material in mesh.materials))


def _parted(found: Segmentation, renderer: DepthRenderer, photo: Photo, poses: Sequence[Pose]) -> Segmentation:
    """What was found, each pixel given to the product that is seen there, or nearest to where one is seen."""
    height, width = photo.pixels.shape[:2]
    depths = np.stack([renderer.seen(camera_of(photo, pose), (width, height)) for pose in poses])
    nearest = depths.argmin(axis=0)
    seen = [np.isfinite(depths).any(axis=0) & (nearest == number) for number in range(len(poses))]
    if not all((found.mask & mask).any() for mask in seen):
        raise PhotoError("pose_unsure", "One product of the pair would be hidden by the other.",
                         "Say that it is one: `pair: false`; or draw both into mask.png and name it: `mask: mask.png`.")
    away = np.stack([cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) for mask in seen])
    return replace(found, figures=tuple(Figure(found.mask & (away.argmin(axis=0) == number))
                                        for number in range(len(poses))))


def _drawn(mesh: Mesh, textures: Textures, photo: Photo, poses: Sequence[Pose]) -> list[U8]:
    """(H, W, 4) of every pose in the photo's own frame, unlit."""
    height, width = photo.pixels.shape[:2]
    with FastRenderer() as renderer:
        return [renderer.draw(mesh, textures, camera_of(photo, pose), (width, height)).color for pose in poses]


def camera_of(photo: Photo, pose: Pose) -> CameraMatrices:
    """The photo's camera, with the mesh where a pose puts it."""
    height, width = photo.pixels.shape[:2]
    view = np.asarray(pose.view, np.float64)
    return CameraMatrices(view, with_range(np.diag([2.0 * photo.focal_px / width, 2.0 * photo.focal_px / height,
                                                    0.0, 0.0]), view))


def with_range(lens: F64, view: F64) -> F64:
    """4×4 camera → clip space: a lens, of whose matrix the rows of x and y count, and planes around what a 4×4 view
    looks at."""
    far = 5.0 * float(np.linalg.norm(view[:3, 3])) + 1e-6
    near = far * 0.02
    projection = lens.copy()
    projection[2:] = 0.0
    projection[2, 2], projection[2, 3] = (far + near) / (near - far), 2.0 * far * near / (near - far)
    projection[3, 2] = -1.0
    return projection


def _tile(solved: Solved, pose: Pose, box: tuple[int, int, int, int], drawn: U8, mesh: Mesh) -> Image.Image:
    """One candidate over the faded photo, with its figures below."""
    chosen = any(pose is each for each in solved.placement.chosen)
    x0, y0, x1, y1 = box
    half = round(0.62 * max(x1 - x0, y1 - y0))
    across, down = (x0 + x1) // 2, (y0 + y1) // 2
    faded = Image.blend(Image.fromarray(solved.photo.pixels), Image.new("RGB", solved.photo.pixels.shape[1::-1],
                                                                       "white"), 0.55)
    faded.paste(Image.fromarray(drawn[..., :3]), mask=Image.fromarray(drawn[..., 3]))
    crop = Image.new("RGB", (2 * half, 2 * half), "white")  # the photo may end before the crop does
    crop.paste(faded, (half - across, half - down))
    tile = Image.new("RGB", (TILE_SIDE, TILE_SIDE + 28), "white")
    tile.paste(crop.resize((TILE_SIDE - 8, TILE_SIDE - 8), Image.Resampling.LANCZOS), (4, 4))
    pen = ImageDraw.Draw(tile)
    colour = _CHOSEN if chosen else _OTHER
    pen.rectangle((1, 1, TILE_SIDE - 2, TILE_SIDE - 2), outline=colour, width=3)
    front = front_angle(pose, mesh)
    told = f"IoU {pose.iou:.3f}" + (f", toe_direction: {front:.0f}" if front is not None else "")
    pen.text((6, TILE_SIDE + 4), told + (", partner" if pose.mirrored else ""), fill=colour,
             font=ImageFont.load_default(size=13))
    return tile


def _outlined(photo: U8, masks: Sequence[NDArray[np.bool_]], zoom: float) -> Image.Image:
    size = (round(photo.shape[1] * zoom), round(photo.shape[0] * zoom))
    picture = np.array(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    for mask in masks:
        small = np.asarray(Image.fromarray(mask).resize(size)).astype(np.uint8)
        rim = np.asarray(cv2.dilate(small, np.ones((5, 5), np.uint8))) > small
        picture[rim] = _FOUND
    return Image.fromarray(picture)
