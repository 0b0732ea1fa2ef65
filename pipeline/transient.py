"""Which errors may be gone a moment later, and which no SKU will escape.

>>> made = patiently(lambda: make(stage, sku), told=print)   # tried again where the machine was at fault
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import PackshotError, StoreError, first_line
from pipeline.storage_errors import causes

Result = TypeVar("Result")

# Seconds waited before each further try. Clients of object stores have waited on their own before they gave up.
WAITS_S: tuple[float, ...] = (1.0, 4.0)

# Nothing can be written any more: whichever SKU comes next would fail as well.
ENDING = ("store_full", "store_read_only")

# Errors of the machine, not of a SKU's files.
MACHINE = frozenset({"storage_unreachable", "store_unwritable", "out_of_memory", "hub_unreachable"})
# A process of ours has died or hung. Files that bring it down do so again, so it is tried once more, at once.
CHILDREN = frozenset({"loader_crashed", "loader_memory", "loader_timeout", "pathtrace_failed"})
_ERRNOS = frozenset({errno.EAGAIN, errno.EINTR, errno.EIO, errno.EBUSY, errno.ESTALE, errno.EMFILE, errno.ENFILE,
                     errno.ENOMEM, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED,
                     errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN})
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL, _SQLITE_READ_ONLY, _SQLITE_BUSY = "database or disk is full", "readonly database", "database is locked"
_HINT = "Free some space or check permissions, then run again: what is done is kept."


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is tried again."""
    return bool(waits_for(error))


def waits_for(error: BaseException) -> tuple[float, ...]:
    """Seconds to wait before each further try after such an error; none where it will not pass."""
    if ending(error) is not None:
        return ()
    for each in causes(error):
        if isinstance(each, PackshotError) and each.code in CHILDREN:
            return (0.0,)
        if _passes(each):
            return WAITS_S
    return ()


def ending(error: BaseException) -> StoreError | None:
    """The error that ends a whole batch, where this is one: the store, or the disk of Dagster's records, is full."""
    for each in causes(error):
        if isinstance(each, PackshotError) and each.code in ENDING:
            return StoreError(each.code, each.message, each.hint)
        number = each.errno if isinstance(each, OSError) else None
        if number in _FULL or _SQLITE_FULL in str(each):
            return StoreError("store_full", f"No space is left to write to: {first_line(each)}", _HINT)
        if number == errno.EROFS or _SQLITE_READ_ONLY in str(each):
            return StoreError("store_read_only", f"What has to be written to is read-only: {first_line(each)}", _HINT)
    return None


def patiently(work: Callable[[], Result], told: Callable[[str, BaseException], None]) -> Result:
    """Do some work, and again where it failed for a reason that may pass. Raises the last error.

    Args:
        work: whole or nothing, as all that the store writes is.
        told: hears of every failure that is tried again, with what happens now.
    """
    tries = 1
    while True:
        try:
            return work()
        except Exception as error:
            waits = waits_for(error)
            if tries > len(waits):
                raise
            seconds = waits[tries - 1]
            told(f"{error if isinstance(error, PackshotError) else repr(error)}; tried again in {seconds:g} s", error)
        time.sleep(seconds)
        tries += 1


def _passes(error: BaseException) -> bool:
    if isinstance(error, PackshotError):
        return error.code in MACHINE
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _ERRNOS
    lost = getattr(error, "connection_invalidated", False)  # SQLAlchemy's word for a server that has hung up
    return isinstance(error, MemoryError) or lost is True or _SQLITE_BUSY in str(error)
