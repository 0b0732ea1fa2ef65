"""What every image cost: who is counted, once, whatever becomes of the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from assets import making, sentinel_scores
from pipeline import timings
from pipeline.store import Artifact, ArtifactStore
from pipeline.timings import Spent, publish, read_ledger, read_timings, tell
from tests.house import House, house_of
from tests.small_catalogue import checks, small_catalogue

SECONDS = [name for name in timings.TIMINGS.names if name.endswith("_seconds")]
NOTHING = Spent({}, 0.0)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def made(store: ArtifactStore, asset: str, run: str, **metadata: Any) -> Artifact:
    """An artefact of a SKU with two shots, made by a run."""
    with store.writing(asset, "mug", f"{asset}-{run}", {}) as pending:
        pending.writer.json("file.json", {})
        pending.writer.metadata.update({timings.MADE_IN: run, **metadata})
    assert pending.artifact is not None
    return pending.artifact


def all_of(store: ArtifactStore, run: str) -> dict[str, Artifact]:
    shots = ["hero", "top"]
    each = dict.fromkeys(shots, 1.0)
    return {
        "product_mesh": made(store, "product_mesh", run, total_seconds=4.0),
        "product_regions": made(store, "product_regions", run, total_seconds=2.0),
        "control_passes": made(store, "control_passes", run, total_seconds=9.0, seconds={"hero": 5.0, "top": 3.0},
                               write_seconds={"hero": 0.5, "top": 0.25}),
        "refined_images": made(store, "refined_images", run, shots=shots, seconds={"hero": 3.0, "top": 2.0},
                               lock_seconds={"hero": 0.5, "top": 0.25}, write_seconds=each,
                               gpu_seconds={"hero": 1.5, "top": None}),
        "sentinel_scores": made(store, "sentinel_scores", run, total_seconds=3.5, seconds={"hero": 2.0, "top": 1.0}),
        "delivered_images": made(store, "delivered_images", run, total_seconds=1.0),
    }


def test_seconds_are_those_of_the_shot_or_its_share(store: ArtifactStore) -> None:
    artifacts = all_of(store, "one")
    assert tell(store, "mug", artifacts, Spent({"product_mesh": 0.5}, 0.2), "one") == 2
    assert publish(store) == 2
    hero, top = read_timings(store).to_pylist()
    assert (hero["shot"], top["shot"]) == ("hero", "top")
    assert hero["data_version"] == artifacts["refined_images"].data_version
    assert [hero[name] for name in SECONDS] == pytest.approx([2.0, 1.0, 5.0, 2.5, 0.5, 2.0, 1.0 + 1.5, 0.1, 1.5])
    assert [top[name] for name in SECONDS[:-1]] == pytest.approx([2.0, 1.0, 3.0, 1.75, 0.25, 1.0, 1.0 + 1.25, 0.1])
    assert top["gpu_seconds"] is None, "it was not measured"


def test_what_is_kept_adds_nothing_and_what_is_made_again_only_itself(store: ArtifactStore) -> None:
    artifacts = all_of(store, "one")
    assert tell(store, "mug", artifacts, NOTHING, "one") == 2
    assert tell(store, "mug", artifacts, NOTHING, "two") == 0
    scores = made(store, "sentinel_scores", "three", total_seconds=0.5, seconds={"hero": 0.25, "top": 0.25})
    assert tell(store, "mug", {**artifacts, "sentinel_scores": scores}, NOTHING, "three") == 2
    assert publish(store) == 4
    again = [row for row in read_timings(store).to_pylist() if row["run_id"] == "three"]
    assert [row["score_seconds"] for row in again] == [0.25, 0.25]
    assert {row[name] for row in again for name in ("ingest_seconds", "render_seconds", "refine_seconds")} == {0.0}
    assert {row["gpu_seconds"] for row in again} == {0.0}


def test_what_a_killed_run_made_is_counted_by_the_run_that_finishes_it(store: ArtifactStore) -> None:
    artifacts = all_of(store, "killed")
    rest = {asset: made(store, asset, "next", total_seconds=1.0) for asset in ("sentinel_scores", "delivered_images")}
    assert tell(store, "mug", {**artifacts, **rest}, NOTHING, "next") == 2
    publish(store)
    rows = read_timings(store).to_pylist()
    assert [row["run_id"] for row in rows] == ["next", "next"]
    assert [row["render_seconds"] for row in rows] == [5.0, 3.0]


def test_without_images_nothing_is_told_yet(store: ArtifactStore) -> None:
    artifacts = all_of(store, "one")
    images = artifacts.pop("refined_images")
    assert tell(store, "mug", artifacts, NOTHING, "one") == 0
    assert tell(store, "mug", {**artifacts, "refined_images": images}, NOTHING, "two") == 2


def test_artefacts_of_before_there_were_timings_are_not_counted(store: ArtifactStore) -> None:
    artifacts = {asset: replace(artifact, metadata={name: value for name, value in artifact.metadata.items()
                                                    if name != timings.MADE_IN})
                 for asset, artifact in all_of(store, "old").items()}
    assert tell(store, "mug", artifacts, NOTHING, "new") == 0


def test_publishing_twice_or_over_a_killed_publish_doubles_nothing(store: ArtifactStore) -> None:
    tell(store, "mug", all_of(store, "one"), NOTHING, "one")
    assert publish(store) == 2
    assert publish(store) == 0
    (store.root / timings.PUBLISHED).unlink()  # killed before it wrote how far it came
    assert publish(store) == 0
    tell(store, "mug", all_of(store, "two"), NOTHING, "two")
    assert publish(store) == 2
    assert read_timings(store).num_rows == 4
    assert len(list((store.root / timings.TABLE).iterdir())) == 1, "one folder a day, one file in each"


def test_rows_nobody_published_are_kept_for_many_runs(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "RUNS_KEPT", 3)
    for run in ("one", "two", "three", "four"):
        tell(store, "mug", all_of(store, run), NOTHING, run)
    assert [row["run_id"] for row in read_ledger(store, "mug").rows[::2]] == ["two", "three", "four"]


def test_the_table_reads_plainly_elsewhere(store: ArtifactStore) -> None:
    tell(store, "mug", all_of(store, "one"), NOTHING, "one")
    publish(store)
    table = ds.dataset(str(store.root / timings.TABLE), format="parquet", partitioning="hive").to_table()
    assert table.num_rows == 2
    assert not any(pa.types.is_dictionary(field.type) for field in table.schema if field.name != "date")
    units = {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in timings.TIMINGS}
    assert "divided" in units["ingest_seconds"]
    assert all(units[name].startswith("s") for name in SECONDS)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_of(small_catalogue(tmp_path / "catalogue", "a", "b"), tmp_path / "store") as opened:
        yield opened


def test_a_batch_tells_of_every_image_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.batch("a", "b").success
    assert house.publish().success
    rows = read_timings(house.store).to_pylist()
    assert [(row["sku"], row["shot"]) for row in rows] == [("a", "square"), ("b", "square")]
    for row in rows:
        for name in ("ingest_seconds", "render_seconds", "score_seconds", "io_seconds", "orchestration_seconds"):
            assert 0.0 < row[name] < 600.0, name
        assert row["gpu_seconds"] == 0.0
    assert house.batch("a", "b").success
    assert house.publish().success
    assert read_timings(house.store).num_rows == 2, "kept SKUs add none"
    checks((150, 40, 40)).save(house.catalogue / "a" / "diffuse.png")

    def die(*_: Any) -> None:
        raise ValueError("it does not get to its scores")

    broken = tuple(replace(each, produce=die) if each.name == "sentinel_scores" else each for each in making.STAGES)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("assets.making", "assets.work_through", "assets.job"):
            patch.setattr(f"{module}.STAGES", broken)
        assert not house.batch("a").success
    assert house.publish().success
    assert read_timings(house.store).num_rows == 2, "it has no row before it is finished"
    assert house.batch("a").success
    assert house.publish().success
    rows = [row for row in read_timings(house.store).to_pylist() if row["sku"] == "a"]
    assert len(rows) == 2
    assert rows[1]["ingest_seconds"] == 0.0, "the mesh was kept"
    assert rows[1]["render_seconds"] > 0.0, "rendered by the run that did not finish"
    assert rows[1]["score_seconds"] > 0.0
    told = json.loads((house.store.root / "timings" / "a.json").read_text())["told"]
    assert told["sentinel_scores"] == house.store.require(sentinel_scores.stage.name, "a").folder.name
