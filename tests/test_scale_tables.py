"""Score tables while things go wrong: killed at any write, two writers at once, older files, thousands of SKUs."""

from __future__ import annotations

import errno
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from pipeline import exclusive, score_schema, score_table
from pipeline import scores as tables
from pipeline.errors import StoreError
from pipeline.exclusive import exclusively
from pipeline.s3_files import S3Files
from pipeline.score_schema import MEASUREMENTS, SCHEMA_VERSION, SCORES, Upgrade, added, parquet_bytes
from pipeline.score_table import CURRENT, HISTORY, bucket_name, compact, read_current, read_history
from pipeline.sentinel import judge
from pipeline.store import Artifact, ArtifactStore
from tests.s3 import s3_server
from tests.test_scores import MEASURED, context, put

DAY = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[tuple[str, str, str, str]]


class Killed(BaseException):
    """What no `except Exception` catches, as a signal."""


def rows(table: pa.Table) -> Rows:
    """What tells one row from another here, sorted; a doubled row shows twice."""
    return sorted(zip(*(table[name].to_pylist() for name in ("sku", "data_version", "shot", "estimator")),
                      strict=True))


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, count: int, *, after: bool) -> Iterator[Callable[[], int]]:
    """Die at the ``count``-th write or removal, before or after it is done; yields how many there have been."""
    seen = 0
    write, remove = ArtifactStore.write_bytes, ArtifactStore.remove

    def dying(act: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            nonlocal seen
            seen += 1
            if seen == count and not after:
                raise Killed
            done = act(*arguments, **options)
            if seen == count:
                raise Killed
            return done
        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(ArtifactStore, "write_bytes", dying(write))
        patched.setattr(ArtifactStore, "remove", dying(remove))
        yield lambda: seen


def change(store: ArtifactStore, night: int) -> None:
    """A night in which one SKU is new, one changed, one goes back to what it was, and one stays."""
    put(store, "stays", "v1")
    put(store, f"new-{night}", "v1")
    put(store, "changes", f"v{night}")
    put(store, "back", "v1" if night % 2 else "v2")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_no_row_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                       after: bool) -> None:
    reference = ArtifactStore(tmp_path / "undisturbed")
    for night in (1, 2, 3):
        change(reference, night)
        compact(reference, at=DAY)
    present = {"stays", "changes", "back", "new-1", "new-3"}
    compact(reference, at=DAY, skus=present)
    kills, removals = 0, 0
    for count in range(1, 100):
        store = ArtifactStore(tmp_path / f"killed-{count}")
        for night in (1, 2):
            change(store, night)
            compact(store, at=DAY)
        change(store, 3)
        with killed_at(monkeypatch, count, after=after) as seen:
            try:
                compact(store, at=DAY, skus=present)
            except Killed:
                kills += 1
            reached = seen() >= count
            removals += bucket_name("new-2") not in {path.name for path in (store.root / CURRENT).iterdir()}
        if not reached:
            break
        during = read_history(store)
        assert tables.duplicate_keys(during) == [] == tables.duplicate_keys(read_current(store))
        compact(store, at=DAY, skus=present)
        assert rows(read_current(store)) == rows(read_current(reference))
        assert rows(read_history(store)) == rows(read_history(reference))
        assert compact(store, at=DAY, skus=present).read == 0
    assert kills >= 6, "history, buckets, a removed one, and both indexes"
    assert 0 < removals < kills, "some were killed before the emptied bucket was removed, some after"


class Slow(ArtifactStore):
    """Takes its time between reading and writing, as storage across a network does."""

    def write_bytes(self, name: str, data: bytes) -> UPath:
        time.sleep(0.02)
        return super().write_bytes(name, data)


def _compact_again_and_again(location: str, until: float) -> None:
    while time.time() < until:
        compact(Slow(location))


