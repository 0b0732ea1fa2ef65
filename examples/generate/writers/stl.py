"""Binary STL: triangles only. Millimetres and Z up, as slicers and most CAD programs write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.generate.model import Model

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.stl``. Materials, uvs and names are lost, as they are in every STL."""
    corners = np.concatenate([part.positions[part.triangles] for part in model.parts]).astype(np.float64) * 1000.0
    corners = np.stack([corners[..., 0], -corners[..., 2], corners[..., 1]], axis=-1)  # Y up → Z up, a rotation
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    records = np.zeros(len(corners), RECORD)
    records["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    records["corners"] = corners
    header = b"packshot example, millimetres, Z up".ljust(80, b" ")
    (folder / f"{stem}.stl").write_bytes(header + np.uint32(len(records)).astype("<u4").tobytes() + records.tobytes())
