"""A path tracer that stays: many pictures from one process, where starting Mitsuba for each would cost seconds.

    with Tracer() as tracer:
        truth = tracer.trace(scene, samples=16, depth=6, denoise=True)
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RenderError
from pipeline.render.pathtrace import Traced, camera_rays, probe
from pipeline.render.pathtrace_model import Exchange, model_of
from pipeline.render.scene import Scene

# Seconds a picture may take; the largest of a slow machine takes one. Whoever is silent for longer has hung.
PATIENCE_S = 600.0
_HINT = "Check the mesh and its textures with `packshot ingest`; out of memory also ends it."


@dataclass(frozen=True, slots=True)
class Guides:
    """What a denoiser looks at beside the noisy picture: free of noise, of the same size."""

    albedo: NDArray[np.float32]            # (H, W, 3) linear
    normal: NDArray[np.float32]            # (H, W, 3) camera space


class Tracer:
    """Pictures of scenes, traced one after the other. Cameras of one product and stage share what was loaded.

    ``threads`` 0: all cores. Raises RenderError ``pathtrace_missing`` where nothing can trace.
    """

    def __init__(self, threads: int = 0) -> None:
        library = probe()["llvm"]
        self._folder = tempfile.TemporaryDirectory(prefix="packshot-tracer-")
        self._errors = (Path(self._folder.name) / "errors.txt").open("w")
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.render.pathtrace_child", "--serve", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            start_new_session=True,  # an interrupt from the terminal is the batch's to handle, not the child's
            env={**os.environ, "DRJIT_LIBLLVM_PATH": library})
        self._known: tuple[tuple[object, ...], Exchange, dict[str, object]] | None = None
        self._scene: Scene | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()

    def close(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a job that a dead child never read
                    stream.close()
        self._folder.cleanup()

    def trace(self, scene: Scene, *, samples: int, depth: int, denoise: bool = False, seed: int = 0,
              product: bool = True, floor: bool = True, guides: Guides | None = None) -> Traced:
        """As :func:`pipeline.render.pathtrace.trace`; with ``guides`` only the product's layer is denoised.

        Raises RenderError ``pathtrace_failed``.
        """
        exchange, model = self._model(scene, product, floor)
        names = ["product"] if guides is not None else ["radiance", "product"]
        clean = None if guides is None else {"albedo": exchange.array(guides.albedo, np.float32),
                                             "normal": exchange.array(guides.normal, np.float32)}
        path = exchange.write({"task": "picture", "camera": camera_rays(scene), "samples": samples, "depth": depth,
                               "seed": seed, "denoise": names if denoise else [], "guides": clean, "model": model})
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        hung = threading.Timer(PATIENCE_S, self._child.kill)
        hung.start()
        try:
            self._child.stdin.write(f"{path}\n")
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            hung.cancel()
        if not answer.startswith("{") or "error" in json.loads(answer):
            said = json.loads(answer)["error"] if answer.startswith("{") else self._last_words()
            raise RenderError("pathtrace_failed", f"The path tracer failed: {said}", _HINT)
        found = {name: np.load(path.with_name(f"{name}.npy")) for name in ("radiance", "product", "albedo", "normal")}
        return Traced(found["radiance"], found["product"], found["albedo"], found["normal"])

    def _model(self, scene: Scene, product: bool, floor: bool) -> tuple[Exchange, dict[str, Any]]:
        """Files that describe the scene but for its camera; those of the last one are kept."""
        key = (id(scene.mesh), id(scene.textures), scene.instances, scene.stage.sha256, scene.heading.front.tobytes(),
               product, floor)
        if self._known is None or self._known[0] != key:
            if self._known is not None:
                for file in self._known[1].folder.iterdir():
                    file.unlink()
                self._known[1].folder.rmdir()
            self._count += 1
            folder = Path(self._folder.name) / str(self._count)
            folder.mkdir()
            exchange = Exchange(folder)
            model = exchange.model(model_of(scene, product=product, floor=floor))
            self._known = (key, exchange, model)
            self._scene = scene  # kept alive, so that the ids in its key stay its own
        return self._known[1], self._known[2]

    def _last_words(self) -> str:
        self._errors.flush()
        lines = (Path(self._folder.name) / "errors.txt").read_text().strip().splitlines()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5.0)          # its end of the pipe is closed first
        return lines[-1] if lines else f"it ended with status {self._child.poll()} and said nothing"
