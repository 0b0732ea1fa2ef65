"""Import torch in a process that may already hold a software OpenGL context.

Mesa's llvmpipe loads its libLLVM into the global symbol table. triton, which torch imports on demand,
carries an LLVM of its own in libtriton; loaded afterwards the ordinary way it binds to Mesa's symbols
and the process dies with a segmentation fault. RTLD_DEEPBIND makes a library prefer its own symbols.
The other order, torch before OpenGL, was never seen to fail.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def prepare_torch() -> None:
    """Call before the first import of torch; cheap afterwards, and where triton is not installed."""
    if "triton._C.libtriton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        importlib.import_module("triton._C.libtriton")
    finally:
        sys.setdlopenflags(flags)
