"""How a product has to stand to fill the place of another: camera and pose from a silhouette.

The photo's camera is a pinhole of known focal length. A figure is looked at along the ray through its own
centre, so that where it stands in the frame drops out, and compared with silhouettes of our mesh from all
around (one matrix product gives every IoU). The best views more than 20° apart are then fitted in six degrees
of freedom by Nelder and Mead's simplex (1965), by how much of the two outlines disagrees and how far.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from pipeline.mesh.types import Mesh
from pipeline.reference.photo import Photo
from pipeline.reference.segmentation import Figure

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
# (N, 4, 4) mesh → clip space, side in px → (N, side, side); see pipeline.render.silhouettes.
Draw = Callable[[F64, int], Mask]


@dataclass(frozen=True, slots=True)
class Draws:
    """Two ways to draw the same mesh: quickly, for a fit's many tries, and exactly, for what is said of its result."""

    quick: Draw
    exact: Draw


AZIMUTH_STEP, ELEVATIONS = 6, (5, 15, 25, 35, 45, 55, 65, 75, 85)  # degrees
ATLAS_SIDE, ATLAS_SHARE, ATLAS_DISTANCE = 48, 0.13, 7.0  # px; of a tile's area; radii of the product
FIT_SIDE, FIT_SHARE = 112, 0.13
TOUCHED = 0.15                 # share of a pixel
CANDIDATES, APART_DEG = 6, 20.0
ROUGH_EVALUATIONS, FINE_EVALUATIONS, POLISHING_EVALUATIONS = 80, 200, 60
REFINED = 3                    # of the candidates are fitted to the end
_FRONT_AZIMUTH = {"+z": 0.0, "+x": 90.0, "-z": 180.0, "-x": 270.0}  # of a camera that looks at the front
_FIRST_STEP = np.array([7.0, 7.0, 5.0, 0.06, 0.05, 0.05])  # degrees; log distance; radii


@dataclass(frozen=True, slots=True)
class Pose:
    """One way in which a product fills a figure's place."""

    azimuth_deg: float                     # the camera's, around the product's up; 0 looks at its +Z
    elevation_deg: float
    roll_deg: float                        # of the picture, clockwise
    mirrored: bool                         # the partner of the mesh: a left shoe of a right one
    iou: float                             # of the two silhouettes
    view: tuple[tuple[float, ...], ...]    # 4×4 mesh → the photo's camera; holds the mirror

    @property
    def rotation(self) -> F64:
        """(3, 3) of the line of sight, without the mirror."""
        return view_rotation(self.azimuth_deg, self.elevation_deg, self.roll_deg)


@dataclass(frozen=True)
class PoseAtlas:
    """Silhouettes of one mesh from all around, brought to one size; made once per mesh."""

    azimuths: F64                          # (N,) degrees
    elevations: F64
    mirrored: Mask                         # (N,)
    silhouettes: NDArray[np.float32]       # (N, side²) 0 or 1


