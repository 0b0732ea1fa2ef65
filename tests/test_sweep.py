"""One look at a catalogue: the same files locally and on S3, and no more requests than it takes."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import pytest

from benchmarks.sensor_ticks import answer, counted, look
from pipeline.catalogue import Catalogue
from pipeline.errors import StoreError
from pipeline.place import place
from pipeline.store import ArtifactStore
from pipeline.sweep import UNREADABLE, sweep
from tests.s3 import s3_server

FILES = {"a/m.obj": "mesh", "a/maps/skin.png": "skin", "a/.hidden/x.png": "no", "b/m.obj": "mesh", "sky.hdr": "sky",
         "catalogue.yaml": "scale: 1.0", "notes.txt": "no", ".git/config": "no"}
SEEN = {"a": {"m.obj", "maps/skin.png"}, "b": {"m.obj"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_folder_is_seen_as_it_is(folder: Path) -> None:
    seen = sweep(Catalogue.at(folder))
    assert {name: set(files) for name, files in seen.folders.items()} == SEEN
    assert set(seen.beside) == {"sky.hdr", "catalogue.yaml"}
    assert seen.changed_at["a"] == pytest.approx((folder / "a" / "m.obj").stat().st_ctime, abs=5)


def test_links_count_where_they_stay_inside(folder: Path) -> None:
    (folder / "a" / "inside.png").symlink_to("maps/skin.png")
    (folder / "a" / "outside.png").symlink_to(folder / "b" / "m.obj")
    (folder / "a" / "loop.png").symlink_to("loop.png")
    (folder / "a" / "around").symlink_to(folder / "a")
    files = sweep(Catalogue.at(folder)).folders["a"]
    assert set(files) == SEEN["a"] | {"inside.png", "loop.png"}
    assert files["loop.png"] == UNREADABLE


def test_a_folder_that_cannot_be_listed_is_its_own_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def denied(path: str | Path) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("pipeline.sweep.os.scandir", denied)
    seen = sweep(Catalogue.at(folder))
    assert set(seen.folders) == {"a", "b"}
    assert set(seen.folders["a"]) == SEEN["a"]


def test_an_empty_sku_folder_is_a_sku(folder: Path) -> None:
    (folder / "c").mkdir()
    assert sweep(Catalogue.at(folder)).folders["c"] == {}


def test_s3_is_seen_alike() -> None:
    with s3_server("sweep") as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint)
        for name, text in FILES.items():
            client.put_object(Bucket="sweep", Key=f"products/{name}", Body=text.encode())
        seen = sweep(Catalogue.at(place("s3://sweep/products")))
        assert {name: set(files) for name, files in seen.folders.items()} == SEEN
        assert set(seen.beside) == {"sky.hdr", "catalogue.yaml"}
        assert set(seen.changed_at) == {"a", "b"}


def test_an_unchanged_catalogue_on_s3_costs_a_listing_per_thousand_keys() -> None:
    with s3_server("sweep") as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint)
        for number in range(1100):
            client.put_object(Bucket="sweep", Key=f"products/sku-{number // 10:04d}/{number % 10}.png", Body=b"x")
        catalogue, store = Catalogue.at(place("s3://sweep/products")), ArtifactStore(place("s3://sweep/store"))
        answer(look(catalogue, store), store)
        assert look(catalogue, store).requests == []
        with counted() as counts:
            assert look(catalogue, store).requests == []
        assert counts["list_objects_v2"] <= 2 + 2  # of 1,100 keys, and of the errors on record
        assert counts["get_object"] <= 2           # the state, and catalogue.yaml, which is not there
        assert counts["put_object"] == 0


def test_an_outage_is_no_empty_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_S3_PATIENCE_S", "1")
    with s3_server("sweep") as endpoint:
        boto3.client("s3", endpoint_url=endpoint).put_object(Bucket="sweep", Key="products/a/m.obj", Body=b"x")
        catalogue = Catalogue.at(place("s3://sweep/products"))
    with pytest.raises(StoreError):
        sweep(catalogue)
