"""A file is there whole or not at all, whenever its writer is killed."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = ".new-"
_LITTER = re.compile(r"\.(new-|tmp)?[a-z0-9_]{8}$")  # `.` and `.tmp`: of earlier versions of Packshot


def write_atomically(target: Path, data: bytes) -> None:
    """Write a local file in one step. What a killed writer leaves is called as :func:`is_litter` knows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)                  # mkstemp's own is for nobody else to read
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def is_litter(name: str) -> bool:
    """Whether a file of this name is an unfinished one of :func:`write_atomically`."""
    return _LITTER.fullmatch(name) is not None
