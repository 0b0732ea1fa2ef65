"""One answer for a whole photo, or none: how our product stands in it, and whether that is sure enough.

What is not sure is refused with the line that would settle it: a wrong pose costs more than a question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PhotoError
from pipeline.mesh.types import Mesh
from pipeline.reference.hints import Hints
from pipeline.reference.outline import MeshOutline
from pipeline.reference.photo import Photo
from pipeline.reference.pose import DrawDepth, Pose, PoseAtlas, angle_between
from pipeline.reference.search import Answer, find_answers
from pipeline.reference.segmentation import Segmentation

# Standard deviations of the outlines of two products of a kind: of shoes, of pairs whose two outlines leave no other
# answer, of mugs, of others, and where a person has said from where, or where the front points.
MOST_MISFIT, MOST_MISFIT_PAIR, MOST_MISFIT_MUG, MOST_MISFIT_OTHERS, MOST_MISFIT_TOLD = 1.1, 1.35, 1.0, 0.8, 1.5
# A shoe alone whose direction is known to no better than this, mostly one from the side: how it is turned and from what
# height it is seen are told by the same little of its outline.
UNCERTAIN_DEG, MOST_MISFIT_UNCERTAIN = 6.0, 0.77
LEAST_IOU = 0.7                # of ours in its own shape, which may be shorter or lower than the old one
LEAST_MARGIN, LEAST_MARGIN_OTHERS = 2.5, 5.0   # energy: the best other answer is less probable by e^2.5; of no shoes
# Of bottles and mugs: how high their shoulders are and from what height they are seen look alike.
LEAST_MARGIN_ROUND, LEAST_MARGIN_MUG = 12.0, 8.0
LEAST_INSIDE = 0.2             # of shoes and mugs: agreement of their lines with the photo's edges
LEAST_HANDLE = 0.07            # of the outline: a handle that hardly shows on it says nothing of where it is
SURE_MARGIN = 10.0
MOST_SPREAD_DEG = 9.5              # standard deviation of its orientation
AS_GOOD = 1.0                  # energy: what fits alike, as a bottle does whichever way it is turned
LEANS_DEG = 8.0
OTHER_DEG, OTHER_LEAN_DEG = 15.0, 20.0  # between answers that are not the same
SHOWN_DEG = 8.0                # between candidates that are drawn
TOE_TOLERANCE_DEG = 50.0       # of a hint


@dataclass(frozen=True)
class Placement:
    """How our product stands in a photo."""

    candidates: tuple[tuple[Pose, ...], ...]   # of every figure, best first
    answer: Answer                             # one pose of every figure
    margin: float                              # energy that the best other answer is worse by
    problem: PhotoError | None                 # why it is not accepted

    @property
    def chosen(self) -> tuple[Pose, ...]:
        return self.answer.poses

    @property
    def iou(self) -> float:
        """Of the figure that is filled worst."""
        return self.answer.iou


def place(mesh: Mesh, outline: MeshOutline, atlas: PoseAtlas, draw: DrawDepth, photo: Photo, found: Segmentation,
          hints: Hints, *, pairs: bool) -> Placement:
    """Choose one answer for all figures; ``pairs``: two figures are partners where no hint says."""
    partners = len(found.figures) == 2 and (pairs if hints.pair is None else hints.pair)
    touching = pairs and len(found.figures) == 1 and hints.pair is not False
    answers = [answer for answer in find_answers(mesh, outline, atlas, draw, photo, found.figures, hints.elevations,
                                                 shoes=pairs, partners=partners, touching=touching)
               if _allowed(answer, mesh, hints)]
    if not answers:
        raise PhotoError("hints_exclude_all", "No pose of the product agrees with the hints.",
                         "Correct `view` or `toe_direction`.")
    best = chosen = answers[0]
    if not pairs and mesh.front.axis is not None and hints.toe_direction is None:
        # A bottle fits whichever way it is turned: then ours shows its front, as a photographer would turn it.
        alike = [answer for answer in answers
                 if answer.energy < best.energy + AS_GOOD and not _leans(answer, best, LEANS_DEG)]
        chosen = max(alike, key=lambda answer: sum(facing(pose, mesh) for pose in answer.poses))
        answers = [answer for answer in answers if answer is chosen or answer not in alike]
    margin = min((answer.energy - best.energy for answer in answers if _other(answer, chosen)), default=math.inf)
    return Placement(_by_figure([chosen, *answers]), chosen, margin,
                     _problem(chosen, margin, _asked(chosen, margin, outline, hints, shoes=pairs)))


def front_angle(pose: Pose, mesh: Mesh) -> float | None:
    """Where the front points in the picture, degrees as on a clock; None if unknown or towards the viewer."""
    if mesh.front.axis is None:
        return None
    x, y, _ = pose.front(mesh)
    return None if math.hypot(x, y) < 0.25 else math.degrees(math.atan2(x, y)) % 360.0


def facing(pose: Pose, mesh: Mesh) -> float:
    """-1..1: how far the front shows itself to the viewer; from above it points down the picture."""
    _, y, z = pose.front(mesh)
    return float((z - y) / math.sqrt(2.0))


def _allowed(answer: Answer, mesh: Mesh, hints: Hints) -> bool:
    """Whether the first figure's front points where somebody has said."""
    if hints.toe_direction is None:
        return True
    angle = front_angle(answer.poses[0], mesh)
    return angle is not None and abs((angle - hints.toe_direction + 180.0) % 360.0 - 180.0) <= TOE_TOLERANCE_DEG


