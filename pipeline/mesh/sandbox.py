"""Runs a loader in a process of its own and brings back plain arrays, or one readable error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pipeline
from pipeline.errors import IngestError
from pipeline.mesh.child import ERROR
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.raw import RECORD, RawMesh, read_raw

_MEMORY_SIGNS = ("MemoryError", "bad_alloc", "Cannot allocate memory", "failed to map segment",
                 "Memory allocation still failed")


def load_in_child(folder: Path, mesh_file: str, files: Sequence[str], limits: IngestLimits, exchange: Path,
                  variant: str | None = None) -> RawMesh:
    """Load one file; embedded textures are left in ``exchange``. Raises IngestError whatever the child does."""
    job = exchange / "job.json"
    job.write_text(json.dumps({"folder": str(folder.resolve()), "mesh_file": mesh_file, "files": list(files),
                               "limits": asdict(limits), "variant": variant}))
    root = Path(pipeline.__file__).resolve().parent.parent
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-m", "pipeline.mesh.child", str(job)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=exchange, env=environment,
                             start_new_session=True)
    try:
        # Not wait(): with a time limit it polls every 50 ms, the end of a pipe is seen at once.
        log, _ = child.communicate(timeout=limits.timeout_s)
    except subprocess.TimeoutExpired as error:
        raise IngestError("loader_timeout", f"{mesh_file} was not read within {limits.timeout_s:g} s.",
                          "Reduce the model, or raise the time limit.") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if (exchange / ERROR).is_file():
        raise IngestError(**json.loads((exchange / ERROR).read_text()))
    if child.returncode != 0 or not (exchange / RECORD).is_file():
        raise _crash(mesh_file, child.returncode, log.decode(errors="replace")[-4000:], limits)
    return read_raw(exchange)


def _crash(mesh_file: str, code: int, log: str, limits: IngestLimits) -> IngestError:
    if code == -signal.SIGKILL or any(sign in log for sign in _MEMORY_SIGNS):
        return IngestError("loader_memory", f"{mesh_file} needs more than {limits.memory_mb} MB to read.",
                           "Reduce the model, or raise the memory limit.")
    cause = signal.Signals(-code).name if code < 0 else (log.strip().splitlines() or ["no message"])[-1][:120]
    return IngestError("loader_crashed", f"The loader of {mesh_file} crashed ({cause}).",
                       "The file is probably damaged: open it in a modelling tool and export it again.")
