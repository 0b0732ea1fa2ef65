"""What every mesh must pass, and how units, normals and winding are settled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import IngestError
from pipeline.mesh import IngestLimits, gate
from pipeline.mesh.canonical import assemble, place
from pipeline.mesh.normals import crease_normals, signed_volume
from pipeline.mesh.raw import RawMesh, RawPart
from pipeline.mesh.units import choose_units, up_rotation
from pipeline.mesh.weld import mirrored_uv_share, unique_rows, uv_charts
from pipeline.settings import Manifest
from tests.mesh_files import box, ingest_folder, stl_bytes


def _part() -> RawPart:
    positions, normals, uvs, triangles = box()
    return RawPart(positions.copy(), triangles.copy(), -1, normals.copy(), (uvs.copy(),), indexed=True)


def _check(part: RawPart, limits: IngestLimits | None = None) -> tuple[list[RawPart], list[str]]:
    raw = RawMesh("obj", "test", [part], [])
    return gate.check(raw, "m.obj", limits or IngestLimits()), raw.warnings


def _code(part: RawPart, limits: IngestLimits | None = None) -> str:
    with pytest.raises(IngestError) as caught:
        _check(part, limits)
    return caught.value.code


def test_errors_of_the_gate() -> None:
    part = _part()
    part.positions[3, 1] = np.nan
    assert _code(part) == "mesh_not_finite"
    part = _part()
    part.positions[:, 1] = 1e300
    assert _code(part) == "mesh_not_finite"
    part = _part()
    part.triangles[5, 2] = 24
    assert _code(part) == "mesh_indices"
    assert _code(_part(), IngestLimits(max_triangles=11)) == "mesh_too_large"
    part = _part()
    part.triangles = part.triangles[:0]
    assert _code(part) == "mesh_empty"
    part = _part()
    part.positions[:] = part.positions[0]
    assert _code(part) == "mesh_empty"


def test_an_unused_broken_vertex_does_no_harm() -> None:
    part = _part()
    part.positions = np.vstack([part.positions, [np.inf, 0, 0]])
    part.normals = np.vstack([part.normals, [0, 0, 1]]) if part.normals is not None else None
    part.uv_sets = (np.vstack([part.uv_sets[0], [0, 0]]),)
    [kept], _ = _check(part)
    assert len(kept.positions) == 24


def test_degenerate_triangles_are_dropped_with_a_warning() -> None:
    part = _part()
    part.triangles = np.vstack([part.triangles, [0, 0, 1], [2, 1, 2]])
    [kept], warnings = _check(part)
    assert len(kept.triangles) == 12
    assert any("2 degenerate" in warning for warning in warnings)


def test_huge_uvs_become_zero() -> None:
    part = _part()
    part.uv_sets[0][3] = 1e300
    [kept], warnings = _check(part)
    assert kept.uv_sets[0][3].tolist() == [0, 0]
    assert any("uv" in warning for warning in warnings)


def test_a_model_far_away_keeps_its_shape() -> None:
    part = _part()
    expected = part.positions - part.positions.mean(axis=0)
    part.positions += [3e6, -2e6, 5e5]
    warnings: list[str] = []
    [near], _ = place([part], [], 1.0, up_rotation("+y"), warnings)
    np.testing.assert_allclose(near.positions, expected, atol=1e-8)
    assert warnings


@pytest.mark.parametrize("turned", ["winding", "normals", "both"])
def test_winding_and_normals_agree_in_the_end(turned: str) -> None:
    part = _part()
    assert part.normals is not None
    if turned in ("winding", "both"):
        part.triangles = part.triangles[:, ::-1].copy()
    if turned in ("normals", "both"):
        part.normals = -part.normals
    warnings: list[str] = []
    geometry = assemble([part], warnings)
    assert signed_volume(geometry.positions.astype(float), geometry.triangles.astype(np.int64)) > 0
    centre = geometry.positions.mean(axis=0)
    assert (((geometry.positions - centre) * geometry.normals).sum(axis=1) > 0).all()
    assert warnings


def test_broken_normals_are_computed() -> None:
    part = _part()
    assert part.normals is not None
    expected = part.normals.copy()
    part.normals[:5] = np.nan
    part.normals[7] = 0
    warnings: list[str] = []
    geometry = assemble([part], warnings)
    np.testing.assert_allclose(geometry.normals, expected, atol=1e-6)
    assert any("6 normals" in warning for warning in warnings)


def test_smooth_below_the_crease_and_sharp_above() -> None:
    angles = np.linspace(0, 2 * np.pi, 25)[:-1]
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = np.pad(ring, ((0, 0), (0, 1))), np.pad(ring, ((0, 0), (0, 1)), constant_values=1.0)
    positions = np.concatenate([low, high, [[0, 0, 1]]])
    i, j = np.arange(24), (np.arange(24) + 1) % 24
    side = np.concatenate([np.stack([i, j, j + 24], axis=1), np.stack([i, j + 24, i + 24], axis=1)])
    triangles = np.concatenate([side, np.stack([i + 24, j + 24, np.full(24, 48)], axis=1)])
    normals = crease_normals(positions, triangles)
    radial = positions[side][..., :2] / np.linalg.norm(positions[side][..., :2], axis=-1, keepdims=True)
    np.testing.assert_allclose(normals[:48, :, :2], radial, atol=1e-2)
    np.testing.assert_allclose(normals[48:], np.broadcast_to([0, 0, 1.0], (24, 3, 3)), atol=1e-9)


@pytest.mark.parametrize(("longest", "file_format", "from_file", "manifest", "category", "metres", "source"), [
    (0.2, "stl", None, None, "product", 1.0, "guess"), (280.0, "stl", None, None, "product", 0.001, "guess"),
    (2.0, "stl", None, None, "product", 1.0, "guess"), (0.2, "obj", None, None, "product", 1.0, "guess"),
    (28.0, "obj", None, None, "product", 0.01, "guess"), (280.0, "obj", None, None, "product", 0.01, "guess"),
    (280.0, "obj", None, None, "footwear", 0.001, "guess"), (28.0, "stl", None, None, "footwear", 0.01, "guess"),
    (11.0, "obj", None, None, "footwear", 0.0254, "guess"), (0.28, "stl", None, None, "footwear", 1.0, "guess"),
    (11.0, "obj", None, "in", "product", 0.0254, "manifest"), (0.3, "glb", 1.0, None, "product", 1.0, "file"),
    (0.3, "glb", 1.0, "mm", "footwear", 1.0, "file"), (250.0, "glb", 1.0, None, "product", 0.01, "guess"),
])
def test_units(longest: float, file_format: str, from_file: float | None, manifest: str | None, category: str,
               metres: float, source: str) -> None:
    choice = choose_units(longest, file_format, from_file, manifest, category)
    assert (choice.metres, choice.source) == (metres, source)
    assert (choice.warning is not None) == (source == "guess")


@pytest.mark.parametrize("up", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_up_axes_are_rotations(up: str) -> None:
    rotation = up_rotation(up)
    axis = np.eye(3)["xyz".index(up[1])] * (1 if up[0] == "+" else -1)
    np.testing.assert_array_equal(rotation @ axis, [0, 1, 0])
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_manifest_corrects_units_and_up(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    (tmp_path / "m.stl").write_bytes(stl_bytes(positions * 10, triangles))
    result = ingest_folder(tmp_path, "m.stl", manifest=Manifest(units="cm", up="+y", front="-x"))
    assert result.report.extents_mm == pytest.approx((20, 10, 6), abs=1e-3)
    assert (result.report.units_source, result.report.up_source) == ("manifest", "manifest")
    assert (result.mesh.front.axis, result.mesh.front.source) == ("-x", "manifest")


def test_uv_islands_and_mirroring() -> None:
    positions, _, uvs, triangles = box()
    material = np.zeros(len(triangles))
    apart = uvs + np.repeat(np.arange(6), 4)[:, None] * 2.0
    assert np.array_equal(uv_charts(positions, apart, triangles, material), np.repeat(np.arange(6), 2))  # a face each
    joined = uv_charts(positions, positions[:, :2], triangles, material)  # one projection: connected all around
    assert set(joined.tolist()) == {0}
    assert set(uv_charts(positions, None, triangles, material).tolist()) == {0}
    assert mirrored_uv_share(uvs, triangles) == pytest.approx(0.5)
    assert mirrored_uv_share(None, triangles) == 0.0


def test_unique_rows_take_minus_zero_for_zero() -> None:
    first, number = unique_rows([np.array([[0.0], [1.0], [-0.0], [1.0]])])
    assert first.tolist() == [0, 1]
    assert number.tolist() == [0, 1, 0, 1]
