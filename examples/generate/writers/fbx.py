"""FBX 7.4 binary: centimetres, Y up, textures beside the file.

The container is as Autodesk's SDK writes it and Blender's developers have described it
(https://code.blender.org/2013/08/fbx-binary-file-format-specification/): records of typed
properties with absolute end offsets. One Model and Geometry per part, smooth normals and uvs per
polygon corner, one Phong material per MaterialSpec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.generate.model import MaterialSpec, Model, Part
from examples.generate.writers.images import textures_of, write_textures
from examples.generate.writers.normals import normals_of

VERSION = 7400
MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
# A date of creation, the file id and the footer id depend on each other; readers of the SDK check
# them. This is the triple for a fixed date, so files are the same whenever they are made.
CREATION_TIME = "1970-01-01 10:00:00:000"
FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
FOOTER_ID = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
FOOTER_MAGIC = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
COMPRESS_ABOVE = 128  # bytes

Value = bool | int | float | str | bytes | NDArray[np.float64] | NDArray[np.int32]


@dataclass
class Node:
    """One record: name, properties, children."""

    name: str
    values: tuple[Value, ...] = ()
    children: list[Node] = field(default_factory=list)

    def add(self, name: str, *values: Value) -> Node:
        child = Node(name, values)
        self.children.append(child)
        return child


@dataclass
class _Scene:
    """Objects and the connections between them, with ids counted from a round number."""

    objects: Node = field(default_factory=lambda: Node("Objects"))
    connections: Node = field(default_factory=lambda: Node("Connections"))
    counts: dict[str, int] = field(default_factory=dict)
    last_id: int = 1_000_000

    def add(self, kind: str, name: str, object_class: str, subclass: str) -> tuple[Node, int]:
        self.last_id += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.objects.add(kind, _Long(self.last_id), f"{name}\x00\x01{object_class}", subclass), self.last_id

    def connect(self, child: int, parent: int, slot: str | None = None) -> None:
        if slot is None:
            self.connections.add("C", "OO", _Long(child), _Long(parent))
        else:
            self.connections.add("C", "OP", _Long(child), _Long(parent), slot)


class _Long(int):
    """An integer written with 64 bits; plain ones take 32."""


def write_fbx(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.fbx`` and one image file per texture, named by the material's texture."""
    files = write_textures(model, folder)
    scene = _Scene()
    textures = {texture.name: _add_texture(scene, texture.name, files[texture.name])
                for texture in textures_of(model)}
    materials = {material.name: _add_material(scene, material, textures) for material in model.materials}
    for part in model.parts:
        _add_part(scene, part, materials[part.material])
    nodes = [_header(), Node("FileId", (FILE_ID,)), Node("CreationTime", (CREATION_TIME,)),
             Node("Creator", ("packshot examples",)), _settings(), _documents(), Node("References"),
             _definitions(scene), scene.objects, scene.connections, _takes()]
    (folder / f"{stem}.fbx").write_bytes(_file(nodes))


def _add_part(scene: _Scene, part: Part, material: int) -> None:
    geometry, geometry_id = scene.add("Geometry", part.name, "Geometry", "Mesh")
    points, corner_point = _distinct(part.positions.astype(np.float64) * 100.0, part.triangles, 17)
    polygons = corner_point.reshape(-1, 3).copy()
    polygons[:, 2] = -polygons[:, 2] - 1  # a polygon's last corner is stored as its complement
    geometry.add("GeometryVersion", 124)
    geometry.add("Vertices", points.ravel())
    geometry.add("PolygonVertexIndex", polygons.ravel())
    normals, corner_normal = _distinct(normals_of(part), part.triangles, 11)
    _layer(geometry, "Normal", "Normals", normals, "NormalsIndex", corner_normal, "")
    uvs = np.stack([part.uvs[:, 0], 1.0 - part.uvs[:, 1]], axis=1)  # FBX's v grows upward
    distinct_uvs, corner_uv = _distinct(uvs, part.triangles, 16)
    _layer(geometry, "UV", "UV", distinct_uvs, "UVIndex", corner_uv, "UVMap")
    element = geometry.add("LayerElementMaterial", 0)
    for name, value in (("Version", 101), ("Name", ""), ("MappingInformationType", "AllSame"),
                        ("ReferenceInformationType", "IndexToDirect"), ("Materials", np.zeros(1, np.int32))):
        element.add(name, value)
    layer = geometry.add("Layer", 0)
    layer.add("Version", 100)
    for kind in ("LayerElementNormal", "LayerElementUV", "LayerElementMaterial"):
        entry = layer.add("LayerElement")
        entry.add("Type", kind)
        entry.add("TypedIndex", 0)
    node, node_id = scene.add("Model", part.name, "Model", "Mesh")
    node.add("Version", 232)
    _properties(node, (("DefaultAttributeIndex", "int", "Integer", 0),))
    node.add("Shading", True)
    node.add("Culling", "CullingOff")
    scene.connect(node_id, 0)
    scene.connect(geometry_id, node_id)
    scene.connect(material, node_id)


def _layer(geometry: Node, kind: str, values_name: str, values: NDArray[np.float64], index_name: str,
           index: NDArray[np.int32], name: str) -> None:
    element = geometry.add(f"LayerElement{kind}", 0)
    element.add("Version", 101)
    element.add("Name", name)
    element.add("MappingInformationType", "ByPolygonVertex")
    element.add("ReferenceInformationType", "IndexToDirect")
    element.add(values_name, values.ravel())
    element.add(index_name, index)


