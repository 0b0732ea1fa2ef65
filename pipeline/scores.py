"""The score schema, and how scores become Parquet: one file per SKU, then tables for analysts.

Measurements are kept apart from judged scores, so that a changed limit judges again without
touching pixels. Plain strings throughout: dictionary columns of two files need not agree.

A whole catalogue's scores stand twice: ``score_table/current`` holds each SKU's latest in at most
64 files, ``score_table/history`` every score ever given, appended by date.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from pipeline.errors import StoreError
from pipeline.sentinel.evidence import evidence_path as evidence_path  # where crops lie is part of the schema
from pipeline.sentinel.types import BBox, Measurement, Score
from pipeline.store import Artifact, ArtifactStore

SCHEMA_VERSION = 1
BUCKETS = 64
ASSET, SCORES_FILE = "sentinel_scores", "scores.parquet"
CURRENT, HISTORY = "score_table/current", "score_table/history"
KEY = ("sku", "shot", "check", "region", "estimator", "image_sha256", "attempt", "sentinel_version", "calibration_id")


def _field(name: str, kind: pa.DataType, unit: str = "", nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit} if unit else None)


SCORES = pa.schema([
    _field("schema_version", pa.int32()),
    _field("sku", pa.string()),
    _field("shot", pa.string()),
    _field("check", pa.string()),
    _field("region", pa.string()),
    _field("estimator", pa.string()),
    _field("value", pa.float64(), "see column `unit`", nullable=True),
    _field("unit", pa.string()),
    _field("limit", pa.float64(), "see column `unit`", nullable=True),
    _field("direction", pa.string(), nullable=True),
    _field("margin", pa.float64(), "see column `unit`; negative is beyond the limit", nullable=True),
    _field("score", pa.float32(), "0..100, 50 at the failing limit", nullable=True),
    _field("verdict", pa.string()),
    _field("reason", pa.string()),
    _field("coverage", pa.float32(), "share 0..1"),
    _field("required", pa.bool_()),
    _field("attempt", pa.int16()),
    _field("selected", pa.bool_()),
    _field("image_sha256", pa.string()),
    _field("calibration_id", pa.string()),
    _field("calibration_n", pa.int32(), "products"),
    _field("category", pa.string()),
    _field("bbox", pa.list_(pa.int32()), "px: x0, y0, x1, y1", nullable=True),
    _field("evidence_path", pa.string(), "path inside the artefact", nullable=True),
    _field("sentence", pa.string()),
    _field("data_version", pa.string()),
    _field("sentinel_version", pa.string()),
    _field("refiner", pa.string()),
    _field("refiner_version", pa.string()),
    _field("seed", pa.int64()),
    _field("run_id", pa.string()),
    _field("scored_at", pa.timestamp("us", tz="UTC")),
], metadata={"schema_version": str(SCHEMA_VERSION), "table": "scores"})

MEASUREMENTS = pa.schema([
    _field("shot", pa.string()),
    _field("check", pa.string()),
    _field("estimator", pa.string()),
    _field("region", pa.string()),
    _field("value", pa.float64(), "see column `unit`", nullable=True),
    _field("unit", pa.string()),
    _field("coverage", pa.float64(), "share 0..1"),
    _field("bbox", pa.list_(pa.int32()), "px: x0, y0, x1, y1", nullable=True),
    _field("applicable", pa.bool_()),
    _field("reason", pa.string()),
    _field("evidence_path", pa.string(), "path inside the artefact", nullable=True),
], metadata={"schema_version": str(SCHEMA_VERSION), "table": "measurements"})


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
    rows: list[dict[str, Any]] = _read(Path(path).read_bytes(), MEASUREMENTS, str(path)).to_pylist()
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
    return _read(data, SCORES, name)


def write_measurements(table: pa.Table, path: str | PathLike[str]) -> None:
    """Write measurements as Parquet."""
    Path(path).write_bytes(parquet_bytes(table.cast(MEASUREMENTS)))


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one zstd Parquet file, metadata kept."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", version="2.6")
    return buffer.getvalue()


def duplicate_keys(table: pa.Table) -> list[tuple[Any, ...]]:
    """Keys that more than one row carries; a sound table has none."""
    counted = table.group_by(list(KEY)).aggregate([([], "count_all")])
    return [tuple(row[name] for name in KEY) for row in counted.to_pylist() if row["count_all"] > 1]


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """What one compaction did."""

    skus: int                              # SKUs in ``current`` now
    rows: int                              # rows in ``current`` now
    buckets_written: int                   # files of ``current`` that changed
    history_rows: int                      # rows appended to ``history``
    unreadable: tuple[str, ...] = ()       # SKUs left out because their stored scores are damaged


def compact(store: ArtifactStore, run_id: str = "manual", at: datetime | None = None,
            skus: Collection[str] | None = None) -> CompactionResult:
    """Bring ``score_table`` up to date with every SKU's current scores.

    History gets the rows of those (sku, data version) it does not hold yet, before ``current``
    changes: a compaction that is killed between the two repeats itself without doubling a row.

    Args:
        run_id: names the part of history that this run adds.
        at: when, for history's date; now by default.
        skus: SKUs of the catalogue; others leave ``current`` and keep their history. All by default.
    """
    unreadable: list[str] = []
    artifacts = [artifact for sku in store.skus(ASSET) if skus is None or sku in skus
                 if (artifact := _current(store, sku, unreadable)) is not None and SCORES_FILE in artifact.files]
    by_bucket: dict[int, list[Artifact]] = {}
    for artifact in artifacts:
        by_bucket.setdefault(bucket_of(artifact.sku), []).append(artifact)
    old_names = {path.name for path in _children(store, CURRENT)}
    files: dict[str, bytes] = {}
    fresh: list[pa.Table] = []
    rows = 0
    for bucket, members in sorted(by_bucket.items()):
        name = _bucket_name(bucket)
        before = store.read_bytes(f"{CURRENT}/{name}") if name in old_names else None
        table, changed = _bucket(members, None if before is None else scores_from_bytes(before, name), unreadable)
        fresh += changed
        rows += table.num_rows
        data = parquet_bytes(table)
        if data != before:
            files[name] = data
    history_rows = _append(store, fresh, run_id, at or datetime.now(UTC)) if fresh else 0
    for name, data in files.items():
        store.write_bytes(f"{CURRENT}/{name}", data)
    for name in old_names - {_bucket_name(bucket) for bucket in by_bucket}:
        (store.root / CURRENT / name).unlink()
    return CompactionResult(len(artifacts), rows, len(files), history_rows, tuple(sorted(set(unreadable))))


def read_current(store: ArtifactStore) -> pa.Table:
    """Every SKU's latest scores, sorted by SKU; empty where nothing was compacted yet."""
    names = sorted(path.name for path in _children(store, CURRENT))
    tables = [scores_from_bytes(store.read_bytes(f"{CURRENT}/{name}") or b"", name) for name in names]
    return pa.concat_tables(tables).sort_by("sku") if tables else SCORES.empty_table()


