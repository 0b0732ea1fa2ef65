"""How products stand in one photo: one camera and one floor for all, and a shape that need not be quite ours.

The most probable standing is sought by Gauss's and Newton's steps on the distances between two outlines, as in
P. Besl and N. McKay's iterated closest points (1992), to and from, with A. Cauchy's weights: where the old product
has a lace, a shadow or another heel, its outline has no say. What a photographer's camera is likely to do (it is held
level, it looks straight down or not at all), that products stand on one floor, and that the old product may be longer
or higher than ours, enter as priors. A shoe that is leaned until it fills a longer one's place pays for its lean; one
that is taken to be longer pays less. In the end ours is put into the place in its own shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.reference.outline import MeshOutline, Outline
from pipeline.reference.photo import Photo

F64 = NDArray[np.float64]

# In units of an outline, the root of a figure's area.
MISFIT = 0.02                  # standard deviation of outlines of two products of a kind
OUTLIER = 0.045                # beyond it an outline is something else's
# Of it, at the floor and at the top: soles are more alike than collars, and a bottle's bottom is a disc whatever
# its shoulders are. A mug's rim is as much a circle as its bottom.
LENIENT_SHOE, LENIENT_ROUND, LENIENT = (0.7, 2.2), (0.4, 3.0), (1.0, 1.0)
REACH = 0.15                   # standard deviation of the logarithm of how far a handle reaches
HANDLE = 0.05                  # and of where its end is seen, as a share of that
SAYS = 24.0                    # independent places of one outline
ROLL_DEG = 2.5                 # how level a camera is held
FROM_DEG, UP_TO_DEG, UP_TO_SPREAD_DEG = 6.0, 46.0, 4.5  # cameras look over the floor, from the side or from a height
ABOVE_DEG, ABOVE_SPREAD_DEG = 84.0, 8.0  # or from above
FLOOR = 0.04                   # radii of the product between the floors of two
LONGER = 0.10                  # standard deviations of logarithms
HIGHER, HIGHER_ALONE = 0.14, 0.3  # of shoes, which may be longer too; of others
PROFILE_BELOW_DEG, PROFILE_SPREAD_DEG = 25.0, 14.0  # a shoe is taken from the side to show its profile
RANGE_DEG = 1.5                # how hard the bounds of a hint are
# A pair whose outlines touch: standard deviation of the angle between fronts; widths between middles, and theirs;
# lengths that one is ahead.
PARALLEL_DEG, BESIDE, BESIDE_SPREAD, AHEAD = 10.0, 1.45, 0.25, 0.1
TAPER = 0.12                   # standard deviation: how much broader the front is, and narrower the back
# Parameters: elevation, tilt, longer, higher, taper; azimuth, right, up, logarithm of the distance.
SHARED, OWN = 5, 4
_E, _K, _LONGER, _HIGHER, _TAPER = range(SHARED)
_SHAPE = [_LONGER, _HIGHER, _TAPER]
_LARGEST = np.array([0.2, 0.1, 0.08, 0.08, 0.08, 0.25, 0.2, 0.2, 0.15])  # step
_TINY = 1e-5


@dataclass(frozen=True, slots=True)
class Standing:
    """One way in which all figures may be filled: ``values`` as in ``SHARED`` and ``OWN``, angles in radians."""

    values: F64
    mirrored: tuple[bool, ...]
    figures: tuple[int, ...]               # which one each product is seen in
    energy: float                          # −log of how probable it is, up to a constant
    misfits: tuple[float, ...]             # of each outline, robust, in standard deviations
    spread_deg: float                      # standard deviation of the worst known product's orientation

    @property
    def strain(self) -> float:
        """How unlike ours the old product is taken to be, in standard deviations."""
        return float(np.linalg.norm(self.values[_SHAPE] / [LONGER, HIGHER, TAPER]))

    def own(self, number: int) -> F64:
        """(OWN,) of one product."""
        return np.asarray(self.values[SHARED + OWN * number : SHARED + OWN * (number + 1)], np.float64)


def turned(azimuth: float, elevation: float, tilt: float) -> F64:
    """(3, 3) world → camera, radians: a camera around +Y, ``tilt`` of the world's up to the picture's right."""
    ck, sk, ce, se = math.cos(tilt), math.sin(tilt), math.cos(elevation), math.sin(elevation)
    up = np.array([sk, ck * ce, ck * se])
    right = np.array([ck, -sk * ce, -sk * se])
    towards = np.array([0.0, -se, ce])
    ca, sa = math.cos(azimuth), math.sin(azimuth)
    yaw = np.array([[ca, 0.0, -sa], [0.0, 1.0, 0.0], [sa, 0.0, ca]])
    return np.asarray(np.stack([right, up, towards], axis=1) @ yaw, np.float64)


def angles_of(rotation: F64) -> tuple[float, float, float]:
    """Azimuth, elevation and tilt of :func:`turned`."""
    up = rotation[:, 1]
    elevation, tilt = math.atan2(up[2], up[1]), math.asin(max(-1.0, min(1.0, float(up[0]))))
    yaw = turned(0.0, elevation, tilt).T @ rotation
    return math.atan2(-yaw[0, 2], yaw[0, 0]), elevation, tilt


class Fitter:
    """Fits one mesh into the figures of one photo."""

    def __init__(self, mesh: MeshOutline, mirror: F64, front_axis: int | None, photo: Photo, figures: Sequence[Outline],
                 elevations: tuple[float, float], partner: float = 1.0) -> None:
        """``front_axis``: 0 or 2, along which the old product may be longer; None: it may only be higher.
        ``elevations``: degrees of a hint. ``partner``: 1 or -1, on which side across its length a shoe's is."""
        self._mesh, self._mirror, self._axis, self._figures = mesh, mirror, front_axis, figures
        # The azimuth, up to half a turn, of a camera that sees a shoe's whole length.
        self._profile = None if front_axis is None else (0.0 if front_axis == 0 else math.pi / 2)
        self._across = 0 if front_axis is None else 2 - front_axis
        self._between = partner * BESIDE * 2.0 * float(mesh.halves[self._across])
        self._broadside = mesh.broadside
        self._lenient = (LENIENT_SHOE if front_axis is not None else
                         LENIENT_ROUND if mesh.broadside is None else LENIENT)
        self._focal = photo.focal_px
        height, width = photo.pixels.shape[:2]
        # Of the photo's axis, in the units of each figure.
        self._aside = [np.array([width / 2 - each.centre[0], -(height / 2 - each.centre[1])]) / each.unit
                       for each in figures]
        self._elevations = np.radians(elevations)
        self._partner = partner

    def start(self, figures: Sequence[int], rotations: Sequence[F64]) -> F64:
        """Values for products turned like this, (3, 3) world → camera, each as large as its figure."""
        angles = np.array([angles_of(rotation) for rotation in rotations])
        shared = [float(angles[:, 1].mean()), 0.0, 0.0, 0.0, 0.0]
        own = []
        for figure, (azimuth, _, _) in zip(figures, angles, strict=True):
            spread = float(self._figures[figure].points.std(axis=0).sum())
            points = self._mesh.points[::50] @ turned(azimuth, shared[0], 0.0).T.astype(np.float32)
            size = float(points[:, :2].std(axis=0).sum())
            distance = self._focal / self._figures[figure].unit * size / spread * 0.9
            own.append([azimuth, 0.0, 0.0, math.log(max(distance, 1.5))])
        return np.array([*shared, *np.concatenate(own)])

    def start_pair(self, figure: int, azimuth: float, elevation: float) -> F64:
        """Values for a shoe and its mirrored partner beside it, together as large as one figure."""
        outline, rotation = self._figures[figure], turned(azimuth, elevation, 0.0)
        places = [share * self._between * rotation[:, self._across] for share in (-0.5, 0.5)]
        seen = np.concatenate([self._mesh.points[::50] @ turn.T + place for turn, place in
                               zip((rotation, rotation @ self._mirror), places, strict=True)])[:, :2]
        (low, high), (least, most) = ((each.min(axis=0), each.max(axis=0)) for each in (seen, outline.points))
        distance = max(self._focal / outline.unit * float((high - low).sum() / (most - least).sum()), 2.5)
        shift = (least + most) / 2 - self._aside[figure]    # of its middle from the photo's axis
        own = []
        for place in places:
            depth = distance - float(place[2])
            at = place[:2] - (low + high) / 2 + shift * (outline.unit / self._focal) * distance
            right, up = at / depth * (self._focal / outline.unit) + self._aside[figure]
            own.append([azimuth, float(right), float(up), math.log(depth)])
        return np.array([elevation, 0.0, 0.0, 0.0, 0.0, *own[0], *own[1]])

    def fit(self, values: F64, mirrored: Sequence[bool], figures: Sequence[int], steps: int, *, rigid: bool = False
            ) -> Standing:
        """The most probable standing near ``values``; ``rigid``: only places and sizes are sought, in our own shape."""
        free = np.ones(len(values), np.bool_)
        if self._axis is None:
            free[[_LONGER, _TAPER]] = False
        if rigid:
            values = values.copy()
            values[_SHAPE] = 0.0
            free[:SHARED] = False
            free[SHARED::OWN] = False
        largest = np.concatenate([_LARGEST[:SHARED], *[_LARGEST[SHARED:]] * len(figures)])
        best: tuple[float, F64, tuple[float, ...]] = (math.inf, values, ())
        for _ in range(steps):
            energy, misfits, hessian, slope = self._system(values, mirrored, figures, free)
            if energy < best[0]:
                best = energy, values, misfits
            part = np.ix_(free, free)
            damped = hessian[part] + np.diag(0.03 * np.diag(hessian)[free] + 1e-3)
            step = np.zeros_like(values)
            step[free] = -np.linalg.solve(damped, slope[free])
            step *= min(1.0, float((largest / np.maximum(np.abs(step), 1e-12)).min()))
            values = values + step
            if float((np.abs(step) / largest).max()) < 0.01:
                break
        energy, misfits, hessian, _ = self._system(values, mirrored, figures, free)
        if energy < best[0]:
            best = energy, values, misfits
        return Standing(best[1], tuple(mirrored), tuple(figures), best[0], best[2], self._spread_deg(best[1], hessian))

    def _spread_deg(self, values: F64, hessian: F64) -> float:
        """By Laplace's approximation; of elevation and azimuth together, of what is round all about of elevation."""
        variances = np.diag(np.linalg.inv(hessian + 1e-3 * np.eye(len(hessian))))
        azimuth = float(variances[SHARED::OWN].max())
        if self._broadside is None:
            azimuth = 0.0
        elif self._axis is None:
            azimuth += max(_handle_variance(float(each) - self._broadside, float(values[_E]))
                           for each in values[SHARED::OWN])
        return math.degrees(math.sqrt(float(variances[_E]) + azimuth))

    def handle_shown(self, standing: Standing) -> float:
        """Share of the outline that is the handle's, of the product where it is least; 1 of what has none."""
        if self._axis is not None or not self._mesh.handle.any():
            return 1.0
        shares = []
        for number, figure in enumerate(standing.figures):
            places = self._places(self._mesh.points, standing.values[:SHARED], standing.own(number),  # type: ignore[arg-type]
                                  standing.mirrored[number], figure)
            rim = self._mesh.seen(places, self._figures[figure].reach)  # type: ignore[arg-type]
            shares.append(float(self._mesh.handle[rim].mean()) if len(rim) else 0.0)
        return min(shares)

    def linear(self, values: F64, own: F64, mirrored: bool) -> F64:
        """(3, 3) from the mesh's axes to the camera's, stretched."""
        scale = np.ones(3)
        scale[1] = math.exp(values[_HIGHER])
        if self._axis is not None:
            scale[self._axis] = math.exp(values[_LONGER])
        rotation = turned(own[0], values[_E], values[_K])
        return np.asarray((rotation @ self._mirror if mirrored else rotation) * scale)

    def middle(self, own: F64, figure: int) -> F64:
        """(3,) of the product in the camera's axes, in its radii."""
        outline = self._figures[figure]
        distance = math.exp(own[3])
        at = (own[1:3] - self._aside[figure]) * (outline.unit / self._focal)
        return np.array([*(at * distance), -distance])

    def _places(self, points: F64, values: F64, own: F64, mirrored: bool, figure: int) -> F64:
        """(N, 2) of (N, 3) points of the mesh, in the figure's coordinates."""
        if self._axis is not None and values[_TAPER] != 0.0:
            points = points.copy()
            points[:, 2 - self._axis] *= 1.0 + values[_TAPER] * points[:, self._axis] / self._mesh.halves[
                self._axis]
        seen = points @ self.linear(values, own, mirrored).T.astype(points.dtype)
        seen += self.middle(own, figure).astype(points.dtype)
        scale = self._focal / self._figures[figure].unit / np.maximum(-seen[:, 2:], 1e-3)
        return np.asarray(seen[:, :2] * scale.astype(points.dtype) + self._aside[figure].astype(points.dtype))

    def _system(self, values: F64, mirrored: Sequence[bool], figures: Sequence[int], free: NDArray[np.bool_]
                ) -> tuple[float, tuple[float, ...], F64, F64]:
        """Energy, misfits, Hessian (Gauss's) and slope; of outlines to what is ``free`` alone."""
        size = len(values)
        hessian, slope = np.zeros((size, size)), np.zeros(size)
        energy, misfits = 0.0, []
        for figure in dict.fromkeys(figures):
            bodies = [number for number, its in enumerate(figures) if its == figure]
            columns = np.concatenate([np.arange(SHARED),
                                      *(SHARED + OWN * number + np.arange(OWN) for number in bodies)])
            data, block, gradient = self._outline(values, columns, [mirrored[number] for number in bodies], figure,
                                                  free)
            energy += data
            misfits.append(math.sqrt(2.0 * data / SAYS))
            hessian[np.ix_(columns, columns)] += block
            slope[columns] += gradient
        residuals, jacobian = self.priors(values, figures)
        energy += 0.5 * float(residuals @ residuals) - self._usual(values, len(figures))
        return energy, tuple(misfits), hessian + jacobian.T @ jacobian, slope + jacobian.T @ residuals

    def _outline(self, values: F64, columns: NDArray[np.int_], mirrored: Sequence[bool], figure: int,
                 free: NDArray[np.bool_]) -> tuple[float, F64, F64]:
        """Of one figure and all bodies in it: energy, Hessian and slope of their common outline."""
        outline = self._figures[figure]
        part = values[columns]
        own = part[SHARED:].reshape(-1, OWN)
        everywhere = [self._places(self._mesh.points, part[:SHARED], each, mirror, figure)  # type: ignore[arg-type]
                      for each, mirror in zip(own, mirrored, strict=True)]
        rim = self._mesh.seen(np.concatenate(everywhere), outline.reach)
        if len(rim) < 8:
            return 1e4, np.eye(len(part)), np.zeros(len(part))
        body, rim = np.divmod(np.sort(rim), len(self._mesh.points))
        at, moves = np.zeros((len(rim), 2)), np.zeros((len(part), len(rim), 2))
        for number, (each, mirror) in enumerate(zip(own, mirrored, strict=True)):
            its = np.flatnonzero(body == number)
            points = self._mesh.points[rim[its]].astype(np.float64)
            at[its] = self._places(points, part[:SHARED], each, mirror, figure)
            tried = np.concatenate([part[:SHARED], each])
            mine = np.r_[0:SHARED, SHARED + OWN * number + np.arange(OWN)]
            for column, other in zip(mine, tried + _TINY * np.eye(len(tried)), strict=True):
                if not free[columns[column]]:
                    continue
                moved = self._places(points, other[:SHARED], other[SHARED:], mirror, figure)
                moves[column, its] = (moved - at[its]) / _TINY
        distance, towards = outline.away(at)
        nearest = _nearest(outline.points, at)
        back = ((at[nearest] - outline.points) * outline.normals).sum(axis=1)
        far = np.linalg.norm(at[nearest] - outline.points, axis=1)
        back = np.sign(back) * np.maximum(np.abs(back), np.where(far > 2 * OUTLIER, far, 0.0))
        residual = np.concatenate([distance, back]) / MISFIT
        jacobian = np.concatenate([(moves * towards).sum(axis=2).T, (moves[:, nearest] * outline.normals).sum(axis=2).T]
                                  ) / MISFIT
        height = self._mesh.points[rim, 1] / self._mesh.halves[1] * 0.5 + 0.5
        low, high = self._lenient
        trust = 1.0 / (low + (high - low) * height) ** 2
        share = np.concatenate([0.5 * trust / len(at), 0.5 * trust[nearest] / len(nearest)]) * SAYS
        beyond = (residual * MISFIT / OUTLIER) ** 2
        cauchy = (OUTLIER / MISFIT) ** 2
        weighted = share / (1.0 + beyond)
        energy = float(0.5 * cauchy * (share * np.log1p(beyond)).sum())
        return energy, jacobian.T @ (jacobian * weighted[:, None]), jacobian.T @ (weighted * residual)

    def priors(self, values: F64, figures: Sequence[int]) -> tuple[F64, F64]:
        """(R,) what is unlikely about ``values`` whatever the outlines, in standard deviations; (R, P) its slopes."""
        size = len(values)
        rows: list[tuple[float, dict[int, float]]] = []
        roll = math.radians(ROLL_DEG)
        rows.append((values[_K] / roll, {_K: 1.0 / roll}))
        rows.append((values[_LONGER] / LONGER, {_LONGER: 1.0 / LONGER}))
        higher = HIGHER_ALONE if self._axis is None else HIGHER
        rows.append((values[_HIGHER] / higher, {_HIGHER: 1.0 / higher}))
        rows.append((values[_TAPER] / TAPER, {_TAPER: 1.0 / TAPER}))
        rows.append(_unusual(values[_E]))
        low, high = self._elevations
        # A camera that looks straight down may look a little backwards.
        beyond = min(values[_E] - low, 0.0) + max(values[_E] - (high if high < 1.5 else 1.66), 0.0)
        if beyond:
            hard = math.radians(RANGE_DEG)
            rows.append((beyond / hard, {_E: 1.0 / hard}))
        if self._profile is not None:
            rows += [self._turned_away(values, number) for number in range(len(figures))]
        residuals = np.array([value for value, _ in rows])
        jacobian = np.zeros((len(rows), size))
        for row, (_, entries) in enumerate(rows):
            for column, entry in entries.items():
                jacobian[row, column] = entry
        if len(figures) > 1:
            base = self._together(values, figures)
            steps = np.stack([(self._together(values + _TINY * axis, figures) - base) / _TINY
                              for axis in np.eye(size)], axis=1)
            residuals, jacobian = np.concatenate([residuals, base]), np.concatenate([jacobian, steps])
        return residuals, jacobian

    def _turned_away(self, values: F64, number: int) -> tuple[float, dict[int, float]]:
        """How far a shoe that is seen from the side is from its profile; one that is turned further is no such view."""
        assert self._profile is not None
        column = SHARED + OWN * number
        away = (values[column] - self._profile + math.pi / 2) % math.pi - math.pi / 2
        level = levelness(values[_E])
        scale = level / math.radians(PROFILE_SPREAD_DEG)
        if abs(away) > math.radians(2.0 * PROFILE_SPREAD_DEG):
            return 2.0 * level, {}
        return away * scale, {column: scale}

    def _usual(self, values: F64, count: int) -> float:
        """Energy that views from the side have less, so that no other is more probable for not being one."""
        return 0.0 if self._profile is None else 0.5 * count * (2.0 * levelness(values[_E])) ** 2

    def _together(self, values: F64, figures: Sequence[int]) -> F64:
        """How far each product's middle is from their mean height over the floor, in standard deviations; and, of a
        pair in one figure, how far the partner is from where it usually stands."""
        own = values[SHARED:].reshape(-1, OWN)
        up = turned(0.0, values[_E], values[_K])[:, 1]
        middles = [self.middle(each, figure) for each, figure in zip(own, figures, strict=True)]
        heights = np.array([up @ middle for middle in middles])
        floors = (heights - heights.mean()) / FLOOR
        if self._axis is None or len(set(figures)) == len(figures):
            return np.asarray(floors)
        apart = (own[1, 0] - own[0, 0] + math.pi) % (2.0 * math.pi) - math.pi
        between = turned(own[0, 0] + apart / 2, values[_E], values[_K]).T @ (middles[1] - middles[0])
        width, length = (2.0 * self._mesh.halves[axis] for axis in (self._across, self._axis))
        return np.array([*floors, math.degrees(apart) / PARALLEL_DEG,
                         (self._partner * between[self._across] / width - BESIDE) / BESIDE_SPREAD,
                         between[self._axis] / length / AHEAD])


