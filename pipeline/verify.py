"""Check a store against its own manifests, and clear away versions that nothing points to."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from upath import UPath

from pipeline.errors import StoreError
from pipeline.store import Artifact, ArtifactStore

SKU_ASSETS = ("product_mesh", "product_regions", "control_passes", "refined_images", "sentinel_scores",
              "delivered_images")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the store."""

    asset: str
    sku: str
    file: str
    problem: str                               # missing, damaged, or why its manifest cannot be read


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole store found."""

    artifacts: int
    files: int
    bytes: int
    findings: tuple[Finding, ...]
    old_versions: tuple[str, ...]              # <asset>/<sku>/<data version> that nothing points to
    pruned: tuple[str, ...]                    # those of them that were deleted

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(store: ArtifactStore, *, prune: bool = False, youngest_hours: float = 1.0) -> Verification:
    """Read every file that a ``current.json`` names and compare its sha256; with ``prune``, delete old versions.

    A version written to within the last ``youngest_hours`` stays: a run may still be at work on it.
    """
    artifacts = files = size = 0
    findings: list[Finding] = []
    old: list[UPath] = []
    for asset in SKU_ASSETS:
        for sku in store.skus(asset):
            try:
                artifact = store.current(asset, sku)
            except StoreError as error:
                findings.append(Finding(asset, sku, "current.json", error.message))
                continue
            folder = store.root / asset / sku
            version = artifact.data_version if artifact else None
            old += [path for path in folder.iterdir() if path.is_dir() and path.name != version]
            if artifact is None:
                continue
            artifacts += 1
            files += len(artifact.files)
            size += sum(stored.size for stored in artifact.files.values())
            findings += [Finding(asset, sku, name, problem) for name in artifact.files
                         if (problem := _problem(artifact, name))]
    pruned = [path for path in old if prune and _hours_since_written(path) >= youngest_hours]
    for path in pruned:
        path.fs.rm(path.path, recursive=True)
    return Verification(artifacts, files, size, tuple(findings), _names(old), _names(pruned))


def _names(versions: list[UPath]) -> tuple[str, ...]:
    return tuple(sorted("/".join(path.path.rstrip("/").split("/")[-3:]) for path in versions))


def _hours_since_written(version: UPath) -> float:
    """Age of the newest file of a version; an empty folder is as old as can be."""
    written = [_timestamp(info) for info in version.fs.find(version.path, detail=True).values()]
    return (time.time() - max(written, default=0.0)) / 3600


def _timestamp(info: dict[str, Any]) -> float:
    modified = info.get("LastModified", info.get("mtime", 0.0))
    return float(modified.timestamp() if isinstance(modified, datetime) else modified)


def _problem(artifact: Artifact, name: str) -> str:
    try:
        data = (artifact.folder / name).read_bytes()
    except FileNotFoundError:
        return "missing"
    return "" if hashlib.sha256(data).hexdigest() == artifact.files[name].sha256 else "damaged"
