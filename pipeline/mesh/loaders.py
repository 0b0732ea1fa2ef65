"""The table of loaders: one module per format, registered by its suffixes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import IngestError
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.raw import RawMesh
from pipeline.mesh.resolver import Resolver


@dataclass(frozen=True)
class LoadContext:
    """What a loader is given besides the file's bytes."""

    resolver: Resolver
    limits: IngestLimits
    exchange: Path            # folder for embedded textures
    mesh_file: str
    variant: str | None = None  # colourway to read, for formats that have them

    def check_triangles(self, count: int) -> None:
        """Refuse a count before memory is spent on it."""
        if count > self.limits.max_triangles:
            raise IngestError("mesh_too_large", f"{self.mesh_file} has more than {self.limits.max_triangles:,} "
                              f"triangles ({count:,}).", "Decimate the model, or raise `max_triangles` in "
                              "catalogue.yaml.")

    def keep_blob(self, name: str, data: bytes) -> str:
        """Put embedded texture bytes into the exchange folder; returns the file's name there."""
        blob = f"blob-{name}"
        (self.exchange / blob).write_bytes(data)
        return blob


Loader = Callable[[bytes, LoadContext], RawMesh]
LOADERS: dict[str, Loader] = {}
# Where a suffix's loader is found. Imported when needed: a native parser stays out of other formats' children.
MODULES = {".glb": "gltf", ".gltf": "gltf", ".fbx": "fbx", ".obj": "obj", ".stl": "stl"}


def loader(*suffixes: str) -> Callable[[Loader], Loader]:
    """Register a loader for file name suffixes, lower case with dot."""
    def register(function: Loader) -> Loader:
        LOADERS.update(dict.fromkeys(suffixes, function))
        return function
    return register


def check_suffix(mesh_file: str) -> str:
    """The lower-case suffix of a format that can be read; IngestError ``unknown_format`` for any other."""
    suffix = PurePosixPath(mesh_file).suffix.lower()
    if suffix not in MODULES:
        raise IngestError("unknown_format", f"{mesh_file}: {suffix or 'no suffix'} is no mesh format that can be read.",
                          f"Export the model as {', '.join(sorted(MODULES))}.")
    return suffix


def loader_for(mesh_file: str) -> Loader:
    suffix = check_suffix(mesh_file)
    importlib.import_module(f"pipeline.mesh.{MODULES[suffix]}")
    return LOADERS[suffix]
