"""The one decision: what runs, what waits, what is asked for again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from upath.implementations.local import PosixUPath

from pipeline.catalogue import Catalogue
from pipeline.errors import IngestError, PackshotError, RenderError, StoreError
from pipeline.outcomes import Outcome, OutcomeLog
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore
from sensors.decide import MAX_LOST, OUTCOMES_KEPT_S, Limits, Plan, Retry, RunState, assign_batches, decide
from sensors.runs import MAX_RUNS, batch_size
from sensors.state import FILES, STATE, load_state

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

    def look(self, *, retry: Retry = "nothing", visits: int = 0, limits: Limits | None = None) -> Plan:
        """One tick: decide, give run keys, save. The runs asked for are then in flight."""
        plan = decide(Catalogue.at(self.folder), self.store, self.refiner, lambda key: self.runs.get(key, "absent"),
                      retry=retry, visits=visits, limits=limits)
        for key in assign_batches(plan, plan.batches(100)):
            self.runs[key] = "in_flight"
        plan.state.save(self.store)
        return plan

    def end(self, *, bad: tuple[str, ...] = (), done: tuple[str, ...] = (), begun: tuple[str, ...] = (),
            state: RunState = "succeeded") -> None:
        """All runs end: with these SKUs failed or done, and with others begun when their process died."""
        states = load_state(self.store).skus
        for sku in (*bad, *done, *begun):
            log = OutcomeLog(self.store, states[sku].run_key, f"run-{sku}")
            log.begin([sku])
            if sku in bad:
                log.end(sku, Outcome("failed", time.time(), kind=type(self.error).__name__, code=self.error.code))
            elif sku in done:
                log.end(sku, Outcome("made", time.time()))
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


def test_a_sku_that_kills_its_process_every_time_is_quarantined_and_its_neighbours_are_not(house: House) -> None:
    for sku in ("a", "killer", "z"):
        house.put(sku)
    house.look()
    house.end(done=("a",), begun=("killer",), state="failed")
    plan = house.look()
    assert asked(plan) == {"killer": "lost", "z": "lost"}
    assert plan.batches(100) == [["z"], ["killer"]], "a suspect runs alone, and last"
    house.end(done=("z",), begun=("killer",), state="failed")
    assert asked(house.look()) == {"killer": "lost"}
    house.end(begun=("killer",), state="failed")
    assert asked(house.look()) == {}, f"{MAX_LOST} processes are enough"
    assert house.store.errors()["killer"]["code"] == "quarantined"
    assert asked(house.look(retry="machine")) == {}
    night = house.look(retry="everything")
    assert asked(night) == {"killer": "failed"}
    assert night.requests[0].suspect
    house.end(begun=("killer",), state="failed")
    assert asked(house.look()) == {}
    house.put("killer", "repaired")
    assert asked(house.look()) == {"killer": "changed"}
    house.end(done=("killer",))
    assert asked(house.look()) == {}


def test_a_run_that_ends_before_it_begins_anything_is_not_asked_for_for_ever(house: House) -> None:
    for sku in ("a", "b"):
        house.put(sku)
    house.look()
    for _ in range(MAX_LOST - 1):
        house.end(state="failed")
        plan = house.look()
        assert (asked(plan), plan.batches(100)) == ({"a": "lost", "b": "lost"}, [["a", "b"]])
    house.end(state="failed")
    assert asked(house.look()) == {}
    assert {error["code"] for error in house.store.errors().values()} == {"quarantined"}


def test_a_request_that_never_became_a_run_is_made_again_however_often(house: House) -> None:
    """A tick that died between saving its state and handing over its requests."""
    house.put("a")
    keys = {house.look().states["a"].run_key}
    for _ in range(2 * MAX_LOST):
        house.runs.clear()
        plan = house.look()
        assert asked(plan) == {"a": "lost"}
        keys.add(plan.states["a"].run_key)
    assert len(keys) == 2 * MAX_LOST + 1


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


def test_the_order_of_a_night(house: House) -> None:
    """Failed with a changed input, then stale, then failed, then the longest not looked at."""
    for sku in ("a", "b", "c", "y", "z"):
        house.put(sku)
    house.look()
    house.end(bad=("y", "z"), done=("a", "b", "c"), state="failed")
    house.put("a", "changed")
    house.look()
    house.end(done=("a",))
    house.put("b", "changed")
    house.put("z", "repaired")
    plan = house.look(retry="everything", visits=1)
    assert [(request.sku, request.reason) for request in plan.requests] == [
        ("z", "changed"), ("b", "changed"), ("y", "failed"), ("c", "visited")]


def test_a_request_that_may_still_become_a_run_is_not_doubled(house: House) -> None:
    """Between a night's save and the run that Dagster makes of it, another look sees no run yet."""
    house.put("a")
    house.look()
    house.runs.clear()
    assert asked(house.look(limits=Limits(launch_s=300.0))) == {}
    assert asked(house.look(limits=Limits(launch_s=0.0))) == {"a": "lost"}


