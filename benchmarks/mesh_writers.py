"""One surface in every mesh format, as fast to write as the formats allow; for benchmarks only."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Surface:
    """A closed, bumpy ball with a seam in its UVs. Metres, +Y up."""

    positions: F64     # (V, 3)
    normals: F64       # (V, 3)
    uvs: F64           # (V, 2) origin top-left
    triangles: I64     # (T, 3)


def surface(triangles: int) -> Surface:
    """About ``triangles`` of them, on a product 0.3 m across."""
    rows = max(int(np.sqrt(triangles / 4)), 4)
    columns = 2 * rows
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    polar, around = 0.05 + (np.pi - 0.1) * v, 2 * np.pi * u
    radius = 0.15 + 0.01 * np.sin(7 * polar) * np.cos(5 * around)
    points = np.stack([radius * np.sin(polar) * np.cos(around), radius * np.cos(polar),
                       radius * np.sin(polar) * np.sin(around)], axis=-1)
    points[:, -1] = points[:, 0]
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0)).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1)
    below = corner + columns + 1
    faces = np.concatenate([np.stack([corner, corner + 1, below], axis=1),
                            np.stack([corner + 1, below + 1, below], axis=1)])
    flat = points.reshape(-1, 3)
    outward = np.einsum("tk,tk->t", np.cross(flat[faces[:1, 1]] - flat[faces[:1, 0]],
                                             flat[faces[:1, 2]] - flat[faces[:1, 0]]), flat[faces[:1, 0]])
    if outward[0] < 0:
        faces = faces[:, ::-1]
    normals *= np.where(np.einsum("vk,vk->v", normals, flat) < 0, -1.0, 1.0)[:, None]
    return Surface(flat, normals, np.stack([u, v], axis=-1).reshape(-1, 2), np.ascontiguousarray(faces))


def glb(mesh: Surface) -> bytes:
    """Indexed, float32 attributes, uint32 indices."""
    arrays = [(mesh.positions.astype("<f4"), "VEC3", 5126), (mesh.normals.astype("<f4"), "VEC3", 5126),
              (mesh.uvs.astype("<f4"), "VEC2", 5126), (mesh.triangles.astype("<u4").reshape(-1), "SCALAR", 5125)]
    sizes = [array.nbytes for array, _, _ in arrays]
    offsets = np.cumsum([0, *sizes])
    document = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3}]}],
        "buffers": [{"byteLength": int(offsets[-1])}],
        "bufferViews": [{"buffer": 0, "byteOffset": int(o), "byteLength": s}
                        for o, s in zip(offsets[:-1], sizes, strict=True)],
        "accessors": [{"bufferView": i, "componentType": component, "count": len(array), "type": kind,
                       **({"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()} if i == 0 else {})}
                      for i, (array, kind, component) in enumerate(arrays)]}
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(array.tobytes() for array, _, _ in arrays)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def stl(mesh: Surface) -> bytes:
    """Binary, in millimetres."""
    records = np.zeros(len(mesh.triangles), np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]))
    records["v"] = mesh.positions[mesh.triangles] * 1000
    return b"\0" * 80 + struct.pack("<I", len(mesh.triangles)) + records.tobytes()


def obj(mesh: Surface) -> bytes:
    """Triangles with uv and normal per corner."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.positions.tolist()]
    lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in mesh.uvs.tolist()]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.normals.tolist()]
    lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in (mesh.triangles + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


@dataclass(frozen=True)
class _Node:
    """A node record of binary FBX."""

    name: str
    properties: tuple[object, ...] = ()
    children: tuple[_Node, ...] = ()


def fbx(mesh: Surface) -> bytes:
    """Binary FBX 7400 as exporters write it: deflated double arrays, normals per corner, indexed UVs."""
    index = mesh.triangles.astype("<i4")
    index[:, 2] = -index[:, 2] - 1
    corners = mesh.triangles.reshape(-1)
    layer = _Node("Layer", (0,), tuple(
        _Node("LayerElement", (), (_Node("Type", (kind,)), _Node("TypedIndex", (0,))))
        for kind in ("LayerElementNormal", "LayerElementUV")))
    geometry = (
        _Node("Vertices", (mesh.positions.reshape(-1),)), _Node("PolygonVertexIndex", (index.reshape(-1),)),
        _Node("LayerElementNormal", (0,), (
            _Node("MappingInformationType", ("ByPolygonVertex",)), _Node("ReferenceInformationType", ("Direct",)),
            _Node("Normals", (mesh.normals[corners].reshape(-1),)))),
        _Node("LayerElementUV", (0,), (
            _Node("Name", ("map",)), _Node("MappingInformationType", ("ByPolygonVertex",)),
            _Node("ReferenceInformationType", ("IndexToDirect",)),
            _Node("UV", ((mesh.uvs * [1, -1] + [0, 1]).reshape(-1),)),
            _Node("UVIndex", (corners.astype("<i4"),)))),
        layer)
    settings = [_Node("P", (name, "int", "Integer", "", value)) for name, value in (
        ("UpAxis", 1), ("UpAxisSign", 1), ("FrontAxis", 2), ("FrontAxisSign", 1), ("CoordAxis", 0),
        ("CoordAxisSign", 1))]
    settings.append(_Node("P", ("UnitScaleFactor", "double", "Number", "", 100.0)))
    data = b"Kaydara FBX Binary  \0\x1a\0" + struct.pack("<I", 7400)
    for node in (
            _Node("FBXHeaderExtension", (), (_Node("FBXVersion", (7400,)),)),
            _Node("GlobalSettings", (), (_Node("Properties70", (), tuple(settings)),)),
            _Node("Objects", (), (
                _Node("Geometry", (np.int64(1), "shape\0\1Geometry", "Mesh"), geometry),
                _Node("Model", (np.int64(2), "shape\0\1Model", "Mesh")))),
            _Node("Connections", (), (_Node("C", ("OO", np.int64(2), np.int64(0))),
                                      _Node("C", ("OO", np.int64(1), np.int64(2)))))):
        data += _record(node, len(data))
    return data + bytes(13)


def _record(node: _Node, start: int) -> bytes:
    """A node record that begins at byte ``start`` of the file; its end offset is absolute."""
    properties = b"".join(_property(value) for value in node.properties)
    name = node.name.encode()
    inner = b""
    first = start + 13 + len(name) + len(properties)
    for child in node.children:
        inner += _record(child, first + len(inner))
    if node.children:
        inner += bytes(13)
    head = struct.pack("<IIIB", first + len(inner), len(node.properties), len(properties), len(name))
    return head + name + properties + inner


def _property(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        kind = b"i" if value.dtype.kind == "i" else b"d"
        packed = zlib.compress(value.astype("<i4" if kind == b"i" else "<f8").tobytes(), 1)
        return kind + struct.pack("<III", value.size, 1, len(packed)) + packed
    if isinstance(value, np.int64):
        return b"L" + struct.pack("<q", int(value))
    if isinstance(value, int):
        return b"I" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"D" + struct.pack("<d", value)
    data = str(value).encode()
    return b"S" + struct.pack("<I", len(data)) + data


WRITERS: Mapping[str, Callable[[Surface], bytes]] = {"glb": glb, "fbx": fbx, "obj": obj, "stl": stl}
