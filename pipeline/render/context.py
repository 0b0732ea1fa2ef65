"""The OpenGL context without a display, and the shader programs that live beside this module.

A context is opened through EGL: on a GPU, or in software by Mesa. Which device is found out by a child
process (gl_probe.py), since a driver that crashes cannot be caught; that costs 0.08 s, once per process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import moderngl
import numpy as np

from pipeline.errors import RenderError, first_line

DEVICE_SETTING = "PACKSHOT_GL_DEVICE"      # index of the EGL device; unset: the first that works
HINT = "apt-get install libegl1 libgl1-mesa-dri"
PROBE_SECONDS = 60.0
_MOST_DEVICES = 16
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Device:
    """An EGL device that draws."""

    index: int
    renderer: str
    vendor: str
    version: str


def open_context() -> moderngl.Context:
    """A headless OpenGL 3.3 core context. Raises RenderError ``gl_unavailable``, ``gl_crashed`` or ``gl_device``."""
    device = find_device()
    settings: dict[str, Any] = {"backend": "egl", "device_index": device.index}
    try:
        return moderngl.create_context(standalone=True, require=330, **settings)
    except Exception as error:  # glcontext raises it bare, or ImportError or OSError, by the driver's state
        raise _unavailable(first_line(error)) from error


def gl_info() -> dict[str, str]:
    """Renderer, vendor and version of the context that rendering would use. Raises like :func:`open_context`."""
    device = find_device()
    return {"renderer": device.renderer, "vendor": device.vendor, "version": device.version,
            "backend": f"egl device {device.index}"}


def find_device() -> Device:
    """The EGL device to draw with: the one that PACKSHOT_GL_DEVICE names, else the first that works.

    Raises RenderError ``gl_unavailable`` where none opens, ``gl_crashed`` where a driver crashed and no other
    device works, ``gl_device`` where the setting is no index.
    """
    wanted = os.environ.get(DEVICE_SETTING, "").strip()
    if wanted and not wanted.isdecimal():
        raise RenderError("gl_device", f"{DEVICE_SETTING}={wanted!r} is not the index of a device.",
                          "Unset it, or give 0 for the first device; `packshot doctor` names the one in use.")
    return search(int(wanted) if wanted else None)


@cache
def search(wanted: int | None) -> Device:
    """Try the devices in turn, or only the wanted one; asked once per process."""
    first, last = (0, _MOST_DEVICES - 1) if wanted is None else (wanted, wanted)
    problem: RenderError | None = None
    while first <= last:
        lines, status = _ask(first, last)
        said = lines[-1] if lines else {}
        if "renderer" in said:
            return Device(said["device"], said["renderer"], said["vendor"], said["version"])
        if "error" in said or not lines:
            # All devices have answered, or the child could not even start to ask.
            detail = said.get("error", f"the probe ended with status {status}")
            raise problem or _unavailable(next((line["error"] for line in lines if "error" in line), detail))
        # The child named a device and was not heard of again.
        problem = problem or _crashed(said["device"], status)
        first = said["device"] + 1
    assert problem is not None
    raise problem


def _ask(first: int, last: int) -> tuple[list[dict[str, Any]], int]:
    """What the probe printed, and how it ended; a hang ends as SIGKILL."""
    probe = files("pipeline.render").joinpath("gl_probe.py")
    command = [sys.executable, "-P", str(probe), str(first), str(last)]
    try:
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired as hung:
        printed = hung.stdout or b""
        return _lines(printed.decode() if isinstance(printed, bytes) else printed), -signal.SIGKILL
    return _lines(child.stdout), child.returncode


def _lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def _unavailable(detail: str) -> RenderError:
    return RenderError("gl_unavailable", f"No OpenGL 3.3 context could be opened through EGL: {detail}", HINT)


def _crashed(device: int, status: int) -> RenderError:
    how = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    return RenderError("gl_crashed", f"The OpenGL driver of EGL device {device} crashed ({how}) when it was tried.",
                       f"Update the driver, choose another device with {DEVICE_SETTING}, or draw in software: {HINT}")


def shader_source(name: str, defines: Mapping[str, int] | None = None) -> str:
    """GLSL text of ``shaders/<name>`` with its includes put in and ``defines`` after the version line."""
    text = files("pipeline.render").joinpath("shaders", name).read_text(encoding="utf-8")
    text = _INCLUDE.sub(lambda match: shader_source(match.group(1)), text)
    if defines:
        lines = "".join(f"#define {key} {value}\n" for key, value in defines.items())
        text = text.replace("#version 330\n", "#version 330\n" + lines, 1)
    return text


def build_program(context: moderngl.Context, vertex: str, fragment: str,
                  defines: Mapping[str, int] | None = None) -> moderngl.Program:
    return context.program(vertex_shader=shader_source(vertex, defines),
                           fragment_shader=shader_source(fragment, defines))


def set_uniforms(program: moderngl.Program, values: Mapping[str, Any]) -> None:
    """Write uniforms; those the compiler dropped as unused are passed over.

    An array is one matrix (row-major) or, with three axes, a list of matrices. Lists are cut to the
    length the compiler kept, or filled up with their last entry.
    """
    for name, value in values.items():
        uniform = program.get(name, None)
        if not isinstance(uniform, moderngl.Uniform):
            continue
        if isinstance(value, np.ndarray):
            kept = value[:uniform.array_length] if value.ndim == 3 else value
            uniform.write(np.ascontiguousarray(np.swapaxes(kept, -1, -2), np.float32).tobytes())
        elif isinstance(value, list):
            filled = (value + value[-1:] * uniform.array_length)[:uniform.array_length]
            uniform.value = filled if uniform.array_length > 1 else filled[0]
        else:
            uniform.value = value
