"""The score schema, its versions, and how one table becomes one Parquet file.

A file says in its metadata which table it is and which schema version it was written with. One of an older
version is read through ``UPGRADES``, a step per version, and says so; one of a newer version is refused.
Plain strings throughout: dictionary columns of two files need not agree.

To change columns: raise ``SCHEMA_VERSION``, and register what the step does to a table of the version before.

>>> UPGRADES["scores", 1] = Upgrade("column `gpu` is empty", added("gpu", ""))
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError

SCHEMA_VERSION = 1
ROWS_PER_GROUP = 131_072                   # smaller groups let readers skip more, larger ones cost them less
SMALL = 2_000                              # rows; one SKU's 32 columns unpack in 0.4 ms, with zstd in 1.5, as large
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
class Upgrade:
    """How a table of one schema version becomes one of the next."""

    message: str                           # what a reader has to know of values that were not there
    apply: Callable[[pa.Table], pa.Table]


UPGRADES: dict[tuple[str, int], Upgrade] = {}  # by table ("scores", "measurements") and the version it starts from


def added(name: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """A step that gives every row of an older table the same value in a column it lacks; None where that is allowed."""
    def apply(table: pa.Table) -> pa.Table:
        return table.append_column(name, pa.array([value] * table.num_rows))
    return apply


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file, metadata kept; the same table gives the same bytes."""
    buffer = io.BytesIO()
    compression = "snappy" if table.num_rows < SMALL else "zstd"
    pq.write_table(table, buffer, compression=compression, version="2.6", row_group_size=ROWS_PER_GROUP)
    return buffer.getvalue()


def table_from_bytes(data: bytes, schema: pa.Schema, name: str) -> pa.Table:
    """Read a table of ``schema``, brought up to its version. ``name`` is for errors.

    Raises StoreError ``file_damaged``, or ``schema_unknown`` for a version that is newer or has no way up.
    """
    try:
        # Not pq.read_table: it makes a dataset of one file, at three times the time of reading a small one.
        table = pq.ParquetFile(io.BytesIO(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:  # OSError: cut short, or a page that does not unpack
        raise StoreError("file_damaged", f"{name} is not a readable Parquet file.",
                         "Run `packshot verify`, then materialize the asset again.") from error
    return _upgraded(table, schema, name).select(schema.names).cast(schema)


def _version(schema: pa.Schema) -> int:
    found = (schema.metadata or {}).get(b"schema_version", b"")
    return int(found) if found.isdigit() else -1


def _upgraded(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    kind, found = schema.metadata[b"table"].decode(), _version(table.schema)
    if found > SCHEMA_VERSION:
        raise StoreError("schema_unknown", f"{name} has schema version {found}; this version reads {SCHEMA_VERSION}.",
                         "Use the Packshot version that wrote it, or a newer one.")
    for version in range(found, SCHEMA_VERSION):
        step = UPGRADES.get((kind, version))
        if step is None:
            shown = "?" if found < 0 else found
            raise StoreError("schema_unknown", f"{name} has schema version {shown}; this version reads "
                             f"{SCHEMA_VERSION}.", "Materialize the asset again, or use the version that wrote it.")
        logging.getLogger(__name__).info("%s: schema %d read as %d, %s", name, version, version + 1, step.message)
        table = step.apply(table)
    if found < SCHEMA_VERSION and "schema_version" in table.column_names:
        column = pa.array([SCHEMA_VERSION] * table.num_rows, pa.int32())
        table = table.set_column(table.schema.get_field_index("schema_version"), "schema_version", column)
    return table
