"""``packshot calibrate``: from a store's own measurements to a file that judges."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from upath import UPath

from pipeline import cli
from pipeline.calibrating import limits_of, samples_of, told, uncalibrated
from pipeline.errors import SentinelError, StoreError
from pipeline.scores import ScoreContext, measurement_rows, score_rows, write_measurements, write_scores
from pipeline.sentinel import VERSION, calibrate, image_verdict, judge
from pipeline.sentinel.calibration import Sample
from pipeline.sentinel.judging import calibration_of
from pipeline.store import ArtifactStore
from tests.test_sentinel_calibration import REFINER, good_products, reading


def put(store: ArtifactStore, sku: str, samples: list[Sample], *, sentinel: int = VERSION, image: str = "v1") -> None:
    """One product's images, measured and judged as the assets do it."""
    with store.writing("refined_images", sku, "v1", {}) as pending:
        for sample in samples:
            Image.new("RGB", sample.size).save(pending.writer.path(f"{sample.shot}.png"), compress_level=1)
    preset, version = REFINER.split(" ")
    with store.writing("sentinel_scores", sku, "v1", {"measured": {"image": image}}) as pending:
        write_scores(pa.concat_tables([score_rows(judge(sample.measurements), ScoreContext(
            sku=sku, shot=sample.shot, image_sha256=sku, category="mug", data_version="v1",
            sentinel_version=str(sentinel), calibration_id="engineering-1", refiner=preset, refiner_version=version,
            seed=1, run_id="r", scored_at=datetime(2026, 1, 1, tzinfo=UTC))) for sample in samples]),
            pending.writer.path("scores.parquet"))
        write_measurements(pa.concat_tables([measurement_rows(sample.measurements, sample.shot)
                                             for sample in samples]), pending.writer.path("measurements.parquet"))


def filled(folder: Path, count: int) -> ArtifactStore:
    store = ArtifactStore(folder)
    samples = good_products(count, size=(64, 48))
    for number in range(count):
        put(store, f"sku-{number}", samples[3 * number:3 * number + 3])
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return filled(tmp_path_factory.mktemp("calibrating") / "store", 140)


def test_samples_are_what_was_measured(store: ArtifactStore) -> None:
    found = samples_of(store, ["sku-7"])
    put_there = good_products(140, size=(64, 48))[21:24]
    assert [(each.product, each.shot, each.refiner, each.size) for each in found.samples] == [
        ("sku-7", each.shot, REFINER, (64, 48)) for each in sorted(put_there, key=lambda each: each.shot)]
    assert {m.value for each in found.samples for m in each.measurements} == {
        m.value for each in put_there for m in each.measurements}


def test_the_command_writes_a_file_that_judges(store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shop" / "good.yaml"
    monkeypatch.setattr("sys.argv", ["packshot", "calibrate", "--store", str(store.root), "--out", str(out), "--json"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    answer = json.loads(capsys.readouterr().out)
    assert not stopped.value.code
    assert answer["products"] == 105
    calibration = calibration_of("good.yaml", UPath(out.parent))
    assert calibration is not None
    assert calibration.id == answer["id"]
    [row] = [row for row in answer["limits"] if row["estimator"] == "contour_deviation_max"]
    assert row["source"] == "calibrated"
    assert row["location"] < row["limit"] < row["engineering"]
    dent = [reading("silhouette.contour_deviation_max", "product", (row["limit"] + row["engineering"]) / 2)]
    assert image_verdict(judge(dent)) != "fail"
    assert image_verdict(judge(dent, {}, calibration, REFINER, (64, 48))) == "fail"


def test_too_few_products_are_a_typed_error(store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["packshot", "calibrate", "--store", str(store.root), "--sku", "sku-1", "--sku",
                                     "sku-2", "--out", str(tmp_path / "x.yaml"), "--json"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert (stopped.value.code, json.loads(capsys.readouterr().out)["error"]["code"]) == (2, "too_few_products")
    assert not (tmp_path / "x.yaml").exists()
    with pytest.raises(StoreError):
        samples_of(store, ["nobody"])


def test_what_cannot_be_taken_is_left_out_with_its_reason(tmp_path: Path) -> None:
    store, samples = ArtifactStore(tmp_path / "store"), good_products(4, size=(64, 48))
    put(store, "good", samples[:3])
    put(store, "old", samples[3:6], sentinel=VERSION + 1)
    put(store, "stale", samples[6:9], image="v0")
    bad = [Sample(each.product, each.shot, each.refiner, each.size,
                  [*each.measurements, reading("silhouette.toe_deviation_max", "toe~2", 9.0)]) for each in samples[9:]]
    put(store, "bad", bad)
    found = samples_of(store)
    assert {each.product for each in found.samples} == {"good", "bad"}
    assert {sku for sku, _ in found.left_out} == {"old", "stale"}
    assert found.failing == ("bad/hero", "bad/square", "bad/top")
    with pytest.raises(SentinelError):
        calibrate(found.samples)


def test_the_table_says_what_judges_and_what_is_uncalibrated(store: ArtifactStore) -> None:
    found = samples_of(store)
    rare = Sample("sku-1", "extra", REFINER, (64, 48), [reading("colour_drift.tile_delta_e", "product", 0.2)])
    found = type(found)((*found.samples, rare), found.failing, (("old", "it is old"),))
    calibration = calibrate(found.samples)
    text = told(calibration, found)
    assert "silhouette.contour_deviation_max" in text
    assert "105 products" in text
    assert f"uncalibrated, too few products: {REFINER}: colour_drift.tile_delta_e of product" in text
    assert "left out: old: it is old" in text
    assert len(limits_of(calibration)) == 4
    assert uncalibrated(calibration, found) == [f"{REFINER}: colour_drift.tile_delta_e of product"]
