"""From where a figure may have been seen: silhouettes of our mesh from all around, made once.

The photo's camera is a pinhole of known focal length. A figure is looked at along the ray through its own
centre, so that where it stands in the frame drops out, and compared with all silhouettes at once: one matrix
product gives every IoU. :mod:`pipeline.reference.fit` goes on from the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Mesh
from pipeline.reference.fit import turned
from pipeline.reference.photo import Photo
from pipeline.reference.segmentation import Figure

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
# (N, 4, 4) mesh → clip space, side in px → (N, side, side); see pipeline.reference.points.
Draw = Callable[[F64, int], Mask]
# 4×4 mesh → camera, 4×4 camera → clip space of which the rows of x and y count, side in px → (side, side) metres along
# the view axis, +inf where nothing is.
DrawDepth = Callable[[F64, F64, int], NDArray[np.float32]]


AZIMUTH_STEP, ELEVATIONS = 6, (5, 15, 25, 35, 45, 55, 65, 75, 85)  # degrees
ATLAS_SIDE, ATLAS_SHARE, ATLAS_DISTANCE = 48, 0.13, 7.0  # px; of a tile's area; radii of the product
CANDIDATES, APART_DEG = 6, 20.0
BANDS = ((-5.0, 20.0), (20.0, 62.0), (62.0, 90.0))  # of elevation: from the side, from above and between
ALIKE = 0.96                   # IoU of two silhouettes that say the same
_AXES = {"+x": (1.0, 0.0, 0.0), "-x": (-1.0, 0.0, 0.0), "+y": (0.0, 1.0, 0.0), "-y": (0.0, -1.0, 0.0),
         "+z": (0.0, 0.0, 1.0), "-z": (0.0, 0.0, -1.0)}


@dataclass(frozen=True, slots=True)
class Pose:
    """One way in which a product fills a figure's place."""

    azimuth_deg: float                     # the camera's, around the product's up; 0 looks at its +Z
    elevation_deg: float                   # of the photo's camera over the product's floor
    tilt_deg: float                        # of the product's up to the picture's right
    mirrored: bool                         # the partner of the mesh: a left shoe of a right one
    iou: float                             # of the two silhouettes
    view: tuple[tuple[float, ...], ...]    # 4×4 mesh → the photo's camera; holds the mirror

    @property
    def rotation(self) -> F64:
        """(3, 3) without the mirror."""
        return turned(*map(math.radians, (self.azimuth_deg, self.elevation_deg, self.tilt_deg)))

    def front(self, mesh: Mesh) -> F64:
        """(3,) where the product's front points, in the camera's axes; of one without a front its +Z."""
        return np.asarray(np.asarray(self.view)[:3, :3] @ np.asarray(_AXES[mesh.front.axis or "+z"]), np.float64)


@dataclass(frozen=True)
class PoseAtlas:
    """Silhouettes of one mesh from all around, brought to one size; made once per mesh."""

    azimuths: F64                          # (N,) degrees
    elevations: F64
    mirrored: Mask                         # (N,)
    silhouettes: NDArray[np.float32]       # (N, side²) 0 or 1


def view_rotation(azimuth_deg: float, elevation_deg: float) -> F64:
    """(3, 3) world → camera of an orbit around +Y that looks at the origin."""
    return turned(math.radians(azimuth_deg), math.radians(elevation_deg), 0.0)


def mirror_of(mesh: Mesh) -> F64:
    """(3, 3) reflection that makes a left shoe of a right one: across the plane of front and up."""
    across = 0 if mesh.front.axis in ("+z", "-z") else 2
    matrix = np.eye(3)
    matrix[across, across] = -1.0
    return matrix


def pose_atlas(mesh: Mesh, draw: Draw, *, partners: bool) -> PoseAtlas:
    """Draw the mesh from all around; with ``partners`` its mirror image too."""
    views = [(azimuth, elevation, mirrored) for mirrored in ((False, True) if partners else (False,))
             for elevation in ELEVATIONS for azimuth in range(0, 360, AZIMUTH_STEP)]
    body = _Body.of(mesh)
    lens = np.diag([ATLAS_DISTANCE * 0.8, ATLAS_DISTANCE * 0.8, 1.0, 0.0])
    lens[3, 2] = -1.0
    clip = np.stack([lens @ body.view(view_rotation(azimuth, elevation), mirrored=mirrored)
                     for azimuth, elevation, mirrored in views])
    first = draw(clip, ATLAS_SIDE)
    fitted = np.stack([_to_share(mask, ATLAS_SHARE) @ matrix for mask, matrix in zip(first, clip, strict=True)])
    drawn = draw(fitted, ATLAS_SIDE)
    azimuths, elevations, mirrored = (np.asarray(column) for column in zip(*views, strict=True))
    return PoseAtlas(azimuths.astype(np.float64), elevations.astype(np.float64), mirrored.astype(np.bool_),
                     drawn.reshape(len(drawn), -1).astype(np.float32))


def nearest_views(atlas: PoseAtlas, photo: Photo, figure: Figure, elevations: tuple[float, float], *, partners: bool
                  ) -> list[tuple[F64, bool]]:
    """The views of the atlas that fill a figure's place best, more than 20° apart, and the best of every height.

    Each is a (3, 3) world → the photo's camera, and whether it is of the mirror image, with ``partners``.
    """
    turn, silhouette = _seen_along(photo, figure)
    return [(turn @ view_rotation(azimuth, elevation), mirrored) for azimuth, elevation, mirrored
            in _nearest(atlas, silhouette, elevations, partners=partners)]


def angle_between(one: F64, other: F64) -> float:
    """Degrees between two (3, 3) rotations."""
    return math.degrees(math.acos(float(np.clip((np.trace(one @ other.T) - 1.0) / 2.0, -1.0, 1.0))))


