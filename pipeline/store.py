"""Where each artefact lives, on disk or on S3, through one path type.

``<store>/<asset>/<sku>/<data_version>/…files`` and ``<store>/<asset>/<sku>/current.json``, which is
written last and is the only way in: what it does not name does not exist. No rename is needed, so
an object store behaves like a disk, and a killed writer leaves nothing that can be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from upath import UPath

from pipeline.catalogue import is_local
from pipeline.errors import PackshotError, StoreError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StoredFile:
    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """One finished version of one asset of one SKU."""

    asset: str
    sku: str
    data_version: str
    inputs: Mapping[str, Any]
    files: Mapping[str, StoredFile]
    metadata: Mapping[str, Any]                # small and JSON-able: counts, seconds, verdicts
    folder: UPath
    cache: Path | None = None                  # local copies of a remote store's files, by sha256

    def path(self, name: str) -> Path:
        """A local path of one file; a remote one is fetched once. Raises StoreError if absent or damaged."""
        if name not in self.files:
            raise StoreError("file_missing", f"{self.asset}/{self.sku} has no file {name!r}.",
                             f"Materialize {self.asset} for this SKU again.")
        stored = self.files[name]
        source = self.folder / name
        if is_local(source):
            local = Path(source.path)
            if not local.is_file() or local.stat().st_size != stored.size:
                raise StoreError("file_damaged", f"{self.asset}/{self.sku}/{name} is missing or of the wrong size.",
                                 "Run `packshot verify`, then materialize the asset again.")
            return local
        assert self.cache is not None
        local = self.cache / stored.sha256[:2] / f"{stored.sha256}{Path(name).suffix}"
        if not local.is_file():
            data = source.read_bytes()
            if hashlib.sha256(data).hexdigest() != stored.sha256:
                raise StoreError("file_damaged", f"{self.asset}/{self.sku}/{name} does not match its checksum.",
                                 "Run `packshot verify`, then materialize the asset again.")
            _write_atomically(local, data)
        return local

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def url(self, name: str) -> str:
        """Where the file is, for people and metadata."""
        return str(self.folder / name)


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


@dataclass
class _Pending:
    """What :meth:`ArtifactStore.writing` yields: a writer, and the artefact once the block has ended."""

    writer: ArtifactWriter
    artifact: Artifact | None = None


class ArtifactStore:
    """All artefacts of one catalogue."""

    def __init__(self, location: str | os.PathLike[str] | UPath) -> None:
        root = UPath(location)
        self.root = UPath(Path(root.path).resolve()) if is_local(root) else root
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        self._cache = None if is_local(self.root) else Path.home() / ".cache" / "packshot" / digest

    @property
    def is_local(self) -> bool:
        return is_local(self.root)

    def current(self, asset: str, sku: str) -> Artifact | None:
        """The version readers see now, or None. Raises StoreError on an unknown schema."""
        try:
            record = json.loads((self.root / asset / sku / "current.json").read_text())
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise StoreError("manifest_damaged", f"{asset}/{sku}/current.json is not JSON.",
                             "Delete it and materialize the asset again.") from error
        if record.get("schema") != SCHEMA:
            raise StoreError("schema_unknown", f"{asset}/{sku} was written with store schema {record.get('schema')}; "
                             f"this version reads {SCHEMA}.", "Use a fresh store or the version that wrote it.")
        files = {name: StoredFile(**entry) for name, entry in record["files"].items()}
        version = record["data_version"]
        return Artifact(asset, sku, version, record["inputs"], files, record["metadata"],
                        self.root / asset / sku / version, self._cache)

    def require(self, asset: str, sku: str) -> Artifact:
        """Like :meth:`current`, but an absent artefact is an error that says what to run."""
        artifact = self.current(asset, sku)
        if artifact is None:
            raise StoreError("upstream_missing", f"{sku} has no {asset} yet.", f"Materialize {asset} for {sku} first.")
        return artifact

    @contextmanager
    def writing(self, asset: str, sku: str, data_version: str, inputs: Mapping[str, Any]) -> Iterator[_Pending]:
        """Write a new version; it becomes current when the block ends without an error.

        Locally the files are written where they stay. For a remote store they are staged in a
        temporary folder and uploaded once each.
        """
        folder = self.root / asset / sku / data_version
        if self.is_local:
            # Never emptied: another run may be writing the same version, or readers may be using it. What an
            # interrupted writer leaves is named by no manifest, and `packshot verify --prune` removes it.
            local = Path(folder.path)
            local.mkdir(parents=True, exist_ok=True)
        else:
            local = Path(tempfile.mkdtemp(prefix="packshot-"))
        pending = _Pending(ArtifactWriter(local))
        try:
            yield pending
            files = {}
            for name in sorted(pending.writer.names):
                path = local / name
                if not path.is_file():
                    raise StoreError("file_missing", f"{asset}/{sku}/{name} was announced and is not there.",
                                     "Something removed it while it was written; run again.")
                files[name] = StoredFile(_sha256_of(path), path.stat().st_size)
                if not self.is_local:
                    (folder / name).write_bytes(path.read_bytes())
            self._publish(Artifact(asset, sku, data_version, dict(inputs), files, pending.writer.metadata, folder,
                                   self._cache))
        finally:
            if not self.is_local:
                shutil.rmtree(local, ignore_errors=True)
        pending.artifact = self.require(asset, sku)

    def intact(self, artifact: Artifact) -> bool:
        """Whether every file of an artefact is still there with its size: one listing, no bytes read."""
        base = artifact.folder.path.rstrip("/") + "/"
        try:
            found = artifact.folder.fs.find(artifact.folder.path, detail=True)
        except FileNotFoundError:
            found = {}
        sizes = {path.removeprefix(base): info["size"] for path, info in found.items()}
        return all(sizes.get(name) == stored.size for name, stored in artifact.files.items())

    def _publish(self, artifact: Artifact) -> None:
        record = {"schema": SCHEMA, "asset": artifact.asset, "sku": artifact.sku,
                  "data_version": artifact.data_version, "inputs": artifact.inputs, "metadata": artifact.metadata,
                  "files": {name: asdict(stored) for name, stored in artifact.files.items()},
                  "written_at": time.time()}
        self.write_bytes(f"{artifact.asset}/{artifact.sku}/current.json", json.dumps(record, indent=1).encode())

    def drop(self, artifact: Artifact, names: Collection[str]) -> None:
        """Remove files that can be made again from a current artefact; its data version stays the same."""
        files = {name: stored for name, stored in artifact.files.items() if name not in names}
        if len(files) == len(artifact.files):
            return
        self._publish(replace(artifact, files=files))
        for name in set(artifact.files) - set(files):
            (artifact.folder / name).unlink(missing_ok=True)

    def write_bytes(self, name: str, data: bytes) -> UPath:
        """Write one object of the store atomically and return where it is."""
        target = self.root / name
        if is_local(target):
            _write_atomically(Path(target.path), data)
        else:
            target.write_bytes(data)
        return target

    def read_bytes(self, name: str) -> bytes | None:
        """One object of the store, or None where it does not exist."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def has_texture(self, sha256: str) -> bool:
        return bool((self.root / "textures" / sha256).exists())

    def put_texture(self, data: bytes) -> str:
        """Keep an embedded texture by content; returns its sha256."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has_texture(digest):
            self.write_bytes(f"textures/{digest}", data)
        return digest

    def texture(self, sha256: str) -> bytes:
        data = self.read_bytes(f"textures/{sha256}")
        if data is None:
            raise StoreError("texture_missing", f"Embedded texture {sha256[:12]}… is not in the store.",
                             "Materialize product_mesh for this SKU again.")
        return data

    def record_error(self, sku: str, asset: str, error: PackshotError) -> None:
        """Keep a SKU's last error where people and the report find it."""
        self.write_bytes(f"errors/{sku}.json", json.dumps(
            {"sku": sku, "asset": asset, "kind": type(error).__name__, **error.as_dict(), "at": time.time()},
            indent=1).encode())

    def clear_error(self, sku: str) -> None:
        path = self.root / "errors" / f"{sku}.json"
        if path.exists():
            path.unlink()

    def errors(self) -> dict[str, dict[str, Any]]:
        """Last error by SKU, of those that have one."""
        folder = self.root / "errors"
        if not folder.exists():
            return {}
        return {p.name.removesuffix(".json"): json.loads(p.read_text()) for p in sorted(folder.iterdir(), key=str)
                if p.name.endswith(".json")}

    def error(self, sku: str) -> dict[str, Any] | None:
        """The last error of one SKU, if it has one."""
        data = self.read_bytes(f"errors/{sku}.json")
        return None if data is None else json.loads(data)

    def record_outcome(self, sku: str, run_key: str, *, failed: bool) -> None:
        """Say that a request for this SKU was carried out to its end, whatever came of it."""
        self.write_bytes(f"state/outcomes/{sku}.json", json.dumps({"run_key": run_key, "failed": failed}).encode())

    def outcome(self, sku: str) -> str | None:
        """Run key of the last request that was carried out for this SKU."""
        data = self.read_bytes(f"state/outcomes/{sku}.json")
        try:
            return None if data is None else str(json.loads(data)["run_key"])
        except (json.JSONDecodeError, KeyError, TypeError):
            return None  # torn or foreign: then the request counts as lost and is made again

    def skus(self, asset: str) -> list[str]:
        """SKUs with a folder of this asset, sorted."""
        folder = self.root / asset
        return sorted(p.name for p in folder.iterdir()) if folder.exists() else []

    @classmethod
    def from_environment(cls) -> Self:
        return cls(os.environ.get("PACKSHOT_STORE") or "store")


def data_version(inputs: Mapping[str, Any]) -> str:
    """Hash of a stage's exact inputs, as 16 hex digits. Values must be JSON-able."""
    canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_atomically(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)
