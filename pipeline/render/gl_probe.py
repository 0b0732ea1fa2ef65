"""Asks the OpenGL drivers of this machine, in a process of its own: a bad driver takes its process with it.

Run by path, so that nothing but moderngl is imported: ``python gl_probe.py FIRST LAST``. For each EGL device
one line of JSON is written, before it is tried and after; the first that draws a triangle ends the search.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import moderngl

VERTEX = """#version 330
void main() { gl_Position = vec4(gl_VertexID % 2 * 4 - 1, gl_VertexID / 2 * 4 - 1, 0.0, 1.0); }
"""
FRAGMENT = """#version 330
out vec4 color;
void main() { color = vec4(1.0); }
"""
SIDE = 4                   # pixels


def ask(device: int) -> dict[str, object]:
    """Open one device, draw, read back, and say who did it."""
    settings: dict[str, Any] = {"backend": "egl", "device_index": device}
    context = moderngl.create_context(standalone=True, require=330, **settings)
    target = context.simple_framebuffer((SIDE, SIDE))
    target.use()
    # Compiling and drawing is where drivers crash that open well.
    program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
    context.vertex_array(program, []).render(moderngl.TRIANGLES, vertices=3)
    if target.read(components=4) != b"\xff" * 4 * SIDE * SIDE:
        raise RuntimeError("the driver drew a wrong picture")
    return {"renderer": context.info["GL_RENDERER"], "vendor": context.info["GL_VENDOR"],
            "version": context.info["GL_VERSION"]}


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def main(first: int, last: int) -> None:
    for device in range(first, last + 1):
        say(device=device)
        try:
            found = ask(device)
        except Exception as error:  # noqa: BLE001 — glcontext raises it bare, and what it may be is the driver's
            say(device=device, error=(str(error).splitlines() or [type(error).__name__])[0])
            if "device index" in str(error):
                return             # that was the last one
        else:
            say(device=device, **found)
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
