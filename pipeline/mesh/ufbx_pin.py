"""Keeps ufbx 0.0.5's objects alive; see :mod:`pipeline.mesh.fbx` for why."""

from __future__ import annotations

import ctypes
from typing import Any

_PINNED = 1 << 24


def pin(thing: Any) -> Any:
    """Raise an object's reference count beyond what the binding can drop."""
    if thing is not None:
        ctypes.c_ssize_t.from_address(id(thing)).value += _PINNED
    return thing
