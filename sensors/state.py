"""What is known of every SKU between two looks: small, in the store, and written only where it changed.

``state/refresh.json`` has a line per SKU and is all that a look at an unchanged catalogue reads. Hashes of single
files stand in ``state/files/``, 256 buckets that are opened for SKUs whose files have moved.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from pipeline.errors import StoreError
from pipeline.store import ArtifactStore

STATE, FILES = "state/refresh.json", "state/files"
SCHEMA = 2
BUCKETS = 256


@dataclass(frozen=True, slots=True)
class SkuState:
    """One SKU."""

    signatures: str = ""                       # digest of all names and signatures when its files were last read
    files: str = ""                            # digest of all names and contents then
    asked_files: str = ""                      # the same at the last request
    basis: str = ""                            # which facets that request was made under; "": never asked for
    sequence: int = 0                          # counts requests; makes A→B→A run again
    run_key: str = ""                          # of the batch that the last request belongs to
    answered: bool = True                      # that request was carried out, whatever came of it
    failure: str = ""                          # class of the error it ended with
    postponed: bool = False                    # its run's time was up
    lost: int = 0                              # runs that ended while they worked on it
    visited: float = 0.0                       # when it was last carried out, seconds since 1970
    missing: bool = False                      # the folder is gone; history is kept
    asked_at: float = 0.0                      # when it was last asked for, seconds since 1970


_VALUES = attrgetter(*(each.name for each in fields(SkuState)))  # astuple copies deeply, a third of a second for 10,000


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The files of one SKU by relative path."""

    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # signature and sha256, as last read
    asked: Mapping[str, str] = field(default_factory=dict)              # sha256, at the last request


@dataclass
class State:
    """Everything. ``save`` it before requests that follow from it leave."""

    skus: dict[str, SkuState] = field(default_factory=dict)
    bases: dict[str, dict[str, str]] = field(default_factory=dict)  # facets by the name of their set
    retired: dict[str, float] = field(default_factory=dict)         # run keys that were answered → since when
    beside: dict[str, tuple[str, str]] = field(default_factory=dict)  # files beside catalogue.yaml: signature, sha256
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))  # of a state that was lost no run key comes again
    _buckets: dict[int, dict[str, FileRecord]] = field(default_factory=dict)
    _touched: set[int] = field(default_factory=set)
    _saved: bytes = b""

    def files(self, store: ArtifactStore, sku: str) -> FileRecord:
        """The files of one SKU; an absent or damaged bucket only means that they are read again."""
        return self._bucket(store, sku).get(sku, FileRecord())

    def put_files(self, store: ArtifactStore, sku: str, record: FileRecord) -> None:
        bucket = self._bucket(store, sku)
        if bucket.get(sku) != record:
            bucket[sku] = record
            self._touched.add(bucket_of(sku))

    def _bucket(self, store: ArtifactStore, sku: str) -> dict[str, FileRecord]:
        number = bucket_of(sku)
        if number not in self._buckets:
            try:
                entries = json.loads(store.read_bytes(f"{FILES}/{number:02x}.json") or b"{}")
                self._buckets[number] = {name: FileRecord({file: (pair[0], pair[1]) for file, pair in known.items()},
                                                          asked) for name, (known, asked) in entries.items()}
            except (json.JSONDecodeError, ValueError, TypeError, AttributeError):
                self._buckets[number] = {}
        return self._buckets[number]

    def save(self, store: ArtifactStore) -> None:
        """Write what changed. The buckets go first: without their line in the state they only save reading."""
        for number in sorted(self._touched):
            entries = {sku: (dict(each.known), dict(each.asked)) for sku, each in sorted(self._buckets[number].items())}
            store.write_bytes(f"{FILES}/{number:02x}.json", json.dumps(entries).encode())
        self._touched.clear()
        used = {state.basis for state in self.skus.values()}
        record = {"schema": SCHEMA, "bases": {name: self.bases[name] for name in sorted(used & set(self.bases))},
                  "retired": self.retired, "beside": self.beside, "epoch": self.epoch,
                  "skus": {sku: _VALUES(state) for sku, state in sorted(self.skus.items())}}
        data = json.dumps(record, separators=(",", ":")).encode()
        if data != self._saved:
            store.write_bytes(STATE, data)
            self._saved = data


def load_state(store: ArtifactStore) -> State:
    """What is known; nothing where the store is new. Raises StoreError for a state of a newer version."""
    data = store.read_bytes(STATE)
    if data is None:
        return State()
    try:
        record: dict[str, Any] = json.loads(data)
        schema = int(record["schema"])
        if schema < SCHEMA:
            raise KeyError(schema)
        if schema == SCHEMA:
            return State({sku: SkuState(*entry) for sku, entry in record["skus"].items()}, record["bases"],
                         record["retired"], {name: (pair[0], pair[1]) for name, pair in record["beside"].items()},
                         record["epoch"], _saved=data)
    except (ValueError, KeyError, TypeError) as error:
        logging.getLogger(__name__).warning("%s is of an older version or damaged (%r): every SKU is looked at once "
                                            "more, what is unchanged is kept.", STATE, error)
        return State()
    raise StoreError("schema_unknown", f"{STATE} has schema {schema}; this version reads {SCHEMA}.",
                     "Use the version that wrote it, or delete it: every SKU is then looked at once more.")


def bucket_of(sku: str) -> int:
    """0..255, the same on every machine and for ever."""
    return hashlib.sha256(sku.encode()).digest()[0] % BUCKETS
