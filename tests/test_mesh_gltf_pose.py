"""Skins and morph targets, in the pose that the file is saved in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import IngestError
from tests.mesh_files import Gltf, box, load


def _skinned(*, joint: int = 1, scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Gltf:
    """A box bound to two joints that are moved apart; its own node is moved too, which must not count."""
    gltf = Gltf()
    primitive = gltf.box()
    positions = box()[0]
    upper = positions[:, 1] > 0.05
    joints = np.zeros((24, 4), np.uint8)
    joints[upper, 0] = joint
    weights = np.zeros((24, 4), np.float32)
    weights[:, 0] = 1
    primitive["attributes"] |= {"JOINTS_0": gltf.accessor(joints), "WEIGHTS_0": gltf.accessor(weights)}
    inverse = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
    inverse[1, :3, 3] = 0, -0.1, 0
    gltf.json["accessors"].append({"bufferView": gltf.view(inverse.transpose(0, 2, 1).tobytes()),
                                   "componentType": 5126, "count": 2, "type": "MAT4"})
    gltf.scene([primitive], translation=[5, 5, 5], skin=0)
    gltf.json["skins"] = [{"joints": [1, 2], "inverseBindMatrices": len(gltf.json["accessors"]) - 1}]
    gltf.json["nodes"] += [{"children": [2], "scale": list(scale)}, {"translation": [0, 0.3, 0]}]
    gltf.json["scenes"][0]["nodes"] = [0, 1]
    return gltf


def test_a_skin_rests_on_its_joints_and_not_on_its_node(tmp_path: Path) -> None:
    [part] = load(_skinned().glb(), "m.glb", tmp_path).parts
    expected = box()[0]
    expected[expected[:, 1] > 0.05, 1] += 0.2
    np.testing.assert_allclose(part.positions, expected, atol=1e-6)


def test_a_mirrored_skin_keeps_its_outside(tmp_path: Path) -> None:
    [part] = load(_skinned(scale=(-1.0, 1.0, 1.0)).glb(), "m.glb", tmp_path).parts
    assert part.normals is not None
    a, b, c = (part.positions[part.triangles[:, k]] for k in range(3))
    assert (np.einsum("tk,tk->t", np.cross(b - a, c - a), part.normals[part.triangles[:, 0]]) > 0).all()


def test_a_joint_that_the_skin_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="joint"):
        load(_skinned(joint=7).glb(), "m.glb", tmp_path)


@pytest.mark.parametrize(("mesh", "node", "moved"), [
    ({"weights": [0.5, 0]}, {}, 0.5), ({"weights": [0.5, 0]}, {"weights": [0, 2]}, -2.0), ({}, {}, 0.0)])
def test_morph_targets_at_their_default_weights(mesh: dict[str, Any], node: dict[str, Any], moved: float,
                                                tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box()
    up = np.tile(np.array([0, 1, 0], np.float32), (24, 1))
    primitive["targets"] = [{"POSITION": gltf.accessor(up)}, {"POSITION": gltf.accessor(-up)}]
    gltf.scene([primitive], **node)
    gltf.json["meshes"][0] |= mesh
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    np.testing.assert_allclose(part.positions, box()[0] + [0, moved, 0], atol=1e-6)


@pytest.mark.parametrize("width", [3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_vertex_colours_of_every_type(width: int, kind: str, tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box()
    full = 1 if kind == "float32" else np.iinfo(kind).max
    colors = np.zeros((24, 4), kind)  # three 8-bit components are padded to the alignment of four
    colors[:, 0], colors[:, 3] = full, full
    primitive["attributes"]["COLOR_0"] = gltf.accessor(colors, normalized=kind != "float32")
    if width == 3:
        accessor = gltf.json["accessors"][-1]
        accessor["type"] = "VEC3"
        gltf.json["bufferViews"][accessor["bufferView"]]["byteStride"] = colors.itemsize * 4
    gltf.scene([primitive])
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    assert part.colors is not None
    np.testing.assert_allclose(part.colors, np.tile([1.0, 0, 0, 1], (24, 1)))


def test_what_is_read_left_out_and_said(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box() | {"material": 0}
    gltf.json |= {
        "images": [{"uri": "a.ktx2"}, {"uri": "n.webp"}, {"uri": "o.png"}],
        "textures": [{"extensions": {"KHR_texture_basisu": {"source": 0}}},
                     {"extensions": {"EXT_texture_webp": {"source": 1}}}, {"source": 2}],
        "cameras": [{"type": "orthographic", "name": "plan", "orthographic": {"xmag": 1, "ymag": 1}}],
        "materials": [{
            "name": "m", "normalTexture": {"index": 1, "scale": 0.4},
            "occlusionTexture": {"index": 2, "strength": 0.7, "texCoord": 0, "extensions": {
                "KHR_texture_transform": {"texCoord": 3}}},
            "extensions": {"KHR_materials_unlit": {}, "KHR_materials_ior": {"ior": 1.8},
                           "KHR_materials_specular": {"specularFactor": 1},
                           "KHR_materials_clearcoat": {"clearcoatFactor": 1, "clearcoatRoughnessFactor": 0.3}},
            "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]}
    for k in (1, 2, 3):
        primitive["attributes"][f"TEXCOORD_{k}"] = primitive["attributes"]["TEXCOORD_0"]
    gltf.scene([primitive], camera=0)
    gltf.json["scenes"].append({"nodes": []})
    raw = load(gltf.glb(), "m.glb", tmp_path)
    [material] = raw.materials
    assert material.unlit
    assert (material.textures["normal"].name, material.textures["normal"].strength) == ("n.webp", 0.4)
    assert (material.textures["occlusion"].strength, material.textures["occlusion"].uv_set) == (0.7, 3)
    assert "base_color" not in material.textures
    assert len(raw.parts[0].uv_sets) == 4
    said = "\n".join(raw.warnings)
    for words in ("KHR_texture_basisu", "KHR_materials_ior", "clearcoatRoughnessFactor", "orthographic", "2 scenes"):
        assert words in said
    assert "KHR_materials_specular" not in said
