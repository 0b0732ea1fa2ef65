"""Poses, flags and maps of a glTF file that are easily left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mesh_files import Gltf, box, ingest_folder, load


def skinned_box(matrices: np.ndarray, weights: tuple[float, float]) -> Gltf:
    """A box bound to two joints, one lifted by 1 m and one pushed by 2 m; its node's own transform must not count."""
    gltf = Gltf()
    primitive = gltf.box()
    count = len(box()[0])
    primitive["attributes"]["JOINTS_0"] = gltf.accessor(np.tile(np.array([[0, 1, 0, 0]], np.uint8), (count, 1)))
    primitive["attributes"]["WEIGHTS_0"] = gltf.accessor(np.tile(np.array([[*weights, 0, 0]], np.float32), (count, 1)))
    gltf.json["accessors"].append({"bufferView": gltf.view(matrices.astype(np.float32).tobytes()),
                                   "componentType": 5126, "count": 2, "type": "MAT4"})
    gltf.scene([primitive], skin=0, translation=[50, 0, 0])
    gltf.json["skins"] = [{"joints": [1, 2], "inverseBindMatrices": len(gltf.json["accessors"]) - 1}]
    gltf.json["nodes"] += [{"translation": [0, 1, 0]}, {"translation": [2, 0, 0]}]
    gltf.json["scenes"] = [{"nodes": [0, 1, 2]}]
    return gltf


def test_a_skinned_mesh_stands_where_its_joints_are(tmp_path: Path) -> None:
    unmoved = np.tile(np.eye(4), (2, 1, 1))
    [part] = load(skinned_box(unmoved, (0.25, 0.75)).glb(), "m.glb", tmp_path).parts
    assert np.allclose(part.positions, box()[0] + [1.5, 0.25, 0.0], atol=1e-6)
    assert part.normals is not None
    assert np.allclose(part.normals, box()[1], atol=1e-6)


def test_inverse_bind_matrices_undo_the_joint_s_place(tmp_path: Path) -> None:
    inverse = np.tile(np.eye(4), (2, 1, 1))
    inverse[0, 3, :3], inverse[1, 3, :3] = (0, -1, 0), (-2, 0, 0)      # stored column by column
    [part] = load(skinned_box(inverse, (0.5, 0.5)).glb(), "m.glb", tmp_path).parts
    assert np.allclose(part.positions, box()[0], atol=1e-6)


def test_morph_targets_count_by_the_mesh_s_weights(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box()
    raised = np.tile(np.array([[0.0, 0.2, 0.0]], np.float32), (len(box()[0]), 1))
    primitive["targets"] = [{"POSITION": gltf.accessor(raised)}, {"POSITION": gltf.accessor(raised * 100)}]
    gltf.scene([primitive])
    gltf.json["meshes"][0]["weights"] = [0.5, 0.0]
    [part] = load(gltf.glb(), "m.glb", tmp_path).parts
    assert np.allclose(part.positions, box()[0] + [0.0, 0.1, 0.0], atol=1e-6)


def with_material(material: dict[str, Any]) -> Gltf:
    gltf = Gltf()
    primitive = gltf.box() | {"material": 0}
    gltf.json |= {"images": [{"uri": "a.png"}], "textures": [{"source": 0}], "materials": [{"name": "m", **material}]}
    gltf.scene([primitive])
    return gltf


def test_an_unlit_material_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.glb").write_bytes(with_material({"extensions": {"KHR_materials_unlit": {}}}).glb())
    assert ingest_folder(tmp_path, "m.glb").mesh.materials[0].unlit


def test_normal_scale_and_occlusion_strength_reach_the_mesh(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"unread")
    (tmp_path / "m.glb").write_bytes(with_material({
        "normalTexture": {"index": 0, "scale": 0.3}, "occlusionTexture": {"index": 0, "strength": 0.6}}).glb())
    textures = ingest_folder(tmp_path, "m.glb").mesh.materials[0].textures
    assert textures["normal"].strength == pytest.approx(0.3)
    assert textures["occlusion"].strength == pytest.approx(0.6)


def test_what_is_not_rendered_is_named(tmp_path: Path) -> None:
    gltf = with_material({"extensions": {"KHR_materials_iridescence": {"iridescenceFactor": 0.8},
                                         "KHR_materials_ior": {"ior": 1.5}}})
    warnings = load(gltf.glb(), "m.glb", tmp_path).warnings
    assert any("iridescenceFactor" in warning for warning in warnings)
    assert not any("ior of" in warning for warning in warnings)      # 1.5 is what everything has


def test_every_uv_set_is_kept_and_the_transform_may_name_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"unread")
    gltf = with_material({"pbrMetallicRoughness": {"baseColorTexture": {
        "index": 0, "texCoord": 0, "extensions": {"KHR_texture_transform": {"texCoord": 2}}}}})
    attributes = gltf.json["meshes"][0]["primitives"][0]["attributes"]
    attributes |= {"TEXCOORD_1": attributes["TEXCOORD_0"], "TEXCOORD_2": attributes["TEXCOORD_0"]}
    (tmp_path / "m.glb").write_bytes(gltf.glb())
    mesh = ingest_folder(tmp_path, "m.glb").mesh
    assert len(mesh.uv_sets) == 3
    assert mesh.materials[0].textures["base_color"].uv_set == 2
