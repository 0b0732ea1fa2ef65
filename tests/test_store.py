"""The store's contract holds on a disk and on S3 alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from pipeline.errors import PackshotError, StoreError
from pipeline.store import ArtifactStore, data_version
from pipeline.verify import verify
from tests.s3 import s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server("stores"):
        yield "s3://stores"


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "disk":
        return ArtifactStore(tmp_path / "store")
    return ArtifactStore(UPath(f"{request.getfixturevalue('bucket')}/{uuid4().hex}", use_listings_cache=False))


def write(store: ArtifactStore, version: str, text: str, asset: str = "product_mesh") -> None:
    with store.writing(asset, "sku-1", version, {"mesh": "abc"}) as pending:
        pending.writer.path("deep/file.txt").write_text(text)
        pending.writer.json("note.json", {"a": 1})
        pending.writer.metadata["triangles"] = 12


def test_what_was_written_is_read_back(store: ArtifactStore) -> None:
    write(store, "v1", "hello")
    artifact = store.require("product_mesh", "sku-1")
    assert artifact.path("deep/file.txt").read_text() == "hello"
    assert artifact.json("note.json") == {"a": 1}
    assert artifact.metadata["triangles"] == 12
    assert artifact.inputs == {"mesh": "abc"}
    assert store.skus("product_mesh") == ["sku-1"]


def test_a_killed_writer_leaves_nothing_to_read(store: ArtifactStore) -> None:
    write(store, "v1", "old")
    def die_half_way() -> None:
        with store.writing("product_mesh", "sku-1", "v2", {}) as pending:
            pending.writer.path("deep/file.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die_half_way()
    artifact = store.require("product_mesh", "sku-1")
    assert (artifact.data_version, artifact.path("deep/file.txt").read_text()) == ("v1", "old")


def test_a_new_version_replaces_the_old_one_and_verify_prunes_it(store: ArtifactStore) -> None:
    write(store, "v1", "old")
    old = store.require("product_mesh", "sku-1").folder.name
    write(store, "v2", "new")
    assert store.require("product_mesh", "sku-1").path("deep/file.txt").read_text() == "new"
    assert verify(store).old_versions == (f"product_mesh/sku-1/{old}",)
    assert verify(store, prune=True).pruned == (), "a run may still be writing it"
    assert verify(store, prune=True, youngest_hours=0.0).findings == ()
    assert verify(store).old_versions == ()
    assert store.require("product_mesh", "sku-1").path("deep/file.txt").read_text() == "new"


def test_two_writers_of_one_version_never_publish_half_of_it(store: ArtifactStore) -> None:
    def fail() -> None:
        with store.writing("product_mesh", "sku-1", "v1", {}) as second:
            second.writer.path("a.txt").write_text("a")
            raise RuntimeError

    with store.writing("product_mesh", "sku-1", "v1", {}) as first:
        first.writer.path("a.txt").write_text("a")
        with pytest.raises(RuntimeError):
            fail()
        verify(store, prune=True)
        first.writer.path("b.txt").write_text("b")
    artifact = store.require("product_mesh", "sku-1")
    assert sorted(artifact.files) == ["a.txt", "b.txt"]
    assert verify(store).findings == ()


def test_an_artefact_with_a_lost_or_cut_file_is_not_intact(store: ArtifactStore) -> None:
    write(store, "v1", "hello")
    artifact = store.require("product_mesh", "sku-1")
    assert store.intact(artifact)
    (artifact.folder / "deep/file.txt").write_text("hell")
    assert not store.intact(artifact)


def test_verify_names_what_is_missing_or_damaged(store: ArtifactStore) -> None:
    write(store, "v1", "hello")
    folder = store.require("product_mesh", "sku-1").folder
    (folder / "deep/file.txt").write_text("jello")
    (folder / "note.json").unlink()
    assert {(f.file, f.problem) for f in verify(store).findings} == {("deep/file.txt", "damaged"),
                                                                     ("note.json", "missing")}


def test_dropped_files_are_gone_and_the_version_stays(store: ArtifactStore) -> None:
    write(store, "v1", "hello")
    store.drop(store.require("product_mesh", "sku-1"), ["deep/file.txt"])
    artifact = store.require("product_mesh", "sku-1")
    assert (artifact.data_version, list(artifact.files)) == ("v1", ["note.json"])
    with pytest.raises(StoreError, match="file_missing"):
        artifact.path("deep/file.txt")
    assert verify(store).findings == ()


def test_an_absent_artefact_says_what_to_run(store: ArtifactStore) -> None:
    assert store.current("product_mesh", "sku-1") is None
    with pytest.raises(StoreError, match="Materialize product_mesh"):
        store.require("product_mesh", "sku-1")


def test_an_unknown_schema_is_refused_not_misread(store: ArtifactStore) -> None:
    write(store, "v1", "hello")
    path = store.root / "product_mesh" / "sku-1" / "current.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(StoreError, match="schema_unknown"):
        store.current("product_mesh", "sku-1")
    assert [f.file for f in verify(store).findings] == ["current.json"]


def test_textures_are_kept_by_content(store: ArtifactStore) -> None:
    digest = store.put_texture(b"pixels")
    assert store.put_texture(b"pixels") == digest
    assert store.texture(digest) == b"pixels"
    with pytest.raises(StoreError, match="texture_missing"):
        store.texture("0" * 64)


def test_errors_are_kept_by_sku_until_cleared(store: ArtifactStore) -> None:
    store.record_error("sku-1", "product_mesh", PackshotError("mesh_empty", "No triangles.", "Export again."))
    assert store.errors()["sku-1"]["code"] == "mesh_empty"
    store.clear_error("sku-1")
    store.clear_error("sku-1")
    assert store.errors() == {}


def test_damage_on_disk_is_noticed_when_reading(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    write(store, "v1", "hello")
    (store.require("product_mesh", "sku-1").folder / "deep/file.txt").write_text("truncat")
    with pytest.raises(StoreError, match="file_damaged"):
        store.require("product_mesh", "sku-1").path("deep/file.txt")


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                           | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.dictionaries(st.text(), json_values))
def test_data_versions_depend_on_content_not_on_order(inputs: dict[str, object]) -> None:
    assert data_version(inputs) == data_version(dict(reversed(inputs.items())))
    assert data_version({**inputs, "one more": 1}) != data_version({**inputs, "one more": 2})
