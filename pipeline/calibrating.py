"""Calibrating from a store: the measurements of images that people accepted as good, and the limits they give.

>>> found = samples_of(store)
>>> calibration = calibrate(found.samples)
>>> print(told(calibration, found))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipeline.errors import StoreError
from pipeline.scores import ASSET, SCORES_FILE, measurements_of, read_scores
from pipeline.sentinel import VERSION, engineering_limits, refiner_id
from pipeline.sentinel.calibration import Calibration, Sample, cell_limit, region_kind
from pipeline.store import Artifact, ArtifactStore


@dataclass(frozen=True, slots=True)
class Accepted:
    """Images taken as good, and what could not be taken."""

    samples: tuple[Sample, ...]
    failing: tuple[str, ...]               # "sku/shot" of accepted images that fail today
    left_out: tuple[tuple[str, str], ...]  # SKU and why


def samples_of(store: ArtifactStore, skus: Collection[str] | None = None) -> Accepted:
    """Every current image of these SKUs, all by default, as it was measured last. No pixel is opened.

    Raises StoreError where a SKU that was asked for has no scores.
    """
    samples: list[Sample] = []
    failing: list[str] = []
    left_out: list[tuple[str, str]] = []
    for sku in sorted(store.skus(ASSET) if skus is None else set(skus)):
        try:
            scored = store.require(ASSET, sku)
            rows = [row for row in read_scores(scored.path(SCORES_FILE)).to_pylist() if row["selected"]]
            if {row["sentinel_version"] for row in rows} != {str(VERSION)}:
                left_out.append((sku, f"it was measured by another version of Sentinel than {VERSION}"))
                continue
            refined = store.require("refined_images", sku)
            if scored.inputs.get("measured", {}).get("image", refined.data_version) != refined.data_version:
                left_out.append((sku, "its images are newer than their scores"))
                continue
            samples += [_sample(sku, shot, rows, scored, refined) for shot in sorted({row["shot"] for row in rows})]
            failing += sorted({f"{sku}/{row['shot']}" for row in rows
                               if row["required"] and row["verdict"] in ("fail", "unmeasured")})
        except StoreError as error:
            if skus is not None:
                raise
            left_out.append((sku, error.message))
    return Accepted(tuple(samples), tuple(failing), tuple(left_out))


def limits_of(calibration: Calibration) -> list[dict[str, Any]]:
    """One row per cell: where good images lie, the engineering limit and the limit that judges. JSON-able."""
    rows = []
    for group in calibration.groups:
        for cell in group.cells:
            limit = engineering_limits()[f"{cell.check}.{cell.estimator}"]
            now = cell_limit(limit, cell, group)
            rows.append({"refiner": group.refiner, "resolution": group.resolution, "check": cell.check,
                         "estimator": cell.estimator, "region": cell.region, "products": cell.products,
                         "location": cell.location, "scale": cell.scale, "engineering": limit.fail,
                         "limit": now.fail, "source": now.source})
    return rows


def uncalibrated(calibration: Calibration, found: Accepted) -> list[str]:
    """Required readings that were seen and have no cell, as "refiner: check.estimator of region"."""
    known = {(group.refiner, cell.check, cell.estimator, cell.region)
             for group in calibration.groups for cell in group.cells}
    limits = engineering_limits()
    seen = {(sample.refiner, m.check, m.estimator, region_kind(m.region)) for sample in found.samples
            for m in sample.measurements if m.applicable and f"{m.check}.{m.estimator}" in limits
            and limits[f"{m.check}.{m.estimator}"].required}
    return [f"{refiner}: {check}.{estimator} of {region}" for refiner, check, estimator, region in sorted(seen - known)]


def told(calibration: Calibration, found: Accepted) -> str:
    """As a table for people."""
    return "\n".join(_lines(calibration, found))


def _lines(calibration: Calibration, found: Accepted) -> Iterator[str]:
    yield f"{calibration.id}: {len(found.samples)} images, at most {calibration.alpha:.2%} of good products alarm"
    if found.failing:
        yield f"  {len(found.failing)} of these images fail today: {', '.join(found.failing[:8])}"
    rows = limits_of(calibration)
    for group in calibration.groups:
        head = f"{group.refiner}, {group.resolution} pictures: {group.products} products"
        if group.excess is None:
            yield f"{head}, too few: uncalibrated"
            continue
        yield f"{head}, {group.excess:.2f} scales off is the limit"
        yield f"  {'reading':<44} {'region':<11} {'products':>8} {'good':>8} {'±':>7} {'limit':>8} {'engineering':>11}"
        for row in rows:
            if (row["refiner"], row["resolution"]) == (group.refiner, group.resolution):
                limit = f"{row['limit']:.3g}" if row["source"] == "calibrated" else "as is"
                yield (f"  {row['check'] + '.' + row['estimator']:<44} {row['region']:<11} {row['products']:>8} "
                       f"{row['location']:>8.3g} {row['scale']:>7.3g} {limit:>8} {row['engineering']:>11.3g}")
    yield from (f"  uncalibrated, too few products: {name}" for name in uncalibrated(calibration, found))
    yield from (f"  left out: {sku}: {why}" for sku, why in found.left_out)


def _sample(sku: str, shot: str, rows: list[dict[str, Any]], scored: Artifact, refined: Artifact) -> Sample:
    first = next(row for row in rows if row["shot"] == shot)
    with Image.open(refined.path(f"{shot}.png")) as image:  # its header alone
        size = image.size
    return Sample(sku, shot, refiner_id(first["refiner"], first["refiner_version"]), size,
                  measurements_of(scored.path("measurements.parquet"), shot))
