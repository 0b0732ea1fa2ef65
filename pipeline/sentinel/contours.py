"""Where an image's outline runs, read across the outline it should have.

Along normals of the expected contour, every profile is cut into product and background; one
joint path through all profiles (Viterbi, as in active contours by dynamic programming, Amini et
al., 1990) keeps noise and texture from being taken for the edge. A parabola through the cost
around the path reads the edge to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates, uniform_filter1d
from skimage.measure import find_contours

from pipeline.colour import srgb_decode, srgb_encode, view_transform
from pipeline.sentinel.types import U8, Expected

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

REACH = 14.0           # px to either side of the contour
STEP = 0.5             # px between samples of a profile
OFFSETS: F64 = np.arange(-REACH, REACH + STEP / 2, STEP)  # negative: inside the product
_MIDDLE = len(OFFSETS) // 2
_DEPTH = 12            # samples beside a moved edge that the design may have moved with it
_SPACING = 2.0         # px between profiles
_MOST_PROFILES = 3000  # above it the spacing grows
_SHORTEST = 24.0       # px; a shorter closed contour is a speck
_LOWEST_CONTRAST = 32.0 / 255.0  # rgb distance of product and background, 18 codes a channel; below it an edge is
                                 # hard to see, and light that changes by a fifth can make it vanish
_LOWEST_OBSERVED = 14.0 / 255.0  # in the image's own light; below it noise decides
_FULL_CONTRAST = 64.0 / 255.0    # above it an edge cannot be read better
_MODEL_ERROR = 0.04    # rgb; noise, JPEG and what relighting by one gain leaves over
_NEITHER = 8.0         # a sample's highest cost
_BARRED = 1e3          # where the profile crosses another part of the product
_HOME = 0.1            # cost per px away from the expected contour: without evidence the edge has not moved
_TRUE_EDGE = 1.5       # px; where even the faithful picture reads further off, its edge is hidden
_GAIN = (0.4, 2.5)     # of linear light
_LIGHT_STRETCH = 80.0  # px of contour that share one light
_JUMP = 4              # samples the path may move from one profile to the next
_DOUBTED = 1.6         # px; a smaller shift of the edge is believed as it is
_KEPT = 0.25           # of the step that the contour should show: where the image still shows it, the edge is there
_STEP_AT = 0.75        # px to either side of an edge, where a step is read
_SHARP = 0.6           # of the step over ±2.5 px that an edge makes over ±1 px; a slope of 8 px makes 0.4, σ 1.2 px 0.6
_JUMP_COST = 0.5       # per sample
_BESIDE = 2.0          # px outside the contour, where the image shows the background
_BARE = (0.04, 0.15)   # rgb, or share of that step: what a dent lays bare differs from the background by no more


@dataclass(frozen=True, slots=True)
class Profiles:
    """Normals of the expected contour (n of them), each sampled at ``OFFSETS`` (m of them)."""

    points: F64        # (n, 2) x, y of the contour, pixel centres at integers
    outward: F64       # (n, 2) unit normals
    contour: NDArray[np.intp]  # (n,) which contour a profile belongs to
    closed: Bools      # (contours,)
    spacing: float     # px along the contour

    @property
    def xy(self) -> F64:
        """(n, m, 2) sample positions."""
        return self.points[:, None] + OFFSETS[None, :, None] * self.outward[:, None]


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far the observed outline lies from the expected one, per profile."""

    profiles: Profiles
    signed_px: F64     # (n,) positive outward; NaN where unreadable
    measurable: Bools  # (n,) where the expected picture shows an edge at all
    usable: Bools      # (n,) measurable, and the image shows an edge too
    weight: F64        # (n,) trust, 1 / variance up to a factor: noise moves a faint edge further


