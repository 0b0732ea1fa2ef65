"""``current.json``: what names the files of an artefact, and its schema versions.

Schema 2 names the folder of the writing, ``<data version>-<nonce>``. In schema 1 the folder was called as the data
version, and two writers of one version shared it; it is read as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from upath import UPath

from pipeline.artifact import Artifact, StoredFile
from pipeline.errors import StoreError
from pipeline.local_cache import LocalCache

SCHEMA = 2
NAME = "current.json"
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

# By the schema it starts from: what makes a record one of the next.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda record: {**record, "schema": 2, "folder": record["data_version"]},
}


def manifest_bytes(artifact: Artifact) -> bytes:
    """The record of an artefact, of the present schema."""
    record = {"schema": SCHEMA, "asset": artifact.asset, "sku": artifact.sku, "data_version": artifact.data_version,
              "folder": artifact.folder.name, "inputs": artifact.inputs, "metadata": artifact.metadata,
              "files": {name: asdict(stored) for name, stored in artifact.files.items()},
              "written_at": artifact.written_at}
    return json.dumps(record, indent=1).encode()


def artifact_from(data: bytes, asset: str, sku: str, home: UPath, cache: LocalCache | None) -> tuple[Artifact, int]:
    """The artefact a record names, and the schema it was written with.

    Args:
        home: the SKU's folder of this asset.

    Raises StoreError ``manifest_damaged``, or ``schema_unknown`` for a schema that this version does not know.
    """
    try:
        record: dict[str, Any] = json.loads(data)
        schema = record["schema"]
        if not isinstance(schema, int):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise _damaged(asset, sku) from None
    if schema != SCHEMA and schema not in UPGRADES:
        raise StoreError("schema_unknown", f"{asset}/{sku} was written with store schema {schema}; this version reads "
                         f"1 to {SCHEMA}.", "Use the Packshot version that wrote it, or a newer one.")
    try:
        for each in range(schema, SCHEMA):
            record = UPGRADES[each](record)
        files = {name: StoredFile(str(entry["sha256"]), int(entry["size"])) for name, entry in record["files"].items()}
        folder = record["folder"]
        if not isinstance(folder, str) or not _FOLDER.fullmatch(folder) or any(_leads_out(name) for name in files):
            raise ValueError
        return Artifact(asset, sku, str(record["data_version"]), dict(record["inputs"]), files,
                        dict(record["metadata"]), home / folder, float(record.get("written_at") or 0.0), cache), schema
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(asset, sku) from None


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")


def _damaged(asset: str, sku: str) -> StoreError:
    return StoreError("manifest_damaged", f"{asset}/{sku}/{NAME} cannot be read.",
                      "Run `packshot verify --repair`, then run again: it is made anew.")
