"""What every image cost: seconds by kind of work, one Parquet row per image and run.

While a run works, each SKU it has made something of gets ``<store>/timings/<sku>.json``: the rows of its last runs and
the artefacts they count, written in one piece. So a killed run loses no row and doubles none: what it had made and not
told is counted by the run that finishes the SKU, and a SKU that is kept adds nothing. :func:`publish` gathers the rows
in ``<store>/timing_table/date=<day>/timings.parquet``, one file for every day.

Seconds are those of the thread that did the work. Some of it goes on side by side, so a SKU's columns may add up to
more than its wall clock.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import Artifact, ArtifactStore

SCHEMA_VERSION = 1
FOLDER, TABLE, PUBLISHED = "timings", "timing_table", "state/timings_published.json"
MADE_IN = "made_in"                            # of an artefact's metadata: the run that made it
RUNS_KEPT = 20                                 # in a SKU's file, should nobody publish for long
OVERLAP_S = 3600.0                             # files read again by the next publish; rows have keys, none is doubled
KEY = ("run_id", "sku", "shot")

_OF_THE_SKU = "s; of the whole SKU, divided over its shots"


def _field(name: str, kind: pa.DataType, unit: str = "", nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit} if unit else None)


TIMINGS = pa.schema([
    _field("schema_version", pa.int32()),
    _field("sku", pa.string()),
    _field("shot", pa.string()),
    _field("data_version", pa.string()),       # of the image
    _field("run_id", pa.string()),             # that finished it
    _field("ingest_seconds", pa.float64(), _OF_THE_SKU),
    _field("regions_seconds", pa.float64(), _OF_THE_SKU),
    _field("render_seconds", pa.float64(), "s"),
    _field("refine_seconds", pa.float64(), "s; its share of a common batch; every attempt of a guarded image"),
    _field("lock_seconds", pa.float64(), "s"),
    _field("score_seconds", pa.float64(), "s"),
    _field("io_seconds", pa.float64(), "s; files encoded, written and read back; what is not of one shot is divided "
                                       "over all"),
    _field("orchestration_seconds", pa.float64(), "s; inputs hashed and compared, events, records; divided over the "
                                                  "SKU's shots"),
    _field("gpu_seconds", pa.float64(), "s; the refiner's work on a CUDA card, gaps included; 0 without one, null "
                                        "where it was not measured", nullable=True),
    _field("at", pa.timestamp("us", tz="UTC")),
], metadata={"schema_version": str(SCHEMA_VERSION), "table": "timings"})


@dataclass(frozen=True)
class Ledger:
    """One SKU's file: its latest rows, and which artefacts they have counted."""

    told: Mapping[str, str]                    # asset → folder of the artefact
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run spent on one SKU besides making its artefacts, in seconds."""

    publishing: Mapping[str, float]            # by asset made in this run: checksums, upload, manifest
    orchestration: float


def tell(store: ArtifactStore, sku: str, artifacts: Mapping[str, Artifact], spent: Spent, run_id: str,
         at: datetime | None = None) -> int:
    """Write the rows of one finished SKU; returns how many. None while it has no images, none where all was told.

    Args:
        artifacts: the SKU's artefacts by asset, made or kept, that the run brought up to date.
        at: when it was finished; now by default.
    """
    images = artifacts.get("refined_images")
    if images is None:
        return 0
    ledger = read_ledger(store, sku)
    fresh = {asset: artifact for asset, artifact in artifacts.items()
             if MADE_IN in artifact.metadata and ledger.told.get(asset) != artifact.folder.name}
    if not fresh:
        return 0
    rows = list(_rows(sku, images, fresh, spent, run_id, at or datetime.now(UTC)))
    runs = [*dict.fromkeys(row["run_id"] for row in ledger.rows), run_id][-RUNS_KEPT:]
    kept = [row for row in ledger.rows if row["run_id"] in runs and row["run_id"] != run_id]
    told = {**ledger.told, **{asset: artifact.folder.name for asset, artifact in fresh.items()}}
    store.write_bytes(f"{FOLDER}/{sku}.json", json.dumps({"told": told, "rows": [*kept, *rows]}).encode())
    return len(rows)


def read_ledger(store: ArtifactStore, sku: str) -> Ledger:
    """One SKU's file; an empty one where there is none."""
    data = store.read_bytes(f"{FOLDER}/{sku}.json")
    return Ledger({}) if data is None else _ledger(data)


def _ledger(data: bytes) -> Ledger:
    record = json.loads(data)
    return Ledger(record["told"], tuple(record["rows"]))


