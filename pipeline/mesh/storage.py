"""A mesh as one ``.npz``: the same mesh gives the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError
from pipeline.mesh.types import EmbeddedCamera, Front, Material, Mesh, TextureRef

SCHEMA = 1


def save_mesh(mesh: Mesh, path: Path) -> None:
    """Write ``mesh``. Uncompressed: reading is a copy, and the bytes depend on no zlib version."""
    record = {"schema": SCHEMA, "uv_sets": len(mesh.uv_sets), "front": asdict(mesh.front),
              "materials": [asdict(material) for material in mesh.materials],
              "cameras": [asdict(camera) for camera in mesh.cameras], "warnings": list(mesh.warnings)}
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    arrays: dict[str, NDArray[Any]] = {
        "record": np.frombuffer(text, np.uint8), "positions": mesh.positions, "normals": mesh.normals,
        "triangles": mesh.triangles, "triangle_material": mesh.triangle_material,
        "triangle_chart": mesh.triangle_chart, **{f"uv{i}": uv for i, uv in enumerate(mesh.uv_sets)}}
    if mesh.colors is not None:
        arrays["colors"] = mesh.colors
    if mesh.tangents is not None:
        arrays["tangents"] = mesh.tangents
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_mesh(path: Path) -> Mesh:
    """Read what :func:`save_mesh` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    record = json.loads(arrays["record"].tobytes())
    if record["schema"] != SCHEMA:
        raise StoreError("schema_unknown", f"{path.name} has mesh schema {record['schema']}; this version reads "
                         f"{SCHEMA}.", "Materialize product_mesh again.")
    cameras = tuple(EmbeddedCamera(c["name"], tuple(tuple(row) for row in c["world"]), c["yfov"], c["aspect"])
                    for c in record["cameras"])
    return Mesh(arrays["positions"], arrays["normals"], tuple(arrays[f"uv{i}"] for i in range(record["uv_sets"])),
                arrays["triangles"], arrays["triangle_material"], arrays["triangle_chart"],
                tuple(_material(entry) for entry in record["materials"]), Front(**record["front"]), cameras,
                arrays.get("colors"), arrays.get("tangents"), tuple(record["warnings"]))


def _material(entry: dict[str, Any]) -> Material:
    textures = {slot: TextureRef(**{**t, "offset": tuple(t["offset"]), "scale": tuple(t["scale"])})
                for slot, t in entry["textures"].items()}
    return Material(**{**entry, "base_color": tuple(entry["base_color"]), "emissive": tuple(entry["emissive"]),
                       "guessed": tuple(entry["guessed"]), "textures": textures})
