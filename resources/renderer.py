"""The OpenGL renderer: one context per run, made when the first shot needs it."""

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from pipeline.render import Renderer


class RendererResource(ConfigurableResource[Renderer]):
    """Headless OpenGL through EGL."""

    _renderer: Renderer | None = PrivateAttr(default=None)

    def get(self) -> Renderer:
        """The run's renderer. Raises RenderError where no OpenGL driver is found."""
        if self._renderer is None:
            self._renderer = Renderer()
        return self._renderer

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
