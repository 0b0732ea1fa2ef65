"""Check a store against its own manifests; prune what nothing points to, take out what is damaged."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.artifact import Artifact, StoredFile
from pipeline.atomic import is_litter
from pipeline.errors import StoreError
from pipeline.manifest import NAME, SCHEMA, artifact_from
from pipeline.records import REPAIR, unreadable
from pipeline.store import ArtifactStore

SKU_ASSETS = ("product_mesh", "product_regions", "reference_shots", "control_passes", "refined_images",
              "sentinel_scores", "delivered_images")
# What else lies in a store. Anything beyond is not Packshot's and is left alone.
RECORDS = ("state", "errors", "timings", "timing_table", "score_table", "night_runs", "report")
TEXTURES = "textures"

_TOGETHER = 8
_MANIFESTS_AT_ONCE = 200

Said = Callable[[str, int, int], None]         # what is looked at, how many were, of how many


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the store."""

    asset: str                                 # or the folder of a record
    sku: str                                   # empty where it belongs to none
    file: str
    problem: str                               # missing, damaged, or why it cannot be read
    hint: str = REPAIR


@dataclass(frozen=True)
class Verification:
    """What a look at the whole store found, and what was done about it."""

    artifacts: int
    files: int
    bytes: int
    findings: tuple[Finding, ...]
    old_versions: tuple[str, ...]              # <asset>/<sku>/<folder> that no manifest names
    litter: tuple[str, ...]                    # files that a killed writer left
    unused_textures: tuple[str, ...]
    older_schema: tuple[str, ...]              # <asset>/<sku> with a manifest of an older schema
    pruned: tuple[str, ...]
    repaired: tuple[str, ...]
    migrated: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(store: ArtifactStore, *, prune: bool = False, repair: bool = False, migrate: bool = False,
           quick: bool = False, youngest_hours: float = 1.0, said: Said | None = None) -> Verification:
    """Compare everything that manifests name with what is there.

    Args:
        prune: delete old versions, litter and textures that nothing points to.
        repair: take damaged artefacts and records out, so that the next run makes them anew.
        migrate: write manifests of an older schema anew. For a time when no run is at work.
        quick: compare sizes and read no contents.
        youngest_hours: what was written, or replaced by a newer version, since then stays: a run may use it.
        said: hears how far it is.
    """
    look = _Look(store, quick, youngest_hours, said or _quietly)
    for asset in SKU_ASSETS:
        look.at_asset(asset)
    look.at_textures()
    for folder in RECORDS:
        look.at_records(folder)
    pruned = look.prune() if prune else []
    repaired = look.repair() if repair else []
    migrated = [name for name in look.older_schema if store.migrate(*name.split("/"))] if migrate else []
    return Verification(look.artifacts, look.files, look.bytes, tuple(look.findings), tuple(sorted(look.old_versions)),
                        tuple(look.litter), tuple(look.unused_textures), tuple(look.older_schema), tuple(pruned),
                        tuple(repaired), tuple(migrated))


def _quietly(_: str, __: int, ___: int) -> None:
    """Nobody listens."""


