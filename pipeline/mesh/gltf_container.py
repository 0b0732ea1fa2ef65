"""The outer layers of glTF 2.0: GLB chunks, JSON, extensions, buffers. Bounds are checked here once."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any
from urllib.parse import unquote_to_bytes

from pipeline.errors import IngestError
from pipeline.mesh.loaders import LoadContext

Json = dict[str, Any]
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
SUPPORTED = frozenset({
    "EXT_meshopt_compression", "KHR_meshopt_compression", "KHR_draco_mesh_compression", "KHR_mesh_quantization",
    "KHR_texture_transform", "EXT_texture_webp", "KHR_lights_punctual", "KHR_xmp_json_ld", "KHR_materials_anisotropy",
    "KHR_materials_clearcoat", "KHR_materials_dispersion", "KHR_materials_emissive_strength", "KHR_materials_ior",
    "KHR_materials_iridescence", "KHR_materials_pbrSpecularGlossiness", "KHR_materials_sheen",
    "KHR_materials_specular", "KHR_materials_transmission", "KHR_materials_unlit", "KHR_materials_variants",
    "KHR_materials_volume"})


class Document:
    """A glTF file: its JSON and, on demand, its buffers."""

    def __init__(self, data: bytes, context: LoadContext) -> None:
        self.context = context
        self.json, self._glb_chunk = _split(data, context.mesh_file)
        self._buffers: dict[int, bytes] = {}
        self._unpacked: dict[int, bytes] = {}
        _check_version(self.json, context.mesh_file)
        unknown = sorted(str(name) for name in self.list("extensionsRequired") if name not in SUPPORTED)
        if unknown:
            raise IngestError("gltf_extension", f"{context.mesh_file} requires {', '.join(unknown)[:120]}, which is "
                              "not supported.", "Export again without it.")

    def list(self, key: str) -> list[Any]:
        """A top-level array, [] where absent."""
        value = self.json.get(key, [])
        if not isinstance(value, list):
            raise malformed(self.context, f"`{key}` is not an array")
        return value

    def item(self, key: str, index: Any) -> Json:
        """One object of a top-level array, its index checked."""
        items = self.list(key)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
            raise malformed(self.context, f"there is no {key}[{index}]")
        value = items[index]
        if not isinstance(value, dict):
            raise malformed(self.context, f"{key}[{index}] is not an object")
        return value

    def buffer(self, index: int) -> bytes:
        """Bytes of one buffer, at least its byteLength."""
        if index not in self._buffers:
            entry = self.item("buffers", index)
            data = self._buffer_bytes(index, entry)
            length = self.count(entry, "byteLength", None)
            if len(data) < length:
                raise malformed(self.context, f"buffer {index} holds {len(data):,} of its {length:,} bytes")
            self._buffers[index] = data
        return self._buffers[index]

    def _buffer_bytes(self, index: int, entry: Json) -> bytes:
        uri = entry.get("uri")
        if uri is None:
            if index == 0 and self._glb_chunk is not None:
                return self._glb_chunk
            raise malformed(self.context, f"buffer {index} has no data")
        return self.uri_bytes(uri)

    def uri_bytes(self, uri: Any) -> bytes:
        """Bytes of a data URI or of a file of the SKU folder."""
        if not isinstance(uri, str):
            raise malformed(self.context, "a URI is not a string")
        return data_uri(uri, self.context) if is_data_uri(uri) else self.context.resolver.read(uri)

    def view(self, index: Any) -> tuple[bytes, int, int, int]:
        """(buffer, offset, length, stride) of a buffer view, checked against its buffer."""
        entry = self.item("bufferViews", index)
        if (unpacked := self._meshopt(index, entry)) is not None:
            return unpacked, 0, len(unpacked), self.count(entry, "byteStride", 0)
        buffer = self.buffer(self.count(entry, "buffer", None))
        offset, length = self.count(entry, "byteOffset", 0), self.count(entry, "byteLength", None)
        if offset + length > len(buffer):
            raise malformed(self.context, f"bufferView {index} ends outside its buffer")
        return buffer, offset, length, self.count(entry, "byteStride", 0)

    def _meshopt(self, index: int, entry: Json) -> bytes | None:
        """The decompressed bytes of a compressed view, None for a plain one. Its fallback buffer stays unread."""
        extensions = entry.get("extensions")
        packed = next((extensions[name] for name in _MESHOPT if name in extensions), None) if isinstance(
            extensions, dict) else None
        if packed is None:
            return None
        if index not in self._unpacked:
            from pipeline.mesh.gltf_meshopt import decode

            if not isinstance(packed, dict):
                raise malformed(self.context, f"bufferView {index} is compressed without saying how")
            count, stride = self.count(packed, "count", None), self.count(packed, "byteStride", None)
            size = self.count(entry, "byteLength", None)
            held = sum(map(len, self._unpacked.values()))
            if count * stride != size or held + size > self.context.limits.max_file_mb * 1_000_000:
                raise malformed(self.context, f"the compressed bufferView {index} declares {count:,} × {stride} bytes")
            buffer = self.buffer(self.count(packed, "buffer", None))
            start, length = self.count(packed, "byteOffset", 0), self.count(packed, "byteLength", None)
            if start + length > len(buffer):
                raise malformed(self.context, f"the compressed bufferView {index} ends outside its buffer")
            mode, named = str(packed.get("mode")), str(packed.get("filter", "NONE"))
            try:
                self._unpacked[index] = decode(buffer[start:start + length], mode, named, count, stride)
            except (ValueError, IndexError) as error:
                raise IngestError("meshopt_malformed", f"{self.context.mesh_file} holds meshopt data that cannot be "
                                  f"decoded: {error}.", "Export again, or without meshopt compression.") from error
        return self._unpacked[index]

    def view_bytes(self, index: Any) -> bytes:
        buffer, offset, length, _ = self.view(index)
        return buffer[offset:offset + length]

    def count(self, entry: Json, key: str, default: int | None) -> int:
        """A non-negative integer of an object."""
        value = entry.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise malformed(self.context, f"`{key}` is not a count: {str(value)[:40]}")
        return value


def malformed(context: LoadContext, what: str) -> IngestError:
    return IngestError("gltf_malformed", f"{context.mesh_file} is not valid glTF: {what}.",
                       "Export it again; the Khronos glTF validator lists every fault.")


def is_data_uri(uri: str) -> bool:
    return uri[:5].lower() == "data:"


def data_uri(uri: str, context: LoadContext) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise malformed(context, "a data URI has no data")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise malformed(context, "a data URI is not base64") from error


def parse_json(data: bytes) -> Json | None:
    """The JSON of a .gltf or .glb, None where there is none. Never raises: for cheap looks at a file."""
    try:
        return _split(data, "")[0]
    except IngestError:
        return None


def _split(data: bytes, name: str) -> tuple[Json, bytes | None]:
    if data[:4] == b"glTF":
        return _glb(data, name)
    if name.lower().endswith(".glb"):
        raise IngestError("gltf_malformed", f"{name} does not begin with a GLB header.",
                          "The file is damaged, or a .gltf by another name.")
    return _json(data, name), None


def _glb(data: bytes, name: str) -> tuple[Json, bytes | None]:
    def fault(what: str) -> IngestError:
        return IngestError("gltf_malformed", f"{name} is not a whole GLB file: {what}.",
                           "The file is damaged or cut off: copy or export it again.")

    if len(data) < 12:
        raise fault("its header is cut off")
    _, version, length = struct.unpack_from("<III", data)
    if version != 2:
        raise IngestError("gltf_version", f"{name} is GLB version {version}; only 2 can be read.",
                          "Export as glTF 2.0.")
    if length > len(data):
        raise fault(f"it should have {length:,} bytes and has {len(data):,}")
    offset, parsed, binary = 12, None, None
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        offset += 8
        if offset + size > length:
            raise fault("a chunk ends outside the file")
        if kind == _JSON and parsed is None:
            parsed = _json(data[offset:offset + size], name)
        elif kind == _BIN and binary is None:
            binary = data[offset:offset + size]
        offset += size
    if parsed is None:
        raise fault("it has no JSON")
    return parsed, binary


def _json(data: bytes, name: str) -> Json:
    try:
        parsed = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise IngestError("gltf_malformed", f"{name} does not hold valid JSON.", "Export the model again.") from error
    if not isinstance(parsed, dict):
        raise IngestError("gltf_malformed", f"{name} does not hold a JSON object.", "Export the model again.")
    return parsed


def _check_version(document: Json, name: str) -> None:
    asset = document.get("asset")
    version = asset.get("version") if isinstance(asset, dict) else None
    if not isinstance(version, str) or not version.startswith("2."):
        raise IngestError("gltf_version", f"{name} says glTF version {str(version)[:20]}; only 2.x can be read.",
                          "Export as glTF 2.0.")
