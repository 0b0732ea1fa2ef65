"""The renderer: one OpenGL context per run, made when the first shot needs it, and beside it a path tracer."""

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from pipeline.render import Renderer
from pipeline.render.tracing import Light, light_here, open_renderer


class RendererResource(ConfigurableResource[Renderer]):
    """Headless OpenGL through EGL. ``light``: ``traced``, ``raster``, or ``auto``, which is traced where that works."""

    light: str = "auto"

    _renderer: Renderer | None = PrivateAttr(default=None)

    def light_here(self) -> Light:
        """What ``light`` means on this machine; passes depend on it. Raises RenderError."""
        return light_here(self.light)

    def get(self) -> Renderer:
        """The run's renderer. Raises RenderError where no OpenGL driver is found."""
        if self._renderer is None:
            self._renderer = open_renderer(self.light_here())
        return self._renderer

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
