"""`make run` from end to end: on disk, again with nothing changed, and on S3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from upath import UPath

from pipeline.scores import read_current
from pipeline.store import ArtifactStore
from sensors.home import dagster_home
from sensors.refresh import main
from tests.s3 import s3_server
from tests.small_catalogue import add_box, small_catalogue


def run(capsys: pytest.CaptureFixture[str], catalogue: object, store: object, *options: str) -> tuple[int, dict]:  # type: ignore[type-arg]
    status = main(["--catalogue", str(catalogue), "--store", str(store), "--json", *options])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PACKSHOT_CATALOGUE", "PACKSHOT_STORE", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # so that what main() sets is undone
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_catalogue_goes_in_and_a_report_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue, store = small_catalogue(tmp_path / "catalogue", "a", "b"), tmp_path / "store"
    status, outcome = run(capsys, catalogue, store)
    assert (status, outcome["run"], outcome["failed"]) == (0, ["a", "b"], {})
    assert set(read_current(ArtifactStore(store))["sku"].to_pylist()) == {"a", "b"}
    page = Path(outcome["report"]).read_text()
    assert page.lower().startswith("<!doctype html>")

    status, outcome = run(capsys, catalogue, store)
    assert (status, outcome["run"], outcome["unchanged"], outcome["published"]) == (0, [], 2, False)

    add_box(catalogue, "c")
    (catalogue / "c" / "diffuse.png").write_bytes(b"broken")
    status, outcome = run(capsys, catalogue, store)
    assert (status, outcome["run"]) == (1, ["c"])
    assert outcome["failed"]["c"]["code"] == "texture_unreadable"
    assert "texture_unreadable" in Path(outcome["report"]).read_text()


def test_the_whole_chain_on_s3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local = small_catalogue(tmp_path / "catalogue", "a")
    with s3_server("shop"):
        remote = UPath("s3://shop/catalogue")
        for path in (p for p in local.rglob("*") if p.is_file()):
            (remote / path.relative_to(local).as_posix()).write_bytes(path.read_bytes())
        status, outcome = run(capsys, "s3://shop/catalogue", "s3://shop/store")
        assert (status, outcome["run"], outcome["failed"]) == (0, ["a"], {})
        assert UPath("s3://shop/store/report/index.html").read_text().lower().startswith("<!doctype html>")
        assert run(capsys, "s3://shop/catalogue", "s3://shop/store")[1]["run"] == []
        assert run(capsys, local, tmp_path / "store")[0] == 0
        on_s3, on_disk = ArtifactStore("s3://shop/store"), ArtifactStore(tmp_path / "store")
        for asset in ("product_mesh", "control_passes", "refined_images", "delivered_images"):
            assert dict(on_s3.require(asset, "a").files) == dict(on_disk.require(asset, "a").files), asset


def test_no_catalogue_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--catalogue", str(tmp_path / "none"), "--store", str(tmp_path / "store"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "catalogue_missing"


def test_two_stores_never_share_dagsters_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    homes = {dagster_home(str(tmp_path / "one")), dagster_home(str(tmp_path / "two")), dagster_home("s3://b/one"),
             dagster_home("s3://b/two")}
    assert len(homes) == 4
    assert dagster_home(str(tmp_path / "one")) == tmp_path / "one" / ".dagster"
