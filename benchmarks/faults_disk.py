"""A disk that is full, and one that is read-only. Both are small tmpfs mounts, which need root.

Dagster's own records (SQLite) lie in the store and so on the same disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults_forge import Run
from benchmarks.faults_house import FAILED, Found, House

SHARES = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)  # of what an undisturbed run needs


def reason_not_to() -> str:
    """Why nothing can be mounted here; empty where it can."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    found = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True,
                           check=False)
    return "" if found.returncode == 0 else f"no tmpfs can be mounted: {found.stderr.strip()}"


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """A tmpfs of so many bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def used_bytes(store: Path) -> int:
    """Disk space of a folder in whole pages, as tmpfs counts it."""
    return sum(-(-path.lstat().st_size // 4096) * 4096 + 4096 for path in store.rglob("*"))


def full(house: House, share: float) -> Found:
    """A disk that is full after a share of what a run writes; then space is freed, and the run repeated."""
    found, needed = Found("full disk"), used_bytes(house.reference)
    free = int(needed * share)
    with disk(house.folder / f"disk-{share:.2f}", 6 * needed) as mount:
        store, ballast = mount / "store", mount / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 6 * needed - free)
        run = house.finish(house.first, store)
        if run.status == FAILED and not run.told.get("error"):  # it took less room than thought: the disk held it all
            found.count(disks_that_held_all=1)
        else:
            found.count(disks=1)
            _typed(found, run, "store_full")
        house.look(store, found, set())
        ballast.unlink()
        house.conclude(house.first, store, found)
    found.told |= {"share": share}
    return found


def read_only(house: House, *, used: bool) -> Found:
    """A store that has become read-only, with a changed texture to work in; or an empty one."""
    found = Found("read-only store")
    with disk(house.folder / f"read-only-{used}", 6 * used_bytes(house.reference)) as mount:
        store = mount / "store"
        if used:
            shutil.copytree(house.reference, store)
        else:
            store.mkdir()
        _mount("-o", "remount,ro", str(mount))
        run = house.finish(house.changed if used else house.first, store)
        found.count(disks=1)
        _typed(found, run, "store_read_only")
        _mount("-o", "remount,rw", str(mount))
        house.look(store, found, set())
        house.conclude(house.changed if used else house.first, store, found)
    return found


def _typed(found: Found, run: Run, code: str) -> None:
    """Exit status 2 and one error that says what to do; no traceback."""
    error = run.told.get("error", {})
    found.told = {"status": run.status, "error": error}
    holds = run.status == 2 and error.get("code") == code and bool(error.get("hint")) and "Traceback" not in run.said
    found.count(**{"said in words": int(holds)})
    found.check(holds, f"{found.name} is not said in words: status {run.status}, {run.told}, {run.said[-2500:]}")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
