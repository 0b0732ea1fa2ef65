"""Nothing lost: killed, out of disk, crashed at exact points; the store ends up as if nothing had been.

``make bench-faults`` does the same at random moments. What a point is: the replacing of a file by a finished one, which
is how everything gets into a store, or a function of ours that stands for native code.
"""

from __future__ import annotations

import errno
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import faults_crashes, faults_disk
from benchmarks.faults_catalogue import BROKEN, CHANGED, SKUS, WITHHELD
from benchmarks.faults_forge import Forge
from benchmarks.faults_house import FAILED, Found, House
from benchmarks.faults_store import contents, doubled, kept_rows, torn, unequal
from sensors.refresh import PUBLISH_PENDING


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Forge() as forge:
        yield House(tmp_path_factory.mktemp("faults"), forge)


def at(file: str, **blow: object) -> list[dict[str, object]]:
    """In the moment when a finished file is to take its place."""
    return [{"call": "os:replace", "when": file, **blow}]


def test_what_is_damaged_is_seen(house: House, tmp_path: Path) -> None:
    store = Path(shutil.copytree(house.reference, tmp_path / "store"))
    assert torn(store) == doubled(store) == unequal(house.expected, contents(store)) == []
    exr = next((store / "control_passes" / CHANGED).glob("*/*.exr"))
    data = exr.read_bytes()
    exr.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert any(exr.name in problem for problem in torn(store))
    assert unequal(house.expected, contents(store)) == [f"control_passes/{CHANGED}/{exr.name}"]
    exr.write_bytes(data[:-1])
    assert any(exr.name in problem for problem in torn(store))
    part = next((store / "score_table" / "history").glob("*/*.parquet"))
    table = pq.ParquetFile(part).read()
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), part)
    assert len(doubled(store)) == 1
    pq.write_table(table.slice(1), part)
    assert len(kept_rows(house.reference) - kept_rows(store)) == 1
    (store / "errors" / f"{BROKEN}.json").write_text('{"sku": ')
    assert any(BROKEN in problem for problem in torn(store))


@pytest.mark.parametrize("points", [
    ["state/refresh.json", f"control_passes/{CHANGED}/current.json", "score_table/current/", "report/index.html"],
    [f"errors/{BROKEN}.json", "score_table/history/", "score_table/index/current", f"timings/{CHANGED}.json"],
])
def test_killed_at_a_point_and_run_again(house: House, points: list[str]) -> None:
    store, found, seen = house.fresh_store("killed", used=False), Found("killed"), set[tuple[object, ...]]()
    for point in points:
        run = house.finish(house.first, store, blow=at(point))
        if run.status != -signal.SIGKILL:
            assert point.startswith("timings"), f"{point} was not reached: {run.said}"  # told by the run before
            continue
        house.look(store, found, seen)
    house.conclude(house.first, store, found)
    assert found.wrong == []


def test_a_run_that_is_killed_before_it_says_whose_it_is_is_not_waited_for(house: House) -> None:
    store, found = house.fresh_store("early", used=False), Found("killed early")
    run = house.finish(house.first, store, blow=[{"call": "assets.sku_graph:work_through"}])
    assert run.status == -signal.SIGKILL
    house.conclude(house.first, store, found)
    assert found.wrong == []


def test_a_full_and_a_read_only_disk_are_said_in_words(house: House) -> None:
    store, found = house.fresh_store("full", used=False), Found("full")
    for file, number, code in ((f"refined_images/{CHANGED}/current.json", errno.ENOSPC, "store_full"),
                               ("score_table/current/", errno.ENOSPC, "store_full"),
                               ("state/refresh.json", errno.EROFS, "store_read_only")):
        run = house.finish(house.first, store, blow=at(file, **{"raise": [number, "no", file]}))
        assert (run.status, run.told["error"]["code"]) == (2, code), f"{file}: {run.told} {run.said}"
        assert "Traceback" not in run.said
        assert "\n" not in run.told["error"]["message"]
        house.look(store, found, set())
    house.conclude(house.first, store, found)
    assert found.wrong == []


def test_a_removed_sku_leaves_the_tables_though_the_run_that_saw_it_was_killed(house: House, tmp_path: Path) -> None:
    catalogue = Path(shutil.copytree(house.first, tmp_path / "catalogue"))
    shutil.rmtree(catalogue / WITHHELD)
    store = house.fresh_store("removed", used=True)
    assert house.finish(catalogue, store, blow=at("report/index.html")).status == -signal.SIGKILL
    assert house.finish(catalogue, store).told["published"] is True
    assert WITHHELD in (house.reference / "report" / "index.html").read_text()
    assert WITHHELD not in (store / "report" / "index.html").read_text()


def test_what_was_made_while_another_run_published_is_published_too(house: House) -> None:
    store, found = house.fresh_store("mark", used=False), Found("mark")
    run = house.finish(house.first, store, blow=at(f"errors/{BROKEN}.json", unlink=str(store / PUBLISH_PENDING)))
    assert run.told["published"] is True
    house.conclude(house.first, store, found)
    assert found.wrong == []


@pytest.mark.skipif(bool(faults_disk.reason_not_to()), reason=faults_disk.reason_not_to())
def test_a_small_disk(house: House) -> None:
    assert faults_disk.full(house, 0.5).wrong == []


@pytest.mark.skipif(bool(faults_disk.reason_not_to()), reason=faults_disk.reason_not_to())
def test_a_store_that_has_become_read_only(house: House) -> None:
    assert faults_disk.read_only(house, used=True).wrong == []


def test_a_sku_that_always_crashes_waits_and_no_other_does(house: House) -> None:
    found = faults_crashes.crash_always(house)
    assert found.wrong == []
    assert set(found.told["last"]["failed"]) <= {BROKEN, CHANGED}


def test_two_runs_at_once(house: House) -> None:
    assert faults_crashes.together(house).wrong == []
    assert faults_crashes.parts_together(house).wrong == []


def test_two_first_runs_make_dagsters_tables_in_turn(house: House) -> None:
    """One is held up while it makes them; the other would find tables without a version."""
    store = house.fresh_store("tables", used=False)
    runs = [house.run(house.first, store, blow=[
        {"call": "dagster._core.storage.runs.sqlite.sqlite_run_storage:stamp_alembic_rev", "sleep": 1.5}])
        for _ in range(2)]
    statuses = {house.forge.wait(run).status for run in runs}  # 0: it came late, and left all to the other
    assert FAILED in statuses
    assert statuses <= {0, FAILED}, [run.said[-800:] for run in runs]
    assert torn(store) == doubled(store) == []


def test_the_trials_are_about_what_they_say(house: House) -> None:
    record = json.loads((house.reference / "errors" / f"{BROKEN}.json").read_text())
    assert record["code"] == "texture_unreadable"
    delivered = {path.parent.parent.name for path in (house.reference / "delivered_images").glob("*/*/*.webp")}
    assert {name for name in house.expected if name.startswith("control_passes/") and name.count("/") == 1} == {
        f"control_passes/{sku}" for sku in SKUS if sku != BROKEN}
    assert delivered == {"bar", CHANGED}
