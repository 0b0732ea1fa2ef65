"""The OpenGL context without a display, and the shader programs that live beside this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import moderngl
import numpy as np

from pipeline.errors import RenderError

HINT = "apt-get install libegl1 libgl1-mesa-dri"
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)


def open_context() -> moderngl.Context:
    """A headless OpenGL 3.3 core context through EGL. Raises RenderError ``gl_unavailable``."""
    try:
        # moderngl's stub types every extra setting as a dict.
        return moderngl.create_context(standalone=True, backend="egl", require=330)  # type: ignore[arg-type]
    except Exception as error:  # glcontext raises it bare, or ImportError or OSError, by the driver's state
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RenderError("gl_unavailable", f"No OpenGL 3.3 context could be opened through EGL: {detail}", HINT
                          ) from error


def gl_info() -> dict[str, str]:
    """Renderer, vendor and version of the context that rendering would use; opened and closed again."""
    context = open_context()
    try:
        info: dict[str, Any] = context.info
        return {"renderer": str(info["GL_RENDERER"]), "vendor": str(info["GL_VENDOR"]),
                "version": str(info["GL_VERSION"]), "backend": "egl"}
    finally:
        context.release()


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
