"""Wavefront OBJ with its MTL files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import srgb_decode
from pipeline.errors import IngestError
from pipeline.mesh.loaders import LoadContext, loader
from pipeline.mesh.mtl import decode_text, library_names, parse_mtl
from pipeline.mesh.raw import RawMaterial, RawMesh, RawPart
from pipeline.mesh.triangulate import triangulate

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass
class _Statements:
    """The file's statements, sorted by kind."""

    positions: list[bytes] = field(default_factory=list)
    uvs: list[bytes] = field(default_factory=list)
    normals: list[bytes] = field(default_factory=list)
    corners: list[int] = field(default_factory=list)             # index into ``keys`` values
    face_sizes: list[int] = field(default_factory=list)
    face_material: list[int] = field(default_factory=list)       # index into ``material_names``, -1 before any usemtl
    keys: dict[bytes, int] = field(default_factory=dict)         # distinct "v/vt/vn" → number
    material_names: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)


@loader(".obj")
def load_obj(data: bytes, context: LoadContext) -> RawMesh:
    """Read positions, UVs, normals, vertex colours, polygons and materials; groups do not matter here."""
    found = _scan(data, context)
    warnings: list[str] = []
    name = context.mesh_file
    table = _numbers(found.positions, (3, 4, 6, 7), "v", name)
    uvs = _numbers(found.uvs, (1, 2, 3), "vt", name)
    normals = _numbers(found.normals, (3,), "vn", name)
    keys = _key_indices(found, (len(table), len(uvs), len(normals)), name)
    materials = _materials(found, context, warnings)
    corner_key = np.array(found.corners, np.int64)
    sizes = np.array(found.face_sizes, np.int64)
    starts = np.cumsum(sizes) - sizes
    corners, owner = triangulate(table[:, :3], keys[corner_key, 0], starts, sizes)
    context.check_triangles(len(corners))
    face_material = np.array(found.face_material, np.int64)
    parts = []
    for material in np.unique(face_material[owner]):
        picked = keys[corner_key[corners[face_material[owner] == material].reshape(-1)]]
        parts.append(_part(picked, int(material), table, uvs, normals, warnings))
    return RawMesh("obj", "packshot obj", parts, materials, warnings=warnings)


def _scan(data: bytes, context: LoadContext) -> _Statements:
    found = _Statements()
    material = -1
    for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").replace(b"\r", b"\n").split(b"\n"):
        words = line.split(None, 1)
        if len(words) < 2:
            continue
        word, rest = words
        if word == b"v":
            found.positions.append(rest)
        elif word == b"vt":
            found.uvs.append(rest)
        elif word == b"vn":
            found.normals.append(rest)
        elif word == b"f":
            tokens = rest.split(b"#", 1)[0].split()
            if b"-" in rest:
                tokens = [_absolute(token, found) for token in tokens]
            found.corners.extend([found.keys.setdefault(token, len(found.keys)) for token in tokens])
            found.face_sizes.append(len(tokens))
            found.face_material.append(material)
        elif word == b"usemtl":
            name = decode_text(rest).strip()
            if name not in found.material_names:
                found.material_names.append(name)
            material = found.material_names.index(name)
        elif word == b"mtllib":
            found.libraries.extend(library_names(decode_text(rest)))
    if not found.face_sizes:
        raise IngestError("mesh_empty", f"{context.mesh_file} has no faces.", "Export the model with its mesh.")
    return found


def _absolute(token: bytes, found: _Statements) -> bytes:
    """Negative indices count back from the latest statement."""
    counts = (len(found.positions), len(found.uvs), len(found.normals))
    parts = token.split(b"/")
    return b"/".join(b"%d" % (count + 1 - int(part[1:])) if part.startswith(b"-") and part[1:].isdigit() else part
                     for part, count in zip(parts, counts, strict=False))


def _numbers(lines: list[bytes], sizes: tuple[int, ...], word: str, name: str) -> F64:
    """(N, k) numbers of one statement, k by the first line; shorter and longer lines are cut or refused."""
    if not lines:
        return np.empty((0, max(sizes)), np.float64)
    width = len(lines[0].split())
    try:
        flat = np.array(b" ".join(lines).split(), np.float64)
        if width in sizes and flat.size == width * len(lines):
            return flat.reshape(-1, width)
        least = min(sizes)
        return np.array([[float(n) for n in line.split(b"#", 1)[0].split()[:least]] for line in lines],
                        np.float64).reshape(len(lines), least)
    except ValueError as error:
        raise IngestError("obj_malformed", f"{name}: a `{word}` line does not hold {sizes[0]} numbers.",
                          "Export the model again.") from error


def _key_indices(found: _Statements, counts: tuple[int, int, int], name: str) -> I64:
    """(K, 3) zero-based position, uv and normal index of each distinct corner; -1 where it has none."""
    table = np.full((len(found.keys), 3), -1, np.int64)
    for token, row in found.keys.items():
        for column, part in enumerate(token.split(b"/")[:3]):
            if part:
                if not part.isdigit() or len(part) > 12:
                    raise IngestError("obj_malformed", f"{name}: a face names the vertex "
                                      f"{token[:40].decode('utf-8', 'replace')!r}.", "Export the model again.")
                table[row, column] = int(part) - 1
    lowest = np.array([0, -1, -1])
    if (table < lowest).any() or (table >= np.array(counts)).any():
        raise IngestError("mesh_indices", f"{name}: a face refers to a vertex, uv or normal that does not exist.",
                          "The file is damaged or cut off: export it again.")
    return table


def _part(picked: I64, material: int, table: F64, uvs: F64, normals: F64, warnings: list[str]) -> RawPart:
    """Corner soup of one material; ``picked`` (3T, 3) indices."""
    triangles = np.arange(len(picked), dtype=np.int64).reshape(-1, 3)
    part = RawPart(table[picked[:, 0], :3], triangles, material)
    with_uv, with_normal = picked[:, 1] >= 0, picked[:, 2] >= 0
    if with_uv.any():
        chosen = np.zeros((len(picked), 2))
        source = uvs[:, :2] if uvs.shape[1] >= 2 else np.pad(uvs, ((0, 0), (0, 1)))
        chosen[with_uv] = source[picked[with_uv, 1]]
        part.uv_sets = (np.stack([chosen[:, 0], 1.0 - chosen[:, 1]], axis=1),)
        if not with_uv.all():
            warnings.append(f"{int((~with_uv).sum())} corners have no uv; they take (0, 0)")
    if with_normal.any():
        part.normals = np.full((len(picked), 3), np.nan)
        part.normals[with_normal] = normals[picked[with_normal, 2]]
    if table.shape[1] >= 6:  # the common extension: x y z r g b
        linear = srgb_decode(np.clip(table[picked[:, 0], 3:6], 0.0, 1.0))  # scanners write display values
        part.colors = np.concatenate([linear, np.ones((len(picked), 1))], axis=1).astype(np.float64)
    return part


def _materials(found: _Statements, context: LoadContext, warnings: list[str]) -> list[RawMaterial]:
    """One material per usemtl name, in order of use. A missing library is a warning: the mesh is whole."""
    known: dict[str, RawMaterial] = {}
    for library in found.libraries:
        try:
            text = decode_text(context.resolver.read(library))
        except IngestError as error:
            if error.code != "file_missing":
                raise
            warnings.append(f"material library {library} is not in the SKU folder")
            continue
        known.update(parse_mtl(text, warnings))
    return [known.get(name, RawMaterial(name, double_sided=True)) for name in found.material_names]