def read_history(store: ArtifactStore) -> pa.Table:
    """Every score ever given, oldest date first."""
    tables = [table for _, table in _history(store)]
    return pa.concat_tables(tables) if tables else SCORES.empty_table()


def bucket_of(sku: str) -> int:
    """0..63, the same on every machine and for ever."""
    return hashlib.sha256(sku.encode()).digest()[0] % BUCKETS


def _current(store: ArtifactStore, sku: str, unreadable: list[str]) -> Artifact | None:
    try:
        return store.current(ASSET, sku)
    except StoreError:
        unreadable.append(sku)
        return None


def _bucket(members: list[Artifact], before: pa.Table | None, unreadable: list[str]
            ) -> tuple[pa.Table, list[pa.Table]]:
    """One bucket's new table, and the tables of the SKUs that are new in it. Kept SKUs are not read again."""
    held: dict[tuple[str, str], pa.Table] = {}
    if before is not None:
        wanted = {(artifact.sku, artifact.data_version) for artifact in members}
        held = {key: table for key, table in _by_version(before).items() if key in wanted}
    tables, changed = [SCORES.empty_table()], []
    for artifact in sorted(members, key=lambda member: member.sku):
        table = held.get((artifact.sku, artifact.data_version))
        if table is None:
            try:
                table = read_scores(artifact.path(SCORES_FILE))
            except StoreError:  # one damaged SKU must not keep the others from their table
                unreadable.append(artifact.sku)
                continue
            changed.append(table)
        tables.append(table)
    return pa.concat_tables(tables).combine_chunks(), changed


def _by_version(table: pa.Table) -> dict[tuple[str, str], pa.Table]:
    """Row runs of one table by (sku, data version); rows of one SKU stand together."""
    keys = list(zip(table["sku"].to_pylist(), table["data_version"].to_pylist(), strict=True))
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    return {keys[start]: table.slice(start, end - start)
            for start, end in zip(starts, [*starts[1:], len(keys)], strict=True)}


def _append(store: ArtifactStore, tables: list[pa.Table], run_id: str, at: datetime) -> int:
    """Append what history does not hold; returns the number of rows."""
    seen = {key for _, part in _history(store)
            for key in zip(part["sku"].to_pylist(), part["data_version"].to_pylist(), strict=True)}
    new = [table for table in tables if table.num_rows
           and (table["sku"][0].as_py(), table["data_version"][0].as_py()) not in seen]
    if not new:
        return 0
    table = pa.concat_tables(new).combine_chunks()
    folder = f"{HISTORY}/date={at.astimezone(UTC):%Y-%m-%d}"
    taken = {path.name for path in _children(store, folder)}
    stem = "part-" + re.sub(r"[^A-Za-z0-9_-]+", "-", run_id)
    names = (f"{stem}{suffix}.parquet" for suffix in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    store.write_bytes(f"{folder}/{next(name for name in names if name not in taken)}", parquet_bytes(table))
    return int(table.num_rows)


def _history(store: ArtifactStore) -> Iterator[tuple[str, pa.Table]]:
    """(name, table) of every part. Read one by one: a dataset would take sku=000123 for a number."""
    for day in _children(store, HISTORY):
        for part in _children(store, f"{HISTORY}/{day.name}"):
            name = f"{HISTORY}/{day.name}/{part.name}"
            yield name, scores_from_bytes(store.read_bytes(name) or b"", name)


def _children(store: ArtifactStore, folder: str) -> list[UPath]:
    """What lies in a folder of the store, sorted; nothing where it does not exist."""
    path = store.root / folder
    return sorted((child for child in path.iterdir() if not child.name.startswith(".")), key=lambda child: child.name
                  ) if path.exists() else []


def _bucket_name(bucket: int) -> str:
    return f"bucket-{bucket:02d}.parquet"


def _read(data: bytes, schema: pa.Schema, name: str) -> pa.Table:
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowInvalid as error:
        raise StoreError("file_damaged", f"{name} is not a readable Parquet file.",
                         "Run `packshot verify`, then materialize the asset again.") from error
    found = (table.schema.metadata or {}).get(b"schema_version", b"?").decode()
    if found != str(SCHEMA_VERSION):
        raise StoreError("schema_unknown", f"{name} has schema version {found}; this version reads {SCHEMA_VERSION}.",
                         "Materialize the asset again, or use the version that wrote it.")
    return table.select(schema.names).cast(schema)


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