def _rows(sku: str, images: Artifact, fresh: Mapping[str, Artifact], spent: Spent, run_id: str, at: datetime
          ) -> Iterable[dict[str, Any]]:
    """One row per shot; what belongs to the whole SKU is divided over them."""
    shots: list[str] = images.metadata["shots"]
    share = 1.0 / max(1, len(shots))
    of = {asset: artifact.metadata for asset, artifact in fresh.items()}
    passes, refined, scored = (of.get(asset, {}) for asset in ("control_passes", "refined_images", "sentinel_scores"))
    whole = {asset: float(metadata.get("total_seconds", 0.0)) for asset, metadata in of.items()}
    # Delivery is encoding and writing; what scoring took beyond its shots went into its tables.
    common = (sum(spent.publishing.get(asset, 0.0) for asset in of) + whole.get("delivered_images", 0.0)
              + max(0.0, whole.get("sentinel_scores", 0.0) - sum(map(float, scored.get("seconds", {}).values()))))
    for shot in shots:
        lock = _of(refined, "lock_seconds", shot)
        yield {
            "schema_version": SCHEMA_VERSION, "sku": sku, "shot": shot, "data_version": images.data_version,
            "run_id": run_id,
            "ingest_seconds": (whole.get("product_mesh", 0.0) + whole.get("reference_shots", 0.0)) * share,
            "regions_seconds": whole.get("product_regions", 0.0) * share,
            "render_seconds": _of(passes, "seconds", shot),
            "refine_seconds": max(0.0, _of(refined, "seconds", shot) - lock),
            "lock_seconds": lock,
            "score_seconds": _of(scored, "seconds", shot),
            "io_seconds": common * share + _of(passes, "write_seconds", shot) + _of(refined, "write_seconds", shot),
            "orchestration_seconds": spent.orchestration * share,
            "gpu_seconds": _gpu(refined, shot),
            "at": at.timestamp(),
        }


def _gpu(refined: Mapping[str, Any], shot: str) -> float | None:
    if not refined:
        return 0.0
    found = refined.get("gpu_seconds", {}).get(shot)
    return None if found is None else float(found)


def _of(metadata: Mapping[str, Any], name: str, shot: str) -> float:
    return float(metadata.get(name, {}).get(shot) or 0.0)


def publish(store: ArtifactStore, skus: Collection[str] | None = None) -> int:
    """Bring ``timing_table`` up to date; returns the number of rows that are new in it.

    Reads only files that moved since the last time. ``skus``: of these alone; all by default.
    """
    moved = _moved(store)
    since = _since(store)
    names = [sku for sku, at in moved.items() if at >= since - OVERLAP_S and (skus is None or sku in skus)]
    by_day: dict[str, list[Mapping[str, Any]]] = {}
    for sku in names:
        for row in read_ledger(store, sku).rows:
            by_day.setdefault(f"{datetime.fromtimestamp(row['at'], UTC):%Y-%m-%d}", []).append(row)
    added = sum(_add(store, day, rows) for day, rows in sorted(by_day.items()))
    if moved and skus is None:
        store.write_bytes(PUBLISHED, json.dumps({"until": max(moved.values())}).encode())
    return added


def read_timings(store: ArtifactStore) -> pa.Table:
    """The whole table, oldest day first; empty where nothing was published yet."""
    folder = store.root / TABLE
    days = sorted(path.name for path in folder.iterdir() if path.name.startswith("date=")) if folder.exists() else []
    tables = [table for day in days if (table := _read(store, day.removeprefix("date="))) is not None]
    return pa.concat_tables(tables) if tables else TIMINGS.empty_table()


def _add(store: ArtifactStore, day: str, rows: Iterable[Mapping[str, Any]]) -> int:
    before = _read(store, day)
    known = set() if before is None else set(zip(*(before[name].to_pylist() for name in KEY), strict=True))
    new = [{**row, "at": datetime.fromtimestamp(row["at"], UTC)} for row in rows
           if tuple(row[name] for name in KEY) not in known]
    if not new:
        return 0
    table = pa.Table.from_pylist(new, schema=TIMINGS)
    whole = (table if before is None else pa.concat_tables([before, table])).sort_by(
        [("sku", "ascending"), ("at", "ascending"), ("shot", "ascending")])
    buffer = io.BytesIO()
    pq.write_table(whole, buffer, compression="zstd", version="2.6")
    store.write_bytes(_path(day), buffer.getvalue())
    return len(new)


def _read(store: ArtifactStore, day: str) -> pa.Table | None:
    data = store.read_bytes(_path(day))
    # Read from bytes: a dataset would make a column of the folder's name.
    return None if data is None else pq.read_table(io.BytesIO(data)).cast(TIMINGS)


def _path(day: str) -> str:
    return f"{TABLE}/date={day}/timings.parquet"


def _moved(store: ArtifactStore) -> dict[str, float]:
    """Every SKU's file and when it was written, by the storage's own clock: one listing."""
    folder = store.root / FOLDER
    try:
        found = folder.fs.find(folder.path, detail=True)
    except FileNotFoundError:
        return {}
    moved = {}
    for path, info in found.items():
        name = path.rpartition("/")[2]
        if name.endswith(".json") and not name.startswith("."):
            at = info.get("LastModified") or info.get("mtime") or 0.0
            moved[name.removesuffix(".json")] = at.timestamp() if isinstance(at, datetime) else float(at)
    return moved


def _since(store: ArtifactStore) -> float:
    data = store.read_bytes(PUBLISHED)
    return 0.0 if data is None else float(json.loads(data)["until"])
