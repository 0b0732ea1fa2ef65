"""Has the product kept its colour? ΔE00 per material and tile, and left against right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.sentinel.cielab import ciede2000, lab_of
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.faithful import Fit, backdrop_white_balance, fit_faithful
from pipeline.sentinel.injectors import shift_colour_left
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

TILES = 8                  # per axis over the product's box
_FEWEST_PIXELS = 150       # of the image, in a tile or half: fewer average too little noise
_LEAST_MEASURABLE = 0.05   # share of a material's pixels; below it highlights hide its colour by design
_TILE_USABLE = 0.5         # share of a tile's pixels the image must not have cut off
_LIGHTNESS_WEIGHT = 2.0    # kL of CIEDE2000 as textiles use it: the light's field explains most of lightness


ESTIMATORS: Mapping[str, Estimator] = {
    # ΔE00 2.3 is the just noticeable difference of two patches side by side; faithful materials read up to 2.2.
    "material_delta_e": Estimator(Limit(fail=3.0, warn=2.3), "is {severity} off in colour (ΔE00 {value:.1f})"),
    # A tile holds fewer pixels than a material: faithful ones, traced anew and seen through blur, noise and JPEG, read
    # up to 3.2, of laces and seams; ΔE00 4 reads 3.7 or more.
    # Losing a third of the tiles to clipping hides what this check is for.
    "tile_delta_e": Estimator(Limit(fail=3.5, warn=2.5, min_coverage=0.7),
                              "changes colour {severity} in one place (ΔE00 {value:.1f}{detail})"),
    # Both sides share one material and one light: a difference is seen without a reference.
    "left_right_delta_e": Estimator(Limit(fail=2.5, warn=1.8),
                                    "has two colours: left and right differ {severity} (ΔE00 {value:.1f})"),
    # The cast of a backdrop is the photographer's choice within reason; the product is judged after taking it off.
    "backdrop_delta_e": Estimator(Limit(fail=6.0, warn=3.0, required=False), "is {severity} tinted (ΔE00 {value:.1f})"),
}


@check("colour_drift", needs=("alpha", "material_id"), unit="ΔE00",
       injectors=(shift_colour_left,),
       estimators=ESTIMATORS, about="colour")
def colour_drift(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """CIEDE2000 between the image and the fitted model of a faithful image, kL = 2.

    Light may differ smoothly, highlights in strength; colour may not. Coverage is the share of
    the pixels whose colour the faithful picture shows that the image has not cut off.
    """
    balance = backdrop_white_balance(expected, observed)
    fit = fit_faithful(expected, observed, np.ones(3, np.float32) if balance is None else balance)
    measurements = [_backdrop(balance), _tiles(expected, observed, fit)]
    present = np.unique(expected.material_id[expected.alpha > 0.99])
    for material in present[present > 0].tolist():
        measurements += [_material(expected, observed, fit, material), _left_right(expected, observed, fit, material)]
    return measurements


def delta_e(predicted: F64, observed: F64) -> F64:
    """(n,) CIEDE2000 with kL = 2 between scene-linear colours (n, 3), D65."""
    first, second = lab_of(predicted), lab_of(observed)
    return ciede2000(first, second, _LIGHTNESS_WEIGHT)


def _tiles(expected: Expected, observed: U8, fit: Fit) -> Measurement:
    """The worst tile of any material. Coverage is the share of pixels in tiles that could be read."""
    box = bbox_of(expected.alpha > 0.5)
    if box is None or len(fit.x) == 0:
        return _hidden("tile_delta_e", "product")
    size = np.array([(box[2] - box[0]) / TILES, (box[3] - box[1]) / TILES])
    column = np.clip((fit.x - box[0]) / size[0], 0, TILES - 1).astype(np.intp)
    row = np.clip((fit.y - box[1]) / size[1], 0, TILES - 1).astype(np.intp)
    group = (fit.material * TILES + row) * TILES + column
    count = np.bincount(group)
    large = count * fit.pixel_area >= _FEWEST_PIXELS
    if not large.any():
        return _hidden("tile_delta_e", "product")
    used = np.bincount(group[fit.usable], minlength=len(count))
    read = large & (used >= _TILE_USABLE * count) & (used > 0)
    coverage = float(count[read].sum() / count[large].sum())
    if not read.any():
        return Measurement("colour_drift", "tile_delta_e", "product", None, "ΔE00", 0.0,
                           reason="the image's colours are cut off")
    means = [_group_mean(group[fit.usable], values[fit.usable], len(count))[read]
             for values in (fit.predicted, fit.observed)]
    drift = delta_e(*means)
    worst = int(drift.argmax())
    material, tile = divmod(int(np.flatnonzero(read)[worst]), TILES * TILES)
    corner = np.array([box[0], box[1]]) + np.array([tile % TILES, tile // TILES]) * size
    where: BBox = (int(corner[0]), int(corner[1]), int(np.ceil(corner[0] + size[0])), int(np.ceil(corner[1] + size[1])))
    place = f"in the {_name(expected, material).replace('_', ' ')}"
    return Measurement("colour_drift", "tile_delta_e", "product", float(drift[worst]), "ΔE00", coverage, where,
                       side_by_side(expected, observed, where), reason=place)


def _material(expected: Expected, observed: U8, fit: Fit, material: int) -> Measurement:
    """A material's mean colour against the mean it should have."""
    region = f"material:{_name(expected, material)}"
    part = fit.material == material
    if _too_little(fit, part, material):
        return _hidden("material_delta_e", region)
    used = part & fit.usable
    coverage = float(np.count_nonzero(used) / np.count_nonzero(part))
    if not used.any():
        return Measurement("colour_drift", "material_delta_e", region, None, "ΔE00", 0.0,
                           reason="the image's colours are cut off")
    drift = delta_e(fit.predicted[used].mean(axis=0, keepdims=True), fit.observed[used].mean(axis=0, keepdims=True))
    return Measurement("colour_drift", "material_delta_e", region, float(drift[0]), "ΔE00", coverage, _box(fit, part))


