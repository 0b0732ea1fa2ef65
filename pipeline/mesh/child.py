"""The loader's own process: ``python -m pipeline.mesh.child JOB.json``.

A native parser may crash, hang or eat memory; here it can do so without harm. The process ends
with ``os._exit`` because ufbx's objects must not be torn down (see :mod:`pipeline.mesh.fbx`).
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import traceback
import zlib
from pathlib import Path

from pipeline.errors import IngestError, PackshotError
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.loaders import LoadContext, loader_for
from pipeline.mesh.raw import write_raw
from pipeline.mesh.resolver import Resolver

ERROR = "error.json"
# What our readers raise on a file that breaks its own format in a way no check foresaw.
MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error,
             zlib.error)


def run(job: dict[str, object], exchange: Path) -> None:
    """Load one file and leave the result, or the error, in ``exchange``."""
    limits = IngestLimits(**job["limits"])  # type: ignore[arg-type]
    memory = limits.memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder, mesh_file = Path(str(job["folder"])), str(job["mesh_file"])
    variant = None if job["variant"] is None else str(job["variant"])
    files = [str(name) for name in job["files"]]  # type: ignore[attr-defined]
    try:
        load = loader_for(mesh_file)
        resolver = Resolver(folder, files, mesh_file, limits.max_file_mb)
        data = resolver.read_exact(mesh_file)
        if not data:
            raise IngestError("mesh_empty", f"{mesh_file} is an empty file.", "Export the model again.")
        raw = load(data, LoadContext(resolver, limits, exchange, mesh_file, variant))
        if variant is not None and raw.variant is None:
            raise IngestError("unknown_variant", f"{mesh_file} is asked for the variant {variant[:80]!r}, but "
                              "only glTF files have variants.", "Leave `variant:` out of product.yaml.")
        write_raw(raw, exchange)
    except PackshotError as error:
        failure = error
    except MemoryError:
        failure = IngestError("loader_memory", f"{mesh_file} needs more than {limits.memory_mb} MB to read.",
                              "Reduce the model, or raise the memory limit.")
    except OSError as error:
        failure = IngestError("file_unreadable", f"{mesh_file} cannot be read: {error.strerror or error}.",
                              "Check the file and its permissions.")
    except MALFORMED as error:
        traceback.print_exc()
        failure = IngestError("mesh_malformed", f"{mesh_file} breaks its format: {_one_line(error)}.",
                              "Open it in a modelling tool and export it again.")
    else:
        return
    (exchange / ERROR).write_text(json.dumps(failure.as_dict()))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {text[:120]}".strip()


def _refuse_network(event: str, _: tuple[object, ...]) -> None:
    """No loader has business with a socket or another program, whatever its file says."""
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "subprocess.", "os.exec", "os.system")):
        raise PermissionError(f"{event} is not allowed while a mesh file is read")


def main() -> None:
    sys.addaudithook(_refuse_network)
    job_file = Path(sys.argv[1])
    run(json.loads(job_file.read_text()), job_file.parent)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
