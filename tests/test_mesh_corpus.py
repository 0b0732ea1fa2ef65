"""Real products of every format, and malformed files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pipeline.errors import PackshotError
from pipeline.mesh import Ingested, IngestLimits, gate, ingest_file
from pipeline.mesh.loaders import LoadContext, loader_for
from pipeline.mesh.resolver import Resolver
from pipeline.mesh.types import Mesh
from tests.mesh_files import ingest_folder

SHOES = {"shoe-gltf": "Shoe.gltf", "shoe-fbx": "shoe.fbx", "shoe-obj": "shoe.obj", "shoe-stl": "shoe.stl"}
PRODUCTS = {"mug-gltf": ("model.gltf", 114688), "wickerchair-glb": ("WickerChair.glb", 18320),
            "racquet-gltf": ("TennisRacquet.gltf", 17164), "racquet-obj": ("racquet.obj", 17164),
            "mixer-glb": ("Mixer.glb", 46940), "mixer-stl": ("mixer.stl", 46940), "spot-obj": ("spot.obj", 5856)}
BAD_SECONDS = 5.0


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _ingest(folder: Path, mesh_file: str, category: str = "product") -> Ingested:
    return ingest_folder(folder, mesh_file, category=category, put_texture=_sha256)


def _is_sound(mesh: Mesh) -> None:
    assert np.isfinite(mesh.positions).all()
    assert mesh.triangles.max() < len(mesh.positions)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-4)
    assert mesh.triangle_material.max() < len(mesh.materials)
    assert all(np.isfinite(uv).all() and len(uv) == len(mesh.positions) for uv in mesh.uv_sets)


@pytest.fixture(scope="module")
def shoes(shared_folder: Path) -> dict[str, Ingested]:
    return {name: _ingest(shared_folder / "corpus" / name, file, "footwear") for name, file in SHOES.items()}


def test_the_shoe_is_the_same_in_every_format(shoes: dict[str, Ingested]) -> None:
    reference = shoes["shoe-gltf"].mesh
    for result in shoes.values():
        _is_sound(result.mesh)
        np.testing.assert_allclose(result.mesh.bounds, reference.bounds, atol=2e-4 * reference.diagonal)
        assert len(result.mesh.triangles) == 22700
        assert (result.mesh.front.axis, result.mesh.front.confidence > 0.5) == ("+x", True)


def test_the_shoe_has_the_same_uvs(shoes: dict[str, Ingested]) -> None:
    expected = shoes["shoe-gltf"]
    for name in ("shoe-fbx", "shoe-obj"):
        mesh = shoes[name].mesh
        assert shoes[name].report.charts == expected.report.charts
        assert _farthest(mesh, expected.mesh) < 1e-4
        assert _farthest(expected.mesh, mesh) < 1e-4
        assert "base_color" in mesh.materials[0].textures


def _farthest(one: Mesh, other: Mesh) -> float:
    """Largest distance of a vertex to the other's nearest, in position (share of the diagonal) and uv at once."""
    points = [np.concatenate([mesh.positions / other.diagonal, mesh.uv_sets[0]], axis=1) for mesh in (one, other)]
    return float(np.max(cKDTree(points[1]).query(points[0])[0]))


def test_the_shoe_keeps_its_cameras(shoes: dict[str, Ingested]) -> None:
    assert [camera.name for camera in shoes["shoe-gltf"].mesh.cameras] == ["camera0", "camera1", "camera2"]


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str, shared_folder: Path) -> None:
    file, triangles = PRODUCTS[name]
    result = _ingest(shared_folder / "corpus" / name, file)
    _is_sound(result.mesh)
    assert len(result.mesh.triangles) == triangles
    assert 1.0 <= max(result.report.extents_mm) <= 10_000.0
    if name in ("mixer-glb", "wickerchair-glb"):
        assert result.report.mirrored_uv_share > 0.2
    if name == "racquet-gltf":
        assert set(result.mesh.materials[0].textures) == {"base_color", "metallic_roughness", "normal", "occlusion"}


@pytest.mark.parametrize(("file", "low", "high"), [
    ("max_geometry_transform_7700_binary.fbx", (-0.508, 0.0, -0.254), (0.508, 1.016, 0.762)),
    ("max2009_blob_6100_ascii.fbx", None, None), ("maya_shared_textures_7500_ascii.fbx", None, None),
    ("box_embedded_texture_fragmented.fbx", None, None),
])
def test_fbx_samples(file: str, low: tuple[float, ...] | None, high: tuple[float, ...] | None, shared_folder: Path
                     ) -> None:
    mesh = ingest_file(shared_folder / "corpus" / "fbx-samples" / file).mesh
    _is_sound(mesh)
    if low is not None and high is not None:
        np.testing.assert_allclose(mesh.bounds, [low, high], atol=1e-3)


def test_malformed_files_without_a_native_parser(shared_folder: Path, tmp_path: Path) -> None:
    """What our own readers do in the child, here in one process because it is faster."""
    files = [p for p in (shared_folder / "bad").rglob("*") if p.suffix in (".glb", ".gltf", ".obj", ".stl")]
    assert len(files) > 40
    for path in files:
        context = LoadContext(Resolver(path.parent, [p.name for p in files if p.parent == path.parent], path.name),
                              IngestLimits(), tmp_path, path.name)
        started = perf_counter()
        with contextlib.suppress(PackshotError):
            gate.check(loader_for(path.name)(path.read_bytes(), context), path.name, IngestLimits())
        assert perf_counter() - started < BAD_SECONDS


def _outcome(path: Path) -> tuple[Path, float, str | None]:
    """(file, seconds, what is wrong or None)."""
    started = perf_counter()
    try:
        _is_sound(ingest_file(path).mesh)
    except PackshotError as error:
        wrong = None if error.code and error.message and error.hint and "\n" not in error.message else repr(error)
        return path, perf_counter() - started, wrong
    except AssertionError as error:
        return path, perf_counter() - started, str(error)
    return path, perf_counter() - started, None


def test_malformed_files_end_in_a_named_error_or_a_sound_mesh(shared_folder: Path) -> None:
    """Every FBX, and some of the others, through the child process."""
    files = sorted((shared_folder / "bad").rglob("*.fbx"))
    files += sorted(path for path in (shared_folder / "bad").rglob("*.*") if path.suffix != ".fbx")[::8]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(_outcome, files))
    assert len(outcomes) > 20
    assert [str(path) for path, _, wrong in outcomes if wrong] == []
    assert [str(path) for path, seconds, _ in outcomes if seconds > BAD_SECONDS] == []


def test_damaged_draco_data_is_named(shared_folder: Path, tmp_path: Path) -> None:
    document = json.loads((shared_folder / "corpus" / "mug-gltf" / "model.gltf").read_text())
    head, _, body = document["buffers"][0]["uri"].partition(",")
    data = bytearray(base64.b64decode(body))
    data[40:400] = bytes(360)
    document["buffers"][0]["uri"] = head + "," + base64.b64encode(data).decode()
    (tmp_path / "m.gltf").write_text(json.dumps(document))
    with pytest.raises(PackshotError) as caught:
        _ingest(tmp_path, "m.gltf")
    assert caught.value.code in {"draco_malformed", "loader_crashed", "loader_memory"}
