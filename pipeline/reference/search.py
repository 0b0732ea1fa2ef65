"""All answers to how our product may stand in a photo, the most probable first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Mesh
from pipeline.reference.fit import SHARED, Fitter, Standing, levelness, turned
from pipeline.reference.interior import SIDE, Interior
from pipeline.reference.outline import MeshOutline, Outline
from pipeline.reference.photo import Photo
from pipeline.reference.points import surface_points
from pipeline.reference.pose import DrawDepth, Pose, PoseAtlas, angle_between, mirror_of, nearest_views
from pipeline.reference.segmentation import Figure

F64 = NDArray[np.float64]

FIRST_STEPS, MORE_STEPS, RIGID_STEPS = 8, 14, 6
PURSUED = 4                    # of one figure's answers that are fitted to the end
COMBINED = 6                   # of several figures'
SAME_DEG = 10.0                # answers nearer to each other are one
ODD_PAIR = 12.0                # energy of a pair of one foot, of fronts far apart
CROSSED = 4.0                  # of a left shoe on the right of its pair
ALONE_FITS = 0.8               # misfit: what one shoe fits so well is one
TOUCHING, IN_PROFILE = 4.0, 8.0  # energy of a pair that is one figure; and of one from the side, which hides itself
PAIR_AZIMUTHS, PAIR_ELEVATIONS_DEG, PAIRS_TRIED = 20, (8.0, 26.0, 42.0, 84.0), 10
PLACE_STEPS, THINNED = 2, 5
SOLE, BENT = 0.12, 0.012       # of a shoe's height; of its width
PAIR_SPREAD_DEG = 53.0         # between the fronts of a pair
# Energy that lines within an outline are worth, times their agreement, which is 0.3 higher in the right answer.
INSIDE = 10.0
_ELEVATION_SPREAD = math.radians(12.0)  # between two figures of one photo, each fitted alone
_LONG_AXIS = {"+x": 0, "-x": 0, "+z": 2, "-z": 2}
_FRONT_AZIMUTH = {"+z": 0.0, "+x": math.pi / 2, "-z": math.pi, "-x": -math.pi / 2}  # of a camera that looks at it


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the ways in which our product may take all places of a photo."""

    poses: tuple[Pose, ...]                # one of every figure
    energy: float                          # −log of how probable it is, up to a constant
    misfit: float                          # of the figure that is filled worst, in standard deviations of two shapes
    spread_deg: float                      # standard deviation of a product's orientation
    strain: float                          # how unlike ours the old product is taken to be, in standard deviations
    inside: float                          # -1..1: how well lines of ours run along the photo's edges, where least
    odd: bool                              # a pair of one foot, or of fronts that point apart
    handle_shown: float                    # share of the outline that is its handle's; 1 of what has none

    @property
    def iou(self) -> float:
        """Of the figure that is filled worst."""
        return min(pose.iou for pose in self.poses)


def find_answers(mesh: Mesh, outline: MeshOutline, atlas: PoseAtlas, draw: DrawDepth, photo: Photo,
                 figures: Sequence[Figure], elevations: tuple[float, float], *, shoes: bool, partners: bool,
                 touching: bool) -> list[Answer]:
    """Every answer that is some degrees or a mirror from the others.

    Args:
        draw: exact pictures of the mesh, for what is said of the result and of what is seen inside.
        elevations: of the camera in degrees, where somebody has said so.
        shoes: an old product may be longer than ours, not only higher.
        partners: two figures are a left and a right one. One alone is placed as its file has it.
        touching: what is one figure may be a pair of shoes, one partly behind the other.
    """
    places = [Outline.of(figure) for figure in figures]
    interiors = [Interior(photo.pixels, place, photo.focal_px) for place in places]
    long_axis = _LONG_AXIS.get(mesh.front.axis or "") if shoes else None
    inside = inner_side(mesh) if shoes else np.zeros(3)

    def fitter_of(points: MeshOutline) -> Fitter:
        return Fitter(points, mirror_of(mesh), long_axis, photo, places, elevations,
                      -1.0 if float(inside.sum()) < 0.0 else 1.0)

    fitter = fitter_of(outline)
    alone = []
    for number, figure in enumerate(figures):
        views = nearest_views(atlas, photo, figure, elevations, partners=partners or shoes)
        found = sorted((fitter.fit(fitter.start([number], [rotation]), [mirrored], [number], FIRST_STEPS)
                        for rotation, mirrored in views), key=lambda each: each.energy)
        if not shoes and mesh.front.axis in _FRONT_AZIMUTH and found:
            # What looks alike all round is tried as it would be shown.
            shown = found[0].values.copy()
            shown[SHARED] = _FRONT_AZIMUTH[mesh.front.axis]
            found.append(fitter.fit(shown, [False], [number], FIRST_STEPS))
        alone.append(found)
    everyone = range(len(figures))
    if len(figures) == 1:
        fitted = [fitter.fit(each.values, each.mirrored, everyone, MORE_STEPS) if number < PURSUED else each
                  for number, each in enumerate(alone[0])]
    else:
        fitted = [fitter.fit(values, mirrored, everyone, MORE_STEPS)
                  for values, mirrored in _together(alone, partners=partners, fronts=long_axis is not None)]
    if touching and long_axis is not None and min((max(each.misfits) for each in fitted), default=0.0) > ALONE_FITS:
        fitted += _touching(fitter, fitter_of(outline.thinned(THINNED)), elevations)
    answers = []
    for standing in fitted:
        pair = len(standing.mirrored) == 2 and (partners or touching)
        # Which foot a shoe alone is for, an outline hardly tells: either says where it points, and ours is put there.
        feet = standing.mirrored if pair else (False,) * len(standing.mirrored)
        rigid = fitter.fit(standing.values, feet, standing.figures, RIGID_STEPS, rigid=True)
        poses, agreements = _poses(fitter, rigid, places, interiors, photo, outline, draw)
        if len(poses) > len(places):           # products are counted from left to right, as figures are
            poses = sorted(poses, key=lambda pose: _rightwards(pose, mesh))
        odd = pair and _odd(poses, mesh)
        unlikely = ODD_PAIR * odd + CROSSED * (pair and not odd and _crossed(poses, mesh, inside))
        # What is round looks alike from all around: where it has a strap or a print says nothing of another's.
        told = 0.0 if outline.broadside is None else INSIDE * sum(agreements)
        answers.append(Answer(tuple(poses), standing.energy + unlikely - told, max(standing.misfits),
                              standing.spread_deg, standing.strain, min(agreements), odd,
                              fitter.handle_shown(standing)))
    return _distinct(sorted(answers, key=lambda answer: answer.energy))


