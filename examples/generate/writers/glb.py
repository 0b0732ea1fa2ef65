"""Binary glTF 2.0: one file with its textures inside."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from examples.generate.model import Model
from examples.generate.writers.gltf import gltf_document
from examples.generate.writers.images import encoded, textures_of

MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def write_glb(model: Model, folder: Path, stem: str) -> None:
    """``<stem>.glb``."""
    document, geometry = gltf_document(model)
    buffer = bytearray(geometry)
    for entry, texture in zip(document.get("images", []), textures_of(model), strict=True):
        image = encoded(texture)
        buffer += bytes(-len(buffer) % 4)
        document["bufferViews"].append({"buffer": 0, "byteOffset": len(buffer), "byteLength": len(image.data)})
        entry |= {"mimeType": image.mime_type, "bufferView": len(document["bufferViews"]) - 1}
        buffer += image.data
    document["buffers"] = [{"byteLength": len(buffer)}]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    buffer += bytes(-len(buffer) % 4)
    total = 12 + 8 + len(text) + 8 + len(buffer)
    (folder / f"{stem}.glb").write_bytes(
        struct.pack("<III", MAGIC, VERSION, total)
        + struct.pack("<II", len(text), JSON_CHUNK) + text
        + struct.pack("<II", len(buffer), BINARY_CHUNK) + buffer)