class _Look:
    """The way through one store."""

    def __init__(self, store: ArtifactStore, quick: bool, youngest_hours: float, said: Said) -> None:
        self.store, self.quick, self.said = store, quick, said
        self.before = time.time() - youngest_hours * 3600
        self.artifacts = self.files = self.bytes = 0
        self.findings: list[Finding] = []
        self.old_versions: list[str] = []
        self.litter: list[str] = []
        self.unused_textures: list[str] = []
        self.older_schema: list[str] = []
        self._removable: dict[str, list[str]] = {}  # what prune may remove, with its files, relative to the store
        self._users: dict[str, list[str]] = {}      # SKUs by embedded texture
        self._all_meshes_read = True

    def at_asset(self, asset: str) -> None:
        """Every SKU of one asset: its manifest, the files it names, and what it does not name."""
        there: dict[str, dict[str, dict[str, Any]]] = {}
        for name, info in self.store.listing(self.store.root / asset).items():
            sku, _, inside = name.partition("/")
            there.setdefault(sku, {})[inside] = info
        for sku in self.store.skus(asset):
            there.setdefault(sku, {})          # a folder without a file, left by a killed writer
        names = sorted(there)
        for first in range(0, len(names), _MANIFESTS_AT_ONCE):
            some = names[first : first + _MANIFESTS_AT_ONCE]
            manifests = self.store.read_all([f"{asset}/{sku}/{NAME}" for sku in some])
            for number, sku in enumerate(some, first + 1):
                self._at_sku(asset, sku, there[sku], manifests.get(f"{asset}/{sku}/{NAME}"))
                self.said(asset, number, len(names))

    def _at_sku(self, asset: str, sku: str, there: dict[str, dict[str, Any]], manifest: bytes | None) -> None:
        artifact = None
        if manifest is not None:
            try:
                artifact, schema = artifact_from(manifest, asset, sku, self.store.root / asset / sku, None)
            except StoreError as error:        # then nobody knows which of its folders are in use
                self._all_meshes_read &= asset != "product_mesh"
                hint = error.hint if error.code == "schema_unknown" else REPAIR
                self.findings.append(Finding(asset, sku, NAME, error.message, hint))
                return
            if schema != SCHEMA:
                self.older_schema.append(f"{asset}/{sku}")
            self._check(artifact, there)
        self._old_versions(asset, sku, there, artifact)

    def _check(self, artifact: Artifact, there: dict[str, dict[str, Any]]) -> None:
        self.artifacts += 1
        self.files += len(artifact.files)
        self.bytes += sum(stored.size for stored in artifact.files.values())
        for ref in artifact.metadata.get("textures", ()) if artifact.asset == "product_mesh" else ():
            if ref["source"] == "store":
                self._users.setdefault(ref["path"], []).append(artifact.sku)

        def problem(item: tuple[str, StoredFile]) -> str:
            name, stored = item
            info = there.get(f"{artifact.folder.name}/{name}")
            if info is None:
                return "missing"
            if info["size"] != stored.size:
                return "damaged"
            return "" if self.quick else self._digest_problem(f"{artifact.asset}/{artifact.sku}/"
                                                              f"{artifact.folder.name}/{name}", stored.sha256)

        with ThreadPoolExecutor(_TOGETHER) as side_by_side:
            for name, what in zip(artifact.files, side_by_side.map(problem, artifact.files.items()), strict=True):
                if what:
                    self.findings.append(Finding(artifact.asset, artifact.sku, name, what))

    def _digest_problem(self, name: str, sha256: str) -> str:
        if self.store.is_local:
            try:
                with Path((self.store.root / name).path).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return "missing"
            except OSError as error:
                return f"unreadable: {error.strerror}"
        else:
            data = self.store.read_bytes(name)
            if data is None:
                return "missing"
            digest = hashlib.sha256(data).hexdigest()
        return "" if digest == sha256 else "damaged"

    def _old_versions(self, asset: str, sku: str, there: dict[str, dict[str, Any]], current: Artifact | None) -> None:
        home = self.store.root / asset / sku
        folders: dict[str, list[str]] = {}
        for name in there:
            folder, slash, _ = name.partition("/")
            if slash:
                folders.setdefault(folder, []).append(name)
            elif is_litter(name):
                self._litter(f"{asset}/{sku}/{name}", there[name])
        if self.store.is_local:                # empty ones, which a listing does not show
            folders |= {path.name: [] for path in Path(home.path).iterdir()
                        if path.is_dir() and path.name not in folders}
        for folder, names in folders.items():
            if current is not None and folder == current.folder.name:
                continue
            old = f"{asset}/{sku}/{folder}"
            self.old_versions.append(old)
            # Its last reader came in before the present manifest was written.
            last = max([_written(there[name]) for name in names] + [current.written_at if current else 0.0])
            if not names and self.store.is_local:
                last = max(last, Path(home.path, folder).stat().st_mtime)
            if last <= self.before:
                self._removable[old] = [f"{asset}/{sku}/{name}" for name in names]

    def _litter(self, name: str, info: dict[str, Any]) -> None:
        self.litter.append(name)
        if _written(info) <= self.before:
            self._removable[name] = [name]

    def at_textures(self) -> None:
        """Embedded textures: their contents, those that a mesh wants, and those that none does."""
        there = self.store.listing(self.store.root / TEXTURES)
        for digest in sorted(self._users.keys() - there.keys()):
            self.findings += [Finding("product_mesh", sku, f"{TEXTURES}/{digest}", "missing")
                                    for sku in self._users[digest]]
        for number, (name, info) in enumerate(sorted(there.items()), 1):
            self.said(TEXTURES, number, len(there))
            if is_litter(name):
                self._litter(f"{TEXTURES}/{name}", info)
                continue
            used = self._users.get(name, [])
            if not used:
                self.unused_textures.append(name)
                if self._all_meshes_read and _written(info) <= self.before:
                    self._removable[f"{TEXTURES}/{name}"] = [f"{TEXTURES}/{name}"]
            elif not self.quick and (problem := self._digest_problem(f"{TEXTURES}/{name}", name)):
                self.findings += [Finding("product_mesh", sku, f"{TEXTURES}/{name}", problem) for sku in used]

    def at_records(self, folder: str) -> None:
        """Tables and state: whether each can be read."""
        there = sorted(self.store.listing(self.store.root / folder).items())
        for number, (inside, info) in enumerate(there, 1):
            self.said(folder, number, len(there))
            name = f"{folder}/{inside}"
            if is_litter(inside.rpartition("/")[2]):
                self._litter(name, info)
            elif not self.quick:
                data = self.store.read_bytes(name)
                problem = unreadable(name, data) if data is not None else None
                if problem is not None:
                    self.findings.append(Finding(folder, "", inside, problem.what, problem.hint))

    def prune(self) -> list[str]:
        """Delete what nothing points to and nobody can be using."""
        pruned = []
        for number, (what, files) in enumerate(sorted(self._removable.items()), 1):
            self.said("prune", number, len(self._removable))
            if self._still_stray(what):
                self.store.remove_all(what, files)
                pruned.append(what)
        return pruned

    def _still_stray(self, what: str) -> bool:
        """Whether no run has published a folder since it was looked at."""
        asset, *inside = what.split("/")
        if asset not in SKU_ASSETS or is_litter(inside[-1]):
            return True
        current = self.store.current(asset, inside[0])
        return current is None or current.folder.name != inside[1]

    def repair(self) -> list[str]:
        """Withdraw damaged artefacts: without a manifest they do not exist, and the SKU's error asks for a new run."""
        repaired = []
        for asset, sku, names in _by_artifact(self.findings):
            for name in names:
                if name.startswith(f"{TEXTURES}/"):
                    self.store.remove(self.store.root / name)
            self.store.record_error(sku, asset, StoreError(
                "file_damaged", f"{asset} was damaged in the store ({', '.join(names[:3])}) and has been taken out.",
                "Run again: it is made anew."))
            self.store.remove(self.store.root / asset / sku / NAME)
            repaired.append(f"{asset}/{sku}")
        for finding in self.findings:
            if not finding.sku and finding.hint == REPAIR:
                self.store.remove(self.store.root / finding.asset / finding.file)
                repaired.append(f"{finding.asset}/{finding.file}")
        return repaired


def _by_artifact(findings: list[Finding]) -> Iterator[tuple[str, str, list[str]]]:
    names: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.sku and finding.hint == REPAIR:
            names.setdefault((finding.asset, finding.sku), []).append(finding.file)
    for (asset, sku), files in names.items():
        yield asset, sku, files


def _written(info: dict[str, Any]) -> float:
    modified = info.get("LastModified", info.get("mtime", 0.0))
    return float(modified.timestamp() if isinstance(modified, datetime) else modified)
