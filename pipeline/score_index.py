"""What the score tables hold, remembered, so that bringing them up to date costs what has changed.

Nothing here is the truth: the tables are. What is remembered of a file counts only while the file's signature
is the one it was remembered with, so an index that is lost, old or half written costs time and nothing else.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather
from upath import UPath

from pipeline.catalogue import is_local
from pipeline.score_schema import SCHEMA_VERSION
from pipeline.store import ArtifactStore

SCHEMA = f"1 of scores {SCHEMA_VERSION}"      # with another version of the scores every file is written again
FOLDER = "score_table/index"


@dataclass
class CurrentIndex:
    """``current``: each SKU's data version there, and the signature of the ``current.json`` it came from."""

    skus: dict[str, tuple[str, str]] = field(default_factory=dict)   # signature, data version
    files: dict[str, tuple[str, int]] = field(default_factory=dict)  # bucket file: its signature, its rows

    @classmethod
    def load(cls, store: ArtifactStore, files: Mapping[str, str], file_of: Callable[[str], str]) -> CurrentIndex:
        """What is remembered of files that are still the same; ``file_of`` tells a SKU's."""
        table, told = _load(store, "current", ("sku", "signature", "data_version"))
        if table is None:
            return cls()
        same = {name: (signature, rows) for name, (signature, rows) in told.items() if files.get(name) == signature}
        columns = (table[name].to_pylist() for name in ("sku", "signature", "data_version"))
        return cls({sku: (signature, version) for sku, signature, version in zip(*columns, strict=True)
                    if file_of(sku) in same}, same)

    def save(self, store: ArtifactStore) -> None:
        skus = sorted(self.skus)
        table = pa.table({"sku": pa.array(skus, pa.string()),
                          "signature": pa.array([self.skus[sku][0] for sku in skus], pa.string()),
                          "data_version": pa.array([self.skus[sku][1] for sku in skus], pa.string())})
        _save(store, "current", table, self.files)


@dataclass
class HistoryIndex:
    """``history``: which (SKU, data version) each part holds."""

    keys: pa.Table                         # columns key (see :func:`key`), part
    parts: dict[str, str]                  # part, its signature

    @classmethod
    def load(cls, store: ArtifactStore, parts: Mapping[str, str]) -> HistoryIndex:
        table, told = _load(store, "history", ("key", "part"))
        if table is None:
            return cls(_keys([], ""), {})
        same = {name: signature for name, signature in told.items() if parts.get(name) == signature}
        if len(same) < len(told):
            table = table.filter(pc.is_in(table["part"], value_set=pa.array(sorted(same), pa.string())))
        return cls(table, same)

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that some part holds."""
        wanted = pa.array(sorted(keys), pa.string())
        return set(self.keys["key"].filter(pc.is_in(self.keys["key"], value_set=wanted)).to_pylist())

    def add(self, part: str, keys: Collection[str], signature: str) -> None:
        """These keys are in a part now, beside those that are known to be."""
        self.keys = pa.concat_tables([self.keys, _keys(keys, part)])
        self.parts[part] = signature

    def save(self, store: ArtifactStore) -> None:
        _save(store, "history", self.keys.combine_chunks(), self.parts)


def key(sku: str, version: str) -> str:
    """One version of one SKU; no SKU has a slash in its name."""
    return f"{sku}/{version}"


def keys_of(table: pa.Table) -> list[str]:
    """The distinct (SKU, data version) of score rows."""
    pairs = table.select(["sku", "data_version"]).group_by(["sku", "data_version"]).aggregate([])
    return [key(row["sku"], row["data_version"]) for row in pairs.to_pylist()]


def signature(path: UPath) -> str:
    """Moves when a file is written again; begins with its size. Raises FileNotFoundError."""
    return _local(os.stat(path.path)) if is_local(path) else _remote(path.fs.info(path.path, refresh=True))


def size_in(signature: str) -> int:
    """Bytes of the file that a signature was taken of."""
    return int(signature.partition(":")[0])


def signatures(folder: UPath) -> dict[str, str]:
    """Every file directly in a folder of the store, with its signature; one listing."""
    if is_local(folder):
        try:
            with os.scandir(folder.path) as entries:
                return {entry.name: _local(entry.stat()) for entry in entries
                        if entry.is_file() and not entry.name.startswith(".")}
        except FileNotFoundError:
            return {}
    return {name: found for name, found in _found(folder).items() if "/" not in name}


def tree_signatures(folder: UPath) -> dict[str, str]:
    """The same for the files one folder further down, as ``folder/file``."""
    if not is_local(folder):
        return {name: found for name, found in _found(folder).items() if name.count("/") == 1}
    try:
        with os.scandir(folder.path) as entries:
            below = sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return {}
    return {f"{name}/{file}": found for name in below for file, found in signatures(folder / name).items()}


def manifest_signatures(store: ArtifactStore, asset: str) -> dict[str, str]:
    """Signature of every SKU's ``current.json`` of one asset: one stat each, or a call per 1,000 objects on S3."""
    folder = store.root / asset
    if not store.is_local:
        return {name.removesuffix("/current.json"): found for name, found in _found(folder).items()
                if name.endswith("/current.json") and name.count("/") == 1}
    listed = {}
    try:
        skus = sorted(os.listdir(folder.path))
    except FileNotFoundError:
        return {}
    for sku in skus:
        try:
            listed[sku] = _local(os.stat(os.path.join(folder.path, sku, "current.json")))
        except (FileNotFoundError, NotADirectoryError):
            continue                       # being made for the first time
    return listed


def _found(folder: UPath) -> dict[str, str]:
    base = folder.path.rstrip("/") + "/"
    try:
        found = folder.fs.find(folder.path, detail=True)
    except FileNotFoundError:
        return {}
    return {path.removeprefix(base): _remote(info) for path, info in found.items()}


def _local(status: os.stat_result) -> str:
    # A file that replaces another within one tick of the clock still has another inode.
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def _remote(info: Mapping[str, Any]) -> str:
    return f"{info.get('size')}:{info.get('ETag')}"


def _keys(keys: Collection[str], part: str) -> pa.Table:
    return pa.table({"key": pa.array(list(keys), pa.string()),
                     "part": pa.array([part] * len(keys), pa.string())})


def _load(store: ArtifactStore, name: str, columns: Collection[str]) -> tuple[pa.Table | None, dict[str, Any]]:
    data = store.read_bytes(f"{FOLDER}/{name}.arrow")
    try:
        table = None if data is None else feather.read_table(io.BytesIO(data))
        metadata = {} if table is None else table.schema.metadata or {}
        if table is None or set(table.column_names) != set(columns) or metadata.get(b"schema") != SCHEMA.encode():
            return None, {}
        return table, json.loads(metadata[b"files"])
    except (pa.ArrowException, OSError, KeyError, ValueError):  # it can be made again
        return None, {}


def _save(store: ArtifactStore, name: str, table: pa.Table, files: Mapping[str, object]) -> None:
    buffer = io.BytesIO()
    feather.write_feather(table.replace_schema_metadata({"schema": SCHEMA, "files": json.dumps(dict(files))}),
                          buffer, compression="zstd")
    store.write_bytes(f"{FOLDER}/{name}.arrow", buffer.getvalue())
