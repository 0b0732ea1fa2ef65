"""Is the product still its own shape? Deviation of the outline in pixels and mm, toe and extremities on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, median_filter

from pipeline.catalogue import Region
from pipeline.sentinel.contours import Deviation, Profiles, contour_deviation, contour_profiles
from pipeline.sentinel.evidence import side_by_side
from pipeline.sentinel.extremities import extremity_points
from pipeline.sentinel.injectors import dent_toe
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOE_SHARE = 0.18         # of the product's extent along its toe direction
_FEWEST_PROFILES = 12    # a shorter stretch of visible contour says nothing
_FEWEST_NEIGHBOURS = 3   # of 5 profiles in a row; an edge that shows here and there is noise
_LEAST_VISIBLE = 0.1     # share of the contour that must stand out from the background in the faithful picture


ESTIMATORS: Mapping[str, Estimator] = {
    # Relit, softened and slightly warped renders of 20 products read up to 1.1 px, one candle holder 1.7.
    "contour_deviation_max": Estimator(Limit(fail=2.0, warn=1.4),
                                       "has an outline that leaves the true shape by {value:.1f} px{detail}"),
    # One hundredth of the outline off by a pixel and a half is a changed shape, not one bad profile; drawn
    # light judged against traced reads up to 1.51, a dent of 2 px 1.6 to 1.95 where it is long enough.
    "contour_deviation_p99": Estimator(Limit(fail=1.55, warn=1.0),
                                       "has an outline that is off by {value:.1f} px along part of the contour"),
    # Buyers look at the toe; faithful ones read up to 0.97 px, and a 2 px dent (it reads 2.0 to 2.4) must not pass.
    # A stretch of it that has become unreadable may be where it moved to: faithful pictures read all of it.
    "toe_deviation_max": Estimator(Limit(fail=1.5, warn=1.0, min_coverage=0.85),
                                   "is out of shape by {value:.1f} px{detail}"),
    # Handles, straps, heels and corners: what a refiner melts first. Faithful pictures read up to 1.05 px, dark
    # glaze whose rim mirrors the room 1.5; a dent of 2 px reads 1.66 to 2.1.
    "extremity_deviation_max": Estimator(Limit(fail=1.6, warn=1.2),
                                         "leave the true shape by {value:.1f} px{detail}"),
    # What a ruler on the product would read; how much is too much depends on its size, so it only informs.
    "deviation_mm_max": Estimator(Limit(fail=10.0, required=False),
                                  "has an outline that leaves the true shape by {value:.1f} mm{detail}"),
}


@check("silhouette", needs=("alpha", "display"), unit="px", injectors=(dent_toe,),
       estimators=ESTIMATORS, about="outline")
def silhouette(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Largest and 99th percentile deviation of the outline, and the largest at the toe and at what sticks out.

    Deviations are smoothed over about 10 px of contour. Coverage is the share of the contour that
    stands out from the background in the faithful picture and does in the image too.
    """
    profiles = contour_profiles(expected)
    if profiles is None:
        return [_without_value(name, "product", "the picture shows no outline of the product", applicable=False)
                for name in ESTIMATORS]
    deviation = contour_deviation(expected, observed, profiles)
    smooth = _smoothed(deviation)
    everywhere = np.ones(len(smooth), bool)
    outline = _measured(expected, observed, deviation, smooth, everywhere, "contour_deviation_max", "product")
    return [outline,
            _measured(expected, observed, deviation, smooth, everywhere, "contour_deviation_p99", "product", 99.0),
            _toe(expected, observed, deviation, smooth), _extremities(expected, observed, deviation, smooth),
            _in_mm(expected, deviation, smooth, outline)]


def mm_per_px(expected: Expected, profiles: Profiles) -> F64:
    """(n,) millimetres on the product that a pixel covers at the contour; NaN where its depth is not known.

    Depth is point-sampled: the nearest of what lies 1 to 3 px inside.
    """
    inside = profiles.points[:, None] - np.arange(1.0, 3.5, 0.5)[None, :, None] * profiles.outward[:, None]
    width, height = expected.size
    columns, rows = (np.clip(np.rint(inside[..., axis]).astype(int), 0, last - 1)
                     for axis, last in ((0, width), (1, height)))
    depth = expected.depth[rows, columns].astype(np.float64).min(axis=1)
    scale = 2000.0 / (abs(float(expected.camera.projection[1, 1])) * height)
    return np.where(np.isfinite(depth), scale * depth, np.nan)


def toe_profiles(expected: Expected, points: F64) -> Bools:
    """Which contour points (n, 2) belong to the toe: the last 18 % along the toe direction."""
    along = points @ np.asarray(expected.toe_direction, np.float64)
    return np.asarray(along >= along.max() - TOE_SHARE * np.ptp(along))


def toe_is_cut_off(expected: Expected) -> bool:
    """Whether the product's last pixels along the toe direction touch the frame's border."""
    rows, columns = np.nonzero(expected.alpha > 0.5)
    along = np.stack([columns, rows], axis=1) @ np.asarray(expected.toe_direction, np.float64)
    width, height = expected.size
    border = (columns == 0) | (rows == 0) | (columns == width - 1) | (rows == height - 1)
    return bool((along[border] >= along.max() - TOE_SHARE * np.ptp(along)).any())


