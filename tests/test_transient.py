"""Which errors are tried again, and which end everything."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from pipeline import transient
from pipeline.errors import CatalogueError, IngestError, PackshotError, StoreError, TextureError
from pipeline.transient import ending, is_transient, patiently, waits_for


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("error", [
    StoreError("storage_unreachable", "No answer."), ConnectionResetError(errno.ECONNRESET, "reset"), TimeoutError(),
    OSError(errno.EIO, "I/O error"), OSError(errno.EMFILE, "too many open files"), MemoryError(),
    sqlite3.OperationalError("database is locked"), PackshotError("out_of_memory", "The card is full."),
    caused(CatalogueError("file_unreadable", "a.obj cannot be read"), OSError(errno.EIO, "I/O error")),
    IngestError("loader_crashed", "SIGSEGV"),
])
def test_what_is_tried_again(error: BaseException) -> None:
    assert is_transient(error)
    assert ending(error) is None


@pytest.mark.parametrize("error", [
    TextureError("texture_unreadable", "nonsense"), ValueError("of ours"), FileNotFoundError(errno.ENOENT, "gone"),
    IsADirectoryError(errno.EISDIR, "folder"), StoreError("schema_unknown", "version 9"),
])
def test_what_would_only_fail_again(error: BaseException) -> None:
    assert not is_transient(error)
    assert ending(error) is None


@pytest.mark.parametrize(("error", "code"), [
    (StoreError("store_full", "full", "free some"), "store_full"), (OSError(errno.ENOSPC, "no space"), "store_full"),
    (OSError(errno.EDQUOT, "quota"), "store_full"), (OSError(errno.EROFS, "read-only"), "store_read_only"),
    (sqlite3.OperationalError("database or disk is full"), "store_full"),
    (sqlite3.OperationalError("attempt to write a readonly database"), "store_read_only"),
    (caused(StoreError("store_unwritable", "hero.exr"), OSError(errno.ENOSPC, "no space")), "store_full"),
])
def test_what_ends_everything(error: BaseException, code: str) -> None:
    found = ending(error)
    assert found is not None
    assert found.code == code
    assert found.hint
    assert not is_transient(error)


def test_a_process_that_died_is_tried_again_once_and_at_once() -> None:
    assert waits_for(IngestError("loader_crashed", "SIGSEGV")) == (0.0,)
    assert waits_for(StoreError("storage_unreachable", "")) == transient.WAITS_S


def test_work_is_tried_again_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "WAITS_S", (0.0, 0.0))
    failures = [ConnectionResetError("once"), TimeoutError("twice")]
    told: list[str] = []

    def work() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert patiently(work, lambda what, _: told.append(what)) == "done"
    assert len(told) == 2
    assert "once" in told[0]


@pytest.mark.parametrize(("error", "tries"), [(ConnectionResetError(), 3), (ValueError(), 1)])
def test_the_last_error_is_raised(error: Exception, tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "WAITS_S", (0.0, 0.0))
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        patiently(work, lambda what, _: None)
    assert len(calls) == tries
