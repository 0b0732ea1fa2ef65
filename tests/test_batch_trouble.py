"""What a batch does when something goes wrong around its SKUs: storage, disk, time, interrupts, processes."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetMaterialization, DagsterEventType, DagsterInstance, ExecuteInProcessResult, MetadataValue

from assets import control_passes, delivered_images, making, product_mesh, sentinel_scores
from assets.process import RUN_KEY_TAG, ended
from assets.sku import Sku
from assets.stage import Stage
from pipeline import transient
from pipeline.errors import StoreError
from pipeline.outcomes import RunOutcomes, read_outcomes
from pipeline.render.tracer import Tracer
from pipeline.store import ArtifactStore, ArtifactWriter
from sensors.home import dagster_home
from tests.conftest import ROOT
from tests.house import NAMES, QUIET, House, house_of
from tests.small_catalogue import small_catalogue

GOOD = dict.fromkeys(NAMES, "materialized")
ABSENT = dict.fromkeys(NAMES, "absent")
KEY = "night:1"
Produce = Callable[[Sku, ArtifactWriter], None]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(transient, "WAITS_S", (0.0, 0.0))
    with house_of(small_catalogue(tmp_path / "catalogue", "a", "b", "c"), tmp_path / "store") as opened:
        yield opened


def batch(house: House, *skus: str, key: str = KEY, **config: Any) -> ExecuteInProcessResult:
    """A batch that answers a request."""
    house.add_partitions()
    return house.definitions.resolve_job_def("refresh_batch").execute_in_process(
        run_config={"ops": {"work_through": {"config": {"skus": list(skus), **config}}}, **QUIET},
        instance=house.instance, raise_on_error=False, tags={RUN_KEY_TAG: key})


def outcomes(house: House, key: str = KEY) -> RunOutcomes:
    return read_outcomes(house.store, key)


def results(house: House, key: str = KEY) -> dict[str, str]:
    return {sku: outcome.result for sku, outcome in outcomes(house, key).ended.items()}


def failure_of(result: ExecuteInProcessResult) -> str:
    [failed] = [event for event in result.all_events if event.event_type is DagsterEventType.STEP_FAILURE]
    error = failed.step_failure_data.user_failure_data
    assert error is not None
    return str(error.description)


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Stage, Produce], None]:
    """Put something before the work of a stage; the loop looks its stages up by position."""

    def before(stage: Stage, first: Produce) -> None:
        def produce(sku: Sku, out: ArtifactWriter) -> None:
            first(sku, out)
            stage.produce(sku, out)

        changed = tuple(replace(each, produce=produce) if each.name == stage.name else each for each in making.STAGES)
        for module in ("assets.making", "assets.work_through", "assets.job"):
            monkeypatch.setattr(f"{module}.STAGES", changed)

    return before


def raising(error: Exception, sku: str, times: int, calls: list[str]) -> Produce:
    def first(piece: Sku, _: ArtifactWriter) -> None:
        if piece.name == sku:
            calls.append(sku)
            if len(calls) <= times:
                raise error

    return first


UNREACHABLE = StoreError("storage_unreachable", "The bucket does not answer.", "Wait.")


@pytest.mark.parametrize("stage", [product_mesh.stage, sentinel_scores.stage])
def test_an_error_of_the_machine_is_tried_again(house: House, meddle: Any, stage: Stage) -> None:
    calls: list[str] = []
    meddle(stage, raising(UNREACHABLE, "a", 2, calls))
    assert batch(house, "a", "b").success
    assert len(calls) == 3
    assert house.status("a") == house.status("b") == GOOD
    assert results(house) == {"a": "made", "b": "made"}


def test_an_error_of_the_machine_that_stays_fails_its_sku_alone(house: House, meddle: Any) -> None:
    calls: list[str] = []
    meddle(delivered_images.stage, raising(UNREACHABLE, "a", 99, calls))
    assert not batch(house, "a", "b").success
    assert len(calls) == 3
    assert house.status("a") == {**GOOD, "delivered_images": "failed"}
    assert house.status("b") == GOOD
    assert outcomes(house).ended["a"].code == "storage_unreachable"
    assert house.store.errors()["a"]["code"] == "storage_unreachable"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"),
                                   StoreError("store_read_only", "The store is read-only.", "Mount it for writing.")])
@pytest.mark.parametrize("stage", [control_passes.stage, sentinel_scores.stage])
def test_a_full_store_ends_the_batch_at_once(house: House, meddle: Any, error: Exception, stage: Stage) -> None:
    calls: list[str] = []
    meddle(stage, raising(error, "b", 99, calls))
    result = batch(house, *"abc")
    assert not result.success
    assert len(calls) == 1
    assert failure_of(result).startswith("Stopped after ")
    assert any(word in failure_of(result) for word in ("Free some space", "Mount it"))
    assert house.status("a") == GOOD
    reached = {"c"} if "c" in outcomes(house).begun else set()
    assert stage is sentinel_scores.stage or not reached, "nothing is begun after the store is known to be full"
    if not reached:
        assert house.status("c") == ABSENT
        assert set(results(house)) == {"a", "b"}
    assert batch(house, *"abc", key="night:2").success is False
    meddle(stage, lambda *_: None)
    assert batch(house, *"abc", key="night:3").success
    assert [house.status(sku) for sku in "abc"] == [GOOD] * 3


def test_an_error_whose_record_cannot_be_written_is_still_the_error(house: House, monkeypatch: pytest.MonkeyPatch
                                                                   ) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(ArtifactStore, "record_error", refuse)
    (house.catalogue / "a" / "diffuse.png").write_bytes(b"not an image")
    result = batch(house, "a", "b")
    assert failure_of(result) == "1 of 2 SKUs failed: a"
    assert outcomes(house).ended["a"].code == "texture_unreadable"
    assert house.status("b") == GOOD
    assert house.status("a")["control_passes"] == "failed"


def test_time_that_is_up_leaves_the_rest_for_the_next_run(house: House, meddle: Any) -> None:
    deadline = time.time() + 3600
    meddle(control_passes.stage, lambda *_: past.append(1))
    past: list[int] = []
    now = time.time
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr("assets.work_through.time.time", lambda: now() + 7200 * len(past))
        assert batch(house, *"abc", deadline=deadline).success
    assert results(house) == {"a": "made", "b": "postponed", "c": "postponed"}
    assert outcomes(house).begun == {"a"}
    assert house.status("a") == GOOD
    assert house.status("b") == house.status("c") == ABSENT


def test_an_interrupt_ends_the_batch_between_stages_and_nothing_is_torn(house: House, meddle: Any) -> None:
    def terminate(sku: Sku, _: ArtifactWriter) -> None:
        if sku.name == "b":  # what the UI's button and a scheduler do
            [run] = house.instance.get_runs()
            house.instance.report_run_canceling(run)
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGINT)
    meddle(control_passes.stage, terminate)
    result = batch(house, *"abc")
    run = house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status.value == "CANCELED"
    assert results(house) == {"a": "made", "b": "postponed"}
    assert house.status("a") == GOOD
    assert house.status("b")["control_passes"] == "materialized", "the stage in hand is finished"
    assert house.status("b")["refined_images"] == house.status("c")["product_mesh"] == "absent"
    assert signal.getsignal(signal.SIGINT) == before
    meddle(control_passes.stage, lambda *_: None)
    assert batch(house, *"abc", key="night:2").success
    assert house.kept("b")["control_passes"]


def test_a_batch_says_why_and_how_much_in_few_events(house: House) -> None:
    result = batch(house, *"abc", why={"a": "texture diffuse.png changed"})
    logs = house.instance.all_logs(result.run_id)
    assert any("a: made 7" in entry.user_message and "(texture diffuse.png changed)" in entry.user_message
               for entry in logs)
    assert house.last("control_passes", "a").metadata["why"].value == "texture diffuse.png changed"
    assert "why" not in house.last("control_passes", "b").metadata
    kinds = Counter(entry.dagster_event.event_type_value if entry.dagster_event else "LOG" for entry in logs)
    of_skus = sum(kinds[kind] for kind in ("ASSET_MATERIALIZATION", "ASSET_MATERIALIZATION_PLANNED",
                                           "ASSET_CHECK_EVALUATION", "LOG"))
    assert kinds["ASSET_MATERIALIZATION"] == 21
    assert kinds["LOG"] == 3
    assert of_skus / 3 <= 20
    assert not any(event.is_step_materialization for event in result.all_events), "none is held until the step ends"


def test_what_is_not_begun_is_not_planned(house: House, meddle: Any) -> None:
    seen: dict[str, str] = {}

    def look(sku: Sku, _: ArtifactWriter) -> None:
        if sku.name == "a":
            seen.update({name: house.status(name)["refined_images"] for name in "abc"})

    meddle(control_passes.stage, look)
    assert batch(house, *"abc").success
    assert seen == {"a": "in_progress", "b": "absent", "c": "absent"}


def test_the_next_sku_is_rendered_while_one_is_scored(house: House, meddle: Any) -> None:
    rendering, threads = threading.Event(), []

    def wait(sku: Sku, _: ArtifactWriter) -> None:
        threads.append(threading.current_thread())
        if sku.name == "a":
            assert rendering.wait(60), "b is not looked at while a is scored"

    whole = product_mesh.produce

    def begin(sku: Sku, out: ArtifactWriter) -> None:
        if sku.name == "b":
            rendering.set()
        whole(sku, out)

    def score(sku: Sku, out: ArtifactWriter) -> None:
        wait(sku, out)
        sentinel_scores.produce(sku, out)

    scores = replace(sentinel_scores.stage, produce=score)
    changed = tuple(scores if each is sentinel_scores.stage else
                    replace(each, produce=begin) if each is product_mesh.stage else each for each in making.STAGES)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("assets.making", "assets.work_through", "assets.job"):
            patch.setattr(f"{module}.STAGES", changed)
        assert batch(house, *"abc").success
    assert not any(thread is threading.main_thread() for thread in threads)


def doomed(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The first loader processes are killed as soon as they are there."""
    whole = subprocess.Popen
    killed: list[int] = []

    def popen(*arguments: Any, **options: Any) -> Any:
        child = whole(*arguments, **options)
        if "pipeline.mesh.child" in arguments[0] and len(killed) < times:
            child.kill()
            killed.append(child.pid)
        return child

    monkeypatch.setattr("pipeline.mesh.sandbox.subprocess.Popen", popen)
    return killed


