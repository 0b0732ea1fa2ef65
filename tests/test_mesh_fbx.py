"""FBX through the child process: units, axes, concave polygons, UV sets, materials, textures, transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import IngestError
from pipeline.mesh.types import Mesh
from tests.mesh_files import PNG, fbx_text, ingest_folder

# An L of six corners and a square above it: concave and convex at once, in the floor plane of +Z up.
L_SHAPE = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0], [1, 2, 0], [0, 2, 0]], float)
SQUARE = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 1], [0, 2, 1]], float)
VERTICES = np.concatenate([L_SHAPE, SQUARE])
POLYGONS = [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]


def _area(mesh: Mesh) -> float:
    a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_units_axes_polygons_and_uvs(tmp_path: Path) -> None:
    uvs = np.concatenate([L_SHAPE, SQUARE])[:, :2] / 2
    (tmp_path / "m.fbx").write_text(fbx_text(VERTICES, POLYGONS, uvs=uvs, second_uvs=uvs * 0.5, up=2, unit_cm=10.0))
    result = ingest_folder(tmp_path, "m.fbx")
    mesh = result.mesh
    assert result.report.extents_mm == pytest.approx((200, 100, 200), abs=1e-3)
    assert (result.report.source_up, result.report.source_units) == ("+z", "0.1 m")
    assert len(mesh.triangles) == 4 + 2
    assert _area(mesh) == pytest.approx((3 + 4) * 0.01, rel=1e-5)
    assert len(mesh.uv_sets) == 2
    # file (x, y, z) with +Z up → (x, z, -y); v turned to the top
    expected = np.stack([mesh.positions[:, 0] * 5, 1 + mesh.positions[:, 2] * 5], axis=1)
    np.testing.assert_allclose(mesh.uv_sets[0], expected, atol=1e-5)
    np.testing.assert_allclose(1 - mesh.uv_sets[1][:, 1], (1 - mesh.uv_sets[0][:, 1]) / 2, atol=1e-5)
    assert (mesh.normals[:, 1] > 0.99).all()


def test_materials_per_polygon_and_a_foreign_texture_path(tmp_path: Path) -> None:
    uvs = np.concatenate([L_SHAPE, SQUARE])[:, :2] / 2
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "shoe_d.png").write_bytes(PNG)
    (tmp_path / "m.fbx").write_text(fbx_text(VERTICES, POLYGONS, uvs=uvs, polygon_material=(0, 1),
                                             texture="D:\\\\artist\\\\Shoe_D.png".replace("\\\\", "\\")))
    result = ingest_folder(tmp_path, "m.fbx")
    first, second = result.mesh.materials
    assert first.textures["base_color"].path == "maps/shoe_d.png"
    assert first.base_color == (1.0, 1.0, 1.0, 1.0)
    assert second.base_color[:3] == pytest.approx((0.8, 0.2, 0.2))
    assert "base_color" not in second.textures
    assert sorted(np.bincount(result.mesh.triangle_material).tolist()) == [2, 4]
    assert any("Shoe_D.png" in warning for warning in result.report.warnings)


def test_node_and_geometric_transforms(tmp_path: Path) -> None:
    moved = '''P: "Lcl Translation", "Lcl Translation", "", "A",0,5,0
            P: "Lcl Scaling", "Lcl Scaling", "", "A",2,1,1
            P: "GeometricTranslation", "Vector3D", "Vector", "",10,0,0'''
    (tmp_path / "m.fbx").write_text(fbx_text(VERTICES, POLYGONS, extra_model=moved, unit_cm=10.0))
    low, high = ingest_folder(tmp_path, "m.fbx").mesh.bounds
    np.testing.assert_allclose(low, [2.0, 0.5, 0.0], atol=1e-5)
    np.testing.assert_allclose(high, [2.4, 0.7, 0.1], atol=1e-5)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    text = fbx_text(VERTICES, POLYGONS)
    (tmp_path / "m.fbx").write_text(text[:len(text) // 2])
    with pytest.raises(IngestError) as caught:
        ingest_folder(tmp_path, "m.fbx")
    assert caught.value.code in {"fbx_malformed", "mesh_empty"}
