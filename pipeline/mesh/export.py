"""The canonical mesh as a GLB that any viewer opens: to look at what ingest made of a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.mesh.types import Mesh


def to_glb(mesh: Mesh) -> bytes:
    """Geometry, first UV set and each material's plain values; texture maps stay where they are."""
    import trimesh as untyped

    trimesh: Any = untyped
    scene = trimesh.Scene()
    for index, material in enumerate(mesh.materials):
        triangles = mesh.triangles[mesh.triangle_material == index]
        if not len(triangles):
            continue
        used, renumbered = np.unique(triangles, return_inverse=True)
        surface = trimesh.visual.material.PBRMaterial(
            name=material.name, baseColorFactor=np.clip(material.base_color, 0.0, 1.0),
            metallicFactor=material.metallic, roughnessFactor=material.roughness, doubleSided=material.double_sided)
        # trimesh counts v from the bottom.
        uv = mesh.uv_sets[0][used] * [1.0, -1.0] + [0.0, 1.0] if mesh.uv_sets else None
        scene.add_geometry(trimesh.Trimesh(
            mesh.positions[used], renumbered.reshape(triangles.shape), vertex_normals=mesh.normals[used], process=False,
            visual=trimesh.visual.TextureVisuals(uv=uv, material=surface)), geom_name=f"{index} {material.name}")
    data: bytes = scene.export(file_type="glb")
    return data
