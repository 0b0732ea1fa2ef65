"""What score tables say over time: counts by hand, on tables made for it."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import cli
from pipeline.errors import StoreError
from pipeline.insights import Insights, as_dict, insights, told
from pipeline.scores import SCORES, ScoreContext, compact, score_rows, write_scores
from pipeline.sentinel import Measurement, judge
from pipeline.store import ArtifactStore

CATEGORIES = {"sneaker": "footwear", "boot": "footwear", "mug": "mug"}


def image(sku: str, shot: str, *, day: int = 2, month: int = 11, refiner: str = "1", dent: float | None = 0.3,
          drift: float = 0.8, version: str = "v1", sha: str = "", run: str = "run") -> pa.Table:
    """Two readings of one image; a dent beyond 1.5 px fails, one beyond 1.0 warns, none is unmeasured."""
    readings = [Measurement("silhouette", "toe_deviation_max", "toe", dent, "px", 1.0, reason=""),
                Measurement("colour_drift", "material_delta_e", "material:body", drift, "ΔE00", 1.0),
                Measurement("stitching", "missing_fraction", "stitching:hem#1", None, "share", 0.0, applicable=False)]
    return score_rows(judge(readings), ScoreContext(
        sku=sku, shot=shot, image_sha256=sha or f"{sku}-{shot}-{refiner}", category=CATEGORIES[sku],
        data_version=version, sentinel_version="1", calibration_id="engineering-1", refiner="embedded",
        refiner_version=refiner, seed=1, run_id=run, scored_at=datetime(2026, month, day, 8, tzinfo=UTC)))


CURRENT = pa.concat_tables([
    image("sneaker", "hero", dent=3.5), image("sneaker", "top", dent=1.8), image("boot", "hero", dent=1.2),
    image("boot", "top"), image("mug", "hero"), image("mug", "top", dent=None, drift=9.0)])


def found(current: pa.Table = CURRENT, history: pa.Table | None = None, since: date | None = None) -> Insights:
    return insights(current, current if history is None else history, since)


def test_images_are_counted_by_their_verdict() -> None:
    total = found().total
    assert (total.images, total.passed, total.warned, total.failed) == (6, 2, 1, 3)
    assert total.share == 0.5
    assert [(rate.name, rate.images, rate.failed) for rate in found().categories] == [("footwear", 4, 2), ("mug", 2, 1)]
    assert {rate.name: rate.failed for rate in found().shots} == {"hero": 1, "top": 2}
    assert found().products == 3


def test_checks_count_readings_that_apply() -> None:
    rates = {rate.check: rate for rate in found().checks}
    assert set(rates) == {"silhouette", "colour_drift"}   # no stitching applied
    dents = rates["silhouette"]
    assert (dents.readings, dents.passed, dents.warned, dents.failed, dents.unmeasured) == (6, 2, 1, 2, 1)
    assert (dents.worst_category, dents.worst_share) == ("footwear", 0.25)
    assert (rates["colour_drift"].worst_category, rates["colour_drift"].worst_share) == ("mug", 0.5)


def test_defects_come_by_the_images_they_fail() -> None:
    first, second = found().defects
    assert (first.estimator, first.region, first.images, first.products) == ("toe_deviation_max", "toe", 3, 2)
    assert first.example == "mug top"          # unmeasured is gravest
    assert (second.check, second.region, second.images) == ("colour_drift", "material", 1)
    assert "9.0" in second.sentence


def test_the_worst_images_come_first() -> None:
    worst = found().worst
    assert [(each.sku, each.shot) for each in worst] == [("mug", "top"), ("sneaker", "hero"), ("sneaker", "top"),
                                                        ("boot", "hero")]
    assert [each.score for each in worst[:2]] == [0.0, 0.0]
    assert worst[-1].verdict == "warn"
    assert "3.5 px" in worst[1].sentence


def test_refiners_are_compared_by_each_image_s_latest_judgement() -> None:
    history = pa.concat_tables([
        image("mug", "hero", refiner="1", day=1, dent=3.0, version="v1"),
        image("mug", "hero", refiner="1", day=3, dent=0.2, version="v2", run="rejudged"),  # as after other limits
        image("mug", "top", refiner="1", day=1), image("mug", "hero", refiner="2", day=9, dent=3.0, version="v3")])
    rates = found(history=history).refiners
    assert [(rate.name, rate.images, rate.failed) for rate in rates] == [("embedded 1", 2, 0), ("embedded 2", 1, 1)]


def test_drift_is_of_weekly_medians() -> None:
    history = pa.concat_tables([image("mug", "hero", day=day, dent=dent, sha=f"{day}-{number}")
                                for day, dents in ((2, (0.2, 0.3, 0.4)), (8, (0.3,)), (9, (0.9, 1.1, 1.3)))
                                for number, dent in enumerate(dents)])
    drift = {each.estimator: each for each in found(history=history).drift}
    toe = drift["toe_deviation_max"]
    assert [(week.monday, week.readings) for week in toe.weeks] == [("2026-11-02", 4), ("2026-11-09", 3)]
    assert [week.median for week in toe.weeks] == pytest.approx([0.3, 1.1])
    assert toe.change == pytest.approx(-50 * 0.8 / 1.5, abs=0.1)
    assert toe.worsens
    assert toe.weeks[0].limit == 1.5
    assert not drift["material_delta_e"].worsens
    assert found(history=history).drift[0] is not None
    assert found(history=history).drift[0].estimator == "toe_deviation_max"   # the most worsening first
    text = told(found(history=history))
    assert "silhouette.toe_deviation_max" in text.split("drift")[-1]
    assert "one week" in told(found())


def test_since_leaves_earlier_scores_out() -> None:
    both = pa.concat_tables([CURRENT, image("mug", "detail", day=20, dent=9.0)])
    late = found(both, since=date(2026, 11, 20))
    assert (late.total.images, late.total.failed, late.since, late.until) == (1, 1, "2026-11-20", "2026-11-20")
    with pytest.raises(StoreError) as caught:
        found(since=date(2027, 1, 1))
    assert caught.value.code == "nothing_scored"
    with pytest.raises(StoreError):
        found(SCORES.empty_table())


def test_attempts_that_were_not_kept_do_not_count() -> None:
    table = image("mug", "hero", dent=9.0)
    dropped = table.set_column(table.schema.get_field_index("selected"), SCORES.field("selected"),
                               pa.array([False] * table.num_rows))
    assert found(pa.concat_tables([CURRENT, dropped])).total == found().total


def test_all_is_told_and_all_is_json() -> None:
    text, answer = told(found()), json.loads(json.dumps(as_dict(found())))
    for word in ("3 products, 6 images", "footwear", "colour_drift", "embedded 1", "sneaker hero", "1 warn"):
        assert word in text
    assert answer["total"] == {"name": "all", "images": 6, "passed": 2, "warned": 1, "failed": 3, "share": 0.5}
    assert all(math.isfinite(image["score"]) for image in answer["worst"])


def test_a_perfect_catalogue_has_nothing_to_tell() -> None:
    good = found(image("mug", "hero"))
    assert (good.defects, good.worst, good.total.share) == ((), (), 1.0)
    assert "defect" not in told(good)


def test_the_command_reads_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
                                   ) -> None:
    def packshot(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["packshot", "insights", "--store", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), capsys.readouterr().out

    status, out = packshot("--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "nothing_scored")
    store = ArtifactStore(tmp_path)
    for sku in CATEGORIES:
        with store.writing("sentinel_scores", sku, "v1", {}) as pending:
            write_scores(pa.concat_tables([image(sku, "hero", dent=3.0), image(sku, "top")]),
                         pending.writer.path("scores.parquet"))
    compact(store, "run", datetime(2026, 11, 3, tzinfo=UTC))
    status, out = packshot("--since", "2026-11-01", "--json")
    assert status == 0
    assert json.loads(out)["total"]["failed"] == 3
    assert "3 products, 6 images" in packshot()[1]
    status, out = packshot("--since", "last week", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "date_invalid")


def test_a_large_catalogue_takes_seconds() -> None:
    base = CURRENT.to_pandas()
    big = base.loc[np.repeat(base.index, 3000)].reset_index(drop=True)
    copy = (big.index % 3000).astype(str)
    big["sku"] = big["sku"] + "-" + copy
    big["image_sha256"] = big["image_sha256"] + copy
    table = pa.Table.from_pandas(big, schema=SCORES, preserve_index=False)
    started = time.process_time()
    assert insights(table, table).total.images == 18_000
    assert time.process_time() - started < 10   # 54,000 rows; 1 s on one quiet core
