"""What a night asked for and what came of it, as a table that a kill neither shortens nor doubles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from dagster import AssetKey

from pipeline.errors import StoreError
from pipeline.night_runs import Night, night_dates, plan_night, publish_nights, read_night_runs
from pipeline.outcomes import Outcome, OutcomeLog
from pipeline.place import place
from pipeline.store import ArtifactStore
from tests.house import house_of
from tests.s3 import s3_server
from tests.small_catalogue import small_catalogue

TODAY = date(2026, 3, 9)
NIGHT = Night("2026-03-09", 1_772_000_000.0, 1_772_020_000.0,
              {"a+1:x": {"a": "texture skin.png changed", "b": "failed before"}, "c:1": {"c": "new"}})


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "disk":
        yield ArtifactStore(tmp_path / "store")
        return
    with s3_server("nights"):
        yield ArtifactStore(place("s3://nights/store"))


def told(store: ArtifactStore) -> dict[str, tuple[str, str]]:
    rows = read_night_runs(store, NIGHT.night).to_pylist()
    assert len(rows) == len({row["sku"] for row in rows})
    return {row["sku"]: (row["result"], row["why"]) for row in rows}


def test_a_row_for_every_sku_that_was_asked_for(store: ArtifactStore) -> None:
    plan_night(store, NIGHT)
    log = OutcomeLog(store, "a+1:x", "run-1")
    log.end("a", Outcome("made", 1_772_000_100.0, 12.5, "run-1", ("refined_images",)))
    log.end("b", Outcome("failed", 1_772_000_200.0, 1.5, "run-1", (), "product_mesh", "IngestError", "mesh_empty",
                         "No triangles."))
    assert publish_nights(store, TODAY) == ["2026-03-09"]
    assert told(store) == {"a": ("done", "texture skin.png changed"), "b": ("failed", "failed before"),
                           "c": ("pending", "new")}
    row = read_night_runs(store, NIGHT.night).to_pylist()[1]
    assert (row["code"], row["asset"], row["seconds"], row["run_id"]) == ("mesh_empty", "product_mesh", 1.5, "run-1")
    OutcomeLog(store, "c:1", "run-2").end("c", Outcome("postponed", 1_772_020_000.0))
    publish_nights(store, TODAY)
    assert told(store)["c"] == ("postponed", "new")


def test_publishing_twice_changes_no_byte(store: ArtifactStore) -> None:
    plan_night(store, NIGHT)
    OutcomeLog(store, "c:1", "run-2").end("c", Outcome("kept", 1_772_000_300.0))
    publish_nights(store, TODAY)
    before = store.read_bytes("night_runs/night=2026-03-09.parquet")
    publish_nights(store, TODAY)
    assert store.read_bytes("night_runs/night=2026-03-09.parquet") == before


def test_a_second_plan_of_a_night_adds_to_it_and_the_last_end_counts(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    plan_night(store, NIGHT)
    OutcomeLog(store, "c:1", "run-1").end("c", Outcome("failed", 1_772_000_300.0, code="gl_crashed"))
    plan_night(store, Night(NIGHT.night, 1_772_005_000.0, None, {"c:2": {"c": "failed before", "d": "new"}}))
    OutcomeLog(store, "c:2", "run-2").end("c", Outcome("made", 1_772_006_000.0))
    publish_nights(store, TODAY)
    assert told(store)["c"] == ("done", "failed before")
    assert set(told(store)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("written", [0, 1])
def test_a_killed_publish_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    store = ArtifactStore(tmp_path)
    other = Night("2026-03-08", 1_771_900_000.0, None, {"z:1": {"z": "new"}})
    plan_night(store, NIGHT)
    plan_night(store, other)
    whole = ArtifactStore.write_bytes
    done: list[str] = []

    def killed(self: ArtifactStore, name: str, data: bytes) -> object:
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(name)
        return whole(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(ArtifactStore, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_nights(store, TODAY)
    publish_nights(store, TODAY)
    assert night_dates(store) == ["2026-03-08", "2026-03-09"]
    assert [read_night_runs(store, night).num_rows for night in night_dates(store)] == [1, 3]


def test_an_old_night_is_left_as_it_was_told(tmp_path: Path) -> None:
    """Its outcomes are forgotten by then: made anew, every row would be pending."""
    store = ArtifactStore(tmp_path)
    plan_night(store, NIGHT)
    OutcomeLog(store, "c:1", "run-1").end("c", Outcome("made", 1_772_000_300.0))
    publish_nights(store, TODAY)
    from pipeline.outcomes import forget

    forget(store, "c:1")
    assert publish_nights(store, date(2026, 3, 20)) == []
    assert told(store)["c"] == ("done", "new")


def test_a_torn_plan_and_an_unknown_night_say_what_to_do(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with pytest.raises(StoreError, match="2026-01-01") as unknown:
        read_night_runs(store, "2026-01-01")
    assert unknown.value.code == "night_unknown"
    store.write_bytes("state/nights/2026-03-09.json", b'{"night": "2026')
    with pytest.raises(StoreError) as torn:
        publish_nights(store, TODAY)
    assert torn.value.code == "file_damaged"
    store.write_bytes("state/nights/2026-03-09.json", b'{"schema": 9, "night": "2026-03-09", "started": 1.0, '
                                                      b'"deadline": null, "runs": {}}')
    with pytest.raises(StoreError) as newer:
        publish_nights(store, TODAY)
    assert newer.value.code == "schema_unknown"


def test_a_newer_plan_with_other_fields_is_not_called_damaged(tmp_path: Path) -> None:
    """The hint for damage is to delete the file."""
    store = ArtifactStore(tmp_path)
    store.write_bytes("state/nights/2026-03-09.json", b'{"schema": 2, "night": "2026-03-09", "batches": []}')
    with pytest.raises(StoreError) as newer:
        publish_nights(store, TODAY)
    assert newer.value.code == "schema_unknown"


@pytest.mark.parametrize(("runs", "started"), [('["a"]', "1.0"), ('{"a:1": ["a"]}', "1.0"),
                                               ('{"a:1": {"a": "new"}}', '"x"'), ('{"a:1": {"a": "new"}}', "1e300")])
def test_a_plan_of_the_wrong_shape_is_damaged(tmp_path: Path, runs: str, started: str) -> None:
    store = ArtifactStore(tmp_path)
    store.write_bytes("state/nights/2026-03-09.json", f'{{"schema": 1, "night": "2026-03-09", "deadline": null, '
                                                      f'"started": {started}, "runs": {runs}}}'.encode())
    with pytest.raises(StoreError) as damaged:
        publish_nights(store, TODAY)
    assert damaged.value.code == "file_damaged"


def test_a_table_with_a_damaged_page_says_so(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    plan_night(store, Night(NIGHT.night, 1.0, None, {"k": {f"s{each}": f"new {each * 7919}" for each in range(500)}}))
    publish_nights(store, TODAY)
    data = bytearray(store.read_bytes("night_runs/night=2026-03-09.parquet") or b"")
    data[300:900] = bytes(each ^ 0x5A for each in data[300:900])
    store.write_bytes("night_runs/night=2026-03-09.parquet", bytes(data))
    with pytest.raises(StoreError) as damaged:
        read_night_runs(store, NIGHT.night)
    assert damaged.value.code == "file_damaged"


def test_the_asset_tells_the_last_night(tmp_path: Path) -> None:
    with house_of(small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store") as house:
        assert house.publish().success
        [empty] = house.instance.fetch_materializations(AssetKey("night_runs"), limit=1).records
        assert empty.asset_materialization is not None
        assert empty.asset_materialization.metadata["night"].value == "No night has run yet."
        from datetime import UTC, datetime

        today = datetime.now(UTC).date().isoformat()
        plan_night(house.store, Night(today, 1.0, None, {"a:1": {"a": "texture l|r.png changed"}}))
        OutcomeLog(house.store, "a:1", "run").end("a", Outcome("failed", 2.0, code="mesh_empty",
                                                               message="No |\nmesh."))
        assert house.publish().success
        [record] = house.instance.fetch_materializations(AssetKey("night_runs"), limit=1).records
        assert record.asset_materialization is not None
        metadata = record.asset_materialization.metadata
        assert metadata["night"].value == today
        assert "| failed | 1 |" in str(metadata["results"].value)
        assert "| a | mesh_empty | No / mesh. | texture l/r.png changed |" in str(metadata["failed"].value)
