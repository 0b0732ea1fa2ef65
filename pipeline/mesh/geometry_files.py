"""Which other files of a SKU folder the mesh is made of. Cheap, and silent about faults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import IngestError
from pipeline.mesh.gltf_container import is_data_uri, parse_json
from pipeline.mesh.mtl import decode_text, library_names
from pipeline.mesh.resolver import Resolver

if TYPE_CHECKING:
    from upath import UPath

_MTLLIB = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]+)", re.MULTILINE)


def geometry_files(folder: Path | UPath, mesh_file: str, files: Sequence[str]) -> tuple[str, ...]:
    """Files besides ``mesh_file`` whose bytes the ingested mesh depends on: buffers of a glTF, MTL of an OBJ.

    Never a texture: a changed texture must not touch the mesh. () for a malformed or unreadable
    file, whose ingest will say what is wrong. Sorted, relative to the folder.
    """
    suffix = mesh_file.lower().rpartition(".")[2]
    if suffix not in ("gltf", "glb", "obj"):
        return ()
    try:
        if not (folder / mesh_file).is_file():
            return ()
        data = (folder / mesh_file).read_bytes()
    except OSError:
        return ()
    references = _buffers(data) if suffix != "obj" else [
        name for rest in _MTLLIB.findall(data) for name in library_names(decode_text(rest))]
    resolver = Resolver(Path("."), files, mesh_file)
    found = set()
    for reference in references:
        try:
            path = resolver.existing(reference)
        except IngestError:
            continue
        if path is not None and path != mesh_file:
            found.add(path)
    return tuple(sorted(found))


def _buffers(data: bytes) -> list[str]:
    document = parse_json(data)
    buffers = document.get("buffers") if document else None
    entries = buffers if isinstance(buffers, list) else []
    uris = [entry.get("uri") for entry in entries if isinstance(entry, dict)]
    return [uri for uri in uris if isinstance(uri, str) and not is_data_uri(uri)]