def _together(alone: Sequence[Sequence[Standing]], *, partners: bool, fronts: bool
              ) -> Iterator[tuple[F64, tuple[bool, ...]]]:
    """The likeliest common starts of answers that were found for every figure alone; ``fronts``: it is known where ours
    has its own."""
    rated = []
    for answer in itertools.product(*alone):
        elevations = [each.values[0] for each in answer]
        worth = sum(each.energy for each in answer) + 0.5 * (float(np.ptp(elevations)) / _ELEVATION_SPREAD) ** 2
        if partners:
            apart = abs((answer[0].own(0)[0] - answer[1].own(0)[0] + math.pi) % (2.0 * math.pi) - math.pi)
            worth += ODD_PAIR * (answer[0].mirrored == answer[1].mirrored
                                 or (fronts and apart > math.radians(PAIR_SPREAD_DEG)))
        rated.append((worth, answer))
    rated.sort(key=lambda pair: pair[0])
    for _, answer in rated[:COMBINED]:
        shared = np.mean([each.values[:SHARED] for each in answer], axis=0)
        yield np.concatenate([shared, *(each.own(0) for each in answer)]), tuple(each.mirrored[0] for each in answer)


def _touching(fitter: Fitter, quick: Fitter, elevations: tuple[float, float]) -> list[Standing]:
    """A pair of shoes in the first figure, from all around; ``quick`` tells which are worth the other's time."""
    heights = {min(max(height, elevations[0]), elevations[1]) for height in PAIR_ELEVATIONS_DEG}
    tried = [min((quick.fit(quick.start_pair(0, 2.0 * math.pi * turn / PAIR_AZIMUTHS, math.radians(height)),
                             (False, True), (0, 0), PLACE_STEPS, rigid=True) for height in sorted(heights)),
                 key=_energy) for turn in range(PAIR_AZIMUTHS)]
    for its, steps, kept in ((quick, FIRST_STEPS, PAIRS_TRIED), (fitter, MORE_STEPS, PURSUED)):
        tried = [its.fit(each.values, each.mirrored, each.figures, steps)
                 for each in _first_of_kind(sorted(tried, key=_energy))[:kept]]
    return [replace(each, energy=each.energy + TOUCHING + IN_PROFILE * levelness(float(each.values[0])))
            for each in tried]


def _energy(standing: Standing) -> float:
    return standing.energy


def _first_of_kind(standings: Sequence[Standing]) -> list[Standing]:
    """Those whose first product is turned otherwise than that of all before."""
    kept: list[tuple[F64, Standing]] = []
    for standing in standings:
        rotation = turned(standing.own(0)[0], *standing.values[:2])
        if all(angle_between(rotation, other) > SAME_DEG for other, _ in kept):
            kept.append((rotation, standing))
    return [standing for _, standing in kept]


