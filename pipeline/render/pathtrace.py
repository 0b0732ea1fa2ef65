"""The second renderer: the same scene path-traced, as truth to measure the first one by, and to bake light with.

    truth = trace(scene, samples=64, depth=8, denoise=True)
    exact = aovs(scene)
    light = irradiance_at(model_of(scene, product=False, extra=room), points, normals, samples=256, depth=6)

Needs the extra ``pathtrace`` (Mitsuba 3 and Intel Open Image Denoise) and LLVM 17 or newer. It runs in child
processes; arrays go through files.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RenderError
from pipeline.render.environment import panorama_directions
from pipeline.render.pathtrace_model import Exchange, Model, Surface, model_of
from pipeline.render.scene import Scene
from pipeline.render.stage import Environment

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
OLDEST_LLVM = 17           # with 14 to 16 Mitsuba 3.9 ends the process
PROBE_SECONDS = 120
HINT = ("Install the extra: pip install 'packshot[pathtrace]'; and LLVM 17 or newer: apt install libllvm19, "
        "brew install llvm, or name its library in DRJIT_LIBLLVM_PATH.")


@dataclass(frozen=True, slots=True)
class Traced:
    """A path-traced picture (H × W pixels, box-filtered), scene-linear, before the view transform."""

    radiance: F32                          # (H, W, 3) product, floor and surroundings
    product: F32                           # (H, W, 4) premultiplied, what is seen of the product
    albedo: F32                            # (H, W, 3) mean base colour of all that is seen, black where nothing is
    normal: F32                            # (H, W, 3) mean shading normal, camera space


@dataclass(frozen=True, slots=True)
class Aovs:
    """What lies under each pixel's centre; names and meanings as in ControlPasses."""

    depth: F32                             # (H, W) metres along the view axis; background +inf
    normal: F32                            # (H, W, 3) camera space
    normal_geometric: F32                  # (H, W, 3)
    base_color: F32                        # (H, W, 3) at the centre, unfiltered
    uv: F32                                # (H, W, 2) where the base colour is looked up; NaN outside
    instance_id: NDArray[np.uint32]        # (H, W) 0 = none
    material_id: NDArray[np.uint32]


def trace(scene: Scene, *, samples: int, depth: int, denoise: bool = False, seed: int = 0, product: bool = True,
          floor: bool = True, extra: Sequence[Surface] = (), environment: Environment | None = None) -> Traced:
    """The shot's picture. ``samples`` per pixel, rounded to a square; ``depth`` 2 is direct light only.

    ``extra`` stands in the stage's axes. Raises RenderError ``pathtrace_missing`` or ``pathtrace_failed``.
    """
    model = model_of(scene, product=product, floor=floor, extra=extra, environment=environment)
    names = ["radiance", "product"] if denoise else []
    found = _run(model, {"task": "picture", "camera": camera_rays(scene), "samples": samples, "depth": depth,
                         "seed": seed, "denoise": names}, {}, ("radiance", "product", "albedo", "normal"))
    return Traced(found["radiance"], found["product"], found["albedo"], found["normal"])


def aovs(scene: Scene) -> Aovs:
    """What Mitsuba sees of the product through each pixel's centre. Raises RenderError."""
    model = model_of(scene, floor=False)
    found = _run(Model(model.surfaces, None), {"task": "aovs", "camera": camera_rays(scene)}, {},
                 ("depth", "normal", "normal_geometric", "base_color", "uv", "ids"))
    ids = found["ids"].astype(np.uint32)
    return Aovs(found["depth"], found["normal"], found["normal_geometric"], found["base_color"], found["uv"],
                np.ascontiguousarray(ids[..., 0]), np.ascontiguousarray(ids[..., 1]))


def radiance_along(model: Model, origins: NDArray[np.floating], directions: NDArray[np.floating], *, samples: int,
                   depth: int, seed: int = 0) -> F32:
    """(N, 3) radiance that arrives at ``origins`` (N, 3) from ``directions`` (N, 3), averaged over ``samples`` paths.

    Raises RenderError ``pathtrace_missing`` or ``pathtrace_failed``.
    """
    return _run(model, {"task": "rays", "samples": samples, "depth": depth, "seed": seed},
                {"origins": origins, "directions": directions}, ("radiance",))["radiance"]


def irradiance_at(model: Model, points: NDArray[np.floating], normals: NDArray[np.floating], *, samples: int,
                  depth: int, lift: float = 1e-4, seed: int = 0) -> F32:
    """(N, 3) irradiance over π, what a white card at each point sends back. ``depth`` 1: straight from the lights.

    ``lift`` is how far above its surface a point looks around, in the model's unit. Light adds up, so that of a
    part of the lights is had by a model whose environment and emission hold only them. Raises RenderError.
    """
    return _run(model, {"task": "cards", "samples": samples, "depth": depth, "lift": lift, "seed": seed},
                {"points": points, "normals": normals}, ("radiance",))["radiance"]


