"""One writer at a time for what a store holds as a whole, such as its score tables.

On a disk the kernel's file lock, which goes with its process. On an object store a lease: objects
``<name>/<number>.json``, each made only where it does not exist yet (``If-None-Match``), the highest number
holding. Its holder counts it up every few seconds; one that has stood still for ``LEASE_S`` on the waiter's
own clock is taken to be dead, and the next number is made. An endpoint that ignores ``If-None-Match`` does
not exclude anybody.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from upath import UPath

from pipeline import storage_errors
from pipeline.errors import StoreError
from pipeline.store import ArtifactStore

FOLDER = "state/locks"
LEASE_S = 60.0
Check = Callable[[], None]                 # raises StoreError where the lock was lost


@contextmanager
def exclusively(store: ArtifactStore, name: str, owner: str, wait_s: float = 900.0) -> Iterator[Check]:
    """Hold ``name`` of a store for the block. Call what it yields before each write.

    Raises StoreError ``table_busy`` where another holds it for longer than ``wait_s``.
    """
    if store.is_local:
        with _locked(Path((store.root / FOLDER).path), name, owner, wait_s):
            yield _held
    else:
        with _leased(store.root / FOLDER / name, name, owner, wait_s) as check:
            yield check


def _held() -> None:
    """A file lock is held for as long as its file is open."""


@contextmanager
def _locked(folder: Path, name: str, owner: str, wait_s: float) -> Iterator[None]:
    started = time.monotonic()
    with storage_errors.told(str(folder), writing=True):
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / f"{name}.lock").open("a+")  # never removed: a waiter may have it open
    with opened as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - started > wait_s:
                    file.seek(0)
                    raise _busy(name, file.read(), wait_s) from None
                time.sleep(0.05)
        file.truncate(0)
        file.write(owner)
        file.flush()
        yield


@contextmanager
def _leased(folder: UPath, name: str, owner: str, wait_s: float) -> Iterator[Check]:
    lease = _Lease(folder, owner)
    lease.take(name, wait_s)
    stop = threading.Event()
    renewing = threading.Thread(target=lease.keep, args=(stop,), daemon=True, name=f"lease {name}")
    renewing.start()
    try:
        yield lease.check
    finally:
        stop.set()
        renewing.join()
        with suppress(OSError, StoreError):  # it runs out by itself
            lease.release()


class _Lease:
    def __init__(self, folder: UPath, owner: str) -> None:
        self._folder, self._owner = folder, owner
        self._nonce = secrets.token_hex(8)
        self._number, self._beat, self._renewed = 0, 0, 0.0

    def take(self, name: str, wait_s: float) -> None:
        started = time.monotonic()
        seen, since = b"", started
        while True:
            number, data = self._highest()
            if data != seen:
                seen, since = data, time.monotonic()
            record: dict[str, Any] = json.loads(data) if data else {"released": True}
            if record["released"] or time.monotonic() - since > LEASE_S:
                self._number = number + 1
                if self._make():
                    return
            elif time.monotonic() - started > wait_s:
                raise _busy(name, record["owner"], wait_s)
            else:
                time.sleep(min(1.0, LEASE_S / 20))

    def keep(self, stop: threading.Event) -> None:
        while not stop.wait(LEASE_S / 6):
            with suppress(OSError, StoreError):  # tried again; `check` sees when it was too long
                self._write(released=False)

    def check(self) -> None:
        if time.monotonic() - self._renewed > LEASE_S * 0.75:
            raise StoreError("lock_lost", f"{self._folder} could not be renewed for {LEASE_S * 0.75:.0f} s.",
                             "The storage was out of reach; run again, nothing is lost.")

    def release(self) -> None:
        self._write(released=True)
        for path in self._numbers():
            if int(path.stem) < self._number:
                path.unlink(missing_ok=True)

    def _numbers(self) -> list[UPath]:
        try:
            found = self._folder.fs.find(self._folder.path)  # unlike a directory's listing never from a cache
        except FileNotFoundError:
            return []
        names = sorted(path.rpartition("/")[2] for path in found)
        return [self._folder / name for name in names if name.partition(".")[0].isdigit()]

    def _highest(self) -> tuple[int, bytes]:
        for path in reversed(self._numbers()):
            with suppress(FileNotFoundError):  # removed by its successor in this moment
                return int(path.stem), self._read(path)
        return 0, b""

    @staticmethod
    def _read(path: UPath) -> bytes:
        data: bytes = path.fs.cat_file(path.path)  # one request; opening a path asks twice, and may find it changed
        return data

    def _make(self) -> bool:
        path, now = self._path(), time.monotonic()
        try:
            path.fs.pipe_file(path.path, self._record(released=False), mode="create")
        except OSError:                    # taken by another, or by an answer of ours that got lost
            try:
                if json.loads(self._read(path))["nonce"] != self._nonce:
                    return False
            except FileNotFoundError:
                return False
        self._renewed = now
        return True

    def _write(self, *, released: bool) -> None:
        now = time.monotonic()
        self._path().write_bytes(self._record(released=released))
        self._renewed = now

    def _record(self, *, released: bool) -> bytes:
        self._beat += 1
        return json.dumps({"owner": self._owner, "nonce": self._nonce, "beat": self._beat, "released": released}
                          ).encode()

    def _path(self) -> UPath:
        return self._folder / f"{self._number:012d}.json"


def _busy(name: str, owner: str, wait_s: float) -> StoreError:
    return StoreError("table_busy", f"{name} is being written by {owner or 'another process'} for {wait_s:.0f} s now.",
                      "Wait for it and run again; nothing is lost.")