def contour_profiles(expected: Expected) -> Profiles | None:
    """Evenly spaced normals along the 0.5 iso-contour of alpha, or None where there is no outline."""
    lines = [line for line in _iso_contours(expected.alpha) if _length(line) >= _SHORTEST]
    if not lines:
        return None
    spacing = max(_SPACING, sum(map(_length, lines)) / _MOST_PROFILES)
    points, normals, numbers, closed = [], [], [], []
    for number, line in enumerate(lines):
        is_closed = bool(np.allclose(line[0], line[-1]))
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        stations = np.arange(0.0, along[-1] - spacing / 2, spacing)
        mode: Literal["wrap", "nearest"] = "wrap" if is_closed else "nearest"
        smooth = gaussian_filter1d(np.stack([np.interp(stations, along, line[:, axis]) for axis in (1, 0)], axis=1),
                                   0.7, axis=0, mode=mode)
        tangent = np.stack([_slope(smooth[:, axis], is_closed) for axis in (0, 1)], axis=1)
        tangent = gaussian_filter1d(tangent, 1.5, axis=0, mode=mode)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
        points.append(smooth)
        normals.append(np.stack([tangent[:, 1], -tangent[:, 0]], axis=1))
        numbers.append(np.full(len(stations), number))
        closed.append(is_closed)
    xy, normal = np.concatenate(points), np.concatenate(normals)
    outside, inside = (_sample(expected.alpha, xy + side * 2.0 * normal) for side in (1.0, -1.0))
    normal = np.where((outside > inside)[:, None], -normal, normal)
    return Profiles(xy, normal, np.concatenate(numbers), np.array(closed), spacing)


def contour_deviation(expected: Expected, observed: U8, profiles: Profiles) -> Deviation:
    """Signed distance of the observed outline from the expected one, in pixels, per profile.

    Expected and observed are read by the same instrument and the expected's own reading is taken
    off, so that shading and texture beside the edge cancel.
    """
    xy = profiles.xy
    low, high = _clear_range(_sample(expected.alpha, xy))
    wanted, seen = _sample(expected.display, xy), _sample(observed, xy)
    ground = _plate_colour(expected, xy)
    ground[:, :_MIDDLE + 3] = ground[:, _MIDDLE + 3:_MIDDLE + 4]
    state = np.arange(len(OFFSETS))[None]
    barred = (state < low[:, None] + 2) | (state > high[:, None] - 2)

    def read(picture: F64, product: F64, readable: Bools) -> F64:
        cost = np.where(barred, _BARRED, _segmentation_cost(picture, product, ground))
        cost[~readable] = 0.0
        path = np.concatenate([joint_path(cost[profiles.contour == number]) for number in range(len(profiles.closed))])
        return np.asarray(OFFSETS[path] + STEP / 2 + STEP * _vertex(cost, path), np.float64)

    clear = (low <= _MIDDLE - 8) & (high >= _MIDDLE + 8)
    as_drawn = _extended(wanted)
    wanted_contrast = _contrast(as_drawn, ground)
    measurable = clear & (wanted_contrast >= _LOWEST_CONTRAST)
    wanted_edge = read(wanted, as_drawn, measurable)
    measurable &= np.abs(wanted_edge) <= _TRUE_EDGE

    as_lit = _extended(_relit(profiles, wanted, seen))
    contrast = np.minimum(wanted_contrast, _contrast(as_lit, ground))
    usable = measurable & (contrast >= _LOWEST_OBSERVED)
    edge = read(seen, as_lit, usable)
    usable &= (np.abs(edge - wanted_edge) < _DOUBTED) | _moved(profiles, wanted, seen, edge)
    weight = np.minimum(contrast, _FULL_CONTRAST) ** 2
    return Deviation(profiles, np.where(usable, edge - wanted_edge, np.nan), measurable, usable, weight)


def joint_path(cost: F64) -> NDArray[np.intp]:
    """(n,) cheapest state per profile through (n, m) costs, a jump of k samples costing k · ``_JUMP_COST``."""
    count, states = cost.shape
    jumps = np.arange(-_JUMP, _JUMP + 1)
    came_from = np.zeros((count, states), np.intp)
    padded = np.full(states + 2 * _JUMP, np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _JUMP + 1)
    penalty = _JUMP_COST * np.abs(jumps)
    total = cost[0].copy()
    for i in range(1, count):
        padded[_JUMP:_JUMP + states] = total
        candidates = windows + penalty
        best = candidates.argmin(axis=1)
        came_from[i] = best
        total = candidates[np.arange(states), best] + cost[i]
    path = np.empty(count, np.intp)
    path[-1] = int(total.argmin())
    for i in range(count - 1, 0, -1):
        path[i - 1] = path[i] + jumps[came_from[i, path[i]]]
    return path