def _distinct(values: NDArray[np.floating], triangles: NDArray[np.uint32], bits: int
              ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Distinct rows of per-vertex values, rounded to 2^-bits, and each triangle corner's row.

    A double with few bits set packs to a third.
    """
    rounded = np.round(values.astype(np.float64) * 2.0**bits) / 2.0**bits + 0.0
    rows, inverse = np.unique(rounded, axis=0, return_inverse=True)
    return rows, np.asarray(inverse, np.int32).ravel()[triangles.ravel()]


def _add_material(scene: _Scene, material: MaterialSpec, textures: dict[str, int]) -> int:
    node, node_id = scene.add("Material", material.name, "Material", "")
    node.add("Version", 102)
    node.add("ShadingModel", "phong")
    node.add("MultiLayer", 0)
    entries: list[tuple[Value, ...]] = [("DiffuseColor", "Color", "", *(float(c) for c in material.base_color)),
                                        ("DiffuseFactor", "Number", "", 1.0)]
    if material.roughness is not None:  # Blender's mapping, which readers of Phong materials invert
        entries.append(("Shininess", "Number", "", (10.0 * (1.0 - material.roughness)) ** 2))
    if material.metallic is not None:
        entries.append(("ReflectionFactor", "Number", "", float(material.metallic)))
    _properties(node, [(name, kind, label, "A", *values) for name, kind, label, *values in entries])
    if material.texture is not None:
        scene.connect(textures[material.texture.name], node_id, "DiffuseColor")
    return node_id


def _add_texture(scene: _Scene, name: str, file_name: str) -> int:
    video, video_id = scene.add("Video", name, "Video", "Clip")
    video.add("Type", "Clip")
    _properties(video, (("Path", "KString", "XRefUrl", "", file_name),))
    video.add("UseMipMap", 0)
    video.add("Filename", file_name)
    video.add("RelativeFilename", file_name)
    texture, texture_id = scene.add("Texture", name, "Texture", "")
    texture.add("Type", "TextureVideoClip")
    texture.add("Version", 202)
    texture.add("TextureName", f"{name}\x00\x01Texture")
    _properties(texture, (("UVSet", "KString", "", "", "UVMap"), ("UseMaterial", "bool", "", "", 1)))
    texture.add("Media", f"{name}\x00\x01Video")
    texture.add("FileName", file_name)
    texture.add("RelativeFilename", file_name)
    texture.add("ModelUVTranslation", 0.0, 0.0)
    texture.add("ModelUVScaling", 1.0, 1.0)
    texture.add("Texture_Alpha_Source", "None")
    scene.connect(video_id, texture_id)
    return texture_id


def _properties(node: Node, entries: Sequence[tuple[Value, ...]]) -> None:
    """A Properties70 list; an entry is name, type, label[, flags], values; missing flags become ""."""
    block = node.add("Properties70")
    for entry in entries:
        block.add("P", *(entry if isinstance(entry[3], str) else (*entry[:3], "", *entry[3:])))


def _header() -> Node:
    header = Node("FBXHeaderExtension")
    header.add("FBXHeaderVersion", 1003)
    header.add("FBXVersion", VERSION)
    header.add("EncryptionType", 0)
    header.add("Creator", "packshot examples")
    return header


def _settings() -> Node:
    settings = Node("GlobalSettings")
    settings.add("Version", 1000)
    _properties(settings, [(name, "int", "Integer", value) for name, value in
                           (("UpAxis", 1), ("UpAxisSign", 1), ("FrontAxis", 2), ("FrontAxisSign", 1),
                            ("CoordAxis", 0), ("CoordAxisSign", 1), ("OriginalUpAxis", 1), ("OriginalUpAxisSign", 1))]
                + [("UnitScaleFactor", "double", "Number", 1.0), ("OriginalUnitScaleFactor", "double", "Number", 1.0)])
    return settings


def _documents() -> Node:
    documents = Node("Documents")
    documents.add("Count", 1)
    document = documents.add("Document", _Long(999_999), "Scene", "Scene")
    document.add("RootNode", _Long(0))
    return documents


def _definitions(scene: _Scene) -> Node:
    definitions = Node("Definitions")
    definitions.add("Version", 100)
    definitions.add("Count", 1 + sum(scene.counts.values()))
    for kind, count in (("GlobalSettings", 1), *scene.counts.items()):
        definitions.add("ObjectType", kind).add("Count", count)
    return definitions


def _takes() -> Node:
    takes = Node("Takes")
    takes.add("Current", "")
    return takes


def _file(nodes: Sequence[Node]) -> bytes:
    data = bytearray(MAGIC + struct.pack("<I", VERSION))
    for node in nodes:
        _write(node, data)
    data += bytes(13)
    data += FOOTER_ID + bytes(4)
    data += bytes(-len(data) % 16 or 16)
    data += struct.pack("<I", VERSION) + bytes(120) + FOOTER_MAGIC
    return bytes(data)


def _write(node: Node, data: bytearray) -> None:
    """Append one record: end offset, property count and length, name, properties, children, end mark."""
    start = len(data)
    values = b"".join(_value(value) for value in node.values)
    name = node.name.encode()
    data += struct.pack("<IIIB", 0, len(node.values), len(values), len(name)) + name + values
    for child in node.children:
        _write(child, data)
    if node.children or not node.values:
        data += bytes(13)
    struct.pack_into("<I", data, start, len(data))


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"C" + struct.pack("<?", value)
    if isinstance(value, _Long):
        return b"L" + struct.pack("<q", value)
    if isinstance(value, int):
        return b"I" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"D" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"S" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"R" + struct.pack("<I", len(value)) + value
    kind, dtype = (b"i", "<i4") if value.dtype == np.int32 else (b"d", "<f8")
    raw = np.ascontiguousarray(value, dtype).tobytes()
    packed = zlib.compress(raw, 9) if len(raw) > COMPRESS_ABOVE else raw
    encoding = int(packed is not raw)
    return kind + struct.pack("<III", len(value), encoding, len(packed)) + packed
