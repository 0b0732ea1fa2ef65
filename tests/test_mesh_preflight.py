"""Any change to a glTF file ends in a named error or in a mesh that holds together."""

from __future__ import annotations

import contextlib
import copy
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import IngestError
from pipeline.mesh import IngestLimits, gate, geometry_files
from pipeline.mesh.child import MALFORMED
from tests.mesh_files import PNG, Gltf, load


def _rich() -> Gltf:
    """A small file that uses much of the format."""
    gltf = Gltf()
    primitive = gltf.box() | {"material": 0, "extensions": {"KHR_materials_variants": {
        "mappings": [{"material": 1, "variants": [0]}]}}}
    attributes = primitive["attributes"]
    attributes["TEXCOORD_1"] = gltf.accessor(np.full((24, 2), 9, np.uint16), normalized=True)
    attributes["COLOR_0"] = gltf.accessor(np.full((24, 4), 200, np.uint8), normalized=True)
    attributes["JOINTS_0"] = gltf.accessor(np.zeros((24, 4), np.uint8))
    attributes["WEIGHTS_0"] = gltf.accessor(np.full((24, 4), 0.25, np.float32))
    primitive["targets"] = [{"POSITION": gltf.accessor(np.full((24, 3), 0.1, np.float32))}]
    gltf.json["accessors"][attributes["POSITION"]]["sparse"] = {
        "count": 1, "indices": {"bufferView": gltf.view(np.array([3], np.uint16).tobytes()), "componentType": 5123},
        "values": {"bufferView": gltf.view(np.array([9, 8, 7], np.float32).tobytes())}}
    image = gltf.view(PNG)
    gltf.scene([primitive], skin=0, weights=[0.5], translation=[1, 0, 0])
    gltf.json |= {
        "skins": [{"joints": [1, 2]}], "cameras": [{"type": "perspective", "perspective": {"yfov": 0.6}}],
        "images": [{"bufferView": image, "mimeType": "image/png"}, {"uri": "a%20b.png"}],
        "samplers": [{"wrapS": 33071, "magFilter": 9728}], "textures": [{"source": 0, "sampler": 0}, {"source": 1}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "extensions": {
            "KHR_texture_transform": {"offset": [0.5, 0], "texCoord": 1}}}}, "normalTexture": {"index": 1}},
            {"name": "red", "alphaMode": "MASK", "extensions": {"KHR_materials_unlit": {}}}],
        "extensions": {"KHR_materials_variants": {"variants": [{"name": "red"}]}}}
    gltf.json["nodes"] += [{"children": [2], "camera": 0}, {"matrix": np.eye(4).reshape(-1).tolist()}]
    gltf.json["scenes"][0]["nodes"] = [0, 1]
    return gltf


RICH = _rich()
WHOLE = RICH.glb()


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: list[tuple[str | int, Any]] = (list(value.items()) if isinstance(value, dict)
                                          else list(enumerate(value)) if isinstance(value, list) else [])
    return [place for key, child in items for place in [(*path, key), *_places(child, (*path, key))]]


PLACES = _places(RICH.json)
ODD: st.SearchStrategy[Any] = st.one_of(st.sampled_from([
    None, True, "", "x", [], {}, -1, 0, 1, 2, 3, 255, 5121, 5125, 65536, 2**31, 2**63, 10**30, 0.5, 1e300,
    float("nan"), float("inf"), [0], [[]], {"index": 0}, "../x", "\0", "data:,", "MAT4", "SCALAR", "VEC2"]),
    st.integers(-5, 40))


def _holds(data: bytes, name: str, folder: Path) -> None:
    assert isinstance(geometry_files(folder, name, [name]), tuple)
    limits = IngestLimits(max_triangles=100_000)
    try:
        raw = load(data, name, folder)
        parts = gate.check(raw, name, limits)
    except (IngestError, *MALFORMED):
        return  # the second are what the child's main function names ``mesh_malformed``
    for part in parts:
        assert np.isfinite(part.positions).all()
        assert 0 <= part.triangles.min() <= part.triangles.max() < len(part.positions)
        assert part.material < len(raw.materials)
        assert all(len(uv) == len(part.positions) and np.isfinite(uv).all() for uv in part.uv_sets)


_FEW = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_FEW
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD, st.booleans()), min_size=1, max_size=3))
def test_any_field_of_another_type_or_size(tmp_path: Path, changes: list[tuple[tuple[str | int, ...], Any, bool]]
                                           ) -> None:
    gltf = Gltf()
    gltf.data, gltf.json = RICH.data, copy.deepcopy(RICH.json)
    for path, value, removed in changes:
        target: Any = gltf.json
        for key in path[:-1]:
            try:
                target = target[key]
            except (LookupError, TypeError):
                break
        else:
            last = path[-1]
            if isinstance(target, dict) and removed:
                target.pop(last, None)
            else:
                with contextlib.suppress(LookupError, TypeError):
                    target[last] = value
    data = gltf.glb()
    (tmp_path / "m.glb").write_bytes(data)
    _holds(data, "m.glb", tmp_path)


@_FEW
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6),
       st.integers(0, 2 * len(WHOLE)))
def test_any_byte(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[place] = value
    data = bytes(damaged[:cut])
    (tmp_path / "m.glb").write_bytes(data)
    _holds(data, "m.glb", tmp_path)


@_FEW
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0x4E4F534A, 0x004E4942, 0, 7]),
                          st.binary(max_size=24)), max_size=4), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
def test_any_chunks(tmp_path: Path, chunks: list[tuple[int, int, bytes]], length: int, version: int) -> None:
    body = b"".join(struct.pack("<II", size if size % 3 else len(data), kind) + data for size, kind, data in chunks)
    data = struct.pack("<4sII", b"glTF", version, length if length % 3 else 12 + len(body)) + body
    (tmp_path / "m.glb").write_bytes(data)
    _holds(data, "m.glb", tmp_path)


def test_the_file_is_sound_before_it_is_changed(tmp_path: Path) -> None:
    raw = load(WHOLE, "m.glb", tmp_path)
    assert len(gate.check(raw, "m.glb", IngestLimits())[0].triangles) == 12
    assert json.loads(json.dumps(RICH.json)) == RICH.json