def _poses(fitter: Fitter, standing: Standing, places: Sequence[Outline], interiors: Sequence[Interior], photo: Photo,
           outline: MeshOutline, draw: DrawDepth) -> tuple[list[Pose], list[float]]:
    """Of every product; and of every figure how well its interior agrees.

    A pose's ``iou`` is that of its figure, which a pair may fill together.
    """
    views = []
    depths = np.full((len(places), SIDE, SIDE), np.inf, np.float32)
    height, width = photo.pixels.shape[:2]
    for number, figure in enumerate(standing.figures):
        own, place = standing.own(number), places[figure]
        view = np.eye(4)
        view[:3, :3] = fitter.linear(standing.values, own, standing.mirrored[number])
        view[:3, 3] = fitter.middle(own, figure) * outline.radius - view[:3, :3] @ outline.middle
        # The photo's pixels, brought to the square around the figure.
        scale = 1.0 / (place.unit * place.reach)
        lens = np.diag([photo.focal_px * scale, photo.focal_px * scale, 0.0, 0.0])
        lens[0, 2], lens[1, 2] = -(width / 2 - place.centre[0]) * scale, (height / 2 - place.centre[1]) * scale
        views.append(view)
        np.minimum(depths[figure], draw(view, lens, SIDE), out=depths[figure])
    poses = []
    for number, figure in enumerate(standing.figures):
        filled, wanted = np.isfinite(depths[figure]), interiors[figure].figure
        iou = float((filled & wanted).sum() / max(int((filled | wanted).sum()), 1))
        azimuth, elevation, tilt = (math.degrees(value) for value in (standing.own(number)[0], *standing.values[:2]))
        poses.append(Pose(azimuth % 360.0, elevation, tilt, standing.mirrored[number], iou,
                          tuple(tuple(map(float, row)) for row in views[number])))
    return poses, [interior.agreement(depth) for interior, depth in zip(interiors, depths, strict=True)]


def _rightwards(pose: Pose, mesh: Mesh) -> float:
    """Where its middle is seen, right of the photo's axis."""
    x, _, z = _middle(pose, mesh)
    return float(-x / z)


def _middle(pose: Pose, mesh: Mesh) -> F64:
    """(3,) in the camera's axes."""
    middle = (np.asarray(mesh.bounds[0], np.float64) + np.asarray(mesh.bounds[1], np.float64)) / 2.0
    return np.asarray(np.asarray(pose.view)[:3] @ np.append(middle, 1.0))


def _odd(poses: Sequence[Pose], mesh: Mesh) -> bool:
    """Whether two shoes are of one foot, or point apart as far as it is known where their fronts are."""
    if poses[0].mirrored == poses[1].mirrored:
        return True
    if mesh.front.axis is None:
        return False
    one, other = (pose.front(mesh) for pose in poses)
    return bool(one @ other < math.cos(math.radians(PAIR_SPREAD_DEG)))


def _crossed(poses: Sequence[Pose], mesh: Mesh, inside: F64) -> bool:
    """Whether a left shoe is on the right; ``inside``: of one shoe, (3,), towards the other foot, or zero."""
    between = _middle(poses[1], mesh) - _middle(poses[0], mesh)
    return bool((np.asarray(poses[0].view)[:3, :3] @ inside) @ between < 0.0)


def inner_side(mesh: Mesh) -> F64:
    """(3,) from a shoe towards the other one of its pair; zero where its sole does not tell.

    A sole is bent around the outside of its foot: its middle line runs outside of a chord from heel to toe.
    """
    along = _LONG_AXIS.get(mesh.front.axis or "")
    if along is None:
        return np.zeros(3)
    across = 2 - along
    low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
    points = surface_points(mesh).astype(np.float64)
    sole = points[points[:, 1] < low[1] + SOLE * (high[1] - low[1])]
    share = (sole[:, along] - low[along]) / (high[along] - low[along])
    middles = [0.5 * (part.min() + part.max()) if len(part) else math.nan
               for start, end in ((0.04, 0.2), (0.45, 0.7), (0.86, 0.97))
               if (part := sole[(share > start) & (share < end), across]) is not None]
    bent = middles[1] - (middles[0] + middles[2]) / 2.0
    side = np.zeros(3)
    if math.isfinite(bent) and abs(bent) > BENT * (high[across] - low[across]):
        side[across] = -math.copysign(1.0, bent)
    return side


def _distinct(answers: Sequence[Answer]) -> list[Answer]:
    """Starts that ended in the same place count once."""
    kept: list[Answer] = []
    for answer in answers:
        if not any(len(answer.poses) == len(before.poses) and _same(answer, before) for before in kept):
            kept.append(answer)
    return kept


def _same(one: Answer, other: Answer) -> bool:
    return all(a.mirrored == b.mirrored and angle_between(a.rotation, b.rotation) <= SAME_DEG
               for a, b in zip(one.poses, other.poses, strict=True))
