"""The same files give the same mesh for as long as VERSION stays the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from pipeline.mesh import VERSION
from pipeline.mesh.types import Mesh
from tests.mesh_files import box, box_glb, box_obj, fbx_text, ingest_folder, stl_bytes

# When the output changes on purpose, raise pipeline.mesh.VERSION and add the digest that the failure shows.
GOLDEN = {1: "bb2aba6ca1aa9853", 2: "dd1f194b7f80d342", 3: "48de04c61e39e209"}


def _digest(mesh: Mesh) -> bytes:
    """Of arrays rounded to 0.1 mm and of the materials: sure on every processor, sensitive to any real change."""
    found = hashlib.sha256()
    for values in (mesh.positions, mesh.normals, *mesh.uv_sets):
        found.update((np.round(values.astype(np.float64), 4) + 0.0).tobytes())
    for indices in (mesh.triangles, mesh.triangle_material, mesh.triangle_chart):
        found.update(indices.astype(np.uint32).tobytes())
    found.update(repr((mesh.materials, mesh.front)).encode())
    return found.digest()


def test_output_and_version_change_together(tmp_path: Path) -> None:
    positions, _, _, triangles = box()
    (tmp_path / "m.glb").write_bytes(box_glb({"name": "leather", "pbrMetallicRoughness": {"roughnessFactor": 0.4}}))
    (tmp_path / "m.obj").write_text(box_obj(material="rubber"))
    (tmp_path / "m.stl").write_bytes(stl_bytes(positions, triangles))
    (tmp_path / "m.fbx").write_text(fbx_text(positions, triangles.tolist(), uvs=positions[triangles.reshape(-1), :2]))
    digests = [_digest(ingest_folder(tmp_path, f"m.{suffix}", category="footwear").mesh)
               for suffix in ("glb", "obj", "stl", "fbx")]
    assert hashlib.sha256(b"".join(digests)).hexdigest()[:16] == GOLDEN[VERSION]