def panorama_at(model: Model, point: Sequence[float], *, height: int, samples: int, depth: int, seed: int = 0) -> F32:
    """(height, 2·height, 3) radiance that arrives at a point, laid out as an Environment in the model's own frame."""
    directions = panorama_directions(height).reshape(-1, 3)
    origins = np.broadcast_to(np.asarray(point, np.float64), directions.shape)
    return radiance_along(model, origins, directions, samples=samples, depth=depth, seed=seed
                          ).reshape(height, 2 * height, 3)


@cache
def probe() -> Mapping[str, str]:
    """Who would trace here, found out by a child process. Raises RenderError ``pathtrace_missing``."""
    absent = [name for name in ("mitsuba", "pyoidn") if find_spec(name) is None]
    if absent:
        raise RenderError("pathtrace_missing", f"The path tracer is not installed: {', '.join(absent)}.", HINT)
    library = find_llvm()
    if library is None:
        raise RenderError("pathtrace_missing", f"The path tracer finds no LLVM {OLDEST_LLVM} or newer.", HINT)
    child = _child(None, library, PROBE_SECONDS)
    said = [line for line in child.stdout.splitlines() if line.startswith("{")]
    answer = json.loads(said[-1]) if said else {}
    if child.returncode != 0 or not answer.get("works"):
        raise RenderError("pathtrace_missing", f"Mitsuba does not work with {library}: {_last_line(child)}", HINT)
    return {"mitsuba": str(answer["mitsuba"]), "variant": str(answer["variant"]), "llvm": library}


def find_llvm() -> str | None:
    """The newest LLVM library that the system's loader knows, as a name it can load."""
    given = os.environ.get("DRJIT_LIBLLVM_PATH")
    if given:
        return given
    found: dict[int, str] = {}
    for line in _loader_cache().splitlines():
        match = re.search(r"libLLVM(?:-(\d+))?\.so(?:\.(\d+))?\S* .*=> (\S+)", line)
        if match and (match[1] or match[2]):
            found[int(match[1] or match[2])] = match[3]
    if not found:
        for version in range(OLDEST_LLVM, OLDEST_LLVM + 20):
            name = ctypes.util.find_library(f"LLVM-{version}")
            if name:
                found[version] = name
    newest = max(found, default=0)
    return found[newest] if newest >= OLDEST_LLVM else None


def _loader_cache() -> str:
    for command in ("ldconfig", "/sbin/ldconfig"):
        try:
            return subprocess.run([command, "-p"], capture_output=True, text=True, check=False, timeout=20).stdout
        except OSError:
            continue
    return ""


def camera_rays(scene: Scene) -> dict[str, object]:
    """Pixels to world directions of depth 1, for any projection without a vanishing plane of its own."""
    view, projection = scene.camera.view, scene.camera.projection
    width, height = scene.shot.width, scene.shot.height
    # clip.xy = P·(x, y, −1, 1) and clip.w = 1 at depth 1.
    linear, constant = projection[:2, :2], projection[:2, 3] - projection[:2, 2]
    to_ndc = np.array([[2.0 / width, 0.0, -1.0], [0.0, -2.0 / height, 1.0]])
    to_ndc[:, 2] -= constant
    across = np.linalg.inv(linear) @ to_ndc
    to_camera = np.vstack([across, [0.0, 0.0, -1.0]])
    rotation = view[:3, :3]
    return {"to_direction": (rotation.T @ to_camera).tolist(), "eye": (-rotation.T @ view[:3, 3]).tolist(),
            "rotation": rotation.tolist(), "width": width, "height": height}


def _run(model: Model, job: Mapping[str, object], arrays: Mapping[str, NDArray[Any]], results: Sequence[str]
         ) -> dict[str, F32]:
    """Let a child do one job and fetch what it left."""
    library = probe()["llvm"]
    with tempfile.TemporaryDirectory(prefix="packshot-trace-") as folder:
        exchange = Exchange(Path(folder))
        given = {name: exchange.array(values, np.float32) for name, values in arrays.items()}
        path = exchange.write({**job, **given, "model": exchange.model(model)})
        child = _child(path, library, None)
        if child.returncode != 0:
            raise RenderError("pathtrace_failed", f"The path tracer ended with status {child.returncode}: "
                              f"{_last_line(child)}", "Check the mesh and its textures with `packshot ingest`.")
        return {name: np.load(path.with_name(f"{name}.npy")) for name in results}


def _child(job: Path | None, library: str, seconds: float | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pipeline.render.pathtrace_child", *([] if job is None else [str(job)])]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False,
                              env={**os.environ, "DRJIT_LIBLLVM_PATH": library})
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 1, "", f"no answer in {seconds:.0f} s")


def _last_line(child: subprocess.CompletedProcess[str]) -> str:
    lines = child.stderr.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
