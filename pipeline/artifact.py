"""One finished version of one asset of one SKU, and the writer that collects its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upath import UPath

from pipeline.catalogue import is_local
from pipeline.errors import StoreError
from pipeline.local_cache import LocalCache


@dataclass(frozen=True, slots=True)
class StoredFile:
    sha256: str
    size: int                                  # bytes


@dataclass(frozen=True)
class Artifact:
    """What a manifest names. Its files never change and belong to it alone."""

    asset: str
    sku: str
    data_version: str
    inputs: Mapping[str, Any]
    files: Mapping[str, StoredFile]
    metadata: Mapping[str, Any]                # small and JSON-able: counts, seconds, verdicts
    folder: UPath                              # of this writing: another of the same version has another
    written_at: float = 0.0                    # seconds since 1970, UTC
    cache: LocalCache | None = None            # local copies of a remote store's files

    def path(self, name: str) -> Path:
        """A local path of one file; a remote one is fetched once. Raises StoreError if absent or damaged."""
        if name not in self.files:
            raise StoreError("file_missing", f"{self.asset}/{self.sku} has no file {name!r}.",
                             f"Materialize {self.asset} for this SKU again.")
        stored, source = self.files[name], self.folder / name
        if is_local(source):
            local = Path(source.path)
            if not local.is_file() or local.stat().st_size != stored.size:
                raise self._damaged(name, "is missing or of the wrong size")
            return local
        assert self.cache is not None
        suffix = Path(name).suffix
        cached = self.cache.path(stored.sha256, suffix)
        if cached is not None:
            return cached
        try:
            data = source.read_bytes()
        except FileNotFoundError:
            raise self._damaged(name, "is missing") from None
        return self.cache.put(data, stored.sha256, suffix) or self._refuse(name)

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def url(self, name: str) -> str:
        """Where the file is, for people and metadata."""
        return str(self.folder / name)

    def _refuse(self, name: str) -> Path:
        raise self._damaged(name, "does not match its checksum")

    def _damaged(self, name: str, how: str) -> StoreError:
        return StoreError("file_damaged", f"{self.asset}/{self.sku}/{name} {how}.",
                          "Run `packshot verify --repair`, then run again: it is made anew.")


@dataclass
class ArtifactWriter:
    """Collects the files of one new version. Write to :meth:`path`; the store does the rest."""

    local: Path
    metadata: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)  # handed out, and so to be published: nothing else is

    def path(self, name: str) -> Path:
        """Local path to write one file to; its folder exists."""
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        self.names.add(name)
        return target

    def json(self, name: str, value: Any) -> None:
        self.path(name).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
