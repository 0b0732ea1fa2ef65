"""What the benchmarks of scale are made of is sound: their catalogue, their scores, their copies of events."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.made_scores import SHOTS, made_scores, sku_name
from benchmarks.night import night_catalogue
from benchmarks.simulated import PATTERN, copy_events
from pipeline.catalogue import Catalogue
from pipeline.mesh.ingest import ingest_file
from pipeline.score_schema import SCORES
from pipeline.scores import duplicate_keys


def test_the_night_s_catalogue_is_one_and_is_gone_on_with(tmp_path: Path) -> None:
    names = night_catalogue(tmp_path, 6)
    (tmp_path / names[3] / "diffuse.png").unlink()
    (tmp_path / names[3] / "box.obj").unlink()
    (tmp_path / names[3]).rmdir()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert night_catalogue(tmp_path, 6) == names
    assert all(path.read_bytes() == data for path, data in before.items())
    catalogue = Catalogue.at(tmp_path)
    assert catalogue.skus() == names
    assert [bool(catalogue.product(name).manifest.shots) for name in names] == [True, *[False] * 4, True]
    sizes = {(tmp_path / name / "box.obj").read_bytes() for name in names}
    assert len(sizes) == 6


def test_a_box_is_a_box(tmp_path: Path) -> None:
    (name,) = night_catalogue(tmp_path, 1)
    mesh = ingest_file(tmp_path / name / "box.obj").mesh
    assert len(mesh.triangles) == 12
    assert mesh.positions[:, 1].min() == 0


def test_made_scores_are_scores() -> None:
    names = [sku_name(number) for number in range(3)]
    first, second = made_scores(names), made_scores(names, night=1)
    assert first.schema.equals(SCORES)
    assert first["sku"].to_pylist() == sorted(first["sku"].to_pylist())
    assert set(first["shot"].to_pylist()) == set(SHOTS)
    assert duplicate_keys(first) == []
    assert not set(first["data_version"].to_pylist()) & set(second["data_version"].to_pylist())
    assert made_scores(names).equals(first)


def test_events_are_copied_with_their_tags_and_checks(tmp_path: Path) -> None:
    database = tmp_path / "index.db"
    with sqlite3.connect(database) as made:
        made.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT, partition TEXT)")
        made.execute("CREATE TABLE asset_event_tags (id INTEGER PRIMARY KEY, event_id INTEGER, value TEXT)")
        made.execute("CREATE TABLE asset_check_executions "
                     "(id INTEGER PRIMARY KEY, partition TEXT, evaluation_event TEXT)")
        made.execute("INSERT INTO event_logs VALUES (7, ?, ?)", (f"made {PATTERN}", PATTERN))
        made.execute("INSERT INTO asset_event_tags VALUES (1, 7, 'v1')")
        made.execute("INSERT INTO asset_check_executions VALUES (1, ?, ?)", (PATTERN, f"checked {PATTERN}"))
    made.close()
    copy_events(database, ["a", "b"])
    found = sqlite3.connect(database)
    assert found.execute("SELECT event, partition, value FROM event_logs JOIN asset_event_tags ON event_id = "
                         "event_logs.id ORDER BY event_logs.id").fetchall() == [
        (f"made {PATTERN}", PATTERN, "v1"), ("made a", "a", "v1"), ("made b", "b", "v1")]
    assert found.execute("SELECT partition, evaluation_event FROM asset_check_executions").fetchall() == [
        (PATTERN, f"checked {PATTERN}"), ("a", "checked a"), ("b", "checked b")]
    found.close()
