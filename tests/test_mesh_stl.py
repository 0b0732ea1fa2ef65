"""STL: both flavours, and a count that must agree with the file's length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import IngestError
from tests.mesh_files import Array, box, ingest_folder, load, stl_bytes


def _ascii(positions: Array, triangles: Array) -> bytes:
    lines = ["solid box"]
    for face in triangles:
        corners = [f"vertex {x} {y} {z}" for x, y, z in positions[face]]
        lines += ["facet normal 0 0 0", "outer loop", *corners, "endloop", "endfacet"]
    return "\n".join([*lines, "endsolid box", ""]).encode()


def test_both_flavours_agree(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    [binary] = load(stl_bytes(positions, triangles), "m.stl", tmp_path).parts
    [text] = load(_ascii(positions, triangles), "m.stl", tmp_path).parts
    np.testing.assert_allclose(binary.positions, text.positions, atol=1e-7)
    assert len(binary.triangles) == 12


def test_a_binary_file_may_begin_with_solid(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    data = b"solid by a careless exporter".ljust(80) + stl_bytes(positions, triangles)[80:]
    assert len(load(data, "m.stl", tmp_path).parts[0].triangles) == 12


@pytest.mark.parametrize(("cut", "code"), [(60, "stl_truncated"), (200, "stl_truncated")])
def test_truncated(cut: int, code: str, tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    with pytest.raises(IngestError) as caught:
        load(stl_bytes(positions, triangles)[:cut], "m.stl", tmp_path)
    assert caught.value.code == code


def test_truncated_text(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    data = _ascii(positions, triangles)
    with pytest.raises(IngestError) as caught:
        load(data[:data.rindex(b"endloop")], "m.stl", tmp_path)
    assert caught.value.code == "stl_malformed"


def test_ingested_z_up_in_millimetres_with_sharp_edges(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    z_up = np.stack([positions[:, 0], -positions[:, 2], positions[:, 1]], axis=1)
    (tmp_path / "m.stl").write_bytes(stl_bytes(z_up * 1000, triangles))
    mesh, report = (result := ingest_folder(tmp_path, "m.stl")).mesh, result.report
    assert report.extents_mm == pytest.approx((200, 100, 60), abs=1e-3)
    assert (report.source_units, report.units_source, report.source_up) == ("mm", "guess", "+z")
    assert any("units" in warning for warning in report.warnings)
    assert len(mesh.positions) == 24  # eight corners, three sharp normals each
    np.testing.assert_allclose(np.abs(mesh.normals).max(axis=1), 1.0, atol=1e-6)
    assert mesh.uv_sets == ()
    assert set(mesh.triangle_chart.tolist()) == {0}


def test_colour_bits_are_ignored_with_a_note(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    data = bytearray(stl_bytes(positions, triangles))
    data[84 + 48:84 + 50] = b"\x1f\x80"
    raw = load(bytes(data), "m.stl", tmp_path)
    assert len(raw.parts[0].triangles) == 12
    assert any("colours" in warning for warning in raw.warnings)
