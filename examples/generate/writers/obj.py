"""Wavefront OBJ, with and without its MTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.generate.model import Model
from examples.generate.writers.images import write_textures
from examples.generate.writers.normals import normals_of


def write_obj(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.obj``, ``<stem>.mtl`` and one image file per texture, named by map_Kd."""
    files = write_textures(model, folder)
    lines = []
    for material in model.materials:
        lines += [f"newmtl {material.name}", "illum 2", "Kd " + _numbers(material.base_color, 4)]
        if material.roughness is not None:
            lines.append(f"Pr {material.roughness:g}")
        if material.metallic is not None:
            lines.append(f"Pm {material.metallic:g}")
        if material.texture is not None:
            lines.append(f"map_Kd {files[material.texture.name]}")
        lines.append("")
    (folder / f"{stem}.mtl").write_text("\n".join(lines))
    (folder / f"{stem}.obj").write_text(_geometry(model, f"{stem}.mtl"))


def write_obj_without_mtl(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.obj`` alone, its textures beside it: nothing but the file's name says what it is."""
    write_textures(model, folder)
    (folder / f"{stem}.obj").write_text(_geometry(model, None))


def _geometry(model: Model, library: str | None) -> str:
    lines = ["# packshot example, metres, Y up"] + ([f"mtllib {library}"] if library else [])
    starts = [1, 1, 1]  # OBJ counts from one, through the whole file
    for part in model.parts:
        lines.append(f"o {part.name}")
        indices = []
        flipped = np.stack([part.uvs[:, 0], 1.0 - part.uvs[:, 1]], axis=1)  # OBJ's v grows upward
        for i, (keyword, values, digits) in enumerate((("v", part.positions, 6), ("vt", flipped, 5),
                                                       ("vn", normals_of(part), 3))):
            distinct, inverse = _distinct(np.round(values.astype(np.float64), digits))
            lines += [f"{keyword} " + _numbers(row, digits) for row in distinct]
            indices.append(inverse + starts[i])
            starts[i] += len(distinct)
        if library:
            lines.append(f"usemtl {part.material}")
        lines += ["f " + " ".join(f"{indices[0][v]}/{indices[1][v]}/{indices[2][v]}" for v in triangle)
                  for triangle in part.triangles]
    return "\n".join(lines) + "\n"


def _distinct(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows, inverse = np.unique(values + 0.0, axis=0, return_inverse=True)
    return rows, np.asarray(inverse, np.int64).ravel()


def _numbers(values: NDArray[np.float64] | tuple[float, ...], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in values)