def _moved(profiles: Profiles, wanted: F64, seen: F64, edge: F64) -> Bools:
    """(n,) where the edge found off the contour is one: sharp, and the contour itself shows none any more.

    Light alone can draw a line inside the product (a crevice that is lit, a rim that mirrors the room), and from
    there on product and background are alike. A dent lays the background bare up to the contour.
    """
    def step(picture: F64, at: F64 | float, half: float) -> F64:
        difference = _at_offset(picture, at + half) - _at_offset(picture, at - half)
        return np.asarray(np.linalg.norm(_along(profiles, difference), axis=-1))

    kept = step(seen, 0.0, _STEP_AT) >= _KEPT * step(wanted, 0.0, _STEP_AT)
    wide = step(seen, edge, 2.5)
    sharp = step(seen, edge, 1.0) >= _SHARP * wide
    between = _at_offset(seen, edge / 2) - _at_offset(seen, _BESIDE)
    bare = np.linalg.norm(_along(profiles, between), axis=-1) <= np.maximum(_BARE[0], _BARE[1] * wide)
    return np.asarray(~kept & sharp & (bare | (edge > 0)))


def _at_offset(profile: F64, offset: F64 | float) -> F64:
    """(n, 3) what profiles (n, m, 3) show at an offset in px, one for all or (n,)."""
    place = np.clip((np.broadcast_to(offset, profile.shape[:1]) - OFFSETS[0]) / STEP, 0.0, profile.shape[1] - 1.001)
    rows, first = np.arange(len(profile)), place.astype(np.intp)
    share = (place - first)[:, None]
    return np.asarray((1.0 - share) * profile[rows, first] + share * profile[rows, first + 1])


def _along(profiles: Profiles, values: F64) -> F64:
    """(n, 3) means over three neighbours along each contour."""
    result = np.empty_like(values)
    for number, closed in enumerate(profiles.closed):
        part = profiles.contour == number
        result[part] = uniform_filter1d(values[part], 3, axis=0, mode="wrap" if closed else "nearest")
    return result


def _segmentation_cost(picture: F64, product: F64, ground: F64) -> F64:
    """(n, m) cost of the edge lying after each sample: product up to it, background beyond.

    Squared differences in units of the model's own error, or of the contrast where that is more,
    cut off where a sample is plainly neither: so the cost is round at an edge however it is
    filtered. Where product and background look alike it is flat, and the edge stays at home.

    A moved edge may have uncovered the background or carried the design beside it along: either
    explanation is good enough.
    """
    error = np.maximum(_MODEL_ERROR, _contrast(product, ground) / np.sqrt(2 * _NEITHER))[:, None]

    def unlike(samples: F64, model: F64) -> F64:
        return np.asarray(np.minimum(((samples - model) ** 2).sum(axis=-1) / (2 * error**2), _NEITHER))

    here = np.arange(picture.shape[1])
    in_place = np.cumsum(unlike(picture, product), axis=1)
    carried = np.where(here >= _DEPTH, in_place[:, np.maximum(here - _DEPTH, 0)], 0.0)
    for inward in range(_DEPTH):
        carried += unlike(picture[:, np.maximum(here - inward, 0)], product[:, _MIDDLE - inward, None])
    beyond = unlike(picture, ground)
    after = beyond.sum(axis=1, keepdims=True) - np.cumsum(beyond, axis=1)
    return np.asarray(np.minimum(in_place, carried) + after + _HOME * np.abs(OFFSETS + STEP / 2))


