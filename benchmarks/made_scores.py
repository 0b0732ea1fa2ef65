"""Score rows by the million for benchmarks: the real schema and the real checks, values made up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.catalogue import CATEGORY_WORDS
from pipeline.score_schema import SCHEMA_VERSION, SCORES
from pipeline.sentinel.limits import engineering_limits
from pipeline.sentinel.registry import all_checks

SHOTS = ("hero", "square", "lifestyle", "top", "detail")
CATEGORIES = (*CATEGORY_WORDS, "product")
REGIONS = {"label_legibility": "label:tongue#1", "logo_sharpness": "logo:side#1", "stitching": "stitching:toe#1"}
VERDICTS = ("pass", "warn", "fail", "unmeasured", "not_applicable")
SHARES = (0.80, 0.06, 0.02, 0.01, 0.11)
REFINERS = (("embedded", "1"), ("embedded", "2"), ("sdxl-union", "3"))
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
U8 = NDArray[np.uint8]


def sku_name(number: int) -> str:
    return f"sku-{number:06d}"


def made_scores(skus: Sequence[str], night: int = 0, shots: Sequence[str] = SHOTS,
                shares: Sequence[float] = SHARES) -> pa.Table:
    """Every check of every shot of these SKUs, sorted by SKU, as one compaction would hold them.

    ``night`` makes another data version of the same SKUs, so many days later; ``shares`` are those of ``VERDICTS``.
    """
    limits = engineering_limits()
    units = {check.name: check.unit for check in all_checks()}
    names = sorted(limits)
    checks, estimators = zip(*(name.split(".") for name in names), strict=True)
    images = len(skus) * len(shots)
    rows = images * len(names)
    rng = np.random.default_rng([night, *hashlib.sha256(skus[0].encode()).digest()[:4]])
    sku = np.repeat(np.arange(len(skus)), len(shots) * len(names))
    image = np.repeat(np.arange(images), len(names))
    reading = np.tile(np.arange(len(names)), images)
    verdict = rng.choice(len(VERDICTS), rows, p=shares)
    part = rng.random(rows)
    limit = np.array([limits[name].fail for name in names])[reading]
    measured = verdict < 3
    refiner = np.array([int(hashlib.sha256(name.encode()).digest()[1]) % len(REFINERS) for name in skus])[sku]
    category = np.array([int(hashlib.sha256(name.encode()).digest()[2]) % len(CATEGORIES) for name in skus])
    score = np.where(verdict == 0, 55 + 45 * part, np.where(verdict == 1, 50 + 5 * part, 50 * part))
    at = [FIRST + timedelta(days=night, seconds=int(second)) for second in rng.integers(0, 20_000, len(skus))]
    hashes = [hashlib.sha256(f"{name}/{shot}/{night}".encode()).hexdigest() for name in skus for shot in shots]
    versions = [hashlib.sha256(f"{name}/{night}".encode()).hexdigest()[:16] for name in skus]
    seeds = rng.integers(0, 2**62, images)
    corner = rng.integers(0, 900, (rows, 2))
    boxes = np.concatenate([corner, corner + 1 + rng.integers(0, 150, (rows, 2))], axis=1).astype(np.int32)
    seen = rng.random(rows) < 0.5
    sentences = [f"The {check.replace('_', ' ')} of the {estimator.replace('_', ' ')}: {word}."
                 for check, estimator in zip(checks, estimators, strict=True)
                 for word in ("as expected", "worth a look", "beyond its limit", "not measured", "not checked")]
    columns: dict[str, Any] = {
        "schema_version": np.full(rows, SCHEMA_VERSION, np.int32), "sku": _taken(skus, sku),
        "shot": _taken(shots, image % len(shots)), "check": _taken(checks, reading),
        "region": _taken([REGIONS.get(check, "product") for check in checks], reading),
        "estimator": _taken(estimators, reading),
        "value": pa.array(limit * part, mask=~measured), "unit": _taken([units[check] for check in checks], reading),
        "limit": limit, "direction": _taken([limits[name].direction for name in names], reading),
        "margin": pa.array(limit * (1 - part), mask=~measured),
        "score": pa.array(score.astype(np.float32), mask=~measured), "verdict": _taken(VERDICTS, verdict),
        "reason": _taken(("", "no smooth area is in the faithful picture"), (verdict == 4).astype(int)),
        "coverage": np.where(measured, 1 - part / 3, 0).astype(np.float32),
        "required": np.array([limits[name].required for name in names])[reading],
        "attempt": np.zeros(rows, np.int16), "selected": np.ones(rows, bool), "image_sha256": _taken(hashes, image),
        "calibration_id": pa.repeat("standard-1", rows), "calibration_n": np.full(rows, 120, np.int32),
        "category": _taken(CATEGORIES, category[sku]), "bbox": _boxes(boxes, seen),
        "evidence_path": pa.nulls(rows, pa.string()), "sentence": _taken(sentences, reading * 5 + verdict),
        "data_version": _taken(versions, sku), "sentinel_version": pa.repeat("2", rows),
        "refiner": _taken([name for name, _ in REFINERS], refiner),
        "refiner_version": _taken([version for _, version in REFINERS], refiner), "seed": seeds[image],
        "run_id": _taken([f"7d345348-3d41-48c7-b7ab-{night:012d}"], np.zeros(rows, int)),
        "scored_at": pa.array(at, pa.timestamp("us", tz="UTC")).take(pa.array(sku)),
    }
    return pa.table({name: columns[name] for name in SCORES.names}).cast(SCORES)


def _taken(values: Sequence[str], at: NDArray[np.int64]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), pa.array(list(values), pa.string())
                                          ).cast(pa.string())


def _boxes(boxes: NDArray[np.int32], seen: NDArray[np.bool_]) -> pa.Array:
    """Four numbers where there is a box, null elsewhere."""
    ends = np.concatenate([[0], np.cumsum(np.where(seen, 4, 0))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(boxes[seen].ravel()), mask=pa.array(~seen))
