"""From pairs and methods to rows: what each method scores, how sure that is, and which bars it clears.

A method is a callable from a pair to the picture it would deliver, or to None where it has none to give. Every figure
is a mean over products of a product's mean over its views; a product without the set (no shadow ring in a close
view) does not count in that column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import to_display
from training.floor_light import completed_plate
from training.metrics import psnr, texture_distance
from training.pixel_sets import pixel_sets
from training.resampling import Interval, difference_interval, mean_interval, ratio_interval

if TYPE_CHECKING:
    from training.pairs import Pair

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Picture = tuple[F32, F32]              # premultiplied linear product (H, W, 4); plate (H, W, 3) as in ControlPasses
Method = Callable[["Pair"], Picture | None]
Metric = Literal["product", "ring", "band", "texture"]
METRICS: tuple[Metric, ...] = ("product", "ring", "band", "texture")
RASTER, PATHTRACE = "raster", "pathtrace"

PRODUCT_DB, RING_DB = 30.0, 30.0
TEXTURE_SHARE = 0.5                    # of the distance of the default material's path trace
HELD_OUT = 100                         # products


def raster(pair: Pair) -> Picture:
    """The production renderer's picture of the stripped product."""
    return pair.passes.product, pair.passes.plate


def pathtrace(pair: Pair) -> Picture | None:
    """The path tracer's picture of the stripped product, of what ingestion guesses its materials to be."""
    if pair.traced_product is None or pair.traced_plate is None:
        return None
    passes = pair.passes
    return pair.traced_product, completed_plate(pair.traced_plate, passes.plate, passes.alpha,
                                                pair.traced_product[..., 3])


def truth(pair: Pair) -> Picture:
    """The path tracer's picture of the product as it is."""
    passes = pair.passes
    return pair.truth_product, completed_plate(pair.truth_plate, passes.plate, passes.alpha,
                                               pair.truth_product[..., 3])


@dataclass(frozen=True, slots=True)
class Measured:
    """One method's picture of one view against the truth; NaN where there is nothing to measure."""

    product_name: str
    view: str
    method: str
    values: Mapping[Metric, float]


def measure(pair: Pair, methods: Mapping[str, Method]) -> list[Measured]:
    """Every method on one view."""
    white = pair.passes.white_backdrop
    true = to_display(*truth(pair), white)
    sets = pixel_sets(pair.passes.alpha, pair.ring)
    found = []
    for name, method in methods.items():
        picture = method(pair)
        if picture is None:
            continue
        shown = to_display(*picture, white)
        values: dict[Metric, float | None] = {
            "product": psnr(shown, true, sets.product), "ring": psnr(shown, true, sets.ring),
            "band": psnr(shown, true, sets.band),
            "texture": texture_distance(shown, true, pair.passes.material_id, sets.inner)}
        found.append(Measured(f"{pair.family}-{pair.seed:06d}", pair.view, name,
                              {metric: math.nan if value is None else value for metric, value in values.items()}))
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One method over all products. None: not measured."""

    method: str
    products: int
    means: Mapping[Metric, Interval | None]
    to_raster: Mapping[Metric, Interval | None]         # this row − raster, in the same products
    texture_share: Interval | None                      # of the texture distance of the default material's path trace


def rows_of(found: Sequence[Measured]) -> list[Row]:
    """One row per method, in order of first appearance."""
    names = list(dict.fromkeys(one.product_name for one in found))
    methods = list(dict.fromkeys(one.method for one in found))
    values = {method: {metric: _by_product(found, method, metric, names) for metric in METRICS}
              for method in methods}
    rows = []
    for method in methods:
        mine = values[method]
        rows.append(Row(
            method, int(np.isfinite(mine["product"]).sum()),
            {metric: mean_interval(mine[metric]) for metric in METRICS},
            {metric: difference_interval(mine[metric], values[RASTER][metric]) if RASTER in values else None
             for metric in METRICS},
            ratio_interval(mine["texture"], values[PATHTRACE]["texture"]) if PATHTRACE in values else None))
    return rows


def _by_product(found: Sequence[Measured], method: str, metric: Metric, names: Sequence[str]) -> F64:
    """(products,) mean over a product's views that have the set; NaN where none has."""
    views: dict[str, list[float]] = {name: [] for name in names}
    for one in found:
        if one.method == method and math.isfinite(one.values[metric]):
            views[one.product_name].append(one.values[metric])
    return np.array([np.mean(views[name]) if views[name] else math.nan for name in names])


@dataclass(frozen=True, slots=True)
class Bar:
    """What a row should reach, and what it did. ``found`` None: not measured, which does not clear it."""

    name: str
    wanted: str
    found: float | None
    cleared: bool


def bars_of(method: str, held_out: Sequence[Row], real: Mapping[str, Sequence[Row]]) -> list[Bar]:
    """Every bar for one row. ``real``: rows of each real product alone."""
    row = _row(method, held_out)
    product, ring = (row.means[metric] if row else None for metric in ("product", "ring"))
    band = row.to_raster["band"] if row else None
    bars = [_bar("held-out products", f"≥ {HELD_OUT}", row.products if row else None, lambda v: v >= HELD_OUT),
            _bar("product, dB", f"≥ {PRODUCT_DB:g}", _value(product), lambda v: v >= PRODUCT_DB),
            _bar("shadow ring, dB", f"≥ {RING_DB:g}", _value(ring), lambda v: v >= RING_DB),
            _bar("silhouette band − raster, dB", "≥ 0", _value(band), lambda v: v >= 0.0),
            _bar("texture distance ÷ default path trace", f"≤ {TEXTURE_SHARE:g}",
                 _value(row.texture_share) if row else None, lambda v: v <= TEXTURE_SHARE)]
    if not real:
        bars.append(Bar("real products", "measured", None, False))
    for name, rows in real.items():
        mine, other = _row(method, rows), _row(PATHTRACE, rows)
        bars += [_bar(f"{name}: product − default path trace, dB", "> 0", _gained(mine, other, "product"),
                      lambda v: v > 0.0),
                 _bar(f"{name}: texture distance − default path trace, dB", "< 0", _gained(mine, other, "texture"),
                      lambda v: v < 0.0)]
    return bars


def winner(held_out: Sequence[Row], real: Mapping[str, Sequence[Row]], methods: Sequence[str]) -> str | None:
    """The method that clears the most bars; among equals the one with most dB of product less texture distance."""
    def standing(row: Row) -> tuple[int, float]:
        product, texture = _value(row.means["product"]), _value(row.means["texture"])
        return (sum(bar.cleared for bar in bars_of(row.method, held_out, real)),
                (product if product is not None else 0.0) - (texture if texture is not None else 99.0))

    rows = [row for row in held_out if row.method in methods]
    return max(rows, key=standing).method if rows else None


def _row(method: str, rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row.method == method), None)


def _value(interval: Interval | None) -> float | None:
    return None if interval is None else interval.value


def _gained(mine: Row | None, other: Row | None, metric: Metric) -> float | None:
    ours, theirs = (_value(row.means[metric]) if row else None for row in (mine, other))
    return None if ours is None or theirs is None else ours - theirs


def _bar(name: str, wanted: str, found: float | None, clears: Callable[[float], bool]) -> Bar:
    return Bar(name, wanted, found, found is not None and clears(found))
