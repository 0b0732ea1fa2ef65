"""`packshot verify`: what is wrong with a store, by SKU, with what to do; and what it does about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from pipeline.verify import verify
from tests.conftest import ROOT

PIXELS = b"pixels of an embedded texture"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "store")
    for sku in ("a", "b"):
        with store.writing("product_mesh", sku, "v1", {}) as pending:
            pending.writer.path("mesh.npz").write_bytes(sku.encode() * 100)
            pending.writer.metadata["textures"] = [{"source": "store", "path": store.put_texture(PIXELS)},
                                                   {"source": "folder", "path": "diffuse.png"}]
        with store.writing("delivered_images", sku, "v1", {}) as pending:
            pending.writer.path("hero.jpg").write_bytes(b"image")
    return store


def inside(store: ArtifactStore, name: str) -> Path:
    return Path(store.root.path, name)


def command(store: ArtifactStore, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipeline.cli", "verify", "--store", str(store.root), *options],
                          cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_sound_store(store: ArtifactStore) -> None:
    found = verify(store, prune=True, repair=True, migrate=True, youngest_hours=0.0)
    assert (found.artifacts, found.files, found.findings, found.pruned, found.repaired) == (4, 4, (), (), ())
    assert store.texture(store.put_texture(PIXELS)) == PIXELS


def test_damage_is_named_taken_out_and_asked_for_again(store: ArtifactStore) -> None:
    artifact = store.require("product_mesh", "a")
    artifact.path("mesh.npz").write_bytes(b"b" * 100)  # of the same size: nothing but its checksum tells
    store.require("delivered_images", "b").path("hero.jpg").unlink()
    assert [(f.asset, f.sku, f.file, f.problem) for f in verify(store).findings] == [
        ("product_mesh", "a", "mesh.npz", "damaged"), ("delivered_images", "b", "hero.jpg", "missing")]
    assert [f.problem for f in verify(store, quick=True).findings] == ["missing"]
    assert verify(store, repair=True).repaired == ("product_mesh/a", "delivered_images/b")
    assert verify(store).findings == ()
    assert store.current("product_mesh", "a") is None
    assert store.current("product_mesh", "b") is not None
    assert {sku: error["code"] for sku, error in store.errors().items()} == {"a": "file_damaged", "b": "file_damaged"}


def test_a_damaged_or_lost_texture_belongs_to_the_skus_that_use_it(store: ArtifactStore) -> None:
    digest = store.put_texture(PIXELS)
    inside(store, f"textures/{digest}").write_bytes(PIXELS[::-1])
    assert {(f.sku, f.problem) for f in verify(store).findings} == {("a", "damaged"), ("b", "damaged")}
    verify(store, repair=True)
    assert not store.has_texture(digest)
    assert store.current("product_mesh", "a") is None
    inside(store, f"textures/{digest}").unlink(missing_ok=True)


def test_unused_textures_and_litter_go_when_they_are_old(store: ArtifactStore) -> None:
    unused = store.put_texture(b"nobody's")
    litter = [inside(store, name) for name in ("textures/.new-abcd1234", "state/.tmpabcd1234",
                                               "product_mesh/a/.abcd_123", "errors/.new-zzzz9999")]
    for path in litter:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    (inside(store, "product_mesh/a") / "v0-00000000").mkdir()
    foreign = [inside(store, ".dagster/.tmpabcd1234"), inside(store, "notes/.tmpabcd1234")]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not ours")
    young = verify(store, prune=True)
    assert (len(young.litter), young.unused_textures, young.old_versions, young.pruned) == (
        4, (unused,), ("product_mesh/a/v0-00000000",), ())
    for path in [*litter, inside(store, f"textures/{unused}"), inside(store, "product_mesh/a/v0-00000000")]:
        os.utime(path, (0, 0))
    manifest = inside(store, "product_mesh/a/current.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "written_at": 0}))
    assert len(verify(store, prune=True).pruned) == 6
    assert not any(path.exists() for path in litter)
    assert all(path.exists() for path in foreign)
    assert not store.has_texture(unused)
    assert store.texture(store.put_texture(PIXELS)) == PIXELS
    assert verify(store).litter == ()


def test_textures_stay_while_a_mesh_cannot_be_read(store: ArtifactStore) -> None:
    """Whoever uses them may be named there."""
    inside(store, "product_mesh/a/current.json").write_text("{")
    inside(store, "product_mesh/b/current.json").write_text("{")
    found = verify(store, prune=True, youngest_hours=0.0)
    assert len(found.findings) == 2
    assert len(found.unused_textures) == 1
    assert found.pruned == ()


def test_records_that_cannot_be_read_are_named(store: ArtifactStore) -> None:
    store.write_bytes("errors/a.json", b"{")
    store.write_bytes("state/refresh.json", b"{")
    store.write_bytes("score_table/current/00.parquet", b"PAR1")
    store.write_bytes("score_table/history/date=2026-01-01/x.parquet", b"PAR1")
    assert store.errors() == {}
    assert [(f.asset, f.file) for f in verify(store).findings] == [
        ("state", "refresh.json"), ("errors", "a.json"), ("score_table", "current/00.parquet"),
        ("score_table", "history/date=2026-01-01/x.parquet")]
    left = verify(store, repair=True)
    assert left.repaired == ("errors/a.json", "score_table/current/00.parquet")
    assert [f.file for f in verify(store).findings] == ["refresh.json", "history/date=2026-01-01/x.parquet"]


def test_the_command(store: ArtifactStore) -> None:
    done = command(store, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["artifacts"] == 4
    store.require("product_mesh", "a").path("mesh.npz").unlink()
    done = command(store)
    assert done.returncode == 1
    assert "a:\n  product_mesh/mesh.npz: missing\n  → `packshot verify --repair`" in done.stdout
    done = command(store, "--repair", "--prune", "--migrate", "--youngest-hours", "0", "--json")
    assert json.loads(done.stdout)["repaired"] == ["product_mesh/a"]
    assert command(store, "--quick").returncode == 0
