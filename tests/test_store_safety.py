"""Two writers, kills, full and read-only disks, older schemas: nothing that can be read wrong."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from pipeline import storage_errors
from pipeline.atomic import is_litter
from pipeline.errors import StoreError, TextureError
from pipeline.manifest import SCHEMA
from pipeline.store import ArtifactStore
from pipeline.verify import verify

ROUNDS = 60


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def write(store: ArtifactStore, text: str = "hello", version: str = "v1", asset: str = "product_mesh") -> None:
    with store.writing(asset, "sku-1", version, {"mesh": "abc"}) as pending:
        pending.writer.path("a.txt").write_text(text)
        pending.writer.path("deep/b.txt").write_text(text)


def _write_for_ever(root: Path, mark: str) -> None:
    store = ArtifactStore(root)
    for number in range(100_000):
        write(store, f"{mark}{number}" * 2000)
        store.put_texture(b"one texture" * 5000)
        store.write_bytes("state/x.json", json.dumps({"by": mark * 5000}).encode())


def test_two_processes_on_one_version_and_kills_never_tear_what_is_read(store: ArtifactStore) -> None:
    """Readers see one writer's files as a whole, while writers of the very same version are killed and replaced."""
    spawn = multiprocessing.get_context("spawn")

    def started(mark: str) -> multiprocessing.process.BaseProcess:
        process = spawn.Process(target=_write_for_ever, args=(Path(store.root.path), mark), daemon=True)
        process.start()
        return process

    writers = {mark: started(mark) for mark in "xy"}
    try:
        deadline = time.monotonic() + 60
        while store.current("product_mesh", "sku-1") is None or store.read_bytes("state/x.json") is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        seen = set()
        for number in range(ROUNDS):
            artifact = store.require("product_mesh", "sku-1")
            first, second = artifact.path("a.txt").read_text(), artifact.path("deep/b.txt").read_text()
            assert first == second
            seen.add(first)
            assert json.loads(store.read_bytes("state/x.json") or b"")["by"]
            if number % 20 == 10:
                mark = "xy"[number // 20 % 2]
                os.kill(writers[mark].pid or 0, signal.SIGKILL)
                writers[mark].join()
                writers[mark] = started(mark)
            time.sleep(0.01)
    finally:
        for process in writers.values():
            process.kill()
            process.join()
    assert len(seen) > 5, "the writers did not write beside the reader"
    found = verify(store)
    assert found.findings == ()
    assert found.old_versions
    after = verify(store, prune=True, youngest_hours=0.0)
    assert len(after.pruned) == len(after.old_versions) + len(after.litter) + len(after.unused_textures)
    clean = verify(store)
    assert (clean.findings, clean.old_versions, clean.litter, clean.artifacts) == ((), (), (), 1)


def test_remaking_a_version_leaves_the_old_folder_to_its_readers(store: ArtifactStore) -> None:
    write(store, "before")
    held = store.require("product_mesh", "sku-1")
    write(store, "after")
    assert held.path("a.txt").read_text() == "before"
    now = store.require("product_mesh", "sku-1")
    assert (now.data_version, now.path("a.txt").read_text()) == ("v1", "after")
    assert verify(store, prune=True).pruned == (), "its last reader may have come in a moment ago"
    assert held.path("a.txt").read_text() == "before"


def test_what_was_replaced_long_ago_but_written_longer_ago_is_pruned(store: ArtifactStore) -> None:
    """The age that counts is that of the manifest that replaced it."""
    write(store, "before")
    old = store.require("product_mesh", "sku-1").folder
    for path in Path(old.path).rglob("*"):
        os.utime(path, (0, 0))
    write(store, "after", "v2")
    assert verify(store, prune=True).pruned == ()
    manifest = Path(store.root.path, "product_mesh/sku-1/current.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "written_at": 0}))
    assert verify(store, prune=True).pruned == (f"product_mesh/sku-1/{old.name}",)


def test_an_interrupted_write_leaves_nothing_behind(store: ArtifactStore) -> None:
    def fail() -> None:
        with store.writing("product_mesh", "sku-1", "v1", {}) as pending:
            pending.writer.path("a.txt").write_text("half")
            raise TextureError("texture_unreadable", "no image")

    with pytest.raises(TextureError):
        fail()
    assert list(Path(store.root.path, "product_mesh/sku-1").iterdir()) == []


def test_dropping_what_another_run_has_replaced_does_nothing(store: ArtifactStore) -> None:
    write(store, "mine")
    mine = store.require("product_mesh", "sku-1")
    write(store, "theirs", "v2")
    store.drop(mine, ["a.txt"])
    now = store.require("product_mesh", "sku-1")
    assert (now.data_version, sorted(now.files)) == ("v2", ["a.txt", "deep/b.txt"])


def test_a_full_disk_is_named(store: ArtifactStore) -> None:
    def fill() -> None:
        with store.writing("product_mesh", "sku-1", "v1", {}) as pending:
            pending.writer.path("a.txt").symlink_to("/dev/full")
            pending.writer.path("a.txt").write_text("more")

    write(store, "kept")
    with pytest.raises(StoreError) as caught:
        fill()
    assert caught.value.code == "store_full"
    assert "packshot verify --prune" in caught.value.hint
    assert store.require("product_mesh", "sku-1").path("a.txt").read_text() == "kept"


@pytest.mark.parametrize("error", [RuntimeError("File cannot be opened"), OSError("encoder error -2"),
                                   StoreError("store_unwritable", "OpenEXR: write failed")])
def test_a_native_writer_that_says_nothing_has_its_disk_asked(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch,
                                                              error: Exception) -> None:
    def fail() -> None:
        with store.writing("product_mesh", "sku-1", "v1", {}):
            raise error

    with pytest.raises(type(error)) as caught:  # there is room: it stays what it is
        fail()
    assert caught.value is error
    monkeypatch.setattr(storage_errors, "_FULL_BELOW_BYTES", 1 << 62)
    with pytest.raises(StoreError, match="store_full"):
        fail()


def test_an_error_about_a_file_elsewhere_is_not_the_stores(store: ArtifactStore, tmp_path: Path) -> None:
    def fail() -> None:
        with store.writing("product_mesh", "sku-1", "v1", {}):
            raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "catalogue" / "a.png"))

    with pytest.raises(PermissionError):
        fail()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.ESTALE])
