"""glTF 2.0: a .gltf document with its buffer and textures beside it.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.generate.model import MaterialSpec, Model, Part
from examples.generate.writers.images import textures_of, write_textures
from examples.generate.writers.normals import normals_of

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, REPEAT = 9729, 9987, 10497


def write_gltf(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.gltf``, ``<stem>.bin`` and one image file per texture."""
    document, buffer = gltf_document(model)
    files = write_textures(model, folder)
    for image in document.get("images", []):
        image["uri"] = files[image["name"]]
    document["buffers"] = [{"uri": f"{stem}.bin", "byteLength": len(buffer)}]
    (folder / f"{stem}.bin").write_bytes(buffer)
    (folder / f"{stem}.gltf").write_text(json.dumps(document, indent=1) + "\n")


def gltf_document(model: Model) -> tuple[dict[str, Any], bytes]:
    """The document without ``buffers`` and the images' sources, and the buffer's bytes.

    Images carry their texture's name; the caller gives each a ``uri`` or a ``bufferView``.
    """
    buffer = _Buffer()
    material_index = {material.name: i for i, material in enumerate(model.materials)}
    textures = [texture.name for texture in textures_of(model)]
    meshes = [_mesh(part, material_index[part.material], buffer) for part in model.parts]
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "packshot examples"},
        "scene": 0,
        "scenes": [{"name": model.name, "nodes": list(range(len(meshes)))}],
        "nodes": [{"name": part.name, "mesh": i} for i, part in enumerate(model.parts)],
        "meshes": meshes,
        "materials": [_material(material, textures) for material in model.materials],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
    }
    if textures:
        document["images"] = [{"name": name} for name in textures]
        document["samplers"] = [{"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": REPEAT,
                                 "wrapT": REPEAT}]
        document["textures"] = [{"source": i, "sampler": 0} for i in range(len(textures))]
    return document, bytes(buffer.data)


class _Buffer:
    """Grows the binary buffer and the accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], kind: str, component: int, target: int, bounds: bool = False) -> int:
        """Append one array; returns its accessor's index."""
        self.data += bytes(-len(self.data) % 4)
        raw = np.ascontiguousarray(array).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), "target": target})
        self.data += raw
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "componentType": component,
                                    "count": len(array), "type": kind}
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _mesh(part: Part, material: int, buffer: _Buffer) -> dict[str, Any]:
    attributes = {
        "POSITION": buffer.add(part.positions.astype("<f4"), "VEC3", FLOAT, ARRAY_BUFFER, bounds=True),
        "NORMAL": buffer.add(normals_of(part).astype("<f4"), "VEC3", FLOAT, ARRAY_BUFFER),
        "TEXCOORD_0": buffer.add(part.uvs.astype("<f4"), "VEC2", FLOAT, ARRAY_BUFFER),
    }
    small = len(part.positions) < 65535
    indices = buffer.add(part.triangles.ravel().astype("<u2" if small else "<u4"), "SCALAR",
                         UNSIGNED_SHORT if small else UNSIGNED_INT, ELEMENT_ARRAY_BUFFER)
    return {"name": part.name, "primitives": [{"attributes": attributes, "indices": indices, "material": material}]}


def _material(material: MaterialSpec, textures: list[str]) -> dict[str, Any]:
    # metallicFactor is always written: a silent glTF means metal.
    surface: dict[str, Any] = {"baseColorFactor": [*material.base_color, 1.0],
                               "metallicFactor": material.metallic or 0.0}
    if material.roughness is not None:
        surface["roughnessFactor"] = material.roughness
    if material.texture is not None:
        surface["baseColorTexture"] = {"index": textures.index(material.texture.name)}
    return {"name": material.name, "pbrMetallicRoughness": surface}
