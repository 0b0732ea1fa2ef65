"""STL, ASCII and binary. No units, no UVs, no shared vertices."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.loaders import LoadContext, loader
from pipeline.mesh.raw import RawMaterial, RawMesh, RawPart

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84
_VERTEX = re.compile(rb"^\s*vertex\s+(\S+)\s+(\S+)\s+(\S+)\s*$", re.MULTILINE | re.IGNORECASE)


@loader(".stl")
def load_stl(data: bytes, context: LoadContext) -> RawMesh:
    """Read either flavour. The count of a binary file must agree with its length."""
    warnings: list[str] = []
    corners = _ascii(data, context) if _is_ascii(data) else _binary(data, context, warnings)
    count = len(corners)
    context.check_triangles(count)
    part = RawPart(corners.reshape(-1, 3), np.arange(3 * count, dtype=np.int64).reshape(-1, 3), 0)
    return RawMesh("stl", "packshot stl", [part], [RawMaterial("stl", double_sided=True)], warnings=warnings)


def _is_ascii(data: bytes) -> bool:
    """Binary files may begin with ``solid`` too: what counts is whether the length fits the binary count."""
    if len(data) >= _HEADER and len(data) == _HEADER + 50 * int.from_bytes(data[80:84], "little"):
        return False
    head = data[:1024].lstrip().lower()
    return head.startswith(b"solid") and b"\0" not in head


def _binary(data: bytes, context: LoadContext, warnings: list[str]) -> NDArray[np.float64]:
    """(T, 3, 3) corners."""
    if len(data) < _HEADER:
        raise IngestError("stl_truncated", f"{context.mesh_file} is shorter than an STL header.",
                          "Export the model again.")
    count = int.from_bytes(data[80:84], "little")
    held = (len(data) - _HEADER) // 50
    if count > held:
        raise IngestError("stl_truncated", f"{context.mesh_file} says it has {count:,} triangles, but its length "
                          f"holds {held:,}.", "The file is cut off: copy or export it again.")
    if len(data) > _HEADER + 50 * count:
        warnings.append(f"{len(data) - _HEADER - 50 * count} bytes after the last triangle are ignored")
    records = np.frombuffer(data, _RECORD, count, _HEADER)
    if records["attribute"].any():
        warnings.append("the file's attribute bits, in which some tools keep colours, are ignored")
    return records["corners"].astype(np.float64)


def _ascii(data: bytes, context: LoadContext) -> NDArray[np.float64]:
    """(T, 3, 3) corners."""
    words = [match.groups() for match in _VERTEX.finditer(data)]
    facets = len(re.findall(rb"^\s*endfacet\b", data, re.MULTILINE | re.IGNORECASE))
    if len(words) != 3 * facets:
        raise IngestError("stl_malformed", f"{context.mesh_file}: {facets} facets, but {len(words)} vertices.",
                          "The file is cut off or not STL: export it again.")
    try:
        return np.array(words, dtype=np.float64).reshape(-1, 3, 3)
    except ValueError as error:
        raise IngestError("stl_malformed", f"{context.mesh_file} has a vertex that is not three numbers.",
                          "Export the model again.") from error
