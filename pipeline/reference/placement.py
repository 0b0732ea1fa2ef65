"""One answer for a whole photo, or none: which pose every figure has, and whether that is sure enough.

A pair is answered together: its partners are mirror images of each other, and their fronts point alike.
What is not sure is refused with the line that would settle it: a wrong pose costs more than a question.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PhotoError
from pipeline.mesh.types import Mesh
from pipeline.reference.hints import Hints
from pipeline.reference.photo import Photo
from pipeline.reference.pose import Draws, Pose, PoseAtlas, angle_between, find_poses
from pipeline.reference.segmentation import Segmentation

F64 = NDArray[np.float64]

# Of 116 made photos (benchmarks/README.md) every answer that was turned by more than 15° fitted worse than these.
LEAST_IOU = 0.93               # of each of a pair, which bear each other out
LEAST_IOU_ALONE = 0.955
LEAST_IOU_TOLD = 0.90          # where a person has said from where the photo was taken, or where the front points
LEAST_MARGIN = 0.02            # in IoU to the best opposite answer
AS_GOOD = 0.006                # in IoU: what fits alike, as a bottle does whichever way it is turned
PAIR_SPREAD_DEG = 53.0         # between the fronts of a pair
TOE_TOLERANCE_DEG = 50.0       # of a hint
FACES = 0.35                   # of :func:`facing`: the front can be seen
LEANS_DEG = 12.0
FROM_ABOVE_DEG = 55.0
_OPPOSITE_DEG = 90.0
_ODD_PAIR = 0.05               # IoU that a pair of one foot, or of fronts far apart, has to be better by
_AXES = {"+x": (1.0, 0.0, 0.0), "-x": (-1.0, 0.0, 0.0), "+y": (0.0, 1.0, 0.0), "-y": (0.0, -1.0, 0.0),
         "+z": (0.0, 0.0, 1.0), "-z": (0.0, 0.0, -1.0)}


@dataclass(frozen=True)
class Placement:
    """How our product stands in a photo."""

    candidates: tuple[tuple[Pose, ...], ...]   # of every figure, best first
    chosen: tuple[Pose, ...]                   # one of every figure
    margin: float                              # mean IoU that the best opposite answer is worse by
    problem: PhotoError | None                 # why it is not accepted

    @property
    def iou(self) -> float:
        """Of the figure that is filled worst."""
        return min(pose.iou for pose in self.chosen)


def place(mesh: Mesh, atlas: PoseAtlas, draw: Draws, photo: Photo, found: Segmentation, hints: Hints,
          *, pairs: bool) -> Placement:
    """Solve every figure and choose one answer for all; ``pairs``: two figures are partners where no hint says."""
    candidates = tuple(tuple(_allowed(find_poses(mesh, atlas, draw, photo, figure, hints.elevations), mesh, hints
                                      if number == 0 else Hints(view=hints.view)))
                       for number, figure in enumerate(found.figures))
    if not all(candidates):
        raise PhotoError("hints_exclude_all", "No pose of the product agrees with the hints.",
                         "Correct `view` or `toe_direction`.")
    partners = len(candidates) == 2 and (pairs if hints.pair is None else hints.pair)
    answers = sorted(((_worth(answer, mesh, partners), answer) for answer in itertools.product(*candidates)),
                     key=lambda pair: -pair[0])
    worth, chosen = answers[0]
    if not pairs and mesh.front.axis is not None and hints.toe_direction is None:
        # A bottle fits whichever way it is turned: then ours shows its front, as a photographer would turn it.
        worth, chosen = max(((other, answer) for other, answer in answers if other > worth - AS_GOOD),
                            key=lambda pair: sum(facing(pose, mesh) for pose in pair[1]))
        answers = [(other, answer) for other, answer in answers
                   if answer is chosen or all(facing(pose, mesh) > FACES for pose in answer)]
    elif min(pose.elevation_deg for pose in chosen) > FROM_ABOVE_DEG:
        # An outline from above hardly tells how far a shoe leans; cameras above shoes look straight down.
        worth, chosen = max(((other, answer) for other, answer in answers
                             if other > worth - AS_GOOD and not _opposite(answer, chosen)),
                            key=lambda pair: sum(pose.elevation_deg for pose in pair[1]))
    opposite = [other for other, answer in answers if answer is not chosen
                and (_opposite(answer, chosen) or (not pairs and other > worth - AS_GOOD and _leans(answer, chosen)))]
    margin = worth - max(opposite, default=0.0)
    told = hints.view is not None or hints.toe_direction is not None
    least = LEAST_IOU_TOLD if told else LEAST_IOU if partners else LEAST_IOU_ALONE
    return Placement(candidates, chosen, margin, _problem(chosen, margin, bool(opposite), least))


def front_angle(pose: Pose, mesh: Mesh) -> float | None:
    """Where the front points in the picture, degrees as on a clock; None if unknown or towards the viewer."""
    if mesh.front.axis is None:
        return None
    x, y, _ = np.asarray(pose.view)[:3, :3] @ np.asarray(_AXES[mesh.front.axis])
    return None if math.hypot(x, y) < 0.25 else math.degrees(math.atan2(x, y)) % 360.0


def facing(pose: Pose, mesh: Mesh) -> float:
    """-1..1: how far the front shows itself to the viewer; from above it points down the picture."""
    _, y, z = np.asarray(pose.view)[:3, :3] @ np.asarray(_AXES[mesh.front.axis or "+z"])
    return float((z - y) / math.sqrt(2.0))


def _allowed(poses: Sequence[Pose], mesh: Mesh, hints: Hints) -> list[Pose]:
    if hints.toe_direction is None:
        return list(poses)
    angles = [(pose, front_angle(pose, mesh)) for pose in poses]
    return [pose for pose, angle in angles if angle is not None
            and abs((angle - hints.toe_direction + 180.0) % 360.0 - 180.0) <= TOE_TOLERANCE_DEG]


def _worth(answer: Sequence[Pose], mesh: Mesh, partners: bool) -> float:
    """Mean IoU, less what is odd about the answer."""
    worth = sum(pose.iou for pose in answer) / len(answer)
    if partners:
        worth -= _ODD_PAIR * (answer[0].mirrored == answer[1].mirrored)
        fronts = [np.asarray(pose.view)[:3, :3] @ np.asarray(_AXES[mesh.front.axis or "+z"]) for pose in answer]
        worth -= _ODD_PAIR * (_degrees(*fronts) > PAIR_SPREAD_DEG)
    return worth


def _opposite(one: Sequence[Pose], other: Sequence[Pose]) -> bool:
    """Whether some figure is turned round, or is the other foot."""
    return any(a.mirrored != b.mirrored or angle_between(a.rotation, b.rotation) > _OPPOSITE_DEG
               for a, b in zip(one, other, strict=True))


def _leans(one: Sequence[Pose], other: Sequence[Pose]) -> bool:
    """Whether some figure is seen from another height: from above, a bottle's outline hardly tells how far."""
    return any(_degrees(a.rotation[:, 1], b.rotation[:, 1]) > LEANS_DEG for a, b in zip(one, other, strict=True))


def _problem(chosen: Sequence[Pose], margin: float, contested: bool, least: float) -> PhotoError | None:
    worst = min(pose.iou for pose in chosen)
    if worst < least:
        return PhotoError("pose_unsure", f"The product fills the place of the old one to {worst:.1%}; {least:.1%} "
                          "are needed.", "Choose a photo of a product of similar shape, say `view: top`, "
                          "`three-quarter` or `side`, or draw the product white on black into mask.png and name it: "
                          "`mask: mask.png`.")
    if contested and margin < LEAST_MARGIN:
        return PhotoError("pose_ambiguous", f"Two different poses fit nearly as well (by {margin:.3f} of "
                          f"{LEAST_MARGIN:.2f}).", "Say where the front points: `toe_direction: 135`, degrees as on a "
                          "clock, 0 up; or from where the photo was taken: `view: top`.")
    return None


def _degrees(one: F64, other: F64) -> float:
    cosine = float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