def _other(one: Answer, chosen: Answer) -> bool:
    """Whether there are more or fewer products, or one is turned otherwise, or is the other foot."""
    if len(one.poses) != len(chosen.poses):
        return True
    return any(a.mirrored != b.mirrored or abs((a.azimuth_deg - b.azimuth_deg + 180.0) % 360.0 - 180.0) > OTHER_DEG
               for a, b in zip(one.poses, chosen.poses, strict=True)) or _leans(one, chosen, OTHER_LEAN_DEG)


def _leans(one: Answer, other: Answer, limit_deg: float) -> bool:
    """Whether some figure is seen from another height."""
    return any(_degrees(a.rotation[:, 1], b.rotation[:, 1]) > limit_deg
               for a, b in zip(one.poses, other.poses, strict=True))


def _degrees(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Between two unit vectors."""
    return math.degrees(math.acos(max(-1.0, min(1.0, float(one @ other)))))


def _by_figure(answers: Sequence[Answer]) -> tuple[tuple[Pose, ...], ...]:
    """Poses of every figure, each once."""
    kept: list[list[Pose]] = [[] for _ in answers[0].poses]
    for answer in answers:
        if len(answer.poses) != len(kept):
            continue
        for poses, pose in zip(kept, answer.poses, strict=True):
            if all(pose.mirrored != other.mirrored or angle_between(pose.rotation, other.rotation) > SHOWN_DEG
                   for other in poses):
                poses.append(pose)
    return tuple(map(tuple, kept))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of an answer that is accepted."""

    most_misfit: float
    least_margin: float
    least_inside: float = -1.0
    most_spread_deg: float = MOST_SPREAD_DEG
    least_handle: float = LEAST_HANDLE
    odd: bool = False                      # a pair may be odd


def _asked(chosen: Answer, margin: float, outline: MeshOutline, hints: Hints, *, shoes: bool) -> _Asked:
    handle = bool(outline.handle.any())
    least_margin = (LEAST_MARGIN if shoes else LEAST_MARGIN_ROUND if outline.broadside is None else
                    LEAST_MARGIN_MUG if handle else LEAST_MARGIN_OTHERS)
    if hints.toe_direction is not None:    # somebody has looked
        return _Asked(MOST_MISFIT_TOLD, least_margin, most_spread_deg=math.inf, least_handle=0.0, odd=True)
    if hints.view is not None:             # but from where says nothing of which end is which, or of a hidden handle
        return _Asked(MOST_MISFIT_TOLD, least_margin, LEAST_INSIDE if shoes else -1.0, math.inf)
    if not shoes:
        return (_Asked(MOST_MISFIT_MUG, least_margin, LEAST_INSIDE) if handle else
                _Asked(MOST_MISFIT_OTHERS, least_margin))
    if len(chosen.poses) == 1 and chosen.spread_deg > UNCERTAIN_DEG:
        return _Asked(MOST_MISFIT_UNCERTAIN, least_margin, LEAST_INSIDE)
    return _Asked(MOST_MISFIT_PAIR if len(chosen.poses) == 2 and margin > SURE_MARGIN else MOST_MISFIT, least_margin,
                  LEAST_INSIDE)


def _problem(chosen: Answer, margin: float, asked: _Asked) -> PhotoError | None:
    if chosen.misfit > asked.most_misfit or chosen.iou < LEAST_IOU:
        return PhotoError("pose_unsure", f"The product fills the place of the old one to {chosen.iou:.0%}, and their "
                          f"outlines differ by {chosen.misfit:.1f} times what is usual for two products of a kind; "
                          f"{LEAST_IOU:.0%} and {asked.most_misfit:.1f} times are accepted.",
                          "Choose a photo of a product of similar shape, say `view: top`, `three-quarter` or `side`, "
                          "or draw the product white on black into mask.png and name it: `mask: mask.png`.")
    if chosen.inside < asked.least_inside:
        return PhotoError("pose_unsure", "Within the outline of the old product edges do not run as lines of this one "
                          "would.", "Say where the front points: `toe_direction: 135`, degrees as on a clock, 0 up.")
    if (margin < asked.least_margin or chosen.spread_deg > asked.most_spread_deg
            or chosen.handle_shown < asked.least_handle or (chosen.odd and not asked.odd)):
        return PhotoError("pose_ambiguous", "Different poses fit nearly as well.", "Say where the front points: "
                          "`toe_direction: 135`, degrees as on a clock, 0 up; or from where the photo was taken: "
                          "`view: top`.")
    return None
