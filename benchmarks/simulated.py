"""A catalogue of thousands of SKUs, its store and Dagster's records, made from one that went through the real loop.

Files that are the same for all are links to that one's; scores are made up, and every SKU has rows of its own. Events
are copies of that one's, with their sizes: thumbnails and verdict tables included.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dagster import DagsterInstance

from benchmarks import loop_cost
from benchmarks.made_scores import made_scores, sku_name
from benchmarks.night import CHEAPEST, night_catalogue
from pipeline.score_schema import parquet_bytes
from pipeline.score_table import ASSET, SCORES_FILE

PATTERN = "box-00000"                      # the SKU that everything is made from
MOSTLY_GOOD = (0.8785, 0.01, 0.001, 0.0005, 0.11)
CHUNK = 500


def simulate(out: Path, count: int) -> list[str]:
    """Make ``out``/catalogue, ``out``/store and its records; returns the SKUs. Goes on where it stopped."""
    names = [sku_name(number) for number in range(count)]
    catalogue, store, home = out / "catalogue", out / "store", out / "store" / ".dagster"
    if not (out / "pattern-made").exists():
        night_catalogue(catalogue, 1)
        home.mkdir(parents=True, exist_ok=True)
        with loop_cost.environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(store),
                                   **CHEAPEST) as resources, DagsterInstance.from_config(str(home)) as instance:
            loop_cost.batch_loop([PATTERN], resources, instance)
        (out / "pattern-made").touch()
    for start in range(0, count, CHUNK):
        members = [name for name in names[start : start + CHUNK]
                   if not (store / ASSET / name / "current.json").exists()]
        if members:
            _copy(catalogue, store, members)
    if not (out / "records-made").exists():
        with DagsterInstance.from_config(str(home)) as instance:
            known = set(instance.get_dynamic_partitions("sku"))
            for start in range(0, count, 20_000):
                instance.add_dynamic_partitions("sku", [name for name in names[start : start + 20_000]
                                                        if name not in known])
        copy_events(home / "history" / "runs" / "index.db", names)
        (out / "records-made").touch()
    return names


def put_scores(store: Path, names: Sequence[str], night: int) -> None:
    """Give SKUs another version of their scores, as a night that scored them would."""
    table = made_scores(names, night, ["square"], MOSTLY_GOOD)
    rows = table.num_rows // len(names)
    for at, name in enumerate(names):
        own = table.slice(at * rows, rows)
        folder = store / ASSET / name
        record = json.loads((folder / "current.json").read_text())
        version = own["data_version"][0].as_py()
        data = parquet_bytes(own.combine_chunks())
        before = folder / record.get("folder", record["data_version"])
        after = folder / version
        after.mkdir(exist_ok=True)
        for path in sorted(before.rglob("*")):
            if path.is_file() and path.name not in (SCORES_FILE, "verdicts.json"):
                target = after / path.relative_to(before)
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(path, target)
        (after / SCORES_FILE).write_bytes(data)
        found = {row["verdict"] for row in own.select(["verdict", "required"]).to_pylist() if row["required"]}
        verdict = "fail" if found & {"fail", "unmeasured"} else "warn" if "warn" in found else "pass"
        verdicts = (json.dumps({"square": verdict}, indent=1) + "\n").encode()
        (after / "verdicts.json").write_bytes(verdicts)
        record["data_version"] = version
        record["metadata"]["verdicts"] = {"square": verdict}
        if "folder" in record:
            record["folder"] = version
        for file, bytes_ in ((SCORES_FILE, data), ("verdicts.json", verdicts)):
            record["files"][file] = {"sha256": hashlib.sha256(bytes_).hexdigest(), "size": len(bytes_)}
        partial = folder / ".current.json"
        partial.write_text(json.dumps(record, indent=1))
        partial.replace(folder / "current.json")


def _copy(catalogue: Path, store: Path, names: Sequence[str]) -> None:
    files = [path.relative_to(catalogue / PATTERN) for path in (catalogue / PATTERN).iterdir()]
    assets = [path.name for path in store.iterdir() if (path / PATTERN).is_dir()]
    kept = {asset: [path.relative_to(store / asset / PATTERN) for path in (store / asset / PATTERN).rglob("*")
                    if path.is_file() and path.suffix != ".exr"] for asset in assets}
    for name in names:
        (catalogue / name).mkdir(exist_ok=True)
        for file in files:
            _link(catalogue / PATTERN / file, catalogue / name / file)
        for asset, found in kept.items():
            for file in found:
                source, target = store / asset / PATTERN / file, store / asset / name / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if file.name == "current.json":
                    record = json.loads(source.read_text())
                    record["sku"] = name
                    record["files"] = {each: entry for each, entry in record["files"].items()
                                       if not each.endswith(".exr")}
                    target.write_text(json.dumps(record, indent=1))
                else:
                    _link(source, target)
    put_scores(store, names, 0)


def _link(source: Path, target: Path) -> None:
    if not target.exists():
        os.link(source, target)


def copy_events(database: Path, names: Sequence[str]) -> None:
    """Every event of the pattern's partition for every other SKU, in one transaction."""
    with sqlite3.connect(database) as connection:
        events = list(_rows(connection, "event_logs", "partition = ?", PATTERN))
        tags = {old: [columns for _, columns in _rows(connection, "asset_event_tags", "event_id = ?", old)]
                for old, _ in events}
        checks = [columns for _, columns in _rows(connection, "asset_check_executions", "partition = ?", PATTERN)]
        for name in names:
            for old, columns in events:
                new = _insert(connection, "event_logs", {
                    **columns, "event": columns["event"].replace(PATTERN, name), "partition": name})
                for each in tags[old]:
                    _insert(connection, "asset_event_tags", {**each, "event_id": new})
            for columns in checks:
                event = columns["evaluation_event"]
                _insert(connection, "asset_check_executions", {
                    **columns, "partition": name, "evaluation_event": event and event.replace(PATTERN, name)})
    connection.close()


def _rows(connection: sqlite3.Connection, table: str, where: str, value: object
          ) -> Iterator[tuple[int, dict[str, Any]]]:
    cursor = connection.execute(f"SELECT * FROM {table} WHERE {where}", (value,))
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        columns = dict(zip(names, row, strict=True))
        yield columns.pop("id"), columns


def _insert(connection: sqlite3.Connection, table: str, columns: dict[str, Any]) -> int:
    marks = ", ".join("?" * len(columns))
    cursor = connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
    assert cursor.lastrowid is not None
    return cursor.lastrowid
