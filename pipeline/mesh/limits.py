"""What one file may cost while it is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Bounds of one ingest. Raise them for trusted files that are honestly this large."""

    max_triangles: int = 5_000_000  # more is refused; a million takes about 1 GB and 2 s
    timeout_s: float = 60.0         # wall clock of the loader; too low refuses large files on a busy machine
    memory_mb: int = 4096           # address space of the loader; too low turns large files into loader_memory
    max_file_mb: int = 1024         # the mesh file and each buffer beside it