def test_two_compactions_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    spawned = multiprocessing.get_context("spawn")
    until = time.time() + 8
    others = [spawned.Process(target=_compact_again_and_again, args=(str(tmp_path), until)) for _ in range(2)]
    for other in others:
        other.start()
    nights = 0
    while time.time() < until:
        nights += 1
        for sku in ("a", "b", "c"):
            put(store, sku, f"v{nights}")
        compact(Slow(tmp_path))
    for other in others:
        other.join()
        assert other.exitcode == 0
    compact(store)
    assert nights > 3
    wanted = {(sku, f"v{night}") for sku in "abc" for night in range(1, nights + 1)}
    history = read_history(store)
    assert {row[:2] for row in rows(history)} == wanted
    assert tables.duplicate_keys(history) == []
    assert {row[:2] for row in rows(read_current(store))} == {(sku, f"v{nights}") for sku in "abc"}


def test_one_that_waits_says_for_whom(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with (exclusively(store, "score_table", "run 17"), pytest.raises(StoreError, match="run 17") as caught,
          exclusively(store, "score_table", "run 18", wait_s=0.2)):
        pass
    assert caught.value.code == "table_busy"
    with exclusively(store, "score_table", "run 18", wait_s=0.2):
        pass


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(StoreError) as caught:
        compact(store)
    assert caught.value.code == "store_read_only"


def test_on_s3_a_lease_excludes_and_one_whose_holder_died_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "LEASE_S", 3.0)
    with s3_server("lease-bucket"):
        store = ArtifactStore("s3://lease-bucket/store")
        inside: list[int] = []

        def hold(number: int) -> None:
            with exclusively(ArtifactStore("s3://lease-bucket/store"), "score_table", str(number)) as held:
                inside.append(number)
                time.sleep(0.05)
                held()
                inside.append(number)

        threads = [threading.Thread(target=hold, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(inside) == sorted([*range(4), *range(4)])
        assert all(inside[at] == inside[at + 1] for at in range(0, 8, 2)), "never two inside"

        with exclusively(store, "score_table", "alive"):
            time.sleep(3.5)                # longer than the lease: it is renewed
            with pytest.raises(StoreError, match="alive"), exclusively(store, "score_table", "late", wait_s=1):
                pass
        dead = exclusive._Lease(store.root / exclusive.FOLDER / "score_table", "dead")
        dead.take("score_table", 1)        # and nobody renews it
        started = time.monotonic()
        with exclusively(store, "score_table", "heir"):
            assert time.monotonic() - started > 2.9
        with pytest.raises(StoreError) as caught:
            dead.check()
        assert caught.value.code == "lock_lost"


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for number in range(40):
        put(store, f"sku-{number}", "v1")
    assert compact(store).read == 40
    asked: list[str] = []
    objects: list[str] = []

    class Watched(ArtifactStore):
        def current(self, asset: str, sku: str) -> Artifact | None:
            asked.append(sku)
            return super().current(asset, sku)

        def read_bytes(self, name: str) -> bytes | None:
            objects.append(name)
            return super().read_bytes(name)

    store = Watched(tmp_path)
    assert compact(store).read == 0
    assert (asked, objects) == ([], ["score_table/index/current.arrow"])
    put(ArtifactStore(tmp_path), "sku-7", "v2")
    objects.clear()
    result = compact(store)
    assert (set(asked), result.read, result.buckets_written, result.skus, result.rows) == ({"sku-7"}, 1, 1, 40, 240)
    day = f"{HISTORY}/date={datetime.now(UTC):%Y-%m-%d}"
    objects = [name for name in objects if name.startswith("score_table")]
    assert objects == ["score_table/index/current.arrow", f"score_table/current/{bucket_name('sku-7')}",
                       "score_table/index/history.arrow", f"{day}/part-0001.parquet"]


def test_on_s3_a_compaction_of_nothing_costs_listings_and_no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server("asks-bucket"):
        store = ArtifactStore("s3://asks-bucket/store")
        for number in range(12):
            put(store, f"sku-{number}", "v1")
        compact(store)
        asked: Counter[str] = Counter()
        call = S3Files._call_s3

        async def counted(self: S3Files, method: str, *given: object, **arguments: object) -> object:
            asked[f"{method} {arguments.get('Key', arguments.get('Prefix', ''))}".rpartition("sku-")[0]] += 1
            asked[method] += 1
            return await call(self, method, *given, **arguments)

        monkeypatch.setattr(S3Files, "_call_s3", counted)
        assert compact(store).read == 0
        assert not any(name.startswith("get_object store/sentinel_scores") for name in asked), asked
        assert asked["list_objects_v2"] <= 6, "SKUs, current, and the lease's numbers"
        assert asked["get_object"] <= 3, "the index, and the lease"
        put(store, "sku-3", "v2")
        asked.clear()
        assert compact(store).read == 1
        assert asked["get_object store/sentinel_scores/"] <= 3, "one manifest, one file of scores"


def test_a_manifest_that_moved_and_says_the_same_adds_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")
    compact(store)
    put(store, "shoe", "v1")
    again = compact(store)
    assert (again.read, again.buckets_written, again.history_rows) == (0, 0, 0)


@pytest.mark.parametrize("lost", ["index", "current", "both"])
def test_an_index_is_never_believed_against_the_tables(tmp_path: Path, lost: str) -> None:
    store = ArtifactStore(tmp_path)
    for sku in ("shoe", "mug", "gone"):
        put(store, sku, "v1")
    compact(store)
    for folder in ("index", "current") if lost == "both" else (lost,):
        for path in (tmp_path / "score_table" / folder).iterdir():
            path.write_bytes(path.read_bytes()[:40])
    again = compact(store, skus={"shoe", "mug"})
    assert (again.skus, again.rows, again.history_rows) == (2, 12, 0)
    assert set(read_current(store)["sku"].to_pylist()) == {"shoe", "mug"}
    assert read_history(store).num_rows == 18


def test_a_day_of_many_batches_is_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path)
    for batch in range(6):
        put(store, f"sku-{batch}", "v1")
        compact(store, at=DAY)
    day = tmp_path / HISTORY / "date=2026-01-01"
    assert [path.name for path in day.iterdir()] == ["part-0001.parquet"]
    monkeypatch.setattr(score_table, "PART_BYTES", 100)
    put(store, "sku-0", "v2")
    compact(store, at=DAY)
    assert sorted(path.name for path in day.iterdir()) == ["part-0001.parquet", "part-0002.parquet"]
    assert read_history(store).num_rows == 42
    assert tables.duplicate_keys(read_history(store)) == []


def test_history_of_an_earlier_version_by_run_is_gone_on_with(tmp_path: Path) -> None:
    """Stores before numbered parts have one per run, and no index."""
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")
    compact(store, at=DAY)
    day = tmp_path / HISTORY / "date=2026-01-01"
    (day / "part-0001.parquet").rename(day / "part-run-1.parquet")
    for path in (tmp_path / "score_table/index").iterdir():
        path.unlink()
    put(store, "mug", "v1")
    assert compact(store, at=DAY).history_rows == 6
    assert sorted(path.name for path in day.iterdir()) == ["part-0001.parquet", "part-run-1.parquet"]


def test_scores_that_cannot_be_read_are_named_and_stop_nobody(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for sku in ("shoe", "mug", "hat"):
        put(store, sku, "v1")
    for sku in ("mug", "hat"):
        artifact = store.require("sentinel_scores", sku)
        path = artifact.path("scores.parquet")
        path.write_bytes(b"\0" * path.stat().st_size if sku == "mug" else b"short")
    for _ in range(2):
        result = compact(store)
        assert (result.skus, result.unreadable) == (1, ("hat", "mug"))
    put(store, "mug", "v1")
    assert compact(store).unreadable == ("hat",)


def test_storage_out_of_reach_ends_the_compaction_and_removes_nobody(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path)
    for sku in ("shoe", "mug"):
        put(store, sku, "v1")
    compact(store)
    put(store, "mug", "v2")

    def away(*_: object) -> None:
        raise StoreError("storage_unreachable", "The storage does not answer.", "Try again.")

    with monkeypatch.context() as patched:
        patched.setattr(ArtifactStore, "current", away)
        with pytest.raises(StoreError, match="does not answer"):
            compact(store)
    assert rows(read_current(store)) == rows(pa.concat_tables([read_history(store)]))
    assert compact(store).history_rows == 6


def older(path: Path, version: str, without: str) -> None:
    """Write scores as an earlier version did: by hand, with a column less."""
    table = tables.score_rows(judge(MEASURED), context()).drop_columns([without])
    table = table.set_column(0, "schema_version", pa.array([int(version)] * table.num_rows, pa.int32()))
    pq.write_table(table.replace_schema_metadata({"schema_version": version, "table": "scores"}), path)


def test_an_older_version_is_read_with_a_message_and_a_newer_one_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    older(tmp_path / "old.parquet", "0", "calibration_n")
    with pytest.raises(StoreError) as caught:
        tables.read_scores(tmp_path / "old.parquet")
    assert caught.value.code == "schema_unknown", "no step is registered for it"
    monkeypatch.setitem(score_schema.UPGRADES, ("scores", 0),
                        Upgrade("column `calibration_n` is 0", added("calibration_n", 0)))
    with caplog.at_level("INFO"):
        table = tables.read_scores(tmp_path / "old.parquet")
    assert table.schema.equals(SCORES)
    assert set(table["calibration_n"].to_pylist()) == {0}
    assert set(table["schema_version"].to_pylist()) == {SCHEMA_VERSION}
    assert "column `calibration_n` is 0" in caplog.text
    assert "old.parquet" in caplog.text

    newer = str(SCHEMA_VERSION + 1)
    pq.write_table(table.replace_schema_metadata({"schema_version": newer, "table": "scores"}), tmp_path / "new")
    with pytest.raises(StoreError, match=f"version {newer}") as caught:
        tables.read_scores(tmp_path / "new")
    assert caught.value.code == "schema_unknown"


def test_after_a_bump_version_1_files_and_tables_are_read_and_written_again(tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """What raising SCHEMA_VERSION will mean for a store of today."""
    store = ArtifactStore(tmp_path)
    for sku in ("shoe", "mug"):
        put(store, sku, "v1")
    compact(store)
    put(store, "hat", "v1")                # not in the tables yet

    fields = [*SCORES, pa.field("gpu", pa.string(), nullable=False)]
    bumped = pa.schema(fields, metadata={"schema_version": "2", "table": "scores"})
    monkeypatch.setattr(score_schema, "SCHEMA_VERSION", 2)
    monkeypatch.setattr("pipeline.score_index.SCHEMA", "1 of scores 2")
    monkeypatch.setattr(score_table, "SCORES", bumped)
    with pytest.raises(StoreError, match="reads 2"):
        compact(store)
    monkeypatch.setitem(score_schema.UPGRADES, ("scores", 1), Upgrade("column `gpu` is empty", added("gpu", "")))
    result = compact(store)
    assert (result.skus, result.history_rows) == (3, 6)
    for path in (tmp_path / "score_table/current").iterdir():
        assert pq.read_schema(path).metadata[b"schema_version"] == b"2"
    current, history = read_current(store), read_history(store)
    assert rows(current) == rows(history)
    assert set(current["gpu"].to_pylist()) == set(history["gpu"].to_pylist()) == {""}
    assert set(current["schema_version"].to_pylist()) == {2}
    assert compact(store).buckets_written == 0


def test_a_table_of_a_newer_version_is_not_written_over(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")
    compact(store)
    path = tmp_path / "score_table/current" / bucket_name("shoe")
    newer = pq.read_table(path).replace_schema_metadata({"schema_version": "9", "table": "scores"})
    path.write_bytes(parquet_bytes(newer))
    with pytest.raises(StoreError, match="schema version 9"):
        compact(store)
    assert pq.read_schema(path).metadata[b"schema_version"] == b"9"


def test_measurements_of_an_older_version_are_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tables.measurement_rows(MEASURED, "hero").drop_columns(["reason"])
    metadata = {"schema_version": "0", "table": "measurements"}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "old.parquet")
    monkeypatch.setitem(score_schema.UPGRADES, ("measurements", 0), Upgrade("no reasons", added("reason", "")))
    read = tables.measurements_of(tmp_path / "old.parquet", "hero")
    assert [replace(m, value=None) for m in read] == [replace(m, reason="", value=None) for m in MEASURED]
    assert MEASUREMENTS.field("reason").type == pa.string()
