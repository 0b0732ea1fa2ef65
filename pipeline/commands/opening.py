"""What commands open: files, a catalogue, the SKUs in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import CatalogueError


def existing(file: Path) -> Path:
    if not file.is_file():
        raise CatalogueError("file_missing", f"{file} does not exist.", "Check the path.")
    return file


def open_catalogue(location: str) -> Any:
    from pipeline.catalogue import Catalogue

    return Catalogue.at(location)


def workpiece(catalogue: str, store: str, sku: str) -> Any:
    return workpieces(catalogue, store)(sku)


def workpieces(catalogue: str, store: str) -> Callable[[str], Any]:
    """Workpieces by SKU, with one renderer for all; the last one is kept, with the passes it has opened."""
    from functools import cache, lru_cache

    from pipeline.render.tracing import light_here, open_renderer
    from pipeline.store import ArtifactStore
    from pipeline.workpiece import Workpiece

    opened, artifacts = open_catalogue(catalogue), ArtifactStore(store)

    @cache
    def renderer() -> Any:
        return open_renderer(light_here(os.environ.get("PACKSHOT_LIGHT", "auto")))

    @lru_cache(maxsize=1)
    def piece(sku: str) -> Any:
        return Workpiece(opened.product(sku), opened.settings, artifacts, renderer)

    return piece
