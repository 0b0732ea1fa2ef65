"""Errors of a disk or a bucket, by what somebody has to do about them.

``store_full``, ``store_read_only``: nothing more can be written, whichever SKU comes next.
``storage_unreachable``: the way to the storage is broken; trying later may help.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import PackshotError, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_UNREACHABLE = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED,
                errno.EPIPE, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ENOTCONN)

# Writers that are not Python's own say only that they failed. Below so much free space that is why.
_FULL_BELOW_BYTES = 16_000_000


@contextmanager
def told(what: str, *, writing: bool = False) -> Iterator[None]:
    """Turn an OSError of the block into the StoreError that says what to do, where there is one.

    Args:
        what: object or folder, for the message.
        writing: whether a lack of permission is one to write.
    """
    try:
        yield
    except OSError as error:
        named = _named(error, what, writing=writing)
        if named is None:
            raise
        raise named from error


def failed_writing(error: Exception, folder: Path) -> StoreError | None:
    """Why a block that wrote files into a folder failed, where its disk is the reason.

    What the error says is believed where it speaks of a file inside the folder, or of a full disk anywhere. Where a
    native writer failed without saying why, the disk is asked.
    """
    for each in causes(error):
        if isinstance(each, OSError) and each.errno is not None:
            inside = each.filename is None or str(each.filename).startswith(str(folder))
            named = _named(each, str(each.filename or folder), writing=True)
            if named is not None and (each.errno in _FULL or inside):
                return named
    if isinstance(error, PackshotError) and error.code != "store_unwritable":
        return None
    return _ask(folder)


def _ask(folder: Path) -> StoreError | None:
    """Whether a folder takes no more: too little space, or a small file that cannot be written."""
    try:
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < _FULL_BELOW_BYTES:
            return _full(str(folder))
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", buffering=0) as probe:
            probe.write(bytes(65_536))
    except OSError as error:
        return _named(error, str(folder), writing=True)
    return None


def _named(error: OSError, what: str, *, writing: bool) -> StoreError | None:
    if error.errno in _FULL:
        return _full(what)
    if writing and (error.errno in _READ_ONLY or isinstance(error, PermissionError)):
        return StoreError("store_read_only", f"{what} cannot be written: {error.strerror or error}.",
                          "Make the store writable for this user, then run again: what is done is kept.")
    if error.errno in _UNREACHABLE or isinstance(error, ConnectionError | TimeoutError):
        return StoreError("storage_unreachable", f"{what} cannot be reached: {error.strerror or error}.",
                          "Check the disk or the network mount, then run again: what is done is kept.")
    return None


def _full(what: str) -> StoreError:
    return StoreError("store_full", f"No space is left for {what}.",
                      "Free some space (`packshot verify --prune` removes old versions), then run again: what is done "
                      "is kept.")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__