def _toe(expected: Expected, observed: U8, deviation: Deviation, smooth: F64) -> Measurement:
    if expected.toe_direction is None:
        return _without_value("toe_deviation_max", "toe", "the product's front is not known", applicable=False)
    if toe_is_cut_off(expected):
        return _without_value("toe_deviation_max", "toe", "the toe lies outside the frame", applicable=False)
    area = toe_profiles(expected, deviation.profiles.points)
    return _measured(expected, observed, deviation, smooth, area, "toe_deviation_max", "toe")


def _extremities(expected: Expected, observed: U8, deviation: Deviation, smooth: F64) -> Measurement:
    area = extremity_points(expected, deviation.profiles.points)
    if np.count_nonzero(area) < _FEWEST_PROFILES:
        return _without_value("extremity_deviation_max", "extremities", "no part of the product sticks out",
                              applicable=False)
    return _measured(expected, observed, deviation, smooth, area, "extremity_deviation_max", "extremities")


def _in_mm(expected: Expected, deviation: Deviation, smooth: F64, outline: Measurement) -> Measurement:
    """The largest deviation of ``outline``'s readable profiles, in millimetres on the product."""
    if outline.value is None:
        return replace(outline, estimator="deviation_mm_max", unit="mm")
    usable = (_in_company(deviation.measurable, deviation.profiles) & _in_company(deviation.usable, deviation.profiles))
    size = smooth * mm_per_px(expected, deviation.profiles)
    known = usable & np.isfinite(size)
    if not known.any():
        return _without_value("deviation_mm_max", "product", "the depth of the outline is not known", applicable=False)
    worst = int(np.where(known, np.abs(size), -1.0).argmax())
    return Measurement("silhouette", "deviation_mm_max", "product", float(abs(size[worst])), "mm", outline.coverage,
                       _box_around(deviation.profiles.points[worst], expected), reason=_way(size[worst]))


def _way(signed: float) -> str:
    return "outward" if signed > 0 else "inward"


def _measured(expected: Expected, observed: U8, deviation: Deviation, smooth: F64, area: Bools, estimator: str,
              region: str, percentile: float = 100.0) -> Measurement:
    measurable = _in_company(deviation.measurable, deviation.profiles) & area
    if np.count_nonzero(measurable) < max(_FEWEST_PROFILES, _LEAST_VISIBLE * np.count_nonzero(area)):
        return _without_value(estimator, region, "the outline does not stand out from the background there, even in "
                              "the faithful picture", applicable=False)
    usable = measurable & _in_company(deviation.usable, deviation.profiles) & np.isfinite(smooth)
    coverage = np.count_nonzero(usable) / np.count_nonzero(measurable)
    if np.count_nonzero(usable) < _FEWEST_PROFILES:
        return _without_value(estimator, region, "the image shows no outline where it should be")
    size = np.where(usable, np.abs(smooth), -1.0)
    worst = int(size.argmax())
    box = _box_around(deviation.profiles.points[worst], expected)
    way = _way(smooth[worst])
    seen = np.count_nonzero(measurable) / np.count_nonzero(area)
    # The percentile's picture would be the maximum's once more.
    picture = side_by_side(expected, observed, box) if percentile == 100.0 else None
    value = float(np.percentile(size[usable], percentile))
    detail = way if percentile == 100.0 else f"{seen:.0%} of the outline stands out from the background"
    return Measurement("silhouette", estimator, region, value, "px", float(coverage), box, picture, reason=detail)


def _smoothed(deviation: Deviation) -> F64:
    """(n,) median of 5, then a mean over 5 profiles, per contour; unreadable profiles lend no weight."""
    result = np.full(deviation.signed_px.shape, np.nan)
    for number, closed in enumerate(deviation.profiles.closed):
        part = deviation.profiles.contour == number
        values = deviation.signed_px[part]
        mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
        known = np.isfinite(values)
        if not known.any():
            continue
        filled = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
        calm = median_filter(filled, 5, mode=mode)
        kernel = np.array([0.5, 1.0, 1.0, 1.0, 0.5])
        trust = np.where(known, deviation.weight[part], 0.0)
        mean = convolve1d(trust * calm, kernel, mode=mode) / np.maximum(convolve1d(trust, kernel, mode=mode), 1e-9)
        result[part] = np.where(known, mean, np.nan)
    return result


def _in_company(flags: Bools, profiles: Profiles) -> Bools:
    """Which of the flagged profiles (n,) stand among others."""
    result = np.zeros(flags.shape, bool)
    for number, closed in enumerate(profiles.closed):
        part = profiles.contour == number
        mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
        result[part] = flags[part] & (convolve1d(flags[part].astype(np.intp), np.ones(5, np.intp), mode=mode)
                                      >= _FEWEST_NEIGHBOURS)
    return result


def _box_around(point: F64, expected: Expected, radius: int = 24) -> BBox:
    width, height = expected.size
    x, y = int(point[0]), int(point[1])
    return max(0, x - radius), max(0, y - radius), min(width, x + radius), min(height, y + radius)


def _without_value(estimator: str, region: str, reason: str, applicable: bool = True) -> Measurement:
    unit = "mm" if estimator == "deviation_mm_max" else "px"
    return Measurement("silhouette", estimator, region, None, unit, 0.0, applicable=applicable, reason=reason)
