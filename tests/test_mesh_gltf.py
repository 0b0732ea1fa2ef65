"""glTF: accessors, scene graph, materials and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import IngestError
from pipeline.mesh.child import MALFORMED
from tests.mesh_files import PNG, Gltf, box, box_glb, load


def _code(data: bytes, folder: Path, name: str = "m.glb") -> str:
    with pytest.raises(IngestError) as caught:
        load(data, name, folder)
    assert "Traceback" not in caught.value.message
    return caught.value.code


def test_a_box_is_read_as_it_is(tmp_path: Path) -> None:
    positions, normals, uvs, triangles = box()
    [part] = load(box_glb(), "m.glb", tmp_path).parts
    np.testing.assert_allclose(part.positions, positions, atol=1e-7)
    assert part.normals is not None
    np.testing.assert_allclose(part.normals, normals, atol=1e-7)
    np.testing.assert_allclose(part.uv_sets[0], uvs, atol=1e-7)
    assert np.array_equal(part.triangles, triangles)


def test_quantised_and_normalised_attributes(tmp_path: Path) -> None:
    positions, _, uvs, triangles = box()
    gltf = Gltf()
    quantised = np.round(positions / 0.2 * 32767).astype(np.int16)
    attributes = {"POSITION": gltf.accessor(np.pad(quantised, ((0, 0), (0, 0))), normalized=True),
                  "TEXCOORD_0": gltf.accessor(np.round(uvs * 65535).astype(np.uint16), normalized=True)}
    gltf.scene([{"attributes": attributes, "indices": gltf.accessor(triangles.astype(np.uint8).reshape(-1))}],
               scale=[0.2, 0.2, 0.2])
    gltf.json["extensionsRequired"] = ["KHR_mesh_quantization"]
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    corners = triangles.reshape(-1)
    np.testing.assert_allclose(part.positions, positions[corners], atol=1e-5)
    np.testing.assert_allclose(part.uv_sets[0], uvs[corners], atol=1e-4)


def test_sparse_overlay_on_a_buffer_view(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box()
    moved = np.array([[9, 8, 7]], np.float32)
    gltf.json["accessors"][primitive["attributes"]["POSITION"]]["sparse"] = {
        "count": 1, "indices": {"bufferView": gltf.view(np.array([3], np.uint16).tobytes()), "componentType": 5123},
        "values": {"bufferView": gltf.view(moved.tobytes())}}
    gltf.scene([primitive])
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    np.testing.assert_allclose(part.positions[3], moved[0])
    np.testing.assert_allclose(part.positions[2], box()[0][2], atol=1e-7)


def test_interleaved_view(tmp_path: Path) -> None:
    positions, normals, _, triangles = box()
    gltf = Gltf()
    both = np.concatenate([positions, normals], axis=1).astype(np.float32)
    view = gltf.view(both.tobytes())
    gltf.json["bufferViews"][view]["byteStride"] = 24
    for offset in (0, 12):
        gltf.json["accessors"].append({"bufferView": view, "byteOffset": offset, "componentType": 5126, "count": 24,
                                       "type": "VEC3"})
    gltf.scene([{"attributes": {"POSITION": 0, "NORMAL": 1},
                 "indices": gltf.accessor(triangles.astype(np.uint32).reshape(-1))}])
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    np.testing.assert_allclose(part.positions, positions, atol=1e-7)
    assert part.normals is not None
    np.testing.assert_allclose(part.normals, normals, atol=1e-7)


def test_node_transforms_and_mirroring(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()], translation=[1, 2, 3], rotation=[0, np.sqrt(0.5), 0, np.sqrt(0.5)], scale=[2, 1, -1])
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    positions, _, _, triangles = box()
    x, y, z = (positions * [2, 1, -1]).T
    np.testing.assert_allclose(part.positions, np.stack([z + 1, y + 2, -x + 3], axis=1), atol=1e-6)
    assert np.array_equal(part.triangles, triangles[:, ::-1])
    assert part.normals is not None
    centre = part.positions.mean(axis=0)
    assert (((part.positions - centre) * part.normals).sum(axis=1) > 0).all()


def test_strips_and_fans(tmp_path: Path) -> None:
    gltf = Gltf()
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    ring = corners[[0, 1, 3, 2]]
    gltf.scene([{"attributes": {"POSITION": gltf.accessor(corners)}, "mode": 5},
                {"attributes": {"POSITION": gltf.accessor(ring)}, "mode": 6},
                {"attributes": {"POSITION": gltf.accessor(ring)}, "mode": 1}])
    raw = load(gltf.glb(), "m.glb", tmp_path)
    assert [len(part.triangles) for part in raw.parts] == [2, 2]
    for part in raw.parts:
        a, b, c = (part.positions[part.triangles[:, k]] for k in range(3))
        assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert any("lines" in warning for warning in raw.warnings)


def test_material_values_textures_and_sampler(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box() | {"material": 0}
    primitive["attributes"]["TEXCOORD_1"] = primitive["attributes"]["TEXCOORD_0"]
    gltf.json |= {
        "images": [{"uri": "a%20b.png"}, {"uri": "data:image/png;base64," + base64.b64encode(PNG).decode()}],
        "samplers": [{"wrapS": 33071, "wrapT": 33648, "magFilter": 9728}],
        "textures": [{"source": 0, "sampler": 0}, {"source": 1}],
        "materials": [{
            "name": "sole", "doubleSided": True, "alphaMode": "MASK", "alphaCutoff": 0.3, "emissiveFactor": [1, 0, 0],
            "normalTexture": {"index": 1, "texCoord": 1},
            "extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 0.4},
                           "KHR_materials_emissive_strength": {"emissiveStrength": 3}},
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.1, 0.2, 0.3, 1], "roughnessFactor": 0.6,
                "baseColorTexture": {"index": 0, "extensions": {
                    "KHR_texture_transform": {"offset": [0.5, 0], "scale": [2, 3], "rotation": 0.7}}}}}]}
    gltf.scene([primitive])
    [material] = load(gltf.glb(), "m.glb", tmp_path).materials
    assert material.base_color == (0.1, 0.2, 0.3, 1.0)
    assert (material.roughness, material.metallic, material.clearcoat) == (0.6, 1.0, 0.4)
    assert (material.double_sided, material.alpha_mode, material.alpha_cutoff) == (True, "mask", 0.3)
    assert material.emissive == (3.0, 0.0, 0.0)
    color, normal = material.textures["base_color"], material.textures["normal"]
    assert (color.name, color.blob, color.wrap_u, color.wrap_v, color.nearest) == ("a%20b.png", None, "clamp", "mirror",
                                                                                   True)
    assert (color.offset, color.scale, color.rotation) == ((0.5, 0.0), (2.0, 3.0), 0.7)
    assert normal.uv_set == 1
    assert normal.blob is not None
    assert (tmp_path / normal.blob).read_bytes() == PNG


def test_buffers_beside_the_file_and_in_data_uris(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.write(tmp_path / "m.gltf", "my%20data.bin", "my data.bin")
    [part] = load((tmp_path / "m.gltf").read_bytes(), "m.gltf", tmp_path).parts
    assert len(part.triangles) == 12
    uri = "data:application/octet-stream;base64," + base64.b64encode(gltf.data).decode()
    document = gltf.json | {"buffers": [{"byteLength": len(gltf.data), "uri": uri}]}
    [same] = load(json.dumps(document).encode(), "n.gltf", tmp_path).parts
    assert np.array_equal(same.positions, part.positions)


def test_cameras_are_rigid(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.json |= {"cameras": [{"type": "perspective", "name": "eye", "perspective": {"yfov": 0.6, "aspectRatio": 1.5}}]}
    gltf.json["nodes"].append({"camera": 0, "translation": [0, 0, 2], "scale": [3, 3, 3]})
    gltf.json["scenes"][0]["nodes"].append(1)
    [camera] = load(gltf.glb(), "m.glb", tmp_path).cameras
    assert (camera.name, camera.yfov, camera.aspect) == ("eye", 0.6, 1.5)
    np.testing.assert_allclose(camera.world, np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]))


def _mutated(change: str) -> bytes:
    gltf = Gltf()
    primitive = gltf.box()
    gltf.scene([primitive])
    document: dict[str, Any] = gltf.json
    if change == "index":
        document["accessors"][primitive["indices"]]["bufferView"] = gltf.view(np.full(36, 99, np.uint16).tobytes())
    elif change == "view":
        document["bufferViews"][0]["byteLength"] = 10**9
    elif change == "count":
        document["accessors"][0]["count"] = 10**9
    elif change == "zeros":
        del document["accessors"][0]["bufferView"]
        document["accessors"][0]["count"] = 10**12
    elif change == "cycle":
        document["nodes"][0]["children"] = [0]
    elif change == "extension":
        document["extensionsRequired"] = ["ACME_secret_sauce"]
    elif change == "version":
        document["asset"]["version"] = "1.0"
    return gltf.glb()


@pytest.mark.parametrize(("change", "code"), [
    ("index", "mesh_indices"), ("view", "gltf_malformed"), ("count", "gltf_malformed"), ("zeros", "gltf_malformed"),
    ("cycle", "gltf_malformed"), ("extension", "gltf_extension"), ("version", "gltf_version"),
])
def test_faults_are_named(change: str, code: str, tmp_path: Path) -> None:
    assert _code(_mutated(change), tmp_path) == code


def test_an_exponential_scene_is_refused(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.json["nodes"] = [{"children": [i + 1, i + 1]} for i in range(40)] + [{"mesh": 0}]
    assert _code(gltf.glb(), tmp_path) == "gltf_malformed"


WHOLE = box_glb({"name": "m", "pbrMetallicRoughness": {"roughnessFactor": 0.5}})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4),
       st.integers(0, 2 * len(WHOLE)))
def test_damaged_bytes_end_in_a_named_error_or_a_mesh(changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[place] = value
    try:
        raw = load(bytes(damaged[:cut]), "m.glb", Path("/nonexistent"))
    except IngestError:
        return
    except MALFORMED:
        return  # the child's main function names these ``mesh_malformed``
    assert all(len(part.triangles) == 0 or part.triangles.max() < len(part.positions) for part in raw.parts)