def _unusual(elevation: float) -> tuple[float, dict[int, float]]:
    """A residual and its slope: how far a camera is from where cameras are, at most 50° up or nearly straight above."""
    degrees = math.degrees(elevation)
    beyond = max(0.0, degrees - UP_TO_DEG) + min(0.0, degrees - FROM_DEG)
    over, under = beyond / UP_TO_SPREAD_DEG, (degrees - ABOVE_DEG) / ABOVE_SPREAD_DEG
    if abs(over) < abs(under):
        return over, {_E: math.degrees(1.0) / UP_TO_SPREAD_DEG if over else 0.0}
    return under, {_E: math.degrees(1.0) / ABOVE_SPREAD_DEG}


def levelness(elevation: float) -> float:
    """0..1: how far a view is one from the side."""
    return min(1.0, max(0.0, 2.0 * (1.0 - math.degrees(elevation) / PROFILE_BELOW_DEG)))


def _handle_variance(away: float, elevation: float) -> float:
    """Of the azimuth that a handle tells, radians²: is it turned away, or short? ``away``: from its profile."""
    aside, behind = math.cos(away), math.sin(away)
    turns = np.array([-behind, aside * math.sin(elevation)])       # of its end in the picture, as a share of its reach
    grows = np.array([aside, behind * math.sin(elevation)])
    known = np.array([[turns @ turns, turns @ grows], [turns @ grows, grows @ grows]]) / HANDLE**2
    known[1, 1] += 1.0 / REACH**2
    return float(np.linalg.inv(known + 1e-6 * np.eye(2))[0, 0])


def _nearest(points: F64, among: F64) -> NDArray[np.intp]:
    """Which of (M, 2) is nearest to each of (N, 2)."""
    apart = ((points[:, None, :] - among[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(apart.argmin(axis=1))
