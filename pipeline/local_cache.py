"""Local copies of a remote store's files, by content; the oldest go when there are too many."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.atomic import is_litter, write_atomically

LIMIT_MB = 4000                                # PACKSHOT_CACHE_MB; an EXR of one megapixel takes 20 to 40 MB
_IN_USE_S = 900.0                              # what was asked for so lately stays: somebody may be about to open it


@dataclass
class LocalCache:
    """``<folder>/<2 hex digits>/<sha256><suffix>``; may be deleted at any time nothing runs."""

    folder: Path
    limit_bytes: int = field(default_factory=lambda: int(float(os.environ.get("PACKSHOT_CACHE_MB") or LIMIT_MB) * 1e6))
    _since_tidied: int | None = None           # bytes added; None: not looked at yet

    def path(self, sha256: str, suffix: str) -> Path | None:
        """The copy of a file, if there is one."""
        target = self._place(sha256, suffix)
        try:
            os.utime(target)
        except FileNotFoundError:
            return None
        return target

    def put(self, data: bytes, sha256: str, suffix: str) -> Path | None:
        """Keep bytes that were fetched; None where they are not those that the checksum is of."""
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        target = self._place(sha256, suffix)
        write_atomically(target, data)
        self._added(len(data))
        return target

    def adopt(self, file: Path, sha256: str, suffix: str) -> None:
        """Take over a file of :meth:`staging` that has just been uploaded: nobody has to fetch it again."""
        target = self._place(sha256, suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = file.stat().st_size
        os.replace(file, target)
        self._added(size)

    @property
    def staging(self) -> Path:
        """Where files wait for their upload; on the cache's own file system."""
        path = self.folder / "staging"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _place(self, sha256: str, suffix: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}{suffix}"

    def _added(self, size: int) -> None:
        if self._since_tidied is None or self._since_tidied + size > self.limit_bytes / 4:
            self._tidy()
            size = 0
        self._since_tidied = (self._since_tidied or 0) + size

    def _tidy(self) -> None:
        self._since_tidied = 0
        kept: list[tuple[float, int, Path]] = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):            # gone in this moment: another process tidies too
                status = path.stat()
                if path.is_dir():
                    continue
                if is_litter(path.name) or path.is_relative_to(self.folder / "staging"):
                    if time.time() - status.st_mtime > 86_400:
                        path.unlink()          # of a process that was killed
                else:
                    kept.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in kept)
        for used, size, path in sorted(kept):
            if total <= self.limit_bytes * 0.75 or time.time() - used < _IN_USE_S:
                break
            with suppress(OSError):
                path.unlink()
            total -= size
