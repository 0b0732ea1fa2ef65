"""The one decision: what runs, what waits, what is asked for again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from upath.implementations.local import PosixUPath

from pipeline.catalogue import Catalogue
from pipeline.errors import IngestError, PackshotError, RenderError
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore
from sensors.decide import MAX_LOST, Plan, Retry, RunState, assign_batches, decide, load_states, save_states
from sensors.runs import MAX_RUNS, batch_size

NONE = RefinerIdentity("none", 1)


class House:
    """A catalogue and a store, and runs that end as the test says."""

    def __init__(self, root: Path) -> None:
        (root / "catalogue").mkdir()
        self.folder = root / "catalogue"
        self.store = ArtifactStore(root / "store")
        self.runs: dict[str, RunState] = {}
        self.refiner = NONE
        self.error: PackshotError = IngestError("mesh_empty", "No triangles.")

    def put(self, sku: str, text: str = "mesh", file: str = "m.obj") -> None:
        (self.folder / sku).mkdir(exist_ok=True)
        (self.folder / sku / file).write_text(text)

    def look(self, *, retry: Retry = "nothing") -> Plan:
        """One tick: decide, give run keys, save. The runs asked for are then in flight."""
        plan = decide(Catalogue.at(self.folder), self.store, self.refiner, lambda key: self.runs.get(key, "absent"),
                      retry=retry)
        for key in assign_batches(plan, plan.batches(100)):
            self.runs[key] = "in_flight"
        save_states(self.store, plan.states)
        return plan

    def end(self, *, bad: tuple[str, ...] = (), done: tuple[str, ...] = (), state: RunState = "succeeded") -> None:
        states = load_states(self.store)
        for sku in bad:
            self.store.record_error(sku, "product_mesh", self.error)
        for sku in done:
            self.store.clear_error(sku)
        for sku in (*bad, *done):
            self.store.record_outcome(sku, states[sku].run_key, failed=sku in bad)
        self.runs = {key: state if now == "in_flight" else now for key, now in self.runs.items()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def asked(plan: Plan) -> dict[str, str]:
    return {request.sku: request.reason for request in plan.requests}


def test_a_new_sku_runs_once(house: House) -> None:
    house.put("a")
    assert asked(house.look()) == {"a": "new"}
    assert asked(house.look()) == {}, "it is in flight"
    house.end(done=("a",))
    assert asked(house.look()) == {}


@pytest.mark.parametrize("file", ["m.obj", "skin.png", "product.yaml", "reference/photo.jpg"])
def test_any_changed_file_of_a_sku_runs_that_sku_only(house: House, file: str) -> None:
    for sku in ("a", "b"):
        house.put(sku)
        (house.folder / sku / "reference").mkdir()
        house.put(sku, "old", file)
    house.look()
    house.end(done=("a", "b"))
    house.put("b", "new!", file)
    assert asked(house.look()) == {"b": "changed"}


def test_a_touched_but_equal_file_is_no_change(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    os.utime(house.folder / "a" / "m.obj", (1, 1))
    assert asked(house.look()) == {}


def test_a_then_b_then_a_runs_each_time_under_a_key_of_its_own(house: House) -> None:
    keys = set()
    for text in ("A", "B!", "A"):
        house.put("a", text)
        plan = house.look()
        assert len(plan.requests) == 1
        keys.add(plan.states["a"].run_key)
        house.end(done=("a",))
    assert len(keys) == 3


def test_a_change_while_running_waits_for_the_end_and_then_runs(house: House) -> None:
    house.put("a", "one")
    house.look()
    house.put("a", "three")
    assert asked(house.look()) == {}
    house.end(done=("a",))
    assert asked(house.look()) == {"a": "changed"}


@pytest.mark.parametrize("state", ["cancelled", "failed", "absent"])
def test_a_lost_run_is_asked_for_again(house: House, state: RunState) -> None:
    house.put("a")
    first = house.look().states["a"].run_key
    house.end(state=state)
    plan = house.look()
    assert asked(plan) == {"a": "lost"}
    assert plan.states["a"].run_key != first


@pytest.mark.parametrize("state", ["cancelled", "failed", "absent"])
def test_a_lost_change_of_a_sku_that_was_delivered_before_is_asked_for_again(house: House, state: RunState) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    house.put("a", "changed")
    assert asked(house.look()) == {"a": "changed"}
    house.end(state=state)
    assert asked(house.look()) == {"a": "lost"}


def test_a_sku_that_kills_its_process_every_time_is_not_asked_for_for_ever(house: House) -> None:
    house.put("a")
    house.look()
    for _ in range(MAX_LOST):
        house.end(state="failed")
        assert asked(house.look()) == {"a": "lost"}
    house.end(state="failed")
    assert asked(house.look()) == {}
    assert asked(house.look(retry="everything")) == {"a": "lost"}
    house.end(state="failed")
    house.put("a", "repaired")
    assert asked(house.look()) == {"a": "changed"}


def test_a_failure_of_the_machine_is_tried_again_when_somebody_asks(house: House) -> None:
    house.put("a")
    house.look()
    house.error = RenderError("gl_unavailable", "No driver.")
    house.end(bad=("a",), state="failed")
    assert asked(house.look()) == {}
    assert asked(house.look(retry="machine")) == {"a": "failed"}


def test_an_unreadable_file_is_its_skus_own_error(house: House) -> None:
    house.put("a")
    house.put("b")
    (house.folder / "a" / "loop.png").symlink_to("loop.png")
    assert set(asked(house.look())) == {"a", "b"}


def test_a_deterministic_failure_waits_for_a_change_or_the_night(house: House) -> None:
    house.put("a")
    house.put("b")
    house.look()
    house.end(bad=("b",), done=("a",), state="failed")
    assert asked(house.look()) == {}
    assert asked(house.look(retry="everything")) == {"b": "failed"}
    house.end(bad=("b",), state="failed")
    house.put("b", "repaired")
    assert asked(house.look()) == {"b": "changed"}


def test_at_night_failures_come_first(house: House) -> None:
    for sku in ("a", "b", "z"):
        house.put(sku)
    house.look()
    house.end(bad=("z",), done=("a", "b"), state="failed")
    house.put("a", "changed")
    assert [request.sku for request in house.look(retry="everything").requests] == ["z", "a"]


def test_another_refiner_and_new_settings_run_everything(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    house.refiner = RefinerIdentity("none", 2)
    assert asked(house.look()) == {"a": "changed"}
    house.end(done=("a",))
    (house.folder / "catalogue.yaml").write_text("scale: 0.5\n")
    assert asked(house.look()) == {"a": "changed"}


def test_removed_skus_are_said_once_and_may_come_back(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    (house.folder / "a" / "m.obj").unlink()
    (house.folder / "a").rmdir()
    assert house.look().removed_skus == ["a"]
    assert house.look().removed_skus == []
    house.put("a")
    plan = house.look()
    assert (plan.new_skus, asked(plan)) == (["a"], {}), "its artefacts are still there and still right"


def test_illegal_folders_are_named_and_never_requested(house: House) -> None:
    house.put("no good")
    plan = house.look()
    assert asked(plan) == {}
    assert "no good" in plan.illegal


def test_unchanged_files_are_not_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    read: list[str] = []
    read_bytes = PosixUPath.read_bytes

    def spy(path: PosixUPath) -> bytes:
        read.append(path.name)
        return read_bytes(path)

    monkeypatch.setattr(PosixUPath, "read_bytes", spy)
    assert asked(house.look()) == {}
    assert "m.obj" not in read
    house.put("a", "changed")
    assert asked(house.look()) == {"a": "changed"}
    assert "m.obj" in read


def test_scattered_changes_start_at_most_four_runs() -> None:
    for requested in (1, 49, 50, 200, 201, 10_000):
        assert -(-requested // batch_size(requested)) <= MAX_RUNS
