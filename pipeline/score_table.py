"""A whole catalogue's scores as tables for analysts, brought up to date at the price of what has changed.

``score_table/current`` holds each SKU's latest scores in at most 64 files, ``score_table/history/date=…`` every
score ever given, a day's in as few files as their size allows. Both grow by whole objects that appear at once:
history first, then ``current``, then the index (:mod:`pipeline.score_index`). Whoever is killed in between leaves
rows that the next compaction finds and does not add again. Two compactions at once take turns
(:mod:`pipeline.exclusive`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StoreError
from pipeline.exclusive import Check, exclusively
from pipeline.score_index import (
    CurrentIndex,
    HistoryIndex,
    key,
    keys_of,
    manifest_signatures,
    signature,
    signatures,
    size_in,
    tree_signatures,
)
from pipeline.score_schema import SCORES, parquet_bytes, table_from_bytes
from pipeline.store import Artifact, ArtifactStore

BUCKETS = 64
ASSET, SCORES_FILE = "sentinel_scores", "scores.parquet"
CURRENT, HISTORY = "score_table/current", "score_table/history"
READERS = {True: 2, False: 16}             # objects read at once, by whether from a disk: on S3 it is all waiting
ROWS_AT_ONCE = 500_000                     # read and not yet written; about 200 MB
PART_BYTES = 4_000_000                     # a day's last part grows to this, then another is begun
# What is wrong with one SKU and no other; anything else, such as storage out of reach, ends the compaction.
DAMAGED = ("file_missing", "file_damaged", "manifest_damaged", "schema_unknown")


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """What one compaction did."""

    skus: int                              # SKUs in ``current`` now
    rows: int                              # rows in ``current`` now
    buckets_written: int                   # files of ``current`` that changed
    history_rows: int                      # rows appended to ``history``
    unreadable: tuple[str, ...] = ()       # SKUs left out because their stored scores are damaged
    read: int = 0                          # SKUs whose scores were read


def compact(store: ArtifactStore, run_id: str = "manual", at: datetime | None = None,
            skus: Collection[str] | None = None) -> CompactionResult:
    """Bring ``score_table`` up to date with every SKU's current scores.

    Args:
        run_id: who writes, for those who wait.
        at: when, for history's date; now by default.
        skus: SKUs of the catalogue; others leave ``current`` and keep their history. All by default.

    Raises StoreError ``table_busy`` where another compaction does not end.
    """
    with exclusively(store, "score_table", run_id) as held, _readers(store) as readers:
        return _Compaction(store, held, readers, at or datetime.now(UTC)).run(skus)


def read_current(store: ArtifactStore, columns: Collection[str] | None = None) -> pa.Table:
    """Every SKU's latest scores, sorted by SKU; empty where nothing was compacted yet."""
    names = [f"{CURRENT}/{name}" for name in sorted(signatures(store.root / CURRENT))]
    wanted = SCORES.names if columns is None else [*dict.fromkeys(["sku", *columns])]
    with _readers(store) as readers:
        tables = list(readers.map(lambda name: _table(store, name).select(wanted), names))
    table = pa.concat_tables(tables).sort_by("sku") if tables else SCORES.empty_table()
    return table if columns is None else table.select(list(columns))


def read_history(store: ArtifactStore) -> pa.Table:
    """Every score ever given, oldest date first."""
    # Read one by one: a dataset would take sku=000123 for a number.
    tables = [_table(store, f"{HISTORY}/{part}") for part in sorted(tree_signatures(store.root / HISTORY))]
    return pa.concat_tables(tables) if tables else SCORES.empty_table()


def bucket_of(sku: str) -> int:
    """0..63, the same on every machine and for ever."""
    return hashlib.sha256(sku.encode()).digest()[0] % BUCKETS


def bucket_name(sku: str) -> str:
    return f"bucket-{bucket_of(sku):02d}.parquet"


