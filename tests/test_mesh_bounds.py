"""Files made to harm: they end in a named error, cost little, and touch nothing outside their folder."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from pipeline.errors import IngestError
from pipeline.mesh import IngestLimits, child, geometry_files
from tests.mesh_files import Gltf, box_glb, ingest_folder, load


def _code(folder: Path, name: str = "m.glb", limits: IngestLimits | None = None) -> str:
    started = perf_counter()
    with pytest.raises(IngestError) as caught:
        ingest_folder(folder, name, limits=limits)
    assert perf_counter() - started < 5.0
    assert caught.value.hint
    return caught.value.code


def _in_process(gltf: Gltf, folder: Path) -> str:
    with pytest.raises(IngestError) as caught:
        load(gltf.glb(), "m.glb", folder)
    return caught.value.code


@pytest.mark.parametrize("harm", ["zeros", "sparse", "triangles", "strip", "meshopt", "nodes", "many"])
def test_what_costs_nothing_to_write_costs_nothing_to_refuse(harm: str, tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box()
    gltf.scene([primitive])
    accessor = gltf.json["accessors"][primitive["attributes"]["POSITION"]]
    view = gltf.json["bufferViews"][accessor["bufferView"]]
    indices = gltf.json["accessors"][primitive["indices"]]
    code = "gltf_malformed"
    if harm == "zeros":
        del accessor["bufferView"]
        accessor["count"] = 10**9
    elif harm == "sparse":
        accessor["sparse"] = {"count": 10**9, "indices": {"bufferView": 0, "componentType": 5125},
                              "values": {"bufferView": 0}}
    elif harm in ("triangles", "strip"):
        indices["count"] = 10**9
        gltf.json["meshes"][0]["primitives"][0]["mode"] = 4 if harm == "triangles" else 5
        code = "mesh_too_large"
    elif harm == "meshopt":
        accessor["count"] = 10**9
        view["byteLength"] = 12 * 10**9
        view["extensions"] = {"EXT_meshopt_compression": {"buffer": 0, "byteLength": 64, "byteStride": 12,
                                                          "count": 10**9, "mode": "ATTRIBUTES"}}
    elif harm == "nodes":
        gltf.json["nodes"] = [{"children": [k + 1]} for k in range(10_000)] + [{"mesh": 0}]
    else:
        gltf.json["nodes"] = [{"children": list(range(1, 60_001))}] + [{"mesh": 0}] * 60_000
    started = perf_counter()
    assert _in_process(gltf, tmp_path) == code
    assert perf_counter() - started < 2.0


def _glb_of(text: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


@pytest.mark.parametrize("text", [
    b'{"asset":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    b'{"asset": {"version": "2.0"}, "scene": ' + b"9" * 6000 + b"}", b"\xff\xfe{}", b"[]", b"null",
], ids=["deep", "digits", "utf16", "array", "null"])
def test_json_that_is_no_gltf(text: bytes, tmp_path: Path) -> None:
    for name, data in (("m.glb", _glb_of(text)), ("m.gltf", text)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(IngestError):
            load(data, name, tmp_path)
        # Looked at by the parent, before any child: silent, whatever it holds.
        assert geometry_files(tmp_path, name, [name]) == ()


def test_numbers_beyond_float_are_an_error_of_the_file(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()], translation=[10**400, 0, 0])
    (tmp_path / "m.glb").write_bytes(gltf.glb())
    assert _code(tmp_path) == "mesh_malformed"
    gltf.json["nodes"][0]["translation"] = [float("nan"), 0, 0]
    (tmp_path / "m.glb").write_bytes(gltf.glb())
    assert _code(tmp_path) == "mesh_not_finite"


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.glb").write_bytes(box_glb())
    folder = tmp_path / "sku"
    folder.mkdir()
    (folder / "m.glb").symlink_to(tmp_path / "secret.glb")
    assert _code(folder) == "path_escapes"
    os.mkfifo(folder / "pipe.glb")
    assert _code(folder, "pipe.glb") == "file_unreadable"
    assert geometry_files(folder, "pipe.glb", ["pipe.glb"]) == ()
    (folder / "folder.glb").mkdir()
    assert _code(folder, "folder.glb") == "file_unreadable"
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "mesh.bin").write_bytes(b"secret" * 400)
    (folder / "inside").symlink_to(tmp_path / "aside", target_is_directory=True)
    gltf = Gltf()
    gltf.scene([gltf.box()])
    document = gltf.json | {"buffers": [{"byteLength": len(gltf.data), "uri": "inside/mesh.bin"}]}
    (folder / "n.gltf").write_text(json.dumps(document))
    with pytest.raises(IngestError) as caught:
        ingest_folder(folder, "n.gltf")
    assert caught.value.code in ("path_escapes", "file_missing")


def test_a_child_has_no_network_and_starts_nothing() -> None:
    code = textwrap.dedent("""
        import socket, subprocess, sys
        from pipeline.mesh.child import _refuse_network
        sys.addaudithook(_refuse_network)
        for harm in (lambda: socket.create_connection(("127.0.0.1", 9)), lambda: socket.getaddrinfo("example.com", 80),
                     lambda: subprocess.run(["true"])):
            try:
                harm()
            except PermissionError:
                print("refused")
    """)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(child.__file__).parents[2])
    assert told.stdout.split() == ["refused"] * 3


def test_damaged_draco_is_an_error_of_the_file(tmp_path: Path) -> None:
    import DracoPy

    whole = DracoPy.encode(np.random.default_rng(3).random((30, 3)), np.arange(30).reshape(-1, 3))
    generator = np.random.default_rng(5)
    for k in range(6):
        damaged = bytearray(whole)
        if k == 0:
            damaged[11:16] = b"\xff\xff\xff\xff\x07"  # counts are varints behind the header
        else:
            for at in generator.integers(8, len(damaged), 4):
                damaged[at] = generator.integers(0, 256)
        gltf = Gltf()
        view = gltf.view(bytes(damaged))
        gltf.json["accessors"] = [{"componentType": 5126, "count": 30, "type": "VEC3"},
                                  {"componentType": 5125, "count": 30, "type": "SCALAR"}]
        gltf.scene([{"attributes": {"POSITION": 0}, "indices": 1, "extensions": {
            "KHR_draco_mesh_compression": {"bufferView": view, "attributes": {"POSITION": 0}}}}])
        (tmp_path / "m.glb").write_bytes(gltf.glb())
        started = perf_counter()
        try:
            result = ingest_folder(tmp_path, "m.glb", limits=IngestLimits(timeout_s=4, memory_mb=2048))
        except IngestError:
            result = None
        assert result is None or np.isfinite(result.mesh.positions).all()
        assert perf_counter() - started < 5.0