def view_rotation(azimuth_deg: float, elevation_deg: float, roll_deg: float) -> F64:
    """(3, 3) world → camera of an orbit around +Y that looks at the origin, then rolled."""
    azimuth, elevation, roll = np.radians([azimuth_deg, elevation_deg, roll_deg])
    back = np.array([math.cos(elevation) * math.sin(azimuth), math.sin(elevation),
                     math.cos(elevation) * math.cos(azimuth)])
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    turned = np.array([[math.cos(roll), math.sin(roll), 0.0], [-math.sin(roll), math.cos(roll), 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(turned @ np.stack([right, np.cross(back, right), back]))


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
    clip = np.stack([lens @ body.view(view_rotation(azimuth, elevation, 0.0), ATLAS_DISTANCE, mirrored=mirrored)
                     for azimuth, elevation, mirrored in views])
    first = draw(clip, ATLAS_SIDE)
    fitted = np.stack([_to_share(mask, ATLAS_SHARE) @ matrix for mask, matrix in zip(first, clip, strict=True)])
    drawn = draw(fitted, ATLAS_SIDE)
    azimuths, elevations, mirrored = (np.asarray(column) for column in zip(*views, strict=True))
    return PoseAtlas(azimuths.astype(np.float64), elevations.astype(np.float64), mirrored.astype(np.bool_),
                     drawn.reshape(len(drawn), -1).astype(np.float32))


def find_poses(mesh: Mesh, atlas: PoseAtlas, draw: Draws, photo: Photo, figure: Figure,
               elevations: tuple[float, float] = (-5.0, 90.0)) -> list[Pose]:
    """The best poses for one figure, best first, each some degrees or a mirror from the others."""
    sight = _LineOfSight.at(photo, figure)
    starts = _nearest(atlas, sight.normalised(ATLAS_SIDE, ATLAS_SHARE), elevations)
    body = _Body.of(mesh)
    fitter = _Fitter(body, draw, sight, elevations)
    roughly = sorted((fitter.fit(fitter.start(*start), start[2], ROUGH_EVALUATIONS) for start in starts),
                     key=lambda each: each[0])
    promising = [(values, mirrored) for _, values, mirrored in roughly[:REFINED]]
    if not atlas.mirrored.any() and mesh.front.axis in _FRONT_AZIMUTH:
        # What looks alike all round is tried as it would be shown.
        promising.append((fitter.start(_FRONT_AZIMUTH[mesh.front.axis], promising[0][0][1], False), False))
    fitted = [fitter.pose(values, mirrored) for _, values, mirrored in roughly[REFINED:]]
    fitted += [fitter.pose(*fitter.polish(*fitter.fit(values, mirrored, FINE_EVALUATIONS)[1:]))
               for values, mirrored in promising]
    fitted.sort(key=lambda pose: -pose.iou)
    return _distinct(fitted)


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

    def view(self, rotation: F64, distance: float, shift: tuple[float, float] = (0.0, 0.0), *, mirrored: bool) -> F64:
        """4×4 mesh → a camera that looks at the middle; distance and shift in radii."""
        linear = rotation @ self.mirror if mirrored else rotation
        matrix = np.eye(4)
        matrix[:3, :3] = linear
        matrix[:3, 3] = np.array([*shift, -distance]) * self.radius - linear @ self.centre
        return matrix


@dataclass(frozen=True)
class _LineOfSight:
    """A figure as the photo's camera would see it in the middle of its frame."""

    turn: F64                              # (3, 3) this camera → the photo's
    mask: NDArray[np.uint8]                # (S, S) around the figure
    half: float                            # px of the photo at its centre that half of the mask's side is
    focal: float                           # px

    @classmethod
    def at(cls, photo: Photo, figure: Figure) -> _LineOfSight:
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
        to_photo = pixel @ turn @ ray
        soft = cv2.warpPerspective(figure.mask.astype(np.uint8) * 255, to_photo, (side, side),
                                   flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return cls(turn, np.asarray(soft, np.uint8), half, photo.focal_px)

    @property
    def lens(self) -> F64:
        """4×4 of this camera over the mask's square."""
        matrix = np.diag([self.focal / self.half, self.focal / self.half, 1.0, 0.0])
        matrix[3, 2] = -1.0
        return matrix

    def window(self, share: float) -> F64:
        """4×4 in clip space that brings the figure to a share of the square's area, centred."""
        return _to_share(self.mask > 127, share)

    def normalised(self, side: int, share: float, covered: float = 0.5) -> Mask:
        """(side, side) the figure, centred and brought to a share of the square's area.

        ``covered``: share of a pixel from which it counts.
        """
        zoom = self.window(share)
        from_side = len(self.mask)
        k, right, up = zoom[0, 0], zoom[0, 3], zoom[1, 3]  # of -1..1, which the pixels of both squares run over
        scale = k * side / from_side
        half = 0.5 * (scale - 1.0)  # pixels are counted from their centres
        matrix = np.array([[scale, 0.0, side / 2 * (1.0 - k + right) + half],
                           [0.0, scale, side / 2 * (1.0 - k - up) + half]])
        shrink = max(1.0, 1.0 / scale)
        smooth = cv2.GaussianBlur(self.mask, (0, 0), 0.5 * shrink) if shrink > 1.0 else self.mask
        return np.asarray(cv2.warpAffine(smooth, matrix, (side, side), flags=cv2.INTER_LINEAR)) > 255 * covered


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


def _nearest(atlas: PoseAtlas, target: Mask, elevations: tuple[float, float]
             ) -> list[tuple[float, float, bool]]:
    """Azimuth, elevation and mirror of the views whose silhouettes agree best."""
    wanted = target.reshape(-1).astype(np.float32)
    common = atlas.silhouettes @ wanted
    iou = common / np.maximum(atlas.silhouettes.sum(axis=1) + wanted.sum() - common, 1.0)
    chosen: list[tuple[float, float, bool]] = []
    for index in np.argsort(-iou, kind="stable"):
        view = (float(atlas.azimuths[index]), float(atlas.elevations[index]), bool(atlas.mirrored[index]))
        if elevations[0] <= view[1] <= elevations[1] and all(_apart(view, other) for other in chosen):
            chosen.append(view)
            if len(chosen) == CANDIDATES:
                break
    return chosen


def _apart(one: tuple[float, float, bool], other: tuple[float, float, bool]) -> bool:
    return one[2] != other[2] or angle_between(view_rotation(*one[:2], 0.0), view_rotation(*other[:2], 0.0)) > APART_DEG


class _Fitter:
    """Moves the mesh until its outline is a figure's: six values are azimuth, elevation and roll in degrees, the
    logarithm of the distance in radii, and a shift to the right and up in radii."""

    def __init__(self, body: _Body, draw: Draws, sight: _LineOfSight, elevations: tuple[float, float]) -> None:
        self._body, self._draw, self._sight, self._elevations = body, draw, sight, elevations
        self._shown = sight.normalised(FIT_SIDE, FIT_SHARE)
        # Points mark every pixel that they touch, so the fit's target is one of touched pixels too.
        self._target = sight.normalised(FIT_SIDE, FIT_SHARE, TOUCHED)
        outside = cv2.distanceTransform((~self._target).astype(np.uint8), cv2.DIST_L2, 3)
        inside = cv2.distanceTransform(self._target.astype(np.uint8), cv2.DIST_L2, 3)
        self._weight = 1.0 + np.asarray(outside + inside, np.float64) / (0.05 * FIT_SIDE)
        self._frame = sight.window(FIT_SHARE) @ sight.lens

    def start(self, azimuth: float, elevation: float, mirrored: bool) -> F64:
        """A view of the atlas, from where the two areas agree."""
        values = np.array([azimuth, elevation, 0.0, math.log(_distance(self._sight)), 0.0, 0.0])
        for _ in range(2):
            values[3] += 0.5 * math.log(max(self._drawn(values, mirrored).sum(), 1) / self._target.sum())
        return values

    def fit(self, values: F64, mirrored: bool, evaluations: int) -> tuple[float, F64, bool]:
        """(cost, values, mirrored) of the best place near ``values``."""
        return self._descend(values, mirrored, evaluations, _FIRST_STEP, self._draw.quick, self._target)

    def polish(self, values: F64, mirrored: bool) -> tuple[F64, bool]:
        """The last fraction of a pixel, which tells a shoe from its mirror image: against what is exact."""
        return self._descend(values, mirrored, POLISHING_EVALUATIONS, 0.3 * _FIRST_STEP, self._draw.exact,
                             self._shown)[1:]

    def _descend(self, values: F64, mirrored: bool, evaluations: int, step: F64, draw: Draw, target: Mask
                 ) -> tuple[float, F64, bool]:
        def cost(tried: F64) -> float:
            if not self._elevations[0] <= tried[1] <= self._elevations[1] or abs(tried[2]) > 40.0:
                return 1e6
            drawn = draw((self._frame @ self._view(tried, mirrored))[None], FIT_SIDE)[0]
            return float(self._weight[drawn ^ target].sum())

        # A first step past the zenith would leave the simplex flat.
        steps = np.where([True, values[1] + step[1] <= self._elevations[1], *[True] * 4], step, -step)
        found = minimize(cost, values, method="Nelder-Mead", options={
            "maxfev": evaluations, "initial_simplex": np.concatenate([values[None], values + np.diag(steps)]),
            "xatol": 0.05, "fatol": 0.5})
        return float(found.fun), np.asarray(found.x), mirrored

    def pose(self, values: F64, mirrored: bool) -> Pose:
        mask = np.asarray(self._draw.exact((self._frame @ self._view(values, mirrored))[None], FIT_SIDE)[0])
        iou = float((mask & self._shown).sum() / max((mask | self._shown).sum(), 1))
        placed = np.eye(4)
        placed[:3, :3] = self._sight.turn
        placed = placed @ self._view(values, mirrored)
        return Pose(float(values[0]) % 360.0, float(values[1]), float(values[2]), mirrored, iou,
                    tuple(tuple(float(value) for value in row) for row in placed))

    def _view(self, values: F64, mirrored: bool) -> F64:
        return self._body.view(view_rotation(*values[:3]), math.exp(values[3]), (values[4], values[5]),
                               mirrored=mirrored)

    def _drawn(self, values: F64, mirrored: bool) -> Mask:
        return np.asarray(self._draw.quick((self._frame @ self._view(values, mirrored))[None], FIT_SIDE)[0])


def _distance(sight: _LineOfSight) -> float:
    """Radii of the product from which it is about as large as the figure."""
    side = len(sight.mask)
    extent = math.sqrt(float((sight.mask > 127).mean())) * side * (2.0 * sight.half / side)
    return max(2.0, sight.focal / max(extent, 1.0))


def _distinct(poses: list[Pose]) -> list[Pose]:
    """Starts that ended in the same place count once."""
    kept: list[Pose] = []
    for pose in poses:
        if all(pose.mirrored != other.mirrored or angle_between(pose.rotation, other.rotation) > APART_DEG / 2
               for other in kept):
            kept.append(pose)
    return kept


def _turning(one: F64, other: F64) -> F64:
    """(3, 3) smallest rotation that brings one unit vector to another (O. Rodrigues 1840)."""
    axis = np.cross(one, other)
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + float(one @ other)))