@pytest.mark.parametrize("state", [None, "{torn"])
def test_a_lost_state_loses_no_change(house: House, state: str | None) -> None:
    """Sequences start anew: a key that Dagster and the outcomes know already must not come again."""
    house.put("a")
    first = house.look().states["a"].run_key
    house.end(done=("a",))
    path = Path(house.store.root.path) / STATE
    path.unlink() if state is None else path.write_text(state)
    house.put("a", "changed in the meantime")
    plan = house.look()
    assert asked(plan) == {"a": "new"}
    assert plan.states["a"].run_key != first
    house.end(state="failed")
    assert asked(house.look()) == {"a": "lost"}, "the first run's outcome is no answer to it"


def test_a_broken_catalogue_yaml_is_told_as_that(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    settings = house.folder / "catalogue.yaml"
    settings.write_text("shots: [")
    assert house.look().why == {"a": "catalogue.yaml changed"}
    house.end(bad=("a",))
    settings.write_text("shots: [hero]")
    assert house.look().why == {"a": "catalogue.yaml changed"}


def test_a_touched_panorama_is_no_change(house: House) -> None:
    house.put("a")
    (house.folder / "sky.hdr").write_text("sky")
    house.look()
    house.end(done=("a",))
    os.utime(house.folder / "sky.hdr", (1, 1))
    assert asked(house.look()) == {}
    (house.folder / "sky.hdr").write_text("another sky")
    assert house.look().why == {"a": "panoramas changed"}


def test_outcomes_are_forgotten_once_nobody_can_need_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    house.look()
    folder = Path(house.store.root.path) / "state" / "outcomes"
    assert any(folder.iterdir())
    later = time.time() + OUTCOMES_KEPT_S + 60
    monkeypatch.setattr(time, "time", lambda: later)
    house.look()
    assert not any(folder.iterdir())


def test_what_verify_has_taken_out_is_made_again(house: House) -> None:
    house.put("a")
    house.put("b")
    house.look()
    house.end(done=("a", "b"))
    house.store.record_error("b", "refined_images", StoreError("file_damaged", "Taken out.", "Run again."))
    assert asked(house.look()) == {"b": "damaged"}
    house.store.clear_error("b")
    house.end(done=("b",))
    assert asked(house.look()) == {}


def test_what_a_run_had_no_time_for_comes_next(house: House) -> None:
    house.put("a")
    key = house.look().states["a"].run_key
    OutcomeLog(house.store, key, "run-1").end("a", Outcome("postponed", time.time()))
    assert asked(house.look()) == {}, "its run has not ended yet"
    house.end()
    assert asked(house.look()) == {}, "a night's time is not the day's"
    assert asked(house.look(retry="everything")) == {"a": "postponed"}


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


@pytest.mark.parametrize(("file", "before", "after", "why"), [
    ("m.obj", "old", "new", "mesh m.obj changed"),
    ("skin.png", "old", "new", "texture skin.png changed"),
    ("product.yaml", "name: A", "name: B", "product.yaml changed"),
    ("reference/photo.jpg", "old", "new", "reference photo photo.jpg changed"),
    ("extra.png", None, "new", "texture extra.png added"),
    ("skin.png", "old", None, "texture skin.png removed"),
])
def test_what_changed_is_told_in_words(house: House, file: str, before: str | None, after: str | None, why: str
                                       ) -> None:
    house.put("a")
    (house.folder / "a" / "reference").mkdir()
    if before is not None:
        house.put("a", before, file)
    house.look()
    house.end(done=("a",))
    if after is None:
        (house.folder / "a" / file).unlink()
    else:
        house.put("a", after + "!", file)
    assert house.look().why == {"a": why}


@pytest.mark.parametrize(("settings", "why"), [
    ("limits: {delivery.fill_share: {fail: 0.5}}", "limits changed"),
    ("rules: [{name: huge, reading: delivery.fill_share, min: 0.9}]", "limits changed"),
    ("shots: [hero]", "shot list changed"),
    ("prompt: at dusk", "prompts changed"),
    ("delivery: {webp_quality: 80}", "delivery settings changed"),
    ("keep_passes: none", "kept passes changed"),
])
def test_settings_are_told_apart(house: House, settings: str, why: str) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    (house.folder / "catalogue.yaml").write_text(settings + "\n")
    plan = house.look()
    assert (asked(plan), plan.why) == ({"a": "changed"}, {"a": why})


@pytest.mark.parametrize("settings", ["# a comment\n", "night: {hours: 2}\n", "scale: 1.0\n"])
def test_settings_that_change_no_image_run_nothing(house: House, settings: str) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    (house.folder / "catalogue.yaml").write_text(settings)
    assert asked(house.look()) == {}


def test_a_change_that_waited_for_its_turn_is_still_told(house: House) -> None:
    """Both changes were seen while the SKU was in flight; the words are those since its last request."""
    house.put("a")
    house.put("a", "old", "skin.png")
    house.look()
    house.put("a", "newer", "skin.png")
    assert asked(house.look()) == {}
    (house.folder / "catalogue.yaml").write_text("prompt: at dusk\n")
    assert asked(house.look()) == {}
    house.end(done=("a",))
    assert house.look().why == {"a": "texture skin.png changed, prompts changed"}


def test_a_renamed_sku_is_new_and_says_from_where(house: House) -> None:
    house.put("old-name")
    house.look()
    house.end(done=("old-name",))
    (house.folder / "old-name").rename(house.folder / "new-name")
    plan = house.look()
    assert (plan.removed_skus, plan.new_skus, plan.renamed) == (["old-name"], ["new-name"], {"new-name": "old-name"})
    assert plan.why == {"new-name": "renamed from old-name"}
    assert plan.states["old-name"].missing


def test_files_that_were_just_written_wait_for_the_next_look(house: House) -> None:
    house.put("a")
    plan = house.look(limits=Limits(settle_s=60.0))
    assert (asked(plan), plan.settling) == ({}, ["a"])
    assert asked(house.look(limits=Limits(settle_s=0.0))) == {"a": "new"}


def test_a_file_that_moves_while_it_is_read_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("a", "half")
    read_bytes = PosixUPath.read_bytes

    def copied_on(path: PosixUPath) -> bytes:
        data = read_bytes(path)
        if path.name == "m.obj" and data == b"half":
            house.put("a", "half and whole")
        return data

    monkeypatch.setattr(PosixUPath, "read_bytes", copied_on)
    plan = house.look()
    assert (asked(plan), plan.settling) == ({}, ["a"])
    assert asked(house.look()) == {"a": "new"}


def test_a_look_that_reaches_its_limits_is_gone_on_with(house: House) -> None:
    for number in range(7):
        house.put(f"sku-{number}")
    seen: list[str] = []
    for expected in (3, 3, 1):
        plan = house.look(limits=Limits(skus=3))
        assert len(plan.requests) == expected
        seen += asked(plan)
        house.end(done=tuple(asked(plan)))
    assert sorted(seen) == [f"sku-{number}" for number in range(7)]
    plan = house.look(limits=Limits(seconds=-1.0))
    assert (asked(plan), plan.left) == ({}, 0), "what is unchanged is not read"
    house.put("sku-0", "changed")
    plan = house.look(limits=Limits(seconds=-1.0))
    assert (asked(plan), plan.left) == ({}, 1)
    assert asked(house.look()) == {"sku-0": "changed"}


def test_a_link_out_of_a_folder_is_no_part_of_it(house: House, tmp_path: Path) -> None:
    house.put("a")
    (tmp_path / "secret.png").write_text("secret")
    (house.folder / "a" / "skin.png").symlink_to(tmp_path / "secret.png")
    house.look()
    house.end(done=("a",))
    (tmp_path / "secret.png").write_text("another one")
    assert asked(house.look()) == {}


def test_an_unchanged_catalogue_writes_nothing(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    house.look()
    before = (Path(house.store.root.path) / STATE).stat().st_mtime_ns
    house.look()
    assert (Path(house.store.root.path) / STATE).stat().st_mtime_ns == before


def test_a_damaged_bucket_of_hashes_only_costs_reading(house: House) -> None:
    house.put("a")
    house.look()
    house.end(done=("a",))
    for bucket in (Path(house.store.root.path) / FILES).iterdir():
        bucket.write_text("{torn")
    assert asked(house.look()) == {}
    os.utime(house.folder / "a" / "m.obj", (1, 1))
    assert asked(house.look()) == {}


@pytest.mark.parametrize("state", ['{"schema": 1, "skus": {"a": {"fingerprint": "x"}}}', "{torn"])
def test_a_state_of_an_older_version_is_made_anew(house: House, state: str) -> None:
    house.put("a")
    house.store.write_bytes(STATE, state.encode())
    assert asked(house.look()) == {"a": "new"}


def test_a_state_of_a_newer_version_is_refused(house: House) -> None:
    house.store.write_bytes(STATE, b'{"schema": 99}')
    with pytest.raises(StoreError, match="schema 99"):
        house.look()


def test_scattered_changes_start_at_most_four_runs() -> None:
    for requested in (1, 49, 50, 200, 201, 10_000):
        assert -(-requested // batch_size(requested)) <= MAX_RUNS
