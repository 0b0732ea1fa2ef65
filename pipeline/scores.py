"""Scores as rows, and one SKU's rows as a file.

Measurements are kept apart from judged scores, so that a changed limit judges again without
touching pixels. Columns and versions are in :mod:`pipeline.score_schema`, a whole catalogue's tables in
:mod:`pipeline.score_table`; what readers need of both is named here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.score_schema import KEY as KEY
from pipeline.score_schema import MEASUREMENTS as MEASUREMENTS
from pipeline.score_schema import SCHEMA_VERSION as SCHEMA_VERSION
from pipeline.score_schema import SCORES as SCORES
from pipeline.score_schema import parquet_bytes, table_from_bytes
from pipeline.score_table import ASSET as ASSET
from pipeline.score_table import SCORES_FILE as SCORES_FILE
from pipeline.score_table import CompactionResult as CompactionResult
from pipeline.score_table import compact as compact
from pipeline.score_table import read_current as read_current
from pipeline.score_table import read_history as read_history
from pipeline.sentinel.evidence import evidence_path as evidence_path  # where crops lie is part of the schema
from pipeline.sentinel.types import BBox, Measurement, Score


@dataclass(frozen=True, slots=True)
class ScoreContext:
    """What every score of one image shares."""

    sku: str
    shot: str
    image_sha256: str
    category: str
    data_version: str
    sentinel_version: str
    calibration_id: str
    refiner: str
    refiner_version: str
    seed: int
    run_id: str
    scored_at: datetime                    # with a time zone
    attempt: int = 0
    selected: bool = True                  # of several attempts the one that is delivered


def score_rows(scores: Iterable[Score], context: ScoreContext) -> pa.Table:
    """One row per score of one image, in order, in the schema ``SCORES``."""
    rows = []
    for score in scores:
        measurement, limit = score.measurement, score.limit
        rows.append({
            "schema_version": SCHEMA_VERSION, "sku": context.sku, "shot": context.shot, "check": measurement.check,
            "region": measurement.region, "estimator": measurement.estimator, "value": _finite(measurement.value),
            "unit": measurement.unit, "limit": None if limit is None else limit.fail,
            "direction": None if limit is None else limit.direction, "margin": _finite(score.margin),
            "score": _finite(score.score), "verdict": score.verdict, "reason": measurement.reason,
            "coverage": measurement.coverage, "required": limit is None or limit.required, "attempt": context.attempt,
            "selected": context.selected, "image_sha256": context.image_sha256,
            "calibration_id": context.calibration_id, "calibration_n": 0 if limit is None else limit.n,
            "category": context.category, "bbox": _listed(measurement.bbox),
            "evidence_path": _kept_at(measurement, context.shot), "sentence": score.sentence,
            "data_version": context.data_version, "sentinel_version": context.sentinel_version,
            "refiner": context.refiner, "refiner_version": context.refiner_version, "seed": context.seed,
            "run_id": context.run_id, "scored_at": context.scored_at,
        })
    return pa.Table.from_pylist(rows, schema=SCORES)


def measurement_rows(measurements: Iterable[Measurement], shot: str) -> pa.Table:
    """One row per measurement of one shot, in the schema ``MEASUREMENTS``. Crops are kept as files."""
    return pa.Table.from_pylist([{
        "shot": shot, "check": m.check, "estimator": m.estimator, "region": m.region, "value": m.value, "unit": m.unit,
        "coverage": m.coverage, "bbox": _listed(m.bbox), "applicable": m.applicable, "reason": m.reason,
        "evidence_path": _kept_at(m, shot),
    } for m in measurements], schema=MEASUREMENTS)


def measurements_of(path: str | PathLike[str], shot: str) -> list[Measurement]:
    """One shot's measurements as they were written, ready to be judged again; crops stay where they are."""
    rows: list[dict[str, Any]] = table_from_bytes(Path(path).read_bytes(), MEASUREMENTS, str(path)).to_pylist()
    return [Measurement(row["check"], row["estimator"], row["region"], row["value"], row["unit"], row["coverage"],
                        _boxed(row["bbox"]), None, row["applicable"], row["reason"], row["evidence_path"])
            for row in rows if row["shot"] == shot]


def write_scores(table: pa.Table, path: str | PathLike[str]) -> None:
    """Write scores as Parquet; the same table gives the same bytes."""
    Path(path).write_bytes(parquet_bytes(table.cast(SCORES)))


def read_scores(path: str | PathLike[str]) -> pa.Table:
    """Read scores; raises StoreError on a damaged file or another schema version."""
    return scores_from_bytes(Path(path).read_bytes(), str(path))


def scores_from_bytes(data: bytes, name: str) -> pa.Table:
    """Like :func:`read_scores`, from the bytes of one object; ``name`` is for the error."""
    return table_from_bytes(data, SCORES, name)


def write_measurements(table: pa.Table, path: str | PathLike[str]) -> None:
    """Write measurements as Parquet."""
    Path(path).write_bytes(parquet_bytes(table.cast(MEASUREMENTS)))


def duplicate_keys(table: pa.Table) -> list[tuple[Any, ...]]:
    """Keys that more than one row carries; a sound table has none."""
    counted = table.group_by(list(KEY)).aggregate([([], "count_all")])
    return [tuple(row[name] for name in KEY) for row in counted.to_pylist() if row["count_all"] > 1]


def _kept_at(measurement: Measurement, shot: str) -> str | None:
    if measurement.evidence_path is not None:
        return measurement.evidence_path
    return None if measurement.evidence is None else evidence_path(measurement, shot)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _listed(bbox: BBox | None) -> list[int] | None:
    return None if bbox is None else [int(edge) for edge in bbox]


def _boxed(edges: Sequence[int] | None) -> BBox | None:
    return None if edges is None else (edges[0], edges[1], edges[2], edges[3])
