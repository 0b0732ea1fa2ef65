"""One mesh file outside a catalogue: what ingest makes of it, with its texture maps decoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.mesh import IngestReport, ingest_file
from pipeline.mesh.types import Mesh, TextureRef
from pipeline.render import Textures, load_textures

if TYPE_CHECKING:
    from pipeline.settings import Manifest

MAX_MEGAPIXELS = 67.2      # of one texture, as a catalogue has it by default


@dataclass(frozen=True, slots=True)
class LoneFile:
    mesh: Mesh
    report: IngestReport
    textures: Textures


def open_file(path: Path, *, manifest: Manifest | None = None, description: str | None = None,
              category: str | None = None, max_megapixels: float = MAX_MEGAPIXELS) -> LoneFile:
    """Ingest a file and decode the maps beside or inside it. Raises IngestError or TextureError."""
    embedded: dict[str, bytes] = {}

    def keep(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        embedded[digest] = data
        return digest

    def read(ref: TextureRef) -> bytes:
        return embedded[ref.path] if ref.source == "store" else (path.parent / ref.path).read_bytes()

    found = ingest_file(path, manifest=manifest, description=description, category=category, put_texture=keep)
    return LoneFile(found.mesh, found.report, load_textures(found.mesh, read, max_megapixels))