def _left_right(expected: Expected, observed: U8, fit: Fit, material: int) -> Measurement:
    """The drift of a material's left half against that of its right half.

    Each half's drift is a gain per channel; both are put on the material's mean colour, so that
    what the design itself has on either side drops out.
    """
    region = f"material:{_name(expected, material)}"
    part = fit.material == material
    if _too_little(fit, part, material):
        return _hidden("left_right_delta_e", region)
    middle = (fit.x[part].min() + fit.x[part].max()) / 2
    halves = [part & (fit.x <= middle), part & (fit.x > middle)]
    if min(map(np.count_nonzero, halves)) * fit.pixel_area < _FEWEST_PIXELS:
        return Measurement("colour_drift", "left_right_delta_e", region, None, "ΔE00", 0.0, applicable=False,
                           reason="too little of it shows on one side")
    shares = [np.count_nonzero(half & fit.usable) / np.count_nonzero(half) for half in halves]
    if min(shares) == 0.0:
        return Measurement("colour_drift", "left_right_delta_e", region, None, "ΔE00", 0.0,
                           reason="the image's colours are cut off on one side")
    used = [half & fit.usable for half in halves]
    gains = [fit.observed[half].mean(axis=0) / np.maximum(fit.predicted[half].mean(axis=0), 1e-5) for half in used]
    mean = fit.predicted[part].mean(axis=0)
    drift = delta_e((mean * gains[0])[None], (mean * gains[1])[None])
    box = _box(fit, part)
    return Measurement("colour_drift", "left_right_delta_e", region, float(drift[0]), "ΔE00", float(min(shares)), box,
                       side_by_side(expected, observed, box))


def _backdrop(balance: NDArray[np.float32] | None) -> Measurement:
    """How far the image's white balance, which the product's colours are corrected by, is off."""
    if balance is None:
        return Measurement("colour_drift", "backdrop_delta_e", "background", None, "ΔE00", 0.0, applicable=False,
                           reason="the stage has no neutral backdrop that could have drifted")
    grey = np.full((1, 3), 0.4)
    drift = float(delta_e(grey, grey * balance)[0])
    return Measurement("colour_drift", "backdrop_delta_e", "background", drift, "ΔE00", 1.0)


def _group_mean(group: NDArray[np.intp], values: F64, count: int) -> F64:
    total = np.stack([np.bincount(group, values[:, c], minlength=count) for c in range(3)], axis=1)
    return np.asarray(total / np.maximum(np.bincount(group, minlength=count), 1)[:, None])


def _too_little(fit: Fit, part: Bools, material: int) -> bool:
    return bool(np.count_nonzero(part) * fit.pixel_area < _FEWEST_PIXELS
                or fit.measurable_share[material] < _LEAST_MEASURABLE)


def _box(fit: Fit, part: NDArray[np.bool_]) -> BBox:
    """Around a material's pixels."""
    x, y = fit.x[part], fit.y[part]
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def _name(expected: Expected, material: int) -> str:
    names = expected.material_names
    return names[material - 1] if 0 < material <= len(names) else str(material)


def _hidden(estimator: str, region: str) -> Measurement:
    return Measurement("colour_drift", estimator, region, None, "ΔE00", 0.0, applicable=False,
                       reason="too few pixels show its colour without a highlight, even in the faithful picture")