def _relit(profiles: Profiles, wanted: F64, seen: F64) -> F64:
    """The expected profiles (n, m, 3) in the light that the image shows further inside the product.

    Light changes slowly, so its gain is that of a stretch of contour: a line of the design that
    has moved across a single profile is not light.
    """
    first, second = srgb_decode(wanted), srgb_decode(seen)
    before, after = (light[:, :_MIDDLE - 8].mean(axis=1) for light in (first, second))
    gain = np.ones(before.shape)
    width = int(_LIGHT_STRETCH / profiles.spacing) | 1
    for number, closed in enumerate(profiles.closed):
        part = profiles.contour == number
        mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
        sums = [uniform_filter1d(mean[part], width, axis=0, mode=mode) for mean in (before, after)]
        gain[part] = (sums[1] + 1e-3) / (sums[0] + 1e-3)
    return srgb_encode(first * np.clip(gain, *_GAIN)[:, None]).astype(np.float64)


def _extended(profile: F64) -> F64:
    """Product colour along the whole profile: beyond 1 px inside the contour, what is there."""
    product = profile.copy()
    product[:, _MIDDLE - 1:] = product[:, _MIDDLE - 2:_MIDDLE - 1]
    return product


def _contrast(product: F64, ground: F64) -> F64:
    """(n,) rgb distance of product and background at the contour.

    The smaller of two: a rim, or a stripe 3 px inside, that looks like the background could be
    either, and the edge could be on both sides of it.
    """
    parts = (slice(_MIDDLE - 4, _MIDDLE - 1), slice(_MIDDLE - 7, _MIDDLE - 4))
    distances = [np.linalg.norm(product[:, part].mean(axis=1) - ground[:, _MIDDLE + 3], axis=-1) for part in parts]
    return np.asarray(np.minimum(*distances))


def _vertex(cost: F64, path: NDArray[np.intp]) -> F64:
    """(n,) offset in samples, ±0.5, of the parabola's lowest point through the cost around ``path``."""
    rows, last = np.arange(len(path)), cost.shape[1] - 1
    before, at, after = (cost[rows, np.clip(path + step, 0, last)] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    sound = (bend > 1e-9) & (np.maximum(before, after) < _BARRED)
    return np.where(sound, np.clip(0.5 * (before - after) / np.where(sound, bend, 1.0), -0.5, 0.5), 0.0)


def _clear_range(alpha: F64) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(n,) first and last sample up to which a profile crosses nothing but this one edge."""
    hollow = alpha < 0.9
    hollow[:, _MIDDLE - 3:] = False
    solid = alpha > 0.1
    solid[:, :_MIDDLE + 4] = False
    low = np.where(hollow.any(axis=1), _MIDDLE - np.argmax(hollow[:, _MIDDLE::-1], axis=1) + 1, 0)
    high = np.where(solid.any(axis=1), np.argmax(solid, axis=1) - 1, alpha.shape[1] - 1)
    return low.astype(np.intp), high.astype(np.intp)


def _plate_colour(expected: Expected, xy: F64) -> F64:
    """(n, m, 3) code values 0..1 of the stage alone at the sample positions."""
    plate = _sample(expected.plate, xy)
    return np.asarray(np.clip(plate, 0.0, 1.0) if expected.white_backdrop else srgb_encode(view_transform(plate)),
                      np.float64)


def _sample(image: NDArray[np.floating] | U8, xy: F64) -> F64:
    """Bilinear samples of (H, W) or (H, W, c) at (…, 2) positions; uint8 becomes 0..1."""
    where = [xy[..., 1], xy[..., 0]]
    if image.ndim == 2:
        return np.asarray(map_coordinates(image, where, output=np.float64, order=1, mode="nearest"))
    scale = 1.0 / 255.0 if image.dtype == np.uint8 else 1.0
    channels = [map_coordinates(image[..., c], where, output=np.float64, order=1, mode="nearest")
                for c in range(image.shape[-1])]
    return np.stack(channels, axis=-1) * scale


def _slope(values: F64, closed: bool) -> F64:
    """Central differences along a contour."""
    if closed:
        return np.roll(values, -1) - np.roll(values, 1)
    return np.gradient(values) if len(values) > 1 else np.zeros_like(values)


def _iso_contours(alpha: NDArray[np.float32]) -> list[F64]:
    """(k, 2) row, column vertices of each piece of the 0.5 iso-contour (marching squares)."""
    return list(find_contours(alpha, 0.5))  # type: ignore[no-untyped-call]


def _length(line: F64) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
