"""One look at every file of a catalogue: names and signatures, no content.

Local folders are walked with ``os.scandir``, which tells sizes and times as it goes; an object store is listed once,
a thousand keys a request. What lies outside a SKU's folder, hidden or behind a link that leads out, is no part of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.catalogue import Catalogue, is_local

UNREADABLE = "unreadable"
# What catalogue.yaml may name beside itself: panoramas, a calibration, checks of the house's own, a network.
BESIDE = (".hdr", ".exr", ".yaml", ".py", ".onnx")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What lies in a catalogue now."""

    folders: Mapping[str, Mapping[str, str]]   # folder → relative posix path → a signature that moves with content
    changed_at: Mapping[str, float] = field(default_factory=dict)  # folder → newest change, seconds since 1970
    beside: Mapping[str, str] = field(default_factory=dict)  # files beside the folders → signature


def sweep(catalogue: Catalogue) -> Sweep:
    """Look once. Raises OSError or StoreError where the catalogue cannot be listed."""
    return _local(Path(catalogue.root.path)) if is_local(catalogue.root) else _remote(catalogue)


def signature(path: Path) -> str:
    """Of one local file, as a sweep gives it."""
    return _signature(path.stat())


def _local(root: Path) -> Sweep:
    folders: dict[str, dict[str, str]] = {}
    changed: dict[str, float] = {}
    beside: dict[str, str] = {}
    real = os.path.realpath(root)              # once: it looks at every folder on the way
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                inside = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
                try:
                    found = list(_walk(entry.path, "", inside))
                except OSError:                # its own error, not the catalogue's
                    found = [(UNREADABLE, None)]
                folders[entry.name] = {name: _signature(status) for name, status in found}
                changed[entry.name] = max((status.st_ctime for _, status in found if status is not None), default=0.0)
            elif entry.name.lower().endswith(BESIDE):
                beside[entry.name] = _signature(entry.stat())
    return Sweep(folders, changed, beside)


def _walk(folder: str, prefix: str, inside: str) -> Iterator[tuple[str, os.stat_result | None]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = prefix + entry.name
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if target.startswith(inside + os.sep) and not os.path.isdir(target):
                    try:
                        yield name, os.stat(target)
                    except OSError:
                        yield name, None       # its SKU says so itself
            elif entry.is_dir():
                yield from _walk(entry.path, name + "/", inside)
            else:
                yield name, entry.stat()


def _signature(status: os.stat_result | None) -> str:
    return UNREADABLE if status is None else f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _remote(catalogue: Catalogue) -> Sweep:
    root = catalogue.root
    base = root.path.rstrip("/") + "/"
    folders: dict[str, dict[str, str]] = {}
    changed: dict[str, float] = {}
    beside: dict[str, str] = {}
    for path, info in root.fs.find(root.path, detail=True).items():
        folder, _, name = path.removeprefix(base).partition("/")
        told = f"{info['size']}:{info.get('ETag')}"
        if folder.startswith(".") or path == base.rstrip("/"):
            continue
        if not name:
            if folder.lower().endswith(BESIDE):
                beside[folder] = told
        elif not any(part.startswith(".") for part in name.split("/")):
            folders.setdefault(folder, {})[name] = told
            written = info.get("LastModified")
            if isinstance(written, datetime):
                changed[folder] = max(changed.get(folder, 0.0), written.timestamp())
    if not folders and not beside and not root.is_dir():
        raise FileNotFoundError(f"There is no catalogue at {root}.")
    return Sweep(dict(sorted(folders.items())), changed, beside)
