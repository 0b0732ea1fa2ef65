"""glTF accessors to arrays: interleaved, normalised, quantised, sparse, Draco (glTF 2.0 section 3.6.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.gltf_container import Document, Json, malformed

_DTYPES: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"), 5121: np.dtype("<u1"), 5122: np.dtype("<i2"), 5123: np.dtype("<u2"),
    5125: np.dtype("<u4"), 5126: np.dtype("<f4")}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_floats(document: Document, index: Any, widths: tuple[int, ...]) -> NDArray[Any]:
    """(N, k) float32 values of a vertex attribute, normalised integers as 0..1 or -1..1."""
    entry = document.item("accessors", index)
    values = _read(document, entry, f"accessor {index}")
    if values.shape[1] not in widths:
        raise malformed(document.context, f"accessor {index} has the wrong type")
    return normalise(values, entry)


def read_matrices(document: Document, index: Any) -> NDArray[np.float64]:
    """(N, 4, 4) matrices, which glTF stores by column."""
    return read_floats(document, index, (16,)).astype(np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)


def element_count(document: Document, index: Any) -> int:
    """What an accessor declares to hold, before anything of it is read."""
    return document.count(document.item("accessors", index), "count", None)


def read_indices(document: Document, index: Any) -> NDArray[np.int64]:
    """(N,) vertex indices."""
    values = _read(document, document.item("accessors", index), f"accessor {index}")
    if values.shape[1] != 1 or values.dtype.kind != "u":
        raise malformed(document.context, f"accessor {index} does not hold indices")
    return values[:, 0].astype(np.int64)


def normalise(values: NDArray[Any], entry: Json) -> NDArray[Any]:
    whole = values.dtype.kind in "iu"
    # float32 holds every 8- and 16-bit number; 32-bit integers are no vertex attribute but may stand in a file.
    kind: Any = np.float64 if whole and values.dtype.itemsize == 4 else np.float32
    converted: NDArray[Any] = values.astype(kind, copy=False)
    if whole and entry.get("normalized") is True:
        converted = np.maximum(converted / kind(np.iinfo(values.dtype).max), kind(-1))
    return converted


def _read(document: Document, entry: Json, what: str) -> NDArray[Any]:
    dtype, width = _layout(document, entry, what)
    count = document.count(entry, "count", None)
    if "bufferView" in entry:
        values = _strided(document, entry["bufferView"], document.count(entry, "byteOffset", 0), dtype, count, width,
                          what)
    elif count > 3 * document.context.limits.max_triangles:  # zeros of any declared size, from no bytes at all
        raise malformed(document.context, f"{what} declares {count:,} elements and holds none")
    else:
        values = np.zeros((count, width), dtype)
    sparse = entry.get("sparse")
    if sparse is None:
        return values
    if not isinstance(sparse, dict) or not all(isinstance(sparse.get(k), dict) for k in ("indices", "values")):
        raise malformed(document.context, f"{what} has an incomplete sparse part")
    changed = document.count(sparse, "count", None)
    index_entry, value_entry = sparse["indices"], sparse["values"]
    index_dtype = _DTYPES.get(index_entry.get("componentType"))
    if index_dtype is None or index_dtype.kind != "u" or changed > count:
        raise malformed(document.context, f"{what} has an invalid sparse part")
    at = _strided(document, index_entry.get("bufferView"), document.count(index_entry, "byteOffset", 0), index_dtype,
                  changed, 1, what)[:, 0].astype(np.int64)
    if len(at) and int(at.max()) >= count:
        raise malformed(document.context, f"{what} has a sparse index outside its range")
    values = values.copy()
    values[at] = _strided(document, value_entry.get("bufferView"), document.count(value_entry, "byteOffset", 0), dtype,
                          changed, width, what)
    return values


def _layout(document: Document, entry: Json, what: str) -> tuple[np.dtype[Any], int]:
    component, kind = entry.get("componentType"), entry.get("type")
    if not isinstance(component, int) or component not in _DTYPES or not isinstance(kind, str) or kind not in _WIDTHS:
        raise malformed(document.context, f"{what} has the type {str(kind)[:20]} of {str(component)[:20]}")
    return _DTYPES[component], _WIDTHS[kind]


def _strided(document: Document, view: Any, offset: int, dtype: np.dtype[Any], count: int, width: int, what: str
             ) -> NDArray[Any]:
    """(count, width) elements of a buffer view, inside its bounds."""
    buffer, start, length, stride = document.view(view)
    size = dtype.itemsize * width
    stride = stride or size
    if count and (stride < size or offset + stride * (count - 1) + size > length):
        raise malformed(document.context, f"{what} ends outside its bufferView")
    return np.ndarray((count, width), dtype, buffer, start + offset, (stride, dtype.itemsize)) if count else np.zeros(
        (0, width), dtype)


def read_draco(document: Document, primitive: Json, extension: Json
               ) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """(3T,) indices and attributes by glTF name of a KHR_draco_mesh_compression primitive."""
    import DracoPy

    data = document.view_bytes(extension.get("bufferView"))
    try:
        decoded = DracoPy.decode(data)
    except (DracoPy.FileTypeException, ValueError, RuntimeError) as error:
        raise IngestError("draco_malformed", f"{document.context.mesh_file} holds Draco data that cannot be decoded.",
                          "Export again, or without Draco compression.") from error
    names = extension.get("attributes")
    accessors = primitive.get("attributes")
    if not isinstance(names, dict) or not isinstance(accessors, dict):
        raise malformed(document.context, "a Draco primitive has no attributes")
    by_id = {int(a["unique_id"]): np.asarray(a["data"]) for a in decoded.attributes}
    attributes = {}
    for name, unique_id in names.items():
        if unique_id not in by_id:
            raise malformed(document.context, f"Draco attribute {name} is missing")
        values = by_id[unique_id]
        values = values.reshape(len(values), -1)
        attributes[name] = normalise(values, document.item("accessors", accessors.get(name)))
    return np.asarray(decoded.faces, np.int64).reshape(-1), attributes
