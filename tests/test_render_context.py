"""The OpenGL context: what it says about itself, and what a machine without one is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import RenderError
from pipeline.render import Renderer, gl_info
from pipeline.render.context import shader_source
from tests.render_meshes import box, shot, textures_of


def test_the_driver_is_named() -> None:
    info = gl_info()
    assert info["renderer"]
    assert int(info["version"].split(".")[0]) >= 3


@pytest.mark.parametrize("error", [Exception("(standalone) eglGetDisplay (0x3000)"), OSError("libEGL.so not found"),
                                   ImportError("glcontext")])
def test_a_machine_without_opengl_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **settings: Any) -> None:
        raise error

    monkeypatch.setattr("moderngl.create_context", fail)
    for opened in (Renderer, gl_info):
        with pytest.raises(RenderError, match="EGL") as caught:
            opened()
        assert caught.value.code == "gl_unavailable"
        assert "apt-get install libegl1 libgl1-mesa-dri" in caught.value.hint


def test_two_renderers_do_not_disturb_each_other() -> None:
    mesh = box()
    textures = textures_of(mesh)
    with Renderer() as first, Renderer() as second:
        alone = first.render(mesh, shot(48), textures)
        second.render(mesh, shot(64, "sweep"), textures)
        assert np.array_equal(first.render(mesh, shot(48), textures).beauty, alone.beauty)


def test_includes_and_defines_are_put_in() -> None:
    source = shader_source("gbuffer.frag", {"PIERCED": 1})
    assert source.splitlines()[:2] == ["#version 330", "#define PIERCED 1"]
    assert "#include" not in source
    assert "vec3 shading_normal" in source
