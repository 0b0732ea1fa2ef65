"""The same shoe as glTF, FBX, OBJ and STL is the same surface and, where textured, the same albedo pass."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.colour import srgb_encode
from pipeline.mesh.types import Mesh, TextureRef
from pipeline.render import Renderer, load_textures
from pipeline.shots import BUILT_IN
from tests.mesh_files import ingest_folder

F32 = NDArray[np.float32]
SHOES = {"shoe-gltf": "Shoe.gltf", "shoe-fbx": "shoe.fbx", "shoe-obj": "shoe.obj", "shoe-stl": "shoe.stl"}
HAUSDORFF = 1e-4   # of the diagonal
PSNR_DB = 40.0


@pytest.fixture(scope="module")
def shoes(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Mesh], Path]:
    textures = tmp_path_factory.mktemp("textures")

    def keep(data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (textures / name).write_bytes(data)
        return name

    return {name: ingest_folder(shared_folder / "corpus" / name, file, category="footwear", put_texture=keep).mesh
            for name, file in SHOES.items()}, textures


@pytest.mark.parametrize("name", ["shoe-fbx", "shoe-obj", "shoe-stl"])
def test_the_surfaces_agree(name: str, shoes: tuple[dict[str, Mesh], Path]) -> None:
    reference, other = shoes[0]["shoe-gltf"], shoes[0][name]
    distance = max(_farthest(reference, other), _farthest(other, reference)) / reference.diagonal
    print(f"{name}: Hausdorff distance {distance:.2e} of the diagonal")
    assert distance <= HAUSDORFF


def _farthest(one: Mesh, other: Mesh) -> float:
    """Upper bound, metres, on how far a point of one surface is from the other.

    Every triangle is paired with the one whose corners are nearest; points of equal barycentric coordinates
    are then no farther apart than the corners are.
    """
    first, second = (mesh.positions[mesh.triangles].astype(float) for mesh in (one, other))
    _, near = cKDTree(second.mean(axis=1)).query(first.mean(axis=1), k=4)
    # Winding must agree, not which corner comes first.
    turned = np.stack([np.roll(second, shift, axis=1) for shift in range(3)])
    apart = np.linalg.norm(turned[:, near] - first[:, None], axis=-1).max(axis=-1)
    return float(apart.min(axis=(0, 2)).max())


def test_the_measure_sees_one_moved_vertex_and_one_turned_triangle(shoes: tuple[dict[str, Mesh], Path]) -> None:
    shoe = shoes[0]["shoe-gltf"]
    moved = shoe.positions.copy()
    moved[5000] += 2 * HAUSDORFF * shoe.diagonal
    turned = shoe.triangles.copy()
    turned[700] = turned[700, ::-1]
    for changed in (replace(shoe, positions=moved), replace(shoe, triangles=turned)):
        assert max(_farthest(shoe, changed), _farthest(changed, shoe)) > HAUSDORFF * shoe.diagonal


def test_the_albedo_passes_agree(shoes: tuple[dict[str, Mesh], Path], shared_folder: Path) -> None:
    meshes, store = shoes
    shot = replace(BUILT_IN["square"], width=512, height=512)
    albedo: dict[str, F32] = {}
    with Renderer() as renderer:
        for name in ("shoe-gltf", "shoe-fbx", "shoe-obj"):
            def read(ref: TextureRef, folder: Path = shared_folder / "corpus" / name) -> bytes:
                return (store if ref.source == "store" else folder).joinpath(ref.path).read_bytes()

            passes = renderer.render(meshes[name], shot, load_textures(meshes[name], read, 67.2))
            albedo[name] = srgb_encode(np.clip(passes.base_color[..., :3], 0, 1))
    reference = albedo.pop("shoe-gltf")
    assert reference.std() > 0.02
    for name, image in albedo.items():
        psnr = -10 * np.log10(max(float(((image - reference) ** 2).mean()), 1e-12))
        print(f"{name}: albedo PSNR {psnr:.1f} dB")
        assert psnr >= PSNR_DB
