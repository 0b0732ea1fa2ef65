"""Whatever the loader's process does, the parent gets an IngestError."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pipeline.errors import IngestError
from pipeline.mesh import IngestLimits
from tests.mesh_files import box_glb, ingest_folder


def _code(folder: Path, limits: IngestLimits | None = None, name: str = "m.glb") -> str:
    with pytest.raises(IngestError) as caught:
        ingest_folder(folder, name, limits=limits)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.glb").write_bytes(box_glb())
    return tmp_path


def test_time_limit(folder: Path) -> None:
    assert _code(folder, IngestLimits(timeout_s=0.02)) == "loader_timeout"


def test_memory_limit(folder: Path) -> None:
    """More than the limit is asked for at once: what a small file needs may lie in memory that is there already."""
    with (folder / "m.glb").open("ab") as file:
        file.truncate(64 << 20)
    assert _code(folder, IngestLimits(memory_mb=48)) == "loader_memory"


def test_size_and_triangle_limits(folder: Path) -> None:
    assert _code(folder, IngestLimits(max_triangles=11)) == "mesh_too_large"
    assert _code(folder, IngestLimits(max_file_mb=0)) == "file_too_large"


@pytest.mark.parametrize(("end", "code"), [("kill -SEGV $$", "loader_crashed"), ("kill -KILL $$", "loader_memory"),
                                           ("exit 3", "loader_crashed"), ("exit 0", "loader_crashed")])
def test_a_crash(end: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crasher = folder / "python"
    crasher.write_text(f"#!/bin/sh\n{end}\n")
    crasher.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crasher))
    assert _code(folder) == code


def test_an_unknown_suffix_and_an_absent_file(folder: Path) -> None:
    assert _code(folder, name="m.step") == "unknown_format"
    assert _code(folder, name="gone.glb") == "file_unreadable"


def test_the_report_is_json(folder: Path) -> None:
    record = ingest_folder(folder, "m.glb").report.as_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["triangles"] == 12
