"""A SKU folder made to do harm: nothing outside it is read, nothing waits, and the command line says why."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from pipeline.errors import PackshotError
from pipeline.mesh import ingest_file
from tests.mesh_files import Gltf, box_glb


def _refused(path: Path) -> str:
    started = perf_counter()
    with pytest.raises(PackshotError) as caught:
        ingest_file(path)
    assert perf_counter() - started < 10
    assert caught.value.code
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.code


def test_a_buffer_link_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sku"
    folder.mkdir()
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.write(folder / "m.gltf")
    assert len(ingest_file(folder / "m.gltf").mesh.triangles) == 12
    (folder / "mesh.bin").rename(tmp_path / "secret.bin")
    (folder / "mesh.bin").symlink_to(tmp_path / "secret.bin")
    _refused(folder / "m.gltf")


def test_a_pipe_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.glb")
    _refused(tmp_path / "m.glb")


def test_no_socket_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.write(tmp_path / "m.gltf", buffer_uri="http://127.0.0.1:9/mesh.bin")
    _refused(tmp_path / "m.gltf")


@pytest.mark.parametrize("data", [box_glb()[:200], b""])
def test_the_command_line_names_the_fault(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.glb").write_bytes(data)
    command = [sys.executable, "-m", "pipeline.cli", "ingest", str(tmp_path / "bad.glb"), "--out",
               str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert set(json.loads(done.stdout)["error"]) == {"code", "message", "hint"}
    assert "Traceback" not in done.stderr
