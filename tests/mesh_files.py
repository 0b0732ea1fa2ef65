"""Tiny mesh files of every format, made by the tests that need them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh import Ingested, IngestLimits, ingest
from pipeline.mesh.loaders import LoadContext, loader_for
from pipeline.mesh.raw import RawMesh
from pipeline.mesh.resolver import Resolver
from pipeline.settings import Manifest

Array = NDArray[Any]
_COMPONENTS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
                    "cfc0000003010100c9fe92ef0000000049454e44ae426082")


def box(width: float = 0.2, height: float = 0.1, depth: float = 0.06) -> tuple[Array, Array, Array, Array]:
    """A box that stands on the floor: positions (24, 3), normals, uvs (24, 2) top-left, triangles (12, 3)."""
    positions: list[Array] = []
    normals: list[Array] = []
    uvs: list[list[float]] = []
    triangles: list[list[int]] = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            base = len(positions)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[axis], corner[u], corner[v] = sign, a, b
                positions.append(corner)
                normals.append(np.eye(3)[axis] * sign)
                uvs.append([(a + 1) / 2, (b + 1) / 2])
            faces = [[0, 1, 2], [0, 2, 3]] if sign > 0 else [[0, 2, 1], [0, 3, 2]]
            triangles.extend([[base + i for i in face] for face in faces])
    scaled = np.array(positions) * np.array([width, height, depth]) / 2 + np.array([0.0, height / 2, 0.0])
    return scaled, np.array(normals), np.array(uvs), np.array(triangles)


class Gltf:
    """Collects buffers and JSON of a glTF file."""

    def __init__(self) -> None:
        self.data = b""
        self.json: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(self.json["bufferViews"]) - 1

    def accessor(self, array: Array, *, normalized: bool = False) -> int:
        wide = array.reshape(len(array), -1)
        self.json["accessors"].append({"bufferView": self.view(np.ascontiguousarray(array).tobytes()),
                                       "componentType": _COMPONENTS[array.dtype.name], "count": len(array),
                                       "type": _TYPES[wide.shape[1]], "normalized": normalized})
        return len(self.json["accessors"]) - 1

    def box(self, *, with_uv: bool = True) -> dict[str, Any]:
        """A primitive of :func:`box` with its accessors."""
        positions, normals, uvs, triangles = box()
        attributes = {"POSITION": self.accessor(positions.astype(np.float32)),
                      "NORMAL": self.accessor(normals.astype(np.float32))}
        if with_uv:
            attributes["TEXCOORD_0"] = self.accessor(uvs.astype(np.float32))
        return {"attributes": attributes, "indices": self.accessor(triangles.astype(np.uint16).reshape(-1))}

    def scene(self, primitives: Sequence[Mapping[str, Any]], **node: Any) -> None:
        """One scene with one node and one mesh."""
        self.json |= {"scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, **node}],
                      "meshes": [{"primitives": list(primitives)}]}

    def glb(self) -> bytes:
        document = self.json | {"buffers": [{"byteLength": len(self.data)}]}
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        data = self.data + b"\0" * (-len(self.data) % 4)
        body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
        return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body

    def write(self, path: Path, buffer_uri: str = "mesh.bin", buffer_file: str = "mesh.bin") -> None:
        """A .gltf with its buffer beside it."""
        (path.parent / buffer_file).write_bytes(self.data)
        document = self.json | {"buffers": [{"byteLength": len(self.data), "uri": buffer_uri}]}
        path.write_text(json.dumps(document))


def box_glb(material: Mapping[str, Any] | None = None, *, with_uv: bool = True) -> bytes:
    """A whole file with one box and at most one material."""
    gltf = Gltf()
    primitive = gltf.box(with_uv=with_uv)
    if material is not None:
        gltf.json["materials"] = [dict(material)]
        primitive["material"] = 0
    gltf.scene([primitive])
    return gltf.glb()


def box_obj(*, material: str = "", library: str = "", with_uv: bool = True, scale: float = 1.0) -> str:
    positions, normals, uvs, triangles = box()
    lines = [f"mtllib {library}"] if library else []
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in positions * scale]
    lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in uvs] if with_uv else []
    lines += [f"vn {x:.1f} {y:.1f} {z:.1f}" for x, y, z in normals]
    lines += [f"usemtl {material}"] if material else []
    middle = "{0}" if with_uv else ""
    lines += ["f " + " ".join(f"{i + 1}/{middle.format(i + 1)}/{i + 1}" for i in face) for face in triangles]
    return "\n".join(lines) + "\n"


def stl_bytes(positions: Array, triangles: Array) -> bytes:
    """Binary STL."""
    records = np.zeros(len(triangles), np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]))
    records["v"] = positions[triangles]
    return b"\0" * 80 + struct.pack("<I", len(triangles)) + records.tobytes()


def fbx_text(vertices: Array, polygons: Sequence[Sequence[int]], *, uvs: Array | None = None, up: int = 1,
             unit_cm: float = 100.0, texture: str = "", extra_model: str = "", colour: str = "0.8,0.2,0.2",
             polygon_material: Sequence[int] = (), second_uvs: Array | None = None) -> str:
    """ASCII FBX 7400: one mesh of polygons, one UV value per corner, one material per entry of the mesh.

    ``up``: 1 Y, 2 Z. ``texture``: path as a modelling tool writes it. ``extra_model``: more properties
    of the node.
    """
    corners = [index if k < len(face) - 1 else -index - 1 for face in polygons for k, index in enumerate(face)]
    front = 2 if up == 1 else 1
    front_sign = 1 if up == 1 else -1
    layers = "".join(_uv_layer(i, uv) for i, uv in enumerate((uvs, second_uvs)) if uv is not None)
    count = max(polygon_material, default=0) + 1
    mapping = "ByPolygon" if polygon_material else "AllSame"
    chosen = list(polygon_material) or [0]
    materials = "".join(f'''
    Material: {10 + i}, "Material::paint_{i}", "" {{
        ShadingModel: "phong"
        Properties70:  {{ P: "DiffuseColor", "Color", "", "A",{colour} }}
    }}''' for i in range(count))
    image = f'''
    Texture: 30, "Texture::map", "" {{
        Type: "TextureVideoClip"
        FileName: "{texture}"
        RelativeFilename: "{texture}"
    }}''' if texture else ""
    links = "".join(f'\n    C: "OO",{10 + i},2' for i in range(count))
    links += '\n    C: "OP",30,10,"DiffuseColor"' if texture else ""
    layer_list = "".join(f'''
        Layer: {i} {{ Version: 100
            LayerElement:  {{ Type: "LayerElementUV"
                TypedIndex: {i} }} {_MATERIAL_LAYER if i == 0 else ""} }}'''
                         for i in range(2 if second_uvs is not None else 1))
    return f'''; FBX 7.4.0 project file
FBXHeaderExtension:  {{ FBXHeaderVersion: 1003
    FBXVersion: 7400 }}
GlobalSettings:  {{ Version: 1000
    Properties70:  {{
        P: "UpAxis", "int", "Integer", "",{up}
        P: "UpAxisSign", "int", "Integer", "",1
        P: "FrontAxis", "int", "Integer", "",{front}
        P: "FrontAxisSign", "int", "Integer", "",{front_sign}
        P: "CoordAxis", "int", "Integer", "",0
        P: "CoordAxisSign", "int", "Integer", "",1
        P: "UnitScaleFactor", "double", "Number", "",{unit_cm}
    }}
}}
Objects:  {{
    Geometry: 1, "Geometry::shape", "Mesh" {{
        Vertices: *{vertices.size} {{ a: {_joined(vertices)} }}
        PolygonVertexIndex: *{len(corners)} {{ a: {_joined(np.array(corners))} }}
        GeometryVersion: 124{layers}
        LayerElementMaterial: 0 {{ Version: 101
            Name: ""
            MappingInformationType: "{mapping}"
            ReferenceInformationType: "IndexToDirect"
            Materials: *{len(chosen)} {{ a: {_joined(np.array(chosen))} }}
        }}{layer_list}
    }}
    Model: 2, "Model::shape", "Mesh" {{ Version: 232
        Properties70:  {{ {extra_model} }}
    }}{materials}{image}
}}
Connections:  {{
    C: "OO",2,0
    C: "OO",1,2{links}
}}
'''


_MATERIAL_LAYER = '''
            LayerElement:  { Type: "LayerElementMaterial"
                TypedIndex: 0 }'''


def _uv_layer(index: int, uvs: Array) -> str:
    return f'''
        LayerElementUV: {index} {{ Version: 101
            Name: "set_{index}"
            MappingInformationType: "ByPolygonVertex"
            ReferenceInformationType: "IndexToDirect"
            UV: *{uvs.size} {{ a: {_joined(uvs)} }}
            UVIndex: *{len(uvs)} {{ a: {_joined(np.arange(len(uvs)))} }}
        }}'''


def _joined(values: Array) -> str:
    return ",".join(f"{value:.9g}" for value in values.reshape(-1))


def load(data: bytes, name: str, folder: Path) -> RawMesh:
    """Run a loader in this process; not for FBX."""
    files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return loader_for(name)(data, LoadContext(Resolver(folder, files, name), IngestLimits(), folder, name))


def no_texture(data: bytes) -> str:
    raise AssertionError("no embedded texture was expected")


def ingest_folder(folder: Path, mesh_file: str, *, manifest: Manifest | None = None, category: str = "product",
                  description: str = "thing", limits: IngestLimits | None = None,
                  put_texture: Callable[[bytes], str] = no_texture) -> Ingested:
    """Ingest as the catalogue does."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return ingest(folder, mesh_file, files=files, manifest=manifest or Manifest(), description=description,
                  category=category, limits=limits or IngestLimits(), put_texture=put_texture)
