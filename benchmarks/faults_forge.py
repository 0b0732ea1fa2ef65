"""Processes that may be killed, without paying for imports each time.

A forge is a process that has imported what a run imports, and has touched neither OpenGL nor torch nor started a
thread. It forks a child for each run: a process of its own in a session of its own, which calls ``sensors.refresh``'s
``main`` and is killed like any other. What a fork cannot show, a kill during start and imports, is done with ordinary
``python -m sensors.refresh`` processes (:func:`ordinary`).

A child can be told to blow itself up: ``{"call": "module:Class.function", "at": n, "signal": "SIGSEGV", "when": text}``
kills it when the n-th call of the function begins whose arguments' text holds ``when``; with ``"raise": [errno, text]``
the call raises an OSError instead, with ``"unlink": path`` a file is gone when it begins, with ``"sleep": seconds`` it
takes longer. Production code needs no hooks for it.

    with Forge() as forge:
        run = forge.run(["--catalogue", …], log=folder / "run")
        run.kill()
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import importlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
# What a run imports on its way. Of torch and onnxruntime, which start threads, nothing.
WARM = ("sensors.refresh", "moderngl", "glcontext", "OpenEXR", "scipy.ndimage", "scipy.spatial", "PIL.Image",
        "PIL.PngImagePlugin", "pyarrow.parquet", "pyarrow.feather", "pyarrow.compute", "pipeline.mesh.ingest",
        "pipeline.render.renderer", "pipeline.report", "pipeline.refine.none", "skimage.color",
        "benchmarks.faults_parts")
CHEAPEST = {"PACKSHOT_LIGHT": "raster", "PACKSHOT_REFINER": "none", "OMP_NUM_THREADS": "1"}


class Run:
    """One process at work."""

    def __init__(self, pid: int, log: Path, told: subprocess.Popen[bytes] | None, *, says_where: bool) -> None:
        self.pid, self.log, self._process, self._says_where = pid, log, told, says_where
        self.status: int | None = None         # exit status, or the signal that ended it, negative
        self.started = time.monotonic()

    def kill(self, *, group: bool = True) -> str:
        """SIGKILL, to the process or to its whole group; returns where it was, as far as that could be asked."""
        if self._says_where:                   # written by the signal handler itself, a few ms before the end
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)
            time.sleep(0.003)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL) if group else os.kill(self.pid, signal.SIGKILL)
        where = self.log.with_suffix(".where")
        return stage_of(where.read_text() if where.exists() else "")

    def over(self) -> bool:
        """Whether it has ended."""
        if self.status is None and self._process is not None:
            self.status = self._process.poll()
        return self.status is not None

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object it printed, empty where it printed none."""
        text = self.log.with_suffix(".out").read_text()
        try:
            return dict(json.loads(text)) if text.strip() else {}
        except ValueError:
            return {"unreadable": text[-500:]}

    @property
    def said(self) -> str:
        """All that went to standard error."""
        return self.log.with_suffix(".err").read_text()


class Forge:
    """Use as a context manager. Children that are left at its end are killed."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen([sys.executable, "-m", "benchmarks.faults_forge"], cwd=ROOT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **CHEAPEST})
        self._runs: dict[int, Run] = {}
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        for run in self._runs.values():
            if run.status is None:
                run.kill()
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()

    def run(self, arguments: Sequence[str], log: Path, *, entry: str = "sensors.refresh:main",
            environment: Mapping[str, str] | None = None, blow: Sequence[Mapping[str, Any]] = ()) -> Run:
        """Start a child that calls ``entry`` with these arguments."""
        log.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".out", ".err", ".where"):
            log.with_suffix(suffix).write_text("")
        self._ask({"entry": entry, "arguments": list(arguments), "log": str(log), "blow": list(blow),
                   "environment": dict(environment or {})})
        while "pid" not in (answer := self._answer()):
            self._ended(answer)
        run = self._runs[answer["pid"]] = Run(answer["pid"], log, None, says_where=True)
        return run

    def wait(self, run: Run, seconds: float = 300.0) -> Run:
        """Until a child has ended. Raises TimeoutError, and kills it."""
        deadline = time.monotonic() + seconds
        while not self.over(run):
            if time.monotonic() > deadline:
                run.kill()
                raise TimeoutError(f"{run.log} has not ended after {seconds:.0f} s")
            time.sleep(0.01)
        return run

    def over(self, run: Run) -> bool:
        """Whether a run, of this forge or an ordinary one, has ended."""
        while select.select([self._server.stdout], [], [], 0)[0]:
            self._ended(self._answer())
        return run.over()

    def finish(self, *arguments: str, log: Path, **options: Any) -> Run:
        """Run a child to its end."""
        return self.wait(self.run(arguments, log, **options))

    def _ended(self, answer: dict[str, Any]) -> None:
        self._runs.pop(answer["ended"]).status = answer["status"]

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError("The forge has died.")
        return dict(json.loads(line))


def ordinary(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Run:
    """``python -m sensors.refresh``, started as people start it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.with_suffix(".out").open("w") as out, log.with_suffix(".err").open("w") as err:
        process = subprocess.Popen([sys.executable, "-m", "sensors.refresh", *arguments], cwd=ROOT, stdout=out,
                                   stderr=err, stdin=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, **CHEAPEST, **(environment or {})})
    return Run(process.pid, log, process, says_where=False)


