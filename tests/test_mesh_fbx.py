"""FBX through the child process: units, axes, concave polygons, UV sets, materials, textures, transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("version", [7100, 7200, 7300, 7500, 7700])
def test_text_versions(version: int, tmp_path: Path) -> None:
    (tmp_path / "m.fbx").write_text(fbx_text(VERTICES, POLYGONS).replace("7400", str(version)))
    assert len(ingest_folder(tmp_path, "m.fbx").mesh.triangles) == 6


@pytest.mark.parametrize("version", [6100, 7400])
def test_normals_per_corner(version: int, tmp_path: Path) -> None:
    """A roof of two slopes whose corners at the ridge have normals of their own."""
    vertices = np.array([[-1, 0, 0], [-1, 0, 1], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0]], float)
    polygons = [[0, 1, 2, 3], [3, 2, 4, 5]]
    left, right = np.array([-1, 1, 0]) / 2 ** 0.5, np.array([1, 1, 0]) / 2 ** 0.5
    write = _version_6100 if version == 6100 else _version_7400
    (tmp_path / "m.fbx").write_text(write(vertices, polygons, np.repeat([left, right], 4, axis=0)))
    mesh = ingest_folder(tmp_path, "m.fbx").mesh
    assert (len(mesh.positions), len(mesh.triangles)) == (8, 4)
    slopes = mesh.normals[mesh.triangles].mean(axis=1)
    assert {tuple(np.round(n.astype(float), 3).tolist()) for n in slopes} == {(-0.707, 0.707, 0.0), (0.707, 0.707, 0.0)}


def _corner_indices(polygons: list[list[int]]) -> str:
    return ",".join(str(-i - 1 if k == len(face) - 1 else i) for face in polygons for k, i in enumerate(face))


def _version_7400(vertices: Any, polygons: list[list[int]], normals: Any) -> str:
    layer = f'''LayerElementNormal: 0 {{ Version: 101
            Name: ""
            MappingInformationType: "ByPolygonVertex"
            ReferenceInformationType: "Direct"
            Normals: *{normals.size} {{ a: {",".join(map(str, normals.reshape(-1)))} }}
        }}
        LayerElementMaterial: 0'''
    listed = '''Layer: 0 { Version: 100
            LayerElement:  { Type: "LayerElementNormal"
                TypedIndex: 0 }'''
    text = fbx_text(vertices, polygons, uvs=None)
    return text.replace("LayerElementMaterial: 0", layer, 1).replace("Layer: 0 { Version: 100", listed, 1)


def _version_6100(vertices: Any, polygons: list[list[int]], normals: Any) -> str:
    """The older layout: names instead of numbers, geometry inside the model."""
    def joined(values: Any) -> str:
        return ",".join(map(str, values.reshape(-1)))

    return f'''; FBX 6.1.0 project file
FBXHeaderExtension:  {{ FBXHeaderVersion: 1003
    FBXVersion: 6100
}}
Objects:  {{
    Model: "Model::roof", "Mesh" {{
        Version: 232
        Vertices: {joined(vertices)}
        PolygonVertexIndex: {_corner_indices(polygons)}
        GeometryVersion: 124
        LayerElementNormal: 0 {{
            Version: 101
            Name: ""
            MappingInformationType: "ByPolygonVertex"
            ReferenceInformationType: "Direct"
            Normals: {joined(normals)}
        }}
        Layer: 0 {{
            Version: 100
            LayerElement:  {{
                Type: "LayerElementNormal"
                TypedIndex: 0
            }}
        }}
    }}
}}
Connections:  {{
    Connect: "OO", "Model::roof", "Model::Scene"
}}
'''


def test_an_embedded_texture_goes_to_the_store(shared_folder: Path) -> None:
    kept: list[bytes] = []

    def keep(data: bytes) -> str:
        kept.append(data)
        return f"{len(kept):064d}"

    result = ingest_folder(shared_folder / "corpus" / "fbx-samples", "box_embedded_texture_fragmented.fbx",
                           put_texture=keep)
    references = [t for m in result.mesh.materials for t in m.textures.values()]
    assert references
    assert {t.source for t in references} == {"store"}
    assert all(data[:4] == b"\x89PNG" or data[:2] == b"\xff\xd8" for data in kept)
