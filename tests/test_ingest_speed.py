"""The benchmark's own files: one surface in four formats is one mesh, and its table has a row for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.ingest_speed import ours
from benchmarks.mesh_writers import WRITERS, surface
from tests.mesh_files import ingest_folder


def test_one_surface_in_four_formats(tmp_path: Path) -> None:
    expected = surface(2000)
    for name, write in WRITERS.items():
        (tmp_path / f"m.{name}").write_bytes(write(expected))
        result = ingest_folder(tmp_path, f"m.{name}")
        mesh = result.mesh
        points = mesh.positions
        if name == "stl":  # +Z up by convention
            points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)
        assert len(mesh.triangles) == len(expected.triangles)
        assert np.max(cKDTree(points).query(expected.positions)[0]) < 2e-6
        assert (mesh.normals * mesh.positions).sum(axis=1).mean() > 0.1
        assert len(mesh.uv_sets) == (0 if name == "stl" else 1)
        assert result.report.overlapping_uv_share == 0.0


def test_a_measurement_has_every_part(tmp_path: Path) -> None:
    (tmp_path / "m.glb").write_bytes(WRITERS["glb"](surface(100)))
    run = ours(tmp_path / "m.glb")
    assert 0 < run["child"] < run["total"]
    assert min(run["write"], run["parent_mb"], run["child_mb"]) > 0