def test_every_way_of_writing_names_what_the_disk_says(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch,
                                                       number: int) -> None:
    code = {errno.ENOSPC: "store_full", errno.EDQUOT: "store_full", errno.ESTALE: "storage_unreachable"}.get(
        number, "store_read_only")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    write(store)
    monkeypatch.setattr("os.replace", refuse)
    for work in (lambda: write(store, "new"), lambda: store.write_bytes("x", b""), lambda: store.put_texture(b"p"),
                 lambda: store.record_error("sku-1", "product_mesh", StoreError("a", "b")),
                 lambda: store.drop(store.require("product_mesh", "sku-1"), ["a.txt"])):
        with pytest.raises(StoreError) as caught:
            work()
        assert caught.value.code == code
    assert store.require("product_mesh", "sku-1").path("a.txt").read_text() == "hello"
    assert [path.name for path in Path(store.root.path).rglob("*") if is_litter(path.name)] == []


def older(store: ArtifactStore) -> None:
    """Make the artefact one of schema 1, as an earlier version left it."""
    artifact = store.require("product_mesh", "sku-1")
    folder = Path(artifact.folder.path)
    folder.rename(folder.with_name(artifact.data_version))
    manifest = folder.parent / "current.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**{name: value for name, value in record.items() if name != "folder"},
                                    "schema": 1}))


def test_schema_1_is_read_with_a_message_and_migrated(store: ArtifactStore, caplog: pytest.LogCaptureFixture) -> None:
    write(store)
    older(store)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        artifact = ArtifactStore(store.root).require("product_mesh", "sku-1")
        assert artifact.path("a.txt").read_text() == "hello"
    assert len([record for record in caplog.records if "schema 1" in record.message]) == 1
    found = verify(store, prune=True, youngest_hours=0.0)
    assert (found.findings, found.older_schema, found.pruned) == ((), ("product_mesh/sku-1",), ())
    assert verify(store, migrate=True).migrated == ("product_mesh/sku-1",)
    manifest = json.loads(Path(store.root.path, "product_mesh/sku-1/current.json").read_text())
    assert (manifest["schema"], manifest["folder"]) == (SCHEMA, "v1")
    assert store.require("product_mesh", "sku-1").path("a.txt").read_text() == "hello"
    assert verify(store).older_schema == ()


def test_writing_over_schema_1_brings_it_up(store: ArtifactStore) -> None:
    write(store, "old")
    older(store)
    write(store, "new")
    assert store.require("product_mesh", "sku-1").path("a.txt").read_text() == "new"
    assert verify(store).old_versions == ("product_mesh/sku-1/v1",)


@pytest.mark.parametrize(("change", "code"), [
    ({"schema": SCHEMA + 1}, "schema_unknown"), ({"schema": 0}, "schema_unknown"),
    ({"schema": "2"}, "manifest_damaged"),
    ({"folder": "../elsewhere"}, "manifest_damaged"), ({"folder": None}, "manifest_damaged"),
    ({"files": {"../../x": {"sha256": "0", "size": 1}}}, "manifest_damaged"), ({"files": []}, "manifest_damaged")])
def test_a_manifest_that_is_not_understood_is_refused(store: ArtifactStore, change: dict[str, object], code: str
                                                      ) -> None:
    write(store)
    manifest = Path(store.root.path, "product_mesh/sku-1/current.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(StoreError) as caught:
        store.current("product_mesh", "sku-1")
    assert caught.value.code == code
    found = verify(store, prune=True, repair=True, youngest_hours=0.0)
    assert [finding.file for finding in found.findings] == ["current.json"]
    assert found.pruned == (), "nobody knows which folder is in use"
    assert manifest.exists() == (code == "schema_unknown"), "what a newer version wrote is left to it"