@dataclass(frozen=True)
class _Body:
    """What of a mesh a pose needs: its middle, its radius, its mirror."""

    centre: F64
    radius: float
    mirror: F64

    @classmethod
    def of(cls, mesh: Mesh) -> _Body:
        low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
        return cls((low + high) / 2, float(np.linalg.norm(high - low)) / 2, mirror_of(mesh))

    def view(self, rotation: F64, *, mirrored: bool) -> F64:
        """4×4 mesh → a camera that looks at the middle."""
        linear = rotation @ self.mirror if mirrored else rotation
        matrix = np.eye(4)
        matrix[:3, :3] = linear
        matrix[:3, 3] = np.array([0.0, 0.0, -ATLAS_DISTANCE]) * self.radius - linear @ self.centre
        return matrix


def _seen_along(photo: Photo, figure: Figure) -> tuple[F64, Mask]:
    """A figure as the photo's camera would see it in the middle of its frame.

    Returns (3, 3) from this camera to the photo's, and the (S, S) silhouette, centred, of a tile's share.
    """
    height, width = figure.mask.shape
    x0, y0, x1, y1 = figure.box
    middle = np.array([(x0 + x1 - width) / 2, -(y0 + y1 - height) / 2, -photo.focal_px])
    turn = _turning(np.array([0.0, 0.0, -1.0]), middle / np.linalg.norm(middle))
    half = 0.8 * max(x1 - x0, y1 - y0)
    side = int(min(512, max(128, 2 * half)))
    # Pixel of the new mask → ray → ray of the photo's camera → pixel of the photo.
    scale = 2.0 * half / side
    ray = np.array([[scale, 0.0, -half], [0.0, -scale, half], [0.0, 0.0, -photo.focal_px]])
    pixel = np.array([[-photo.focal_px, 0.0, width / 2], [0.0, photo.focal_px, height / 2], [0.0, 0.0, 1.0]])
    soft = cv2.warpPerspective(figure.mask.astype(np.uint8) * 255, pixel @ turn @ ray, (side, side),
                               flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return turn, _normalised(np.asarray(soft, np.uint8))


def _normalised(soft: NDArray[np.uint8]) -> Mask:
    """A (S, S) figure of 0..255, centred and brought to a tile's share."""
    zoom = _to_share(soft > 127, ATLAS_SHARE)
    k, right, up = zoom[0, 0], zoom[0, 3], zoom[1, 3]  # of -1..1, which the pixels of both squares run over
    scale = k * ATLAS_SIDE / len(soft)
    half = 0.5 * (scale - 1.0)             # pixels are counted from their centres
    matrix = np.array([[scale, 0.0, ATLAS_SIDE / 2 * (1.0 - k + right) + half],
                       [0.0, scale, ATLAS_SIDE / 2 * (1.0 - k - up) + half]])
    smooth = cv2.GaussianBlur(soft, (0, 0), 0.5 / scale) if scale < 1.0 else soft
    return np.asarray(cv2.warpAffine(smooth, matrix, (ATLAS_SIDE, ATLAS_SIDE), flags=cv2.INTER_LINEAR)) > 127


def _to_share(mask: Mask, share: float) -> F64:
    """4×4 clip → clip that centres a (S, S) mask and scales it to a share of the square; identity where empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.eye(4)
    side = len(mask)
    k = math.sqrt(share * side * side / len(rows))
    x, y = (columns.mean() + 0.5) / side * 2.0 - 1.0, 1.0 - (rows.mean() + 0.5) / side * 2.0
    matrix = np.diag([k, k, 1.0, 1.0])
    matrix[0, 3], matrix[1, 3] = -k * x, -k * y
    return matrix


def _nearest(atlas: PoseAtlas, target: Mask, elevations: tuple[float, float], *, partners: bool
             ) -> list[tuple[float, float, bool]]:
    """Azimuth, elevation and mirror of the views."""
    iou = _overlaps(atlas, target.reshape(-1).astype(np.float32))
    order = [int(index) for index in np.argsort(-iou, kind="stable") if partners or not atlas.mirrored[index]]
    chosen: list[int] = []

    def take(low: float, high: float, most: int) -> None:
        for index in order:
            if most <= sum(low <= atlas.elevations[other] <= high for other in chosen):
                return
            if low <= atlas.elevations[index] <= high and all(_apart(atlas, index, other) for other in chosen):
                chosen.append(index)

    take(*elevations, CANDIDATES)
    for low, high in BANDS:
        take(max(low, elevations[0]), min(high, elevations[1]), 1)
    return [(float(atlas.azimuths[index]), float(atlas.elevations[index]), bool(atlas.mirrored[index]))
            for index in chosen]


def _overlaps(atlas: PoseAtlas, silhouette: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) IoU of every view with one silhouette."""
    common = atlas.silhouettes @ silhouette
    return np.asarray(common / np.maximum(atlas.silhouettes.sum(axis=1) + silhouette.sum() - common, 1.0))


def _apart(atlas: PoseAtlas, one: int, other: int) -> bool:
    """Whether two views say different things: what is round looks alike from all around."""
    if atlas.mirrored[one] != atlas.mirrored[other]:
        return True
    first, second = (view_rotation(atlas.azimuths[index], atlas.elevations[index]) for index in (one, other))
    return angle_between(first, second) > APART_DEG and float(_overlaps(atlas, atlas.silhouettes[one])[other]) < ALIKE


def _turning(one: F64, other: F64) -> F64:
    """(3, 3) smallest rotation that brings one unit vector to another (O. Rodrigues 1840)."""
    axis = np.cross(one, other)
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + float(one @ other)))
