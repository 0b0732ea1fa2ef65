"""Whether what a store remembers and tabulates can be read: state, errors, timings, score tables."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.score_schema import SCHEMA_VERSION

REPAIR = "`packshot verify --repair` takes it out, and the next run makes it anew."
# Written again from the SKUs' artefacts by the next run or publish. The rest says what nothing else remembers.
_MADE_ANEW = ("errors/", "timings/", "score_table/current/")


@dataclass(frozen=True, slots=True)
class Unreadable:
    what: str
    hint: str


def unreadable(name: str, data: bytes) -> Unreadable | None:
    """Why an object of the store cannot be read; None where it can, or where it is of no kind that is checked."""
    hint = REPAIR if name.startswith(_MADE_ANEW) else "Restore it from a copy; if there is none, delete it."
    try:
        if name.endswith(".json"):
            json.loads(data)
        elif name.endswith(".parquet"):
            file = pq.ParquetFile(io.BytesIO(data))
            for _ in file.iter_batches():
                pass
            version = int((file.schema_arrow.metadata or {}).get(b"schema_version", b"0"))
            if name.startswith("score_table/") and version > SCHEMA_VERSION:
                return Unreadable(f"schema version {version}; this version reads up to {SCHEMA_VERSION}",
                                  "Use the Packshot version that wrote it, or a newer one.")
    except (ValueError, OSError, pa.ArrowException) as error:
        return Unreadable(f"unreadable: {(str(error).splitlines() or ['?'])[0][:120]}", hint)
    return None
