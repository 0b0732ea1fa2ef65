"""The guard: what fails is refined again with what was flagged, the best is kept, and everything is on the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.colour import to_display
from pipeline.errors import RefineError
from pipeline.explain import read_record, told
from pipeline.guard import Attempt, Flag, Guarded, guard
from pipeline.refine import PRESETS, RefinerSettings, seed_for
from pipeline.refine.lock_settings import UNTRUSTED
from pipeline.refine.locked import LockedFactory
from pipeline.refine.restraining import freedom_map
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity, Restraint
from pipeline.refining import again, save_refined
from pipeline.scores import duplicate_keys, read_scores
from pipeline.sentinel.types import U8, Limit, Measurement, Score, Verdict
from pipeline.workpiece import Workpiece
from tests.house import NAMES, House, house_of
from tests.small_catalogue import small_catalogue

LIMIT = Limit(1.0)


def score(verdict: Verdict, points: float | None = None, *, estimator: str = "contour_deviation_p99",
          bbox: tuple[int, int, int, int] | None = (2, 2, 6, 6), required: bool = True) -> Score:
    measurement = Measurement("silhouette", estimator, "product", None if points is None else 1.0, "px", 1.0, bbox)
    return Score(measurement, Limit(1.0, required=required), verdict, points, None, "")


def picture(number: int, **record: object) -> Refined:
    return Refined(np.full((8, 8, 3), number, np.uint8), {"seed": number, "refined": True, **record})


def guarded(*verdicts: Sequence[Score], attempts: int | None = None) -> tuple[Guarded, list[Attempt]]:
    """A guard over pictures that are judged as said, in turn; and what each was asked to be made with."""
    asked: list[Attempt] = []

    def refine_once(attempt: Attempt) -> Refined:
        asked.append(attempt)
        return picture(attempt.number)

    result = guard(refine_once, lambda image: verdicts[int(image[0, 0, 0])], attempts or len(verdicts))
    return result, asked


FAIL, PASS = [score("fail", 40.0)], [score("pass", 90.0)]


def test_what_passes_is_made_once() -> None:
    found, asked = guarded(PASS, PASS, PASS)
    assert [attempt.number for attempt in asked] == [0]
    assert found.kept.attempt.number == 0
    assert guarded([score("warn", 60.0)], PASS)[1] == [Attempt(0)], "a warning is delivered"


def test_a_failed_image_is_made_again_with_what_was_flagged_until_it_passes() -> None:
    found, asked = guarded(FAIL, FAIL, PASS, PASS)
    flag = Flag("silhouette", "contour_deviation_p99", "product", (2, 2, 6, 6), "retry")
    assert asked == [Attempt(0), Attempt(1, (flag,)), Attempt(2, (flag, flag))]
    assert asked[0].restraints == ()
    assert asked[1].restraints == (Restraint((2, 2, 6, 6), 0.3),)
    assert found.kept.attempt.number == 2
    assert [told["kept"] for told in found.told()] == [False, False, True]
    assert [told["verdict"] for told in found.told()] == ["fail", "fail", "pass"]


def test_at_most_so_many_are_made_and_the_best_is_kept() -> None:
    two = [score("fail", 45.0), score("unmeasured")]
    found, asked = guarded(two, [score("fail", 10.0)], [score("fail", 30.0)], [score("fail", 30.0)], PASS, attempts=4)
    assert len(asked) == 4
    assert found.kept.attempt.number == 2, "fewest failing, then the highest worst score, then the earlier"


def test_advisory_readings_neither_call_for_another_attempt_nor_choose() -> None:
    advisory = score("fail", 1.0, required=False)
    found, asked = guarded([advisory], PASS)
    assert len(asked) == 1
    assert not found.told()[0]["findings"]
    found, _ = guarded([*FAIL, advisory], [score("fail", 41.0), *[advisory] * 3])
    assert found.kept.attempt.number == 1


def test_a_missing_reading_calls_for_another_attempt() -> None:
    assert guarded([score("unmeasured")], PASS)[0].kept.attempt.number == 1


def test_an_image_that_was_not_refined_is_not_made_again() -> None:
    made = guard(lambda attempt: picture(0, refined=False), lambda image: FAIL, 3)
    assert len(made.tries) == 1


def test_what_only_a_person_can_help_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.guard.check_named", checks_with_remedy("review"))
    assert len(guarded(FAIL, PASS)[1]) == 1
    monkeypatch.setattr("pipeline.guard.check_named", checks_with_remedy("repair"))
    assert guarded(FAIL, PASS)[1][1].restraints == (Restraint((2, 2, 6, 6), 0.0),), "repair: nothing but the lock"


def checks_with_remedy(remedy: str) -> Callable[[str], Any]:
    estimator = type("Known", (), {"remedy": remedy})
    return lambda name: type("Named", (), {"estimators": {"contour_deviation_p99": estimator}})


def test_a_refiner_that_fails_later_leaves_what_there_is() -> None:
    def refine_once(attempt: Attempt) -> Refined:
        if attempt.number == 1:
            raise RefineError("out_of_memory", "It does not fit.", "Free the device.")
        return picture(0)

    found = guard(refine_once, lambda image: FAIL, 3)
    assert found.kept.attempt.number == 0
    assert found.told()[1]["error"]["code"] == "out_of_memory"
    assert found.told()[1]["verdict"] is None
    with pytest.raises(RefineError):
        guard(lambda attempt: refine_once(Attempt(1)), lambda image: FAIL, 3)


def test_the_record_says_only_what_the_refiner_has_done() -> None:
    heeds = {"parameters": {"strength_lowered": True}, "lock": {"restrained_share": 0.2}}
    told = [guard(lambda attempt, record=record: picture(attempt.number, **record),  # type: ignore[misc]
                  lambda image: FAIL, 2).told()[1]["changed"] for record in ({}, heeds)]
    assert told == [["another seed"],
                    ["another seed", "lower strength near the findings", "stronger lock near the findings"]]


@given(st.lists(st.lists(st.tuples(st.sampled_from(["pass", "warn", "fail", "unmeasured"]),
                                   st.floats(0, 100)), min_size=1, max_size=4), min_size=1, max_size=5))
def test_nothing_that_was_tried_is_better_than_what_is_kept(judged: list[list[tuple[Verdict, float]]]) -> None:
    verdicts = [[score(verdict, None if verdict == "unmeasured" else points) for verdict, points in each]
                for each in judged]
    found, asked = guarded(*verdicts)
    assert [attempt.number for attempt in asked] == list(range(len(found.tries)))
    failing = [sum(each.verdict in ("fail", "unmeasured") for each in tried.scores) for tried in found.tries]
    assert failing[found.kept.attempt.number] == min(failing)
    assert 0 not in failing[:-1], "it stops at the first that passes"


def test_freedom_is_the_restraint_s_in_its_box_and_whole_far_from_it() -> None:
    free = freedom_map((256, 256), [Restraint((100, 100, 120, 140), 0.3)])
    assert free[100:140, 100:120] == pytest.approx(0.3)
    assert free[:80].min() == free[:, 140:].min() == 1.0
    assert np.abs(np.diff(free, axis=1)).max() < 0.35, "no edge"
    both = freedom_map((256, 256), [Restraint((100, 100, 120, 140), 0.3), Restraint(None, 0.5)])
    assert both[110, 110] == pytest.approx(0.15)
    assert both[0, 0] == pytest.approx(0.5)


SETTINGS = "scale: 0.1\nshots: [square]\ndelivery: {deliver_unrefined: true}\n"
ON = "guard: {attempts: 3}\n"
LOOSE = "limits: {silhouette.contour_deviation_p99: {fail: 99}}\n"
RULE = "rules: [{name: impossible, reading: silhouette.contour_deviation_p99, max: -1}]\n"
VERSIONS = count(1)


class Careless:
    """A refiner that paints the left half of some products blue in its first attempts, wherever it is free to."""

    seeds: list[int]
    spoilt = ("a",)                            # SKUs that need another attempt
    bad_attempts = 1
    broken_attempt: int | None = None
    version = 0

    def __init__(self, settings: RefinerSettings) -> None:
        self.preferred_batch = settings.batch
        self.identity = self.identity_of(settings)

    @classmethod
    def identity_of(cls, settings: RefinerSettings) -> RefinerIdentity:
        return RefinerIdentity(settings.preset, cls.version, "", "", "", {"batch": settings.batch})

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        return [self._one(request) for request in requests]

    def _one(self, request: RefineRequest) -> Refined:
        self.seeds.append(request.seed)
        passes = request.passes
        image: U8 = to_display(passes.product, passes.plate, passes.white_backdrop)
        number = {seed_for(sku, "square", attempt): (sku, attempt) for sku in "abc" for attempt in range(9)}
        sku, attempt = number[request.seed]
        if attempt == self.broken_attempt:
            raise RefineError("output_invalid", "Not a number.", "Look at it.")
        if sku in self.spoilt and attempt < self.bad_attempts:
            left = passes.alpha > 0.5
            left[:, left.shape[1] // 2:] = False
            image[left] = (20, 20, 200 + attempt)
        return Refined(image, {"preset": "careless", "preset_version": self.version, "revision": "", "model_sha256": "",
                               "seed": request.seed, "refined": True, "prompt": request.prompt,
                               "negative_prompt": request.negative_prompt, "input_sha256": {},
                               "digital_source_type": "x/digitalCreation"})


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> type[Careless]:
    # A version of its own: the process keeps the refiner it has for the identity it has.
    kind = type("Fresh", (Careless,), {"seeds": [], "version": next(VERSIONS)})
    monkeypatch.setitem(PRESETS, "careless", kind)
    return kind


@pytest.fixture
def house(tmp_path: Path, careless: type[Careless]) -> Iterator[House]:
    with house_at(tmp_path, "a", "b", "c") as opened:
        yield opened


def house_at(folder: Path, *skus: str, preset: str = "careless", batch: int = 1) -> Any:
    catalogue = small_catalogue(folder / "catalogue", *skus)
    (catalogue / "catalogue.yaml").write_text(SETTINGS + ON)
    return house_of(catalogue, folder / "store",
                    {"PACKSHOT_REFINER": preset, "PACKSHOT_REFINER_BATCH": str(batch), "PACKSHOT_LIGHT": "raster"})


def configure(house: House, text: str) -> None:
    (house.catalogue / "catalogue.yaml").write_text(SETTINGS + text)


def record_of(house: House, sku: str) -> dict[str, Any]:
    return dict(house.store.require("refined_images", sku).json("square.json"))


def test_the_kept_image_is_delivered_and_scored_afresh_with_its_attempt(house: House, careless: type[Careless]) -> None:
    assert house.batch("a", "b").success, house.store.errors()
    assert careless.seeds == [seed_for("a", "square", 0), seed_for("a", "square", 1), seed_for("b", "square", 0)]
    record = record_of(house, "a")
    assert (record["attempt"], record["seed"]) == (1, seed_for("a", "square", 1))
    first = record["attempts"][0]
    assert (first["attempt"], first["verdict"], first["kept"]) == (0, "fail", False)
    assert record["attempts"][1]["verdict"] in ("pass", "warn")
    assert record["attempts"][1]["changed"] == ["another seed"], "this preset heeds no restraint"
    assert record["attempts"][1]["restraints"], "though it was given some"
    text = told(read_record(house.store.require("refined_images", "a").path("square.png")))
    assert "0: fail, " in text
    assert "another seed, kept" in text
    scores = read_scores(house.store.require("sentinel_scores", "a").path("scores.parquet"))
    assert set(scores["attempt"].to_pylist()) == {1}
    assert set(scores["selected"].to_pylist()) == {True}
    assert set(scores["seed"].to_pylist()) == {seed_for("a", "square", 1)}
    assert house.store.require("sentinel_scores", "a").metadata["verdicts"]["square"] in ("pass", "warn")
    assert house.store.require("delivered_images", "a").metadata["delivered"] == ["square"]
    assert record_of(house, "b")["attempt"] == 0
    assert house.batch("a", "b").success
    assert all(house.kept("a").values())


def test_every_attempt_s_scores_are_kept_for_analysts(house: House) -> None:
    assert house.batch("a").success
    refined = house.store.require("refined_images", "a")
    rows = read_scores(refined.path("attempts.parquet"))
    assert duplicate_keys(rows) == []
    by_attempt = {number: [row for row in rows.to_pylist() if row["attempt"] == number] for number in (0, 1)}
    assert len(by_attempt[0]) == len(by_attempt[1]) == rows.num_rows / 2 > 0
    assert any(row["verdict"] == "fail" and not row["selected"] for row in by_attempt[0])
    assert all(row["selected"] for row in by_attempt[1])
    assert {row["data_version"] for row in by_attempt[1]} == {refined.data_version}
    assert refined.metadata["attempts"]["square"]["kept"] == 1


def test_the_kept_attempt_is_made_again_to_the_byte(house: House, tmp_path: Path) -> None:
    assert house.batch("a").success
    refined = house.store.require("refined_images", "a")
    catalogue = house.resources.catalogue.open()
    piece = Workpiece(catalogue.product("a"), catalogue.settings, house.store, house.resources.renderer.get)
    image, record = again(piece, json.loads(refined.path("square.json").read_text()), RefinerSettings())
    save_refined(image, record, lambda name: tmp_path / name)
    for name in ("square.png", "square.json"):
        assert (tmp_path / name).read_bytes() == refined.path(name).read_bytes()


def test_without_a_guard_limits_touch_no_pixels_and_with_one_they_do(house: House, careless: type[Careless]) -> None:
    configure(house, "")
    assert house.batch("a").success
    assert careless.seeds == [seed_for("a", "square", 0)], "off is the default"
    before = house.versions("a")
    assert "attempts.parquet" not in house.store.require("refined_images", "a").files
    assert "attempts" not in record_of(house, "a")
    configure(house, LOOSE)
    assert house.batch("a").success
    assert house.versions("a")["refined_images"] == before["refined_images"]
    configure(house, LOOSE + ON)
    assert house.batch("a").success
    guarded = house.versions("a")["refined_images"]
    assert guarded != before["refined_images"]
    assert house.kept("a") == {name: NAMES.index(name) < NAMES.index("refined_images") for name in NAMES}
    configure(house, ON)
    assert house.batch("a").success
    strict = house.versions("a")["refined_images"]
    assert strict not in (guarded, before["refined_images"])
    configure(house, ON + RULE)
    assert house.batch("a").success, house.store.errors()
    assert house.versions("a")["refined_images"] not in (strict, guarded), "a house's rules are limits too"
    record = record_of(house, "a")
    assert len(record["attempts"]) == 3, "nothing passes this rule"
    assert "house" in {finding["check"] for finding in record["attempts"][0]["findings"]}


def test_a_picture_that_is_the_renderer_s_own_is_never_made_again(tmp_path: Path) -> None:
    with house_at(tmp_path, "a", preset="none") as house:
        configure(house, ON + "limits: {silhouette.contour_deviation_p99: {fail: -1, warn: -1}}\n")
        assert house.batch("a").success
        refined = house.store.require("refined_images", "a")
        assert house.store.require("sentinel_scores", "a").metadata["verdicts"]["square"] == "fail"
        assert "attempts.parquet" not in refined.files
        configure(house, ON)
        assert house.batch("a").success
        assert house.store.require("refined_images", "a").data_version == refined.data_version


def test_what_fails_in_a_shared_batch_is_made_again_alone(tmp_path: Path, careless: type[Careless]) -> None:
    with house_at(tmp_path, "a", "b", "c", batch=3) as house:
        assert house.batch("a", "b", "c").success, house.store.errors()
        assert careless.seeds == [*(seed_for(sku, "square", 0) for sku in "abc"), seed_for("a", "square", 1)]
        assert record_of(house, "a")["batch"] == {"size": 1, "position": 0}
        assert record_of(house, "b")["batch"] == {"size": 3, "position": 1}


def test_a_refiner_that_fails_at_another_attempt_stops_nobody(house: House, careless: type[Careless]) -> None:
    careless.broken_attempt = 1
    assert house.batch("a", "b").success, house.store.errors()
    assert record_of(house, "a")["attempt"] == 0
    assert record_of(house, "a")["attempts"][1]["error"]["code"] == "output_invalid"
    assert house.store.require("delivered_images", "a").metadata["delivered"] == []
    assert house.store.require("delivered_images", "b").metadata["delivered"] == ["square"]


def test_what_never_passes_is_withheld(house: House, careless: type[Careless]) -> None:
    careless.bad_attempts = 9
    assert house.batch("a").success
    record = record_of(house, "a")
    assert len(record["attempts"]) == 3
    with Image.open(house.store.require("refined_images", "a").path("square.png")) as image:
        assert (np.asarray(image) == (20, 20, 200 + record["attempt"])).all(axis=-1).any()
    assert house.store.require("delivered_images", "a").metadata["delivered"] == []


def test_the_lock_behind_a_preset_puts_a_flagged_place_back(tmp_path: Path, careless: type[Careless],
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    careless.bad_attempts = 9
    monkeypatch.setitem(PRESETS, "careless", LockedFactory(careless, UNTRUSTED))
    with house_at(tmp_path, "a") as house:
        assert house.batch("a").success, house.store.errors()
        record = record_of(house, "a")
        assert [each["changed"] for each in record["attempts"]][:2] == [
            [], ["another seed", "stronger lock near the findings"]]
        assert record["attempt"] > 0, "this refiner never learns, so what is better is the lock's"