# Innermost line of ours that names a stage wins; asked in this order.
STAGES = (("render/exr.py", "write of EXR"), ("mesh/", "ingest"), ("render/", "render"), ("refin", "refine"),
          ("sentinel/", "score"), ("scoring.py", "score"), ("sentinel_scores.py", "score"), ("score_", "compaction"),
          ("report/", "report"), ("catalogue_report.py", "report"), ("delivery.py", "deliver"),
          ("delivered_images.py", "deliver"), ("outcomes.py", "records of the run"),
          ("timings.py", "records of the run"), ("store.py", "store"), ("assets/events", "Dagster's records"),
          ("sensors/decide.py", "decide"), ("pipeline/catalogue", "decide"), ("assets/making.py", "store"),
          ("sensors/refresh.py", "Dagster's records"))


def stage_of(stacks: str) -> str:
    """What a process was doing, from the stacks of its threads; nothing was said before it came to run."""
    blocks = [block for block in stacks.split("\n\n") if "File" in block]
    for block in sorted(blocks, key=lambda each: "Current thread" not in each):
        for line in block.splitlines():
            found = next((name for part, name in STAGES if part in line), None)
            if found is not None and str(ROOT) in line:
                return found
    return "start and imports" if not blocks else "other"


def serve() -> None:
    """The forge itself: requests on standard input, a JSON line for every start and end on standard output."""
    for name in WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _tell({"ready": True})
    asked, children = b"", set[int]()
    while True:
        if select.select([0], [], [], 0.01)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            asked += data
            *lines, asked = asked.split(b"\n")
            for line in lines:
                children.add(_fork(json.loads(line)))
        for pid in list(children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                children.remove(pid)
                _tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        _tell({"pid": pid})
        return pid
    status = 70
    try:
        os.setsid()
        log = Path(request["log"])
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(log.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        faulthandler.register(signal.SIGUSR1, file=os.open(log.with_suffix(".where"), os.O_WRONLY | os.O_TRUNC))
        os.environ.update(request["environment"])
        for blow in request["blow"]:
            arm(blow)
        module, _, function = request["entry"].partition(":")
        status = getattr(importlib.import_module(module), function)(request["arguments"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  what Python would print at the end of a process
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def arm(blow: Mapping[str, Any]) -> None:
    """Make one call of a function of this process the end of it, or an OSError."""
    module, _, path = blow["call"].partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    usual, counted = getattr(owner, name), itertools.count(1)

    @functools.wraps(usual)
    def blown(*arguments: Any, **named: Any) -> Any:
        if blow.get("when", "") in repr(arguments) and next(counted) >= blow.get("at", 1):
            if "raise" in blow:
                raise OSError(*blow["raise"])
            if "sleep" in blow:
                time.sleep(blow["sleep"])
                return usual(*arguments, **named)
            if "unlink" in blow:
                Path(blow["unlink"]).unlink(missing_ok=True)
                return usual(*arguments, **named)
            os.kill(os.getpid(), signal.Signals[blow.get("signal", "SIGKILL")])
            time.sleep(60)
        return usual(*arguments, **named)

    setattr(owner, name, blown)


def _tell(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    serve()
