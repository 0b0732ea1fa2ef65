"""A catalogue that is not on a disk: each file of a SKU crosses the network once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from upath import UPath

from pipeline.catalogue import Catalogue
from tests.small_catalogue import small_catalogue


@pytest.fixture
def remote(tmp_path: Path) -> UPath:
    local = small_catalogue(tmp_path / "catalogue", "mug")
    (local / "mug" / "reference").mkdir()
    (local / "mug" / "reference" / "photo.jpg").write_bytes(b"large")
    root = UPath("memory://remote")
    for path in sorted(local.rglob("*")):
        if path.is_file():
            target = root / path.relative_to(local).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return root


def test_each_file_is_fetched_once_and_photos_only_where_wanted(remote: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: Counter[str] = Counter()
    whole = MemoryFileSystem.cat_file

    def counted(self: Any, path: str, *arguments: Any, **options: Any) -> Any:
        fetched[path.rpartition("/")[2]] += 1
        return whole(self, path, *arguments, **options)

    product = Catalogue.at(remote).product("mug")
    monkeypatch.setattr(MemoryFileSystem, "cat_file", counted)
    digest = product.sha256("diffuse.png")
    assert fetched == {"box.obj": 1, "diffuse.png": 1}
    with product.local_folder() as folder:
        assert (folder / "diffuse.png").read_bytes() == product.read("diffuse.png")
        assert (folder / "reference" / "photo.jpg").read_bytes() == b"large"
    assert fetched["box.obj"] == fetched["diffuse.png"] == 1
    assert Catalogue.at(remote).product("mug").sha256("diffuse.png") == digest


def test_a_file_that_goes_away_is_only_missed_where_it_is_read(remote: UPath) -> None:
    product = Catalogue.at(remote).product("mug")
    (remote / "mug" / "diffuse.png").unlink()
    assert product.sha256("box.obj")
    with pytest.raises(FileNotFoundError):
        product.read("diffuse.png")
