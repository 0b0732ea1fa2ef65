"""Calibrated limits: how far the readings of good images stray, so that of all their readings at once few alarm.

Split-conformal, by products: shots of one product are not independent. A quarter of the products gives every cell
(check, estimator, kind of region) a location and a scale. Each of the others gives one number, the worst
standardised excess of any required reading on any of its images. The ⌈(n + 1)(1 − α)⌉-th of these n numbers, put
back into each cell's unit, is its limit: a good image of a new product exceeds any of them with a chance of at most
α (Vovk et al., Algorithmic Learning in a Random World, 2005; Papadopoulos et al., ECML 2002). A calibrated limit is
only ever stricter than the engineering one, so a poor set of good images cannot loosen it; and what does not even warn
does not fail.

>>> calibration = calibrate(samples, alpha=0.01)
>>> scores = judge(measurements, overrides, calibration, refiner="embedded 1:1751cccd7f04", size=(1080, 1080))
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import SentinelError
from pipeline.sentinel.limits import CALIBRATION_ID, engineering_limits, stricter
from pipeline.sentinel.types import Limit, Measurement
from pipeline.sentinel.version import VERSION

SCHEMA_VERSION = 1
FIT_SHARE = 0.25               # of the products, for locations and scales; the others carry α
FEWEST_FIT = 8                 # products a cell needs among them; a poor scale costs sharpness, never α
FLOOR = 0.05                   # least scale, as a share of the way from a perfect reading to the engineering limit
LARGEST = 1e6                  # standardised excess of a reading that is infinite
RULES = ("delivery", "house")  # checks whose limits are what somebody asks for; how good images read changes none
RESOLUTIONS: Mapping[str, int] = {"small": 640, "medium": 1280, "large": 2560}  # short side up to, px; else "huge"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured on one image that people accept as good."""

    product: str
    shot: str
    refiner: str                           # see :func:`refiner_id`
    size: tuple[int, int]                  # width and height of the image, px
    measurements: Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Cell:
    """How one kind of reading lies on good images, in its own unit."""

    check: str
    estimator: str
    region: str                            # kind: label, logo, stitching, material, product, toe, …
    products: int                          # behind location and scale
    location: float
    scale: float


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that are calibrated jointly: one refiner, one class of resolution."""

    refiner: str
    resolution: str
    products: int                          # n of the quantile
    excess: float | None                   # the joint limit in scales; None: too few products for α
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A versioned set of calibrated limits."""

    sentinel_version: int
    alpha: float                           # share of good images that may alarm
    groups: tuple[Group, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def id(self) -> str:
        """Changes with anything that changes a limit."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"calibration-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def products(self) -> int:
        """Of its largest group."""
        return max((group.products for group in self.groups), default=0)


def refiner_id(preset: str, version: str) -> str:
    """A refiner as calibrations name it; ``version`` is the score table's ``refiner_version``."""
    return f"{preset} {version}".strip()


def resolution_class(size: tuple[int, int]) -> str:
    """Images of one class share their limits: what a pixel of deviation means depends on it."""
    return next((name for name, side in RESOLUTIONS.items() if min(size) <= side), "huge")


def region_kind(region: str) -> str:
    """``label:tongue#1`` → ``label``."""
    return region.partition(":")[0].partition("~")[0]


def calibrate(samples: Iterable[Sample], alpha: float = 0.01) -> Calibration:
    """Limits from the measurements of good images.

    Raises SentinelError ``too_few_products`` where no refiner and resolution has enough of them for this α.
    """
    if not 0 < alpha < 1:
        raise SentinelError("alpha_invalid", f"α is {alpha:g}.", "Give the share of good images that may alarm, 0.01.")
    by_group: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        by_group[sample.refiner, resolution_class(sample.size)].append(sample)
    groups = tuple(_group(key, members, alpha) for key, members in sorted(by_group.items()))
    if all(group.excess is None for group in groups):
        most = max((len({sample.product for sample in members}) for members in by_group.values()), default=0)
        raise SentinelError("too_few_products", f"{most} products of one refiner and resolution are too few for "
                            f"α = {alpha:.3g}: {products_needed(alpha)} are needed.",
                            "Score more products, or calibrate with a larger --alpha.")
    return Calibration(VERSION, alpha, groups)


def products_needed(alpha: float) -> int:
    """Fewest products of one group that α can be calibrated from."""
    count = 1
    while _fit_size(count) < FEWEST_FIT or _rank(count - _fit_size(count), alpha) is None:
        count += 1
    return count


def calibrated(limit: Limit, measurement: Measurement, calibration: Calibration | None, refiner: str,
               size: tuple[int, int] | None) -> Limit:
    """The stricter of a limit and its calibration. A number that the catalogue itself gives is final."""
    if calibration is None or size is None or limit.source == "catalogue" or calibration.sentinel_version != VERSION:
        return limit
    found = _cells(calibration).get((refiner, resolution_class(size), measurement.check, measurement.estimator,
                                     region_kind(measurement.region)))
    if found is None:
        return limit
    return cell_limit(limit, *found)


def cell_limit(limit: Limit, cell: Cell, group: Group) -> Limit:
    """The stricter of a limit and what a calibrated cell of its group makes of it."""
    assert group.excess is not None
    bound = cell.location + _sign(limit) * group.excess * cell.scale
    # What does not even warn, because nobody sees it, does not fail, whatever good images read.
    unseen = limit.perfect + FLOOR * (limit.fail - limit.perfect) if limit.warn is None else limit.warn
    if stricter(bound, unseen, limit.direction) == bound:
        bound = unseen
    fail = stricter(limit.fail, bound, limit.direction)
    warn = None if limit.warn is None else stricter(limit.warn, fail, limit.direction)
    return replace(limit, fail=fail, warn=warn, n=group.products,
                   source="engineering" if fail == limit.fail else "calibrated")


def largest_excess(measurements: Iterable[Measurement], calibration: Calibration, refiner: str, size: tuple[int, int],
                   ) -> float:
    """The standardised excess of one image's worst required reading; only above the group's ``excess`` it may alarm."""
    cells = _cells(calibration)
    limits, resolution = engineering_limits(), resolution_class(size)
    worst = -math.inf
    for measurement in measurements:
        found = cells.get((refiner, resolution, measurement.check, measurement.estimator,
                           region_kind(measurement.region)))
        badness = _badness(measurement, limits)
        if found is not None and badness is not None:
            worst = max(worst, _standardised(badness, found[0], limits))
    return worst


def calibration_id(calibration: Calibration | None) -> str:
    """For score tables: of the calibration, or of the engineering limits."""
    return CALIBRATION_ID if calibration is None else calibration.id


def calibration_warning(calibration: Calibration | None, refiner: str, size: tuple[int, int] | None = None) -> str:
    """What a reader of scores must know about their limits; nothing where they are calibrated for this refiner.

    Args:
        refiner: see :func:`refiner_id`.
        size: of the image, where one image is judged.
    """
    if calibration is None:
        return "uncalibrated: engineering limits alone, no false-alarm rate is known"
    if calibration.sentinel_version != VERSION:
        return (f"uncalibrated: {calibration.id} is for Sentinel version {calibration.sentinel_version}, this is "
                f"{VERSION}; engineering limits alone, run packshot calibrate")
    groups = [group for group in calibration.groups if group.excess is not None]
    ours = [group.resolution for group in groups if group.refiner == refiner]
    if not ours:
        names = ", ".join(sorted({group.refiner for group in groups}))
        return (f"uncalibrated: {calibration.id} knows {names}, not {refiner}; engineering limits alone, "
                "run packshot calibrate")
    if size is not None and resolution_class(size) not in ours:
        return (f"uncalibrated: {calibration.id} has no {resolution_class(size)} pictures of {refiner}; engineering "
                "limits alone, run packshot calibrate")
    return ""


def to_yaml(calibration: Calibration) -> str:
    """The file that ``catalogue.yaml`` names."""
    return str(yaml.safe_dump({"id": calibration.id, **_plain(asdict(calibration))}, sort_keys=False, width=120))


def from_yaml(text: str, name: str) -> Calibration:
    """Inverse of :func:`to_yaml`. Raises SentinelError ``calibration_unreadable`` or ``calibration_changed``."""
    try:
        data: Any = yaml.safe_load(text)
        if not isinstance(data, dict):
            raise ValueError("it holds no fields")
        stated = data.pop("id", None)
        calibration = TypeAdapter(Calibration).validate_python(data)
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        line = str(error).replace("\n", " ")
        raise SentinelError("calibration_unreadable", f"{name} is no calibration: {line}.",
                            "Write it with `packshot calibrate`.") from error
    if calibration.schema_version != SCHEMA_VERSION:
        raise SentinelError("calibration_unreadable", f"{name} has schema version {calibration.schema_version}; this "
                            f"version reads {SCHEMA_VERSION}.", "Write it again with `packshot calibrate`.")
    if stated != calibration.id:
        raise SentinelError("calibration_changed", f"{name} says it is {stated}, but its numbers are those of "
                            f"{calibration.id}.", "Single limits belong into `limits:` of catalogue.yaml; calibrate "
                            "again, or correct the id.")
    return calibration


def _group(key: tuple[str, str], samples: Sequence[Sample], alpha: float) -> Group:
    limits = engineering_limits()
    products = sorted({sample.product for sample in samples}, key=_shuffled)
    fit = set(products[:_fit_size(len(products))])
    cells = _fitted([sample for sample in samples if sample.product in fit], limits)
    by_kind = {(cell.check, cell.estimator, cell.region): cell for cell in cells}
    worst: dict[str, float] = {}
    for sample in samples:
        if sample.product in fit:
            continue
        for measurement in sample.measurements:
            cell = by_kind.get((measurement.check, measurement.estimator, region_kind(measurement.region)))
            badness = _badness(measurement, limits)
            if cell is not None and badness is not None:
                excess = _standardised(badness, cell, limits)
                worst[sample.product] = max(worst.get(sample.product, -math.inf), excess)
    rank = _rank(len(worst), alpha)
    if rank is None:
        return Group(*key, len(worst), None, ())
    # Rounded up: the product at the quantile must not alarm through the last digit.
    return Group(*key, len(worst), math.ceil(sorted(worst.values())[rank - 1] * 1e4) / 1e4 + 1e-4, tuple(cells))


def _fitted(samples: Sequence[Sample], limits: Mapping[str, Limit]) -> list[Cell]:
    """Location and scale of every cell, from the worst reading of each product."""
    worst: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for sample in samples:
        for measurement in sample.measurements:
            badness = _badness(measurement, limits)
            if badness is not None:
                of_products = worst[measurement.check, measurement.estimator, region_kind(measurement.region)]
                of_products[sample.product] = max(of_products.get(sample.product, -math.inf), badness)
    cells = []
    for key, of_products in sorted(worst.items()):
        if len(of_products) < FEWEST_FIT:
            continue
        limit = limits[f"{key[0]}.{key[1]}"]
        values = np.array(list(of_products.values()))
        middle = float(np.median(values))
        spread = max(1.4826 * float(np.median(np.abs(values - middle))),          # σ of a normal, from its MAD
                     (float(np.quantile(values, 0.9)) - middle) / 1.2816,         # and from its upper tail
                     FLOOR * abs(limit.fail - limit.perfect))
        cells.append(Cell(*key, len(values), _digits(_sign(limit) * middle), _digits(spread)))
    return cells


@cache
def _cells(calibration: Calibration) -> Mapping[tuple[str, str, str, str, str], tuple[Cell, Group]]:
    return {(group.refiner, group.resolution, cell.check, cell.estimator, cell.region): (cell, group)
            for group in calibration.groups if group.excess is not None for cell in group.cells}


def _badness(measurement: Measurement, limits: Mapping[str, Limit]) -> float | None:
    """A required reading with larger meaning worse; None where there is no such reading."""
    limit = limits.get(f"{measurement.check}.{measurement.estimator}")
    value = measurement.value
    if (limit is None or measurement.check in RULES or not limit.required or not measurement.applicable
            or value is None or math.isnan(value) or not measurement.coverage >= limit.min_coverage
            or not math.isfinite(limit.fail - limit.perfect)):
        return None
    return _sign(limit) * min(max(value, -LARGEST), LARGEST)


def _standardised(badness: float, cell: Cell, limits: Mapping[str, Limit]) -> float:
    return min((badness - _sign(limits[f"{cell.check}.{cell.estimator}"]) * cell.location) / cell.scale, LARGEST)


def _rank(count: int, alpha: float) -> int | None:
    rank = math.ceil((count + 1) * (1 - alpha) - 1e-9)
    return rank if rank <= count else None


def _fit_size(count: int) -> int:
    return math.ceil(FIT_SHARE * count)


def _shuffled(product: str) -> str:
    """The same split every time, whatever the products' names have in common."""
    return hashlib.sha256(product.encode()).hexdigest()


def _sign(limit: Limit) -> float:
    return 1.0 if limit.direction == "max" else -1.0


def _digits(value: float) -> float:
    """Six significant digits, as the file shows them."""
    return float(f"{value:.6g}")


def _plain(value: Any) -> Any:
    """Tuples as lists: YAML has no others."""
    plain: Callable[[Any], Any] = _plain
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
