"""A saved mesh is the same mesh, and the same mesh is the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.mesh import load_mesh, save_mesh
from pipeline.mesh.types import EmbeddedCamera, Front, Material, Mesh, TextureRef
from tests.mesh_files import box, box_glb, ingest_folder


def _mesh() -> Mesh:
    positions, normals, uvs, triangles = box()
    texture = TextureRef("store", "ab" * 32, uv_set=1, wrap_u="clamp", offset=(0.5, 0.25), rotation=0.1)
    materials = (Material("a", textures={"base_color": texture}, guessed=("roughness",), kind="leather"), Material("b"))
    camera = EmbeddedCamera("eye", ((1.0, 0.0, 0.0, 0.1), (0.0, 1.0, 0.0, 0.2), (0.0, 0.0, 1.0, 0.3),
                                    (0.0, 0.0, 0.0, 1.0)), 0.6)
    single = uvs.astype(np.float32)
    return Mesh(positions.astype(np.float32), normals.astype(np.float32), (single, single * 2),
                triangles.astype(np.uint32), (np.arange(12) % 2).astype(np.uint16), np.arange(12).astype(np.uint32),
                materials, Front("+x", 0.7, "heuristic"), (camera,), np.ones((24, 4), np.float32), None, ("careful",))


def test_round_trip(tmp_path: Path) -> None:
    mesh = _mesh()
    save_mesh(mesh, tmp_path / "a.npz")
    again = load_mesh(tmp_path / "a.npz")
    for name in ("positions", "normals", "triangles", "triangle_material", "triangle_chart", "colors"):
        stored, expected = getattr(again, name), getattr(mesh, name)
        assert stored.dtype == expected.dtype
        assert np.array_equal(stored, expected)
    assert len(again.uv_sets) == 2
    assert np.array_equal(again.uv_sets[1], mesh.uv_sets[1])
    assert again.tangents is None
    assert (again.materials, again.front, again.cameras, again.warnings) == (mesh.materials, mesh.front, mesh.cameras,
                                                                            mesh.warnings)
    save_mesh(again, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_ingesting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "m.glb").write_bytes(box_glb({"name": "leather"}))
    for name in ("a.npz", "b.npz"):
        save_mesh(ingest_folder(tmp_path, "m.glb").mesh, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_loaded_arrays_are_read_only(tmp_path: Path) -> None:
    save_mesh(_mesh(), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="read-only"):
        load_mesh(tmp_path / "a.npz").positions[0, 0] = 1.0
