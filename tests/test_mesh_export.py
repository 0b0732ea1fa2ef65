"""The canonical mesh written for viewers is read back as the same surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.mesh import ingest_file, to_glb
from tests.mesh_files import box_glb


def test_a_viewer_reads_the_same_surface(tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb({"name": "leather", "pbrMetallicRoughness": {
        "baseColorFactor": [0.5, 0.25, 0.125, 1.0], "roughnessFactor": 0.4}}))
    mesh = ingest_file(tmp_path / "box.glb").mesh
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "box.glb").write_bytes(to_glb(mesh))
    again = ingest_file(tmp_path / "again" / "box.glb").mesh
    assert np.array_equal(again.positions[again.triangles], mesh.positions[mesh.triangles])
    assert np.allclose(again.uv_sets[0][again.triangles], mesh.uv_sets[0][mesh.triangles], atol=1e-6)
    assert again.materials[0].name == "leather"
    assert again.materials[0].roughness == pytest.approx(0.4, abs=1e-3)
    # Whole code values of eight bits.
    assert again.materials[0].base_color == pytest.approx(mesh.materials[0].base_color, abs=0.003)


def test_what_is_written_is_a_glb(tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb({"name": "plain"}))
    assert to_glb(ingest_file(tmp_path / "box.glb").mesh)[:4] == b"glTF"
