"""The only way from a name inside a mesh file to a file of the SKU folder.

Nothing outside the folder is ever opened, and nothing is fetched: a security fix is one change here.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pipeline.errors import IngestError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters at least: C: is a drive
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Resolver:
    """Resolves references of one mesh file."""

    folder: Path
    files: Sequence[str]      # every file of the SKU folder, relative, posix
    mesh_file: str            # relative, posix; references are relative to its folder
    max_file_mb: int = 1024

    def locate(self, reference: str) -> str:
        """Path inside the SKU folder that ``reference`` means, normalised; it need not exist.

        Raises IngestError ``remote_uri`` or ``path_escapes``.
        """
        path = unquote(reference).replace("\\", "/").strip()
        if path.startswith("//") or (_SCHEME.match(path) and not _DRIVE.match(path)):
            raise IngestError("remote_uri", f"{self.mesh_file} refers to {_short(reference)}, which is not a file of "
                              "the SKU folder.", "Packshot fetches nothing: put the file beside the mesh and export "
                              "with relative paths.")
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(self.mesh_file), path))
        if path.startswith("/") or _DRIVE.match(path) or inside == ".." or inside.startswith("../") or "\0" in path:
            raise IngestError("path_escapes", f"{self.mesh_file} refers to {_short(reference)}, outside its SKU "
                              "folder.", "Put the file into the SKU folder and export with relative paths.")
        return inside

    def existing(self, reference: str) -> str | None:
        """The file that ``reference`` means, else one of the same name elsewhere in the folder, else None."""
        wanted = self.locate(reference)
        return wanted if wanted in self.files else self._same_name(wanted)

    def read(self, reference: str) -> bytes:
        """Bytes of a buffer or material file. Raises IngestError where it is absent, outside or too large."""
        found = self.existing(reference)
        if found is None:
            raise IngestError("file_missing", f"{self.mesh_file} needs {self.locate(reference)}, which is not in the "
                              "SKU folder.", "Add the file, or export the model as one .glb.")
        return self.read_exact(found)

    def read_exact(self, found: str) -> bytes:
        """Bytes of a file of the SKU folder, by its path there. A link must not lead out of the folder."""
        path = self.folder / found
        root = self.folder.resolve()
        if not path.resolve().is_relative_to(root):
            raise IngestError("path_escapes", f"{found} is a link that leaves the SKU folder.",
                              "Copy the file into the folder.")
        return read_bounded(path, self.max_file_mb)

    def find_texture(self, reference: str, *, loose: bool) -> tuple[str, str | None]:
        """(path inside the folder, warning). The file may be absent: reading it is another stage's work.

        With ``loose`` an absolute, foreign or escaping path counts by its last name alone, as modelling
        tools write the paths of the machine they ran on.
        """
        try:
            wanted = self.locate(reference)
        except IngestError:
            base = PurePosixPath(unquote(reference).replace("\\", "/")).name
            found = self._same_name(base) if base else None
            if found is not None:
                return found, f"texture {_short(reference)} is not in the SKU folder by that path; {found} is used"
            if not loose or not base:
                raise
            return base, f"texture {base} is not in the SKU folder"
        if wanted in self.files:
            return wanted, None
        found = self._same_name(wanted) or self._same_name(unquote(wanted))
        if found is not None:
            return found, f"texture {wanted} is not there; {found} is used"
        return wanted, f"texture {wanted} is not in the SKU folder"

    def _same_name(self, wanted: str) -> str | None:
        """A file of the same name in any folder and case, for images also with another image suffix."""
        target = PurePosixPath(wanted.lower())
        by_name = sorted(f for f in self.files if PurePosixPath(f.lower()).name == target.name)
        if by_name:
            return by_name[0]
        if target.suffix not in IMAGE_SUFFIXES:
            return None
        by_stem = sorted(f for f in self.files if PurePosixPath(f.lower()).stem == target.stem
                         and PurePosixPath(f.lower()).suffix in IMAGE_SUFFIXES)
        return by_stem[0] if by_stem else None


def read_bounded(path: Path, max_mb: int) -> bytes:
    """All bytes of a file no larger than ``max_mb``."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever, a device never end
        raise IngestError("file_unreadable", f"{path.name} is not a regular file.", "Copy the model into the folder.")
    size = status.st_size
    if size > max_mb * 1_000_000:
        raise IngestError("file_too_large", f"{path.name} has {size / 1e6:.0f} MB; the limit is {max_mb} MB.",
                          "Reduce the model, or raise the limit.")
    return path.read_bytes()


def _short(reference: str) -> str:
    shown = reference if len(reference) <= 80 else reference[:77] + "…"
    return repr(shown)
