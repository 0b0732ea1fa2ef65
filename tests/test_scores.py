"""Score tables: schema, keys, judging again, and the two tiers of a whole catalogue."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import scores as tables
from pipeline.errors import StoreError
from pipeline.score_table import bucket_of
from pipeline.scores import SCORES, ScoreContext, compact, read_current, read_history, score_rows
from pipeline.sentinel import Measurement, judge, measure
from pipeline.settings import LimitEntry
from pipeline.store import ArtifactStore
from tests.s3 import s3_server
from tests.sentinel_scene import REGIONS, shoe_scene

CONTRACT = [
    "schema_version", "sku", "shot", "check", "region", "estimator", "value", "unit", "limit", "direction", "margin",
    "score", "verdict", "reason", "coverage", "required", "attempt", "selected", "image_sha256", "calibration_id",
    "calibration_n", "category", "bbox", "evidence_path", "sentence", "data_version", "sentinel_version", "refiner",
    "refiner_version", "seed", "run_id", "scored_at"]
MEASURED = [
    Measurement("silhouette", "toe_deviation_max", "toe", 2.5, "px", 1.0, (1, 2, 30, 40), reason="inward"),
    Measurement("silhouette", "contour_deviation_max", "product", float("nan"), "px", 0.1),
    Measurement("label_legibility", "excess_blur_sigma", "label:Zunge/ä b#1", None, "px", 0.0, applicable=False,
                reason="small"),
]


def context(sku: str = "000123", version: str = "v1", shot: str = "hero", day: int = 1) -> ScoreContext:
    return ScoreContext(sku=sku, shot=shot, image_sha256=f"{sku}{version}", category="footwear", data_version=version,
                        sentinel_version="1", calibration_id="engineering-1", refiner="none", refiner_version="1",
                        seed=2**62, run_id="run-1", scored_at=datetime(2026, 1, day, tzinfo=UTC))


def put(store: ArtifactStore, sku: str, version: str, day: int = 1) -> None:
    shots = [score_rows(judge(MEASURED), context(sku, version, shot, day)) for shot in ("hero", "top")]
    table = pa.concat_tables(shots)
    with store.writing("sentinel_scores", sku, version, {}) as out:
        tables.write_scores(table, out.writer.path("scores.parquet"))


def test_columns_are_the_contracts() -> None:
    assert SCORES.names == CONTRACT
    assert SCORES.field("value").type == pa.float64()
    assert SCORES.field("score").type == pa.float32()
    assert SCORES.field("attempt").type == pa.int16()
    assert SCORES.field("seed").type == pa.int64()
    assert SCORES.field("bbox").type == pa.list_(pa.int32())
    assert SCORES.field("scored_at").type == pa.timestamp("us", tz="UTC")
    assert not any(pa.types.is_dictionary(field.type) for field in SCORES)


def test_rows_survive_parquet_with_units_and_version(tmp_path: Path) -> None:
    table = score_rows(judge(MEASURED), context())
    tables.write_scores(table, tmp_path / "scores.parquet")
    again = tables.read_scores(tmp_path / "scores.parquet")
    assert again.equals(table)
    assert again.schema.metadata[b"schema_version"] == b"1"
    assert again.schema.field("coverage").metadata[b"unit"] == b"share 0..1"
    row = again.to_pylist()[0]
    assert (row["sku"], row["value"], row["limit"], row["verdict"], row["bbox"]) == (
        "000123", 2.5, 1.5, "fail", [1, 2, 30, 40])
    assert row["margin"] == pytest.approx(-1.0)
    assert "inward" in row["sentence"]
    assert again["value"].to_pylist()[1:] == [None, None]  # NaN is no number to average
    assert again["verdict"].to_pylist()[1:] == ["unmeasured", "not_applicable"]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tables.write_scores(score_rows(judge(MEASURED), context()), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_keys_of_a_real_image_are_unique() -> None:
    scene = shoe_scene()
    scores = judge(measure(scene.expected, scene.expected.display, (*REGIONS, *REGIONS)))
    table = score_rows(scores, context())
    assert table.num_rows > 15
    assert tables.duplicate_keys(table) == []
    assert len(tables.duplicate_keys(pa.concat_tables([table, table.slice(0, 2)]))) == 2


def test_measurements_are_judged_again_without_pixels(tmp_path: Path) -> None:
    scene = shoe_scene()
    measured = measure(scene.expected, scene.observed(jpeg=92), REGIONS)
    path = tmp_path / "measurements.parquet"
    tables.write_measurements(pa.concat_tables([tables.measurement_rows(measured, "hero"),
                                                tables.measurement_rows(MEASURED[:1], "top")]), path)
    again = tables.measurements_of(path, "hero")
    assert score_rows(judge(again), context()).equals(score_rows(judge(measured), context()))
    strict = judge(again, {"silhouette.toe_deviation_max": LimitEntry(fail=0.0001)})
    assert [score.verdict for score in strict if score.measurement.estimator == "toe_deviation_max"] == ["fail"]
    assert [m.value for m in tables.measurements_of(path, "top")] == [2.5]


def test_evidence_has_a_path_of_its_own_for_every_region() -> None:
    regions = ("product", "label:a b#1", "label:a-b#1", "label:a/b#1", "material:ä")
    paths = {tables.evidence_path(Measurement("detail", "x", region, 1.0, "px", 1.0), "hero") for region in regions}
    assert len(paths) == len(regions)
    assert all(path.startswith("evidence/hero/") and path.count("/") == 2 and path.isascii() for path in paths)


def test_a_damaged_file_and_a_foreign_schema_are_named(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError) as caught:
        tables.read_scores(tmp_path / "damaged")
    assert caught.value.code == "file_damaged"
    old = score_rows([], context()).replace_schema_metadata({"schema_version": "0"})
    pq.write_table(old, tmp_path / "old")
    with pytest.raises(StoreError) as caught:
        tables.read_scores(tmp_path / "old")
    assert caught.value.code == "schema_unknown"


def test_compaction_keeps_current_and_history(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    assert read_current(store).num_rows == 0
    for sku in ("000123", "shoe", "mug"):
        put(store, sku, "v1")
    first = compact(store, "run/1", datetime(2026, 1, 1, tzinfo=UTC))
    assert (first.skus, first.rows, first.history_rows) == (3, 18, 18)
    current = read_current(store)
    assert current["sku"].to_pylist() == ["000123"] * 6 + ["mug"] * 6 + ["shoe"] * 6
    assert (tmp_path / "score_table/history/date=2026-01-01/part-0001.parquet").is_file()

    kept = compact(store, "run-2", datetime(2026, 1, 2, tzinfo=UTC))
    assert (kept.buckets_written, kept.history_rows) == (0, 0)
    assert not (tmp_path / "score_table/history/date=2026-01-02").exists()

    put(store, "shoe", "v2", day=3)
    changed = compact(store, "run-3", datetime(2026, 1, 3, tzinfo=UTC))
    assert (changed.rows, changed.buckets_written, changed.history_rows) == (18, 1, 6)
    assert set(read_current(store)["data_version"].to_pylist()) == {"v1", "v2"}
    assert read_history(store).num_rows == 24
    assert tables.duplicate_keys(read_history(store)) == []


def test_going_back_to_an_old_version_adds_no_history(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for version in ("v1", "v2", "v1"):
        put(store, "shoe", version)
        compact(store)
    assert set(read_current(store)["data_version"].to_pylist()) == {"v1"}
    assert sorted(set(read_history(store)["data_version"].to_pylist())) == ["v1", "v2"]
    assert read_history(store).num_rows == 12


def test_removed_skus_leave_current_and_keep_their_history(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")
    put(store, "mug", "v1")
    compact(store)
    result = compact(store, skus={"mug"})
    assert (result.skus, result.history_rows) == (1, 0)
    assert set(read_current(store)["sku"].to_pylist()) == {"mug"}
    assert set(read_history(store)["sku"].to_pylist()) == {"mug", "shoe"}


def test_a_killed_compaction_repeats_itself(tmp_path: Path) -> None:
    """History is written first; without ``current`` the next run finds its rows there and adds none."""
    store = ArtifactStore(tmp_path)
    put(store, "shoe", "v1")
    compact(store)
    for path in (tmp_path / "score_table/current").iterdir():
        path.unlink()
    again = compact(store)
    assert (again.rows, again.history_rows) == (6, 0)


def test_compaction_works_on_s3() -> None:
    with s3_server("scores-bucket"):
        store = ArtifactStore("s3://scores-bucket/store")
        for sku in ("000123", "mug"):
            put(store, sku, "v1")
        first, second = compact(store, "run-1"), compact(store, "run-2")
        assert (first.rows, first.history_rows) == (12, 12)
        assert (second.buckets_written, second.history_rows) == (0, 0)
        put(store, "mug", "v2")
        assert compact(store, "run-1").history_rows == 6
        assert read_current(store)["sku"].to_pylist() == ["000123"] * 6 + ["mug"] * 6
        assert read_history(store).num_rows == 18


def test_buckets_are_stable_and_spread() -> None:
    assert bucket_of("000123") == hashlib.sha256(b"000123").digest()[0] % 64
    assert {bucket_of(str(n)) for n in range(2000)} == set(range(64))


def test_a_digit_sku_stays_text_for_duckdb(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    store = ArtifactStore(tmp_path)
    put(store, "000123", "v1")
    compact(store)
    files = f"{tmp_path}/score_table/history/*/*.parquet"
    rows = duckdb.sql(f"select sku, verdict from '{files}' where required").fetchall()
    assert rows[0] == ("000123", "fail")