@dataclass
class _Compaction:
    store: ArtifactStore
    held: Check
    readers: ThreadPoolExecutor
    at: datetime
    unreadable: set[str] = field(default_factory=set)
    read: int = 0
    written: int = 0
    fresh: list[pa.Table] = field(default_factory=list)       # read, and not yet in history
    ready: dict[str, pa.Table] = field(default_factory=dict)  # buckets that wait for that
    before: dict[str, bytes] = field(default_factory=dict)    # what lies at their place

    def run(self, skus: Collection[str] | None) -> CompactionResult:
        listed = manifest_signatures(self.store, ASSET)
        wanted = listed if skus is None else {sku: found for sku, found in listed.items() if sku in skus}
        files = signatures(self.store.root / CURRENT)
        self.index = CurrentIndex.load(self.store, files, bucket_name)
        self.history = _History(self.store, self.held, self.at)
        moved = {sku for sku, found in wanted.items() if self.index.skus.get(sku, ("", ""))[0] != found}
        gone = self.index.skus.keys() - wanted.keys()
        touched: dict[str, list[str]] = {name: [] for name in sorted(
            {bucket_name(sku) for sku in moved | gone} | (files.keys() - self.index.files.keys()))}
        for sku in sorted(wanted):
            if (name := bucket_name(sku)) in touched:
                touched[name].append(sku)
        for sku in gone:
            del self.index.skus[sku]
        for name, members in touched.items():
            self._bring_up(name, members, wanted, moved, name in files)
            if sum(table.num_rows for table in (*self.fresh, *self.ready.values())) > ROWS_AT_ONCE:
                self._flush()
        self._flush()
        self.history.save()
        if touched:
            self.held()
            self.index.save(self.store)
        return CompactionResult(len(self.index.skus), sum(rows for _, rows in self.index.files.values()),
                                self.written, self.history.added, tuple(sorted(self.unreadable)), self.read)

    def _bring_up(self, name: str, members: list[str], wanted: Mapping[str, str], moved: Collection[str],
                  exists: bool) -> None:
        """Make one bucket's new table. Scores of a version that it holds already are not read again."""
        held = self._held_in(name) if exists else {}
        keys = {sku: key(sku, self.index.skus[sku][1]) for sku in members if sku not in moved}
        asked = [sku for sku in members if keys.get(sku) not in held]
        artifacts = [each for each in self.readers.map(self._scored, asked) if each is not None]
        keys |= {each.sku: key(each.sku, each.data_version) for each in artifacts}
        unread = [each for each in artifacts if keys[each.sku] not in held]
        for artifact, table in zip(unread, self.readers.map(self._scores_in, unread), strict=True):
            if table is not None:
                held[keys[artifact.sku]] = table
                self.fresh.append(table)
                self.read += 1
        for sku in members:
            self.index.skus.pop(sku, None)
        kept = {sku: held[keys[sku]] for sku in members if keys.get(sku) in held}
        self.index.skus |= {sku: (wanted[sku], keys[sku].partition("/")[2]) for sku in kept}
        self.ready[name] = pa.concat_tables([SCORES.empty_table(), *kept.values()]).combine_chunks()

    def _flush(self) -> None:
        """Write what is ready: history before `current`, whose rows count as being in it."""
        self.history.append(self.fresh)
        for name, table in self.ready.items():
            path = self.store.root / CURRENT / name
            self.index.files.pop(name, None)
            if not table.num_rows:
                self.held()
                self.store.remove(path)
                continue
            data = parquet_bytes(table)
            if data != self.before.get(name):
                self.held()
                self.store.write_bytes(f"{CURRENT}/{name}", data)
                self.written += 1
            self.index.files[name] = (signature(path), table.num_rows)
        self.fresh, self.ready, self.before = [], {}, {}

    def _held_in(self, name: str) -> dict[str, pa.Table]:
        """A bucket's rows by (SKU, data version); nothing of one that is damaged, which is made anew."""
        data = self.store.read_bytes(f"{CURRENT}/{name}") or b""
        try:
            table = table_from_bytes(data, SCORES, name)
        except StoreError as error:
            if error.code != "file_damaged":
                raise
            return {}
        self.before[name] = data
        return _by_version(table)

    def _scored(self, sku: str) -> Artifact | None:
        """A SKU's scores; None where it has none that can be read."""
        try:
            artifact = self.store.current(ASSET, sku)
        except StoreError as error:
            self._set_aside(sku, error)
            return None
        return None if artifact is None or SCORES_FILE not in artifact.files else artifact

    def _scores_in(self, artifact: Artifact) -> pa.Table | None:
        try:
            return table_from_bytes(artifact.path(SCORES_FILE).read_bytes(), SCORES, artifact.url(SCORES_FILE))
        except StoreError as error:
            self._set_aside(artifact.sku, error)
            return None

    def _set_aside(self, sku: str, error: StoreError) -> None:
        """One damaged SKU must not keep the others from their table; storage out of reach is another matter."""
        if error.code not in DAMAGED:
            raise error
        self.unreadable.add(sku)


