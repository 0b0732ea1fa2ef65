"""Where each artefact lives, on disk or on S3, through one path type.

``<store>/<asset>/<sku>/<folder>/…files`` and ``<store>/<asset>/<sku>/current.json``, which is written last and is the
only way in: what it does not name does not exist. Every writing has a folder of its own, and no file is ever changed,
so readers, writers and a killed run never tear each other's files; no rename is needed, so an object store behaves
like a disk. docs/store.md has the argument.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from upath import UPath

from pipeline import storage_errors
from pipeline.artifact import Artifact, ArtifactWriter, StoredFile
from pipeline.atomic import write_atomically
from pipeline.catalogue import is_local
from pipeline.errors import PackshotError, StoreError
from pipeline.local_cache import LocalCache
from pipeline.manifest import NAME, SCHEMA, artifact_from, manifest_bytes
from pipeline.place import place, size_and_time

_log = logging.getLogger(__name__)
_told: set[str] = set()                        # stores whose older schema was spoken of

# Objects that are sent or fetched at once.
_TOGETHER = 8
# Half of what `verify` takes for old.
_TEXTURE_FRESH_S = 1800.0


@dataclass
class _Pending:
    """What :meth:`ArtifactStore.writing` yields: a writer, and the artefact once the block has ended."""

    writer: ArtifactWriter
    artifact: Artifact | None = None


class ArtifactStore:
    """All artefacts of one catalogue.

    Raises StoreError ``store_full``, ``store_read_only`` or ``storage_unreachable`` from whatever touches the storage.
    """

    def __init__(self, location: str | os.PathLike[str] | UPath) -> None:
        root = place(location)
        self.root = UPath(Path(root.path).resolve()) if is_local(root) else root
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        self._cache = None if self.is_local else LocalCache(Path.home() / ".cache" / "packshot" / digest)

    @property
    def is_local(self) -> bool:
        return is_local(self.root)

    def current(self, asset: str, sku: str) -> Artifact | None:
        """The version readers see now, or None. Raises StoreError where its manifest cannot be read."""
        data = self.read_bytes(f"{asset}/{sku}/{NAME}")
        if data is None:
            return None
        artifact, schema = artifact_from(data, asset, sku, self.root / asset / sku, self._cache)
        if schema != SCHEMA and str(self.root) not in _told:
            _told.add(str(self.root))
            _log.warning("%s holds artefacts of store schema %d. They are read as they are; `packshot verify "
                         "--migrate` writes their manifests as schema %d.", self.root, schema, SCHEMA)
        return artifact

    def require(self, asset: str, sku: str) -> Artifact:
        """Like :meth:`current`, but an absent artefact is an error that says what to run."""
        artifact = self.current(asset, sku)
        if artifact is None:
            raise StoreError("upstream_missing", f"{sku} has no {asset} yet.", f"Materialize {asset} for {sku} first.")
        return artifact

    @contextmanager
    def writing(self, asset: str, sku: str, data_version: str, inputs: Mapping[str, Any]) -> Iterator[_Pending]:
        """Write a new version; it becomes current when the block ends without an error.

        Locally the files are written where they stay. For a remote store they are staged in a temporary folder,
        uploaded once each, and kept as its local copies.
        """
        folder = self.root / asset / sku / f"{data_version}-{secrets.token_hex(4)}"
        with storage_errors.told(str(folder), writing=True):
            local = self._new_folder(folder)
        pending = _Pending(ArtifactWriter(local))
        try:
            yield pending
            artifact = Artifact(asset, sku, data_version, dict(inputs), self._collect(asset, sku, pending.writer),
                                pending.writer.metadata, folder, time.time(), self._cache)
            if self._cache is not None:
                self._upload(artifact, local)
            self._publish(artifact)
        except Exception as error:
            reason = storage_errors.failed_writing(error, local)  # before what was written makes room again
            shutil.rmtree(local, ignore_errors=True)
            if reason is None or reason is error:
                raise
            raise reason from error
        except BaseException:                  # interrupted
            shutil.rmtree(local, ignore_errors=True)
            raise
        if not self.is_local:
            shutil.rmtree(local, ignore_errors=True)
        pending.artifact = artifact

    def _new_folder(self, folder: UPath) -> Path:
        if self._cache is not None:
            return Path(tempfile.mkdtemp(dir=self._cache.staging))
        local = Path(folder.path)
        local.mkdir(parents=True)
        return local

    @staticmethod
    def _collect(asset: str, sku: str, writer: ArtifactWriter) -> dict[str, StoredFile]:
        files = {}
        for name in sorted(writer.names):
            path = writer.local / name
            if not path.is_file():
                raise StoreError("file_missing", f"{asset}/{sku}/{name} was announced and is not there.",
                                 "Something removed it while it was written; run again.")
            files[name] = StoredFile(_sha256_of(path), path.stat().st_size)
        return files

    def _upload(self, artifact: Artifact, local: Path) -> None:
        assert self._cache is not None
        names = list(artifact.files)
        self.root.fs.put([str(local / name) for name in names], [(artifact.folder / name).path for name in names],
                         batch_size=_TOGETHER)
        for name, stored in artifact.files.items():
            self._cache.adopt(local / name, stored.sha256, Path(name).suffix)

    def _publish(self, artifact: Artifact) -> None:
        self.write_bytes(f"{artifact.asset}/{artifact.sku}/{NAME}", manifest_bytes(artifact))

    def intact(self, artifact: Artifact) -> bool:
        """Whether every file of an artefact is still there with its size: one listing, no bytes read."""
        sizes = {path: info["size"] for path, info in self.listing(artifact.folder).items()}
        return all(sizes.get(name) == stored.size for name, stored in artifact.files.items())

    def listing(self, folder: UPath) -> dict[str, dict[str, Any]]:
        """What lies under a folder, by relative path, as the storage tells it; empty where there is nothing."""
        base = folder.path.rstrip("/") + "/"
        with storage_errors.told(str(folder)):
            try:
                found = folder.fs.find(folder.path, detail=True)
            except FileNotFoundError:
                return {}
        return {path.removeprefix(base): info for path, info in found.items() if path.startswith(base)}

    def drop(self, artifact: Artifact, names: Collection[str]) -> None:
        """Remove files that can be made again from a current artefact; its data version stays the same.

        The manifest goes first. Whoever still holds the former one gets ``file_damaged``, never half a file. Where
        another run has published in the meantime nothing is done: the folder is nobody's any more.
        """
        files = {name: stored for name, stored in artifact.files.items() if name not in names}
        now = self.current(artifact.asset, artifact.sku)
        if len(files) == len(artifact.files) or now is None or now.folder != artifact.folder:
            return
        self._publish(replace(artifact, files=files, written_at=time.time()))
        for name in set(artifact.files) - set(files):
            self.remove(artifact.folder / name)

    def migrate(self, asset: str, sku: str) -> bool:
        """Write a manifest of an older schema anew; whether there was one. Files stay where they are."""
        name = f"{asset}/{sku}/{NAME}"
        data = self.read_bytes(name)
        if data is None:
            return False
        artifact, schema = artifact_from(data, asset, sku, self.root / asset / sku, self._cache)
        if schema == SCHEMA or self.read_bytes(name) != data:  # a run has just published another
            return False
        self._publish(artifact)
        return True

    def write_bytes(self, name: str, data: bytes) -> UPath:
        """Write one object of the store atomically and return where it is."""
        target = self.root / name
        with storage_errors.told(str(target), writing=True):
            if is_local(target):
                write_atomically(Path(target.path), data)
            else:
                target.write_bytes(data)
        return target

    def read_bytes(self, name: str) -> bytes | None:
        """One object of the store, or None where it does not exist."""
        target = self.root / name
        with storage_errors.told(str(target)):
            try:
                return Path(target.path).read_bytes() if is_local(target) else target.read_bytes()
            except FileNotFoundError:
                return None

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Many objects of the store, by name, without those that do not exist. Remote ones are read side by side."""
        if self.is_local or not names:
            return {name: data for name in names if (data := self.read_bytes(name)) is not None}
        paths = {(self.root / name).path: name for name in names}
        found = self.root.fs.cat(list(paths), on_error="return", batch_size=_TOGETHER)
        answers = found if isinstance(found, dict) else {next(iter(paths)): found}
        for each in answers.values():
            if isinstance(each, Exception) and not isinstance(each, FileNotFoundError):
                raise each
        return {paths[path]: each for path, each in answers.items() if isinstance(each, bytes)}

    def remove(self, target: UPath) -> None:
        """Remove one object, if it is there."""
        with storage_errors.told(str(target), writing=True):
            if is_local(target):
                Path(target.path).unlink(missing_ok=True)
            else:
                target.unlink(missing_ok=True)

    def remove_all(self, what: str, files: Sequence[str]) -> None:
        """Remove a folder, or one object, with all of its files; names are relative to the store."""
        target = self.root / what
        with storage_errors.told(str(target), writing=True):
            if not is_local(target):
                self.root.fs.rm([(self.root / name).path for name in files])
            elif Path(target.path).is_dir():
                shutil.rmtree(target.path)
            else:
                Path(target.path).unlink(missing_ok=True)

    def has_texture(self, sha256: str) -> bool:
        return self._texture(sha256) is not None

    def put_texture(self, data: bytes) -> str:
        """Keep an embedded texture by content; returns its sha256.

        One that is there with its size is not written again, unless it is so old that `verify --prune` may be about
        to take it for one that nothing points to.
        """
        digest = hashlib.sha256(data).hexdigest()
        size, written = self._texture(digest) or (-1, 0.0)
        if size != len(data) or time.time() - written > _TEXTURE_FRESH_S:
            self.write_bytes(f"textures/{digest}", data)
        return digest

    def _texture(self, sha256: str) -> tuple[int, float] | None:
        target = self.root / "textures" / sha256
        with storage_errors.told(str(target)):
            try:
                return size_and_time(target)
            except FileNotFoundError:
                return None

    def texture(self, sha256: str) -> bytes:
        data = self.read_bytes(f"textures/{sha256}")
        if data is None:
            raise StoreError("texture_missing", f"Embedded texture {sha256[:12]}… is not in the store.",
                             "Materialize product_mesh for this SKU again.")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError("file_damaged", f"Embedded texture {sha256[:12]}… does not match its checksum.",
                             "Run `packshot verify --repair`, then run again: it is made anew.")
        return data

    def record_error(self, sku: str, asset: str, error: PackshotError) -> None:
        """Keep a SKU's last error where people and the report find it."""
        self.write_bytes(f"errors/{sku}.json", json.dumps(
            {"sku": sku, "asset": asset, "kind": type(error).__name__, **error.as_dict(), "at": time.time()},
            indent=1).encode())

    def clear_error(self, sku: str) -> None:
        self.remove(self.root / "errors" / f"{sku}.json")

    def errors(self) -> dict[str, dict[str, Any]]:
        """Last error by SKU, of those that have one."""
        skus = sorted(self.skus_with_errors())
        read = self.read_all([f"errors/{sku}.json" for sku in skus])
        found = {sku: _record(read.get(f"errors/{sku}.json")) for sku in skus}
        return {sku: error for sku, error in found.items() if error is not None}

    def skus_with_errors(self) -> set[str]:
        """Whose last error is on record: one listing."""
        return {name.removesuffix(".json") for name in self.listing(self.root / "errors")
                if name.endswith(".json") and not name.startswith(".")}

    def error(self, sku: str) -> dict[str, Any] | None:
        """The last error of one SKU, if it has one."""
        return _record(self.read_bytes(f"errors/{sku}.json"))

    def skus(self, asset: str) -> list[str]:
        """SKUs with a folder of this asset, sorted."""
        folder = self.root / asset
        with storage_errors.told(str(folder)):
            try:
                entries = folder.fs.ls(folder.path, detail=True)
            except FileNotFoundError:
                return []
        return sorted(entry["name"].rstrip("/").rpartition("/")[2] for entry in entries
                      if entry["type"] == "directory")

    @classmethod
    def from_environment(cls) -> Self:
        return cls(os.environ.get("PACKSHOT_STORE") or "store")


def data_version(inputs: Mapping[str, Any]) -> str:
    """Hash of a stage's exact inputs, as 16 hex digits. Values must be JSON-able."""
    canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _record(data: bytes | None) -> dict[str, Any] | None:
    try:
        record = None if data is None else json.loads(data)
    except ValueError:                         # not ours: all that the store writes is whole
        return None
    return record if isinstance(record, dict) else None


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Artifact", "ArtifactStore", "ArtifactWriter", "StoredFile", "data_version"]
