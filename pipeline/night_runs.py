"""What a night has asked for, and what came of it: a row per SKU and night, in a Parquet file a night.

A night's plan is written before its runs are asked for; its file is made from the plan and from what the runs told
(:mod:`pipeline.outcomes`), anew each time. So a publish that is killed, or comes twice, loses and doubles no row.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.outcomes import Outcome, read_outcomes
from pipeline.store import ArtifactStore

PLANS, TABLE = "state/nights", "night_runs"
SCHEMA_VERSION = 1
# Outcomes are kept for four days: older nights are as told as they will ever be.
OPEN_DAYS = 3
_RESULTS = {"made": "done", "kept": "kept", "failed": "failed", "postponed": "postponed"}
_FILE = re.compile(r"night=(\d{4}-\d{2}-\d{2})\.parquet")

NIGHT_RUNS = pa.schema([
    pa.field("schema_version", pa.int32(), nullable=False),
    pa.field("night", pa.string(), nullable=False),
    pa.field("sku", pa.string(), nullable=False),
    pa.field("result", pa.string(), nullable=False),       # done, kept, failed, postponed, pending
    pa.field("why", pa.string(), nullable=False),
    pa.field("seconds", pa.float64(), nullable=True, metadata={"unit": "s"}),
    pa.field("code", pa.string(), nullable=False),
    pa.field("message", pa.string(), nullable=False),
    pa.field("asset", pa.string(), nullable=False),        # where it failed
    pa.field("run_key", pa.string(), nullable=False),
    pa.field("run_id", pa.string(), nullable=False),
    pa.field("asked_at", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("ended_at", pa.timestamp("us", tz="UTC"), nullable=True),
], metadata={"schema_version": str(SCHEMA_VERSION), "table": TABLE})


@dataclass(frozen=True)
class Night:
    """What one night asks for."""

    night: str                             # ISO date of its start, UTC
    started: float                         # seconds since 1970
    deadline: float | None
    runs: Mapping[str, Mapping[str, str]]  # run key → SKU → why it was asked for


def plan_night(store: ArtifactStore, night: Night) -> None:
    """Say what a night has asked for, before it is asked. A second plan of the same date adds its runs."""
    before = _plan(store, night.night)
    runs = {**(before.runs if before else {}), **{key: dict(skus) for key, skus in night.runs.items()}}
    record = {"schema": SCHEMA_VERSION, **asdict(night), "runs": runs,
              "started": before.started if before else night.started}
    store.write_bytes(f"{PLANS}/{night.night}.json", json.dumps(record).encode())


def publish_nights(store: ArtifactStore, today: date | None = None) -> list[str]:
    """Write the tables of the last nights from what is known by now; returns their dates. Unchanged ones stay."""
    today = today or datetime.now(UTC).date()
    published = []
    for name in sorted(store.listing(store.root / PLANS)):
        night = name.removesuffix(".json")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", night) or (today - date.fromisoformat(night)).days > OPEN_DAYS:
            continue
        plan = _plan(store, night)
        if plan is not None and plan.runs:
            data = _parquet(_rows(store, plan))
            if store.read_bytes(f"{TABLE}/night={night}.parquet") != data:
                store.write_bytes(f"{TABLE}/night={night}.parquet", data)
            published.append(night)
    return published


def night_dates(store: ArtifactStore) -> list[str]:
    """Nights that have a table, oldest first."""
    return sorted(match[1] for name in store.listing(store.root / TABLE) if (match := _FILE.fullmatch(name)))


def read_night_runs(store: ArtifactStore, night: str) -> pa.Table:
    """One night's rows by SKU. Raises StoreError where there are none, or of another schema version."""
    name = f"{TABLE}/night={night}.parquet"
    data = store.read_bytes(name)
    if data is None:
        raise StoreError("night_unknown", f"Nothing is known of the night of {night}.",
                         f"Nights: {', '.join(night_dates(store)[-5:]) or 'none yet'}.")
    try:
        # Not from a path: a folder's name=value would be taken for a column.
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowInvalid, OSError) as error:  # the latter from a page that does not decompress
        raise StoreError("file_damaged", f"{name} is not a readable Parquet file.", "Run the job `publish`: it is "
                         "written anew while the night is young.") from error
    version = (table.schema.metadata or {}).get(b"schema_version", b"?").decode()
    if version != str(SCHEMA_VERSION):
        raise StoreError("schema_unknown", f"{name} has schema version {version}; this version reads "
                         f"{SCHEMA_VERSION}.", "Use the version that wrote it.")
    return table.cast(NIGHT_RUNS)


def _rows(store: ArtifactStore, plan: Night) -> list[dict[str, Any]]:
    """By SKU; of one that was asked for twice in a night the last end counts."""
    rows: dict[str, dict[str, Any]] = {}
    for key, skus in plan.runs.items():
        ended = read_outcomes(store, key).ended
        for sku, why in skus.items():
            row = _row(plan, key, sku, why, ended.get(sku))
            before = rows.get(sku)
            if before is None or (row["ended_at"] is not None
                                  and (before["ended_at"] is None or before["ended_at"] <= row["ended_at"])):
                rows[sku] = row
    return [rows[sku] for sku in sorted(rows)]


def _row(plan: Night, key: str, sku: str, why: str, outcome: Outcome | None) -> dict[str, Any]:
    told = outcome or Outcome("postponed", 0.0)
    return {"schema_version": SCHEMA_VERSION, "night": plan.night, "sku": sku, "why": why, "run_key": key,
            "result": _RESULTS[told.result] if outcome else "pending", "seconds": told.seconds if outcome else None,
            "code": told.code, "message": told.message, "asset": told.asset, "run_id": told.run_id,
            "asked_at": datetime.fromtimestamp(plan.started, UTC),
            "ended_at": datetime.fromtimestamp(told.at, UTC) if outcome else None}


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=NIGHT_RUNS), buffer, compression="zstd", use_dictionary=False)
    return buffer.getvalue()


def _plan(store: ArtifactStore, night: str) -> Night | None:
    data = store.read_bytes(f"{PLANS}/{night}.json")
    if data is None:
        return None
    try:
        record = json.loads(data)
        schema = int(record.pop("schema", SCHEMA_VERSION))
        # Before its fields: another version's may differ, and must not be taken for damage.
        if schema != SCHEMA_VERSION:
            raise StoreError("schema_unknown", f"{PLANS}/{night}.json has schema {schema}; this version reads "
                             f"{SCHEMA_VERSION}.", "Use the version that wrote it.")
        plan = Night(**record)
        datetime.fromtimestamp(plan.started, UTC)
        runs = {key: {sku: str(why) for sku, why in skus.items()} for key, skus in plan.runs.items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError("file_damaged", f"{PLANS}/{night}.json cannot be read: {error}",
                         "Delete it: only that night's table is lost.") from error
    return replace(plan, runs=runs)