class _History:
    """Adds to ``history`` what it does not hold."""

    def __init__(self, store: ArtifactStore, held: Check, at: datetime) -> None:
        self._store, self._held = store, held
        self._day = f"date={at.astimezone(UTC):%Y-%m-%d}"
        self._index: HistoryIndex | None = None
        self.added = 0                     # rows

    def append(self, tables: list[pa.Table]) -> None:
        """Each table holds one version of one SKU."""
        by_key = {key(table["sku"][0].as_py(), table["data_version"][0].as_py()): table
                  for table in tables if table.num_rows}
        if not by_key:
            return
        index = self._index = self._index or self._load()
        known = index.known(by_key)
        new = {each: table for each, table in by_key.items() if each not in known}
        if not new:
            return
        part, before = self._last_part(index)
        added = pa.concat_tables(new.values())
        self._held()
        self._store.write_bytes(f"{HISTORY}/{part}", parquet_bytes(pa.concat_tables([*before, added]).combine_chunks()))
        index.add(part, list(new), signature(self._store.root / HISTORY / part))
        self.added += added.num_rows

    def save(self) -> None:
        if self._index is not None:
            self._held()
            self._index.save(self._store)

    def _load(self) -> HistoryIndex:
        parts = tree_signatures(self._store.root / HISTORY)
        index = HistoryIndex.load(self._store, parts)
        for part in sorted(parts.keys() - index.parts.keys()):
            index.add(part, keys_of(_table(self._store, f"{HISTORY}/{part}")), parts[part])
        return index

    def _last_part(self, index: HistoryIndex) -> tuple[str, list[pa.Table]]:
        """Where to write, and what stands there: a day of many small batches is not a day of many small files."""
        numbered = [part for part in index.parts if re.fullmatch(rf"{self._day}/part-\d{{4}}\.parquet", part)]
        last = max(numbered, default=f"{self._day}/part-0000.parquet")
        if numbered and size_in(index.parts[last]) < PART_BYTES:
            return last, [_table(self._store, f"{HISTORY}/{last}")]
        return f"{self._day}/part-{int(last[-12:-8]) + 1:04d}.parquet", []


def _by_version(table: pa.Table) -> dict[str, pa.Table]:
    """Row runs of one table by (SKU, data version); rows of one SKU stand together."""
    if not table.num_rows:
        return {}
    whole = pc.binary_join_element_wise(table["sku"], table["data_version"], "/").combine_chunks()
    runs = pc.run_end_encode(whole)
    ends = runs.run_ends.to_pylist()
    starts = [0, *ends[:-1]]
    return {each: table.slice(start, end - start)
            for each, start, end in zip(runs.values.to_pylist(), starts, ends, strict=True)}


def _readers(store: ArtifactStore) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(READERS[store.is_local])


def _table(store: ArtifactStore, name: str) -> pa.Table:
    return table_from_bytes(store.read_bytes(name) or b"", SCORES, name)