def test_a_loader_that_dies_is_started_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = doomed(monkeypatch, 1)
    assert batch(house, "a", "b").success, house.store.errors()
    assert len(killed) == 1


def test_a_loader_that_dies_twice_fails_its_sku_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = doomed(monkeypatch, 2)
    assert not batch(house, "a", "b").success
    assert len(killed) == 2
    assert house.store.errors()["a"]["code"] == "loader_memory"
    assert house.status("b") == GOOD


@pytest.mark.parametrize("times", [1, 2])
def test_a_tracer_that_dies_is_started_again_and_the_next_sku_works(tmp_path: Path, times: int,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mitsuba")
    whole = Tracer.trace
    killed: list[int] = []

    def trace(self: Any, *arguments: Any, **options: Any) -> Any:
        if len(killed) < times:
            killed.append(self._child.pid)
            os.kill(self._child.pid, signal.SIGKILL)
        return whole(self, *arguments, **options)

    monkeypatch.setattr(Tracer, "trace", trace)
    with house_of(small_catalogue(tmp_path / "catalogue", "a", "b"), tmp_path / "store",
                  {"PACKSHOT_LIGHT": "traced"}) as house:
        assert batch(house, "a", "b").success is (times == 1)
        assert house.status("b") == GOOD
        assert len(set(killed)) == times
        if times == 2:
            assert house.store.errors()["a"]["code"] == "pathtrace_failed"


def test_a_run_killed_in_the_middle_shows_red_what_it_was_at_and_nothing_else(tmp_path: Path) -> None:
    catalogue, store = small_catalogue(tmp_path / "catalogue", "a", "b", "c"), tmp_path / "store"
    run = subprocess.Popen([sys.executable, "-m", "sensors.refresh", "--catalogue", str(catalogue), "--store",
                            str(store), "--json"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rendered = store / "control_passes" / "b" / "current.json"
    while not rendered.exists():
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.005)
    run.kill()
    run.wait()
    with house_of(catalogue, store) as house, DagsterInstance.from_config(str(dagster_home(str(store)))) as instance:
        house.instance = instance
        assert house.status("b")["refined_images"] == "in_progress", "nobody has missed the process yet"
        [record] = instance.get_runs()
        assert ended(instance, record)
        shown = house.status("b")
        assert [shown[name] for name in NAMES[:3]] == ["materialized"] * 3
        assert [shown[name] for name in NAMES[4:]] == ["failed", "failed", "absent"], "the last is not planned ahead"
        assert house.status("c") == ABSENT
        [key] = {record.tags[RUN_KEY_TAG]}
        assert "b" in outcomes(house, key).unfinished
        assert "c" not in outcomes(house, key).begun
        assert house.batch("a", "b", "c").success
        assert [house.status(sku) for sku in "abc"] == [GOOD] * 3


def test_no_event_stays_in_memory_however_many_skus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each carries thumbnails, and Dagster would keep those of a step until it ends."""
    names = [f"s{number:02d}" for number in range(20)]
    alive: list[int] = []

    def produce(sku: Sku, out: ArtifactWriter) -> None:
        out.json("mesh.json", {})
        if sku.name == names[-1]:
            gc.collect()
            alive.append(sum(isinstance(each, AssetMaterialization) for each in gc.get_objects()))

    cheap = replace(product_mesh.stage, inputs=lambda sku: {"sku": sku.name}, produce=produce,
                    describe=lambda *_: {"preview": MetadataValue.md("x" * 30_000)})
    stages = (cheap, *making.STAGES[1:])
    for module in ("assets.making", "assets.work_through", "assets.job"):
        monkeypatch.setattr(f"{module}.STAGES", stages)
    with house_of(small_catalogue(tmp_path / "catalogue", *names), tmp_path / "store") as house:
        assert house.batch(*names, assets=("product_mesh",)).success
    assert len(alive) == 1
    assert alive[0] <= 2
