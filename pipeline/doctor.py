"""Is this machine ready? One line per thing that Packshot needs, and what to do where it is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import PackshotError
from pipeline.place import place
from pipeline.refine import RefinerSettings, identity_of
from pipeline.render import gl_info
from pipeline.render.pathtrace import probe

Status = Literal["ok", "missing", "optional"]  # optional: not there, and nothing but an extra needs it

TORCH_PROBE = ("import json, torch; print(json.dumps({'version': torch.__version__, "
               "'threads': torch.get_num_threads(), "
               "'device': torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'cpu'}))")
PACKAGES = ("dagster", "trimesh", "ufbx", "moderngl", "OpenEXR", "diffusers", "open_clip_torch", "pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing looked at."""

    name: str
    status: Status
    found: str
    hint: str = ""


def examine(store: str, catalogue: str) -> list[Examined]:
    """Look at everything once; never raises for what is missing."""
    return [_python(), _packages(), _opengl(), _torch(), _location("store", store, must_exist=False),
            _location("catalogue", catalogue, must_exist=True), _refiner(), _path_tracer()]


def as_dict(examined: list[Examined]) -> dict[str, Any]:
    return {"ready": ready(examined), "examined": [asdict(item) for item in examined]}


def ready(examined: list[Examined]) -> bool:
    return all(item.status != "missing" for item in examined)


def _python() -> Examined:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Examined("Python", "ok" if fits else "missing", version, "" if fits else "Use Python 3.11, 3.12 or 3.13.")


def _packages() -> Examined:
    absent = [name for name in PACKAGES if not _installed(name)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if name not in absent)
    return Examined("packages", "ok" if not absent else "missing",
                    versions if not absent else f"not installed: {', '.join(absent)}",
                    "" if not absent else "Run `make setup`.")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _opengl() -> Examined:
    try:
        info = gl_info()
    except PackshotError as error:
        return Examined("OpenGL", "missing", error.message, error.hint)
    return Examined("OpenGL", "ok", ", ".join(info.values()))


def _torch() -> Examined:
    answer = _probe(TORCH_PROBE)
    if isinstance(answer, str):
        return Examined("torch", "missing", answer, "Run `make setup`.")
    return Examined("torch", "ok", f"{answer['version']} on {answer['device']}, {answer['threads']} threads")


def _probe(code: str) -> dict[str, Any] | str:
    """What a child process printed as JSON, or the last line of what went wrong."""
    try:
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "no answer in 120 s"
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines()
        return lines[-1] if lines else f"the probe ended with status {child.returncode}"
    answer: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    return answer


def _location(name: str, location: str, *, must_exist: bool) -> Examined:
    try:
        path = place(location)
        exists = path.is_dir()
        if must_exist and not exists:
            return Examined(name, "missing", f"{location} is no folder", f"Set PACKSHOT_{name.upper()}.")
        writable = must_exist or "://" in location or os.access(_nearest_parent(location), os.W_OK)
    except PackshotError as error:
        return Examined(name, "missing", f"{location}: {error.message}", error.hint)
    except (OSError, ImportError, BotoCoreError, ClientError) as error:
        return Examined(name, "missing", f"{location}: {error}", "Check credentials and AWS_ENDPOINT_URL.")
    if not writable:
        return Examined(name, "missing", f"{location} is not writable", "Set PACKSHOT_STORE to a folder you can write.")
    return Examined(name, "ok", f"{location}{'' if exists else ' (will be created)'}")


def _nearest_parent(location: str) -> str:
    path = os.path.abspath(location)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _refiner() -> Examined:
    try:
        identity = identity_of(RefinerSettings.from_environment())
    except PackshotError as error:
        return Examined("refiner", "missing", error.message, error.hint)
    note = " (the renderer's own picture, unrefined)" if identity.preset == "none" else f" {identity.model}"
    return Examined("refiner", "ok", f"preset {identity.preset}{note}")


def _path_tracer() -> Examined:
    try:
        found = probe()
    except PackshotError as error:
        return Examined("path tracer", "optional", error.message, error.hint)
    return Examined("path tracer", "ok", f"Mitsuba {found['mitsuba']} with {found['llvm']}")
