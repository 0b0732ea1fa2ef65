"""The OpenGL context: what it says about itself, and what a machine without one is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import RenderError
from pipeline.render import Renderer, gl_info
from pipeline.render.context import find_device, search, shader_source
from tests.render_meshes import box, shot, textures_of

FAKE = """
import importlib, os, signal, sys
sys.path.remove(os.environ["FAKE"])
del sys.modules["moderngl"]
real = importlib.import_module("moderngl")
sys.modules["moderngl"] = real
opened = real.create_context
def create_context(**settings):
    device = settings.pop("device_index")
    {body}
real.create_context = create_context
"""


@pytest.fixture
def fresh() -> Iterator[None]:
    """No device is known yet, and none of what a test found is kept."""
    search.cache_clear()
    yield
    search.cache_clear()


def drivers(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    """Let every child process meet these drivers: ``body`` is what opening ``device`` does."""
    (folder / "moderngl.py").write_text(FAKE.replace("{body}", body))
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_driver_is_named() -> None:
    info = gl_info()
    assert info["renderer"]
    assert int(info["version"].split(".")[0]) >= 3
    assert info["backend"].startswith("egl")


@pytest.mark.parametrize("error", [Exception("(standalone) eglGetDisplay (0x3000)"), OSError("libEGL.so not found"),
                                   ImportError("glcontext")])
def test_a_context_that_fails_here_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **settings: Any) -> None:
        raise error

    monkeypatch.setattr("moderngl.create_context", fail)
    with pytest.raises(RenderError, match="EGL") as caught:
        Renderer()
    assert caught.value.code == "gl_unavailable"
    assert "apt-get install libegl1 libgl1-mesa-dri" in caught.value.hint


@pytest.mark.parametrize("variable", ["__EGL_VENDOR_LIBRARY_FILENAMES", "GLCONTEXT_LINUX_LIBEGL", "LIBGL_DRIVERS_PATH"])
@pytest.mark.usefixtures("fresh")
def test_a_machine_without_opengl_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                          variable: str) -> None:
    (tmp_path / "vendor.json").write_text("{}")
    monkeypatch.setenv(variable, str(tmp_path / "vendor.json"))
    for opened in (Renderer, gl_info):
        with pytest.raises(RenderError, match="EGL") as caught:
            opened()
        assert caught.value.code == "gl_unavailable"
        assert "\n" not in caught.value.message
        assert "apt-get install libegl1 libgl1-mesa-dri" in caught.value.hint


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGSEGV)", "os._exit(3)"])
@pytest.mark.usefixtures("fresh")
def test_a_driver_that_crashes_crashes_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str) -> None:
    drivers(monkeypatch, tmp_path, end)
    monkeypatch.setenv("PACKSHOT_GL_DEVICE", "1")
    with pytest.raises(RenderError, match=r"device 1 crashed \((SIGSEGV|status 3)\)") as caught:
        Renderer()
    assert caught.value.code == "gl_crashed"
    assert "libegl1 libgl1-mesa-dri" in caught.value.hint


@pytest.mark.usefixtures("fresh")
def test_the_next_device_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drivers(monkeypatch, tmp_path, "\n    ".join([
        "if device == 0: os.kill(os.getpid(), signal.SIGSEGV)",
        "if device == 1: raise OSError('no permission')",
        "return opened(**settings, device_index=0)"]))
    assert find_device().index == 2


@pytest.mark.usefixtures("fresh")
def test_all_devices_failing_names_the_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drivers(monkeypatch, tmp_path, "\n    ".join([
        "if device == 0: os.kill(os.getpid(), signal.SIGSEGV)",
        "raise Exception('requested device index 1, but found 1 devices')"]))
    with pytest.raises(RenderError, match="device 0") as caught:
        find_device()
    assert caught.value.code == "gl_crashed"


@pytest.mark.usefixtures("fresh")
def test_a_device_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_GL_DEVICE", "0")
    assert find_device().index == 0
    monkeypatch.setenv("PACKSHOT_GL_DEVICE", "15")
    with pytest.raises(RenderError, match="device index 15"):
        find_device()
    monkeypatch.setenv("PACKSHOT_GL_DEVICE", "cuda")
    with pytest.raises(RenderError, match="cuda") as caught:
        find_device()
    assert caught.value.code == "gl_device"


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
