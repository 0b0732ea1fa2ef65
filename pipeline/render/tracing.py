"""The renderer whose light on the product is path-traced: what bounces between surfaces, and true reflections.

    with TracingRenderer() as renderer:
        passes = renderer.render(mesh, shot, textures)     # passes.traced

Geometry, coverage, colours and the plate are the rasteriser's; only the product's layer, and the diffuse and specular
light that explain it, are traced. A few paths per pixel are enough for a denoiser (Intel Open Image Denoise) that is
shown the rasteriser's albedo and normals, which have no noise.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.errors import RenderError
from pipeline.render.pathtrace import probe
from pipeline.render.renderer import Renderer
from pipeline.render.scene import Scene, cropped
from pipeline.render.tracer import Guides, Tracer
from pipeline.render.types import ControlPasses

F32 = NDArray[np.float32]
Light = Literal["traced", "raster"]
PATHS = 3_000_000          # of a picture; a small one has few pixels to learn a shape's light from
SAMPLES = (4, 64)          # least and most paths per pixel
DEPTH = 6                  # bounces
MARGIN = 8                 # pixels around the product that the denoiser sees
WHOLE = 0.999              # coverage from which a pixel is the product's alone
EDGE_PX = 1.5              # sigma over which light is averaged where a pixel is shared
BRIGHTER = 3.0             # times the drawn diffuse light that traced light may be; what is more shines


def light_here(wanted: str) -> Light:
    """``auto``: traced where the path tracer works, else drawn. Raises RenderError for what is not known or missing."""
    if wanted not in ("auto", "traced", "raster"):
        raise RenderError("light_unknown", f"There is no light called {wanted!r}.",
                          "Set PACKSHOT_LIGHT to auto, traced or raster.")
    if wanted == "raster":
        return "raster"
    try:
        probe()
    except RenderError:
        if wanted == "traced":
            raise
        return "raster"
    return "traced"


def open_renderer(light: Light) -> Renderer:
    return TracingRenderer() if light == "traced" else Renderer()


class TracingRenderer(Renderer):
    """As Renderer; the path tracer's process starts with the first shot and ends with ``close``.

    ``paths``: of a picture, about. Raises RenderError ``pathtrace_missing`` or ``pathtrace_failed`` where it cannot
    trace a shot.
    """

    def __init__(self, threads: int = 0, paths: int = PATHS) -> None:
        super().__init__()
        self._threads = threads
        self._paths = paths
        self._tracer: Tracer | None = None

    def close(self) -> None:
        self._end_tracer()
        super().close()

    def draw(self, scene: Scene, indirect: bool = True) -> ControlPasses:
        passes = super().draw(scene, indirect)
        return self.traced(scene, passes) if indirect else passes

    def traced(self, scene: Scene, passes: ControlPasses, seed: int = 0) -> ControlPasses:
        """The drawn passes of a scene in traced light. ``seed``: of the paths; another one is another photograph."""
        started = time.perf_counter()
        window = _window(passes.alpha)
        if window is None:
            return passes
        rows, columns = window
        alpha = passes.alpha[rows, columns, None]
        guides = Guides(np.clip(passes.base_color[rows, columns], 0.0, 1.0) * alpha,
                        np.where(alpha > 0.0, passes.normal[rows, columns], 0.0))
        samples = int(np.clip(self._paths / alpha.size, *SAMPLES))
        if self._tracer is None:
            self._tracer = Tracer(self._threads)
        try:
            picture = self._tracer.trace(cropped(scene, rows, columns), samples=samples, depth=DEPTH,
                                         denoise=True, seed=seed, guides=guides)
        except RenderError:
            self._end_tracer()             # the next product finds a new one
            raise
        product = np.zeros_like(passes.product)
        product[rows, columns] = _seen(picture.product, passes.product[rows, columns])
        found = in_light_of(passes, product)
        self.seconds["trace"] = time.perf_counter() - started
        return found

    def _end_tracer(self) -> None:
        if self._tracer is not None:
            self._tracer.close()
            self._tracer = None


def in_light_of(passes: ControlPasses, product: F32) -> ControlPasses:
    """The passes with another product layer (H, W, 4) of the same coverage, premultiplied, explained anew.

    Specular light is what was drawn, as far as the new picture has it; diffuse light is the rest, and what no
    diffuse light explains shines too. So the identities of :mod:`pipeline.render.passes` hold.
    """
    alpha = passes.alpha[..., None]
    colour = product[..., :3] / np.maximum(alpha, 1e-6) * (alpha > 0.0)
    rest = np.maximum(colour - passes.emissive, 0.0)
    albedo = passes.diffuse_albedo
    diffuse = np.maximum(rest - passes.specular, 0.0) / np.maximum(albedo, 1e-3)
    diffuse = np.minimum(diffuse, BRIGHTER * passes.diffuse + 0.02).astype(np.float16).astype(np.float32)
    specular = np.maximum(rest - albedo * diffuse, 0.0).astype(np.float16).astype(np.float32)
    whole = np.concatenate([alpha * (albedo * diffuse + specular + passes.emissive), alpha], axis=-1)
    beauty = passes.beauty.copy()
    beauty[..., :3] = whole[..., :3] + (1.0 - alpha) * passes.plate
    # What a file can hold, as all passes are: an image must not depend on whether they were loaded or just made.
    return replace(passes, product=whole.astype(np.float16).astype(np.float32), diffuse=diffuse, specular=specular,
                   beauty=beauty.astype(np.float16).astype(np.float32), traced=True)


def _seen(traced: F32, drawn: F32) -> F32:
    """The traced layer with the drawn coverage: pixels that are shared get the light of what is around them.

    A pixel of an edge has few paths of its own; light is the ratio of both pictures' sums over a small neighbourhood,
    in which coverage and colour cancel.
    """
    whole = (drawn[..., 3] >= WHOLE) & (traced[..., 3] >= WHOLE)
    sums = [np.stack([ndimage.gaussian_filter(layer[..., channel], EDGE_PX) for channel in range(3)], axis=-1)
            for layer in (traced, drawn)]
    ratio = np.clip((sums[0] + 1e-4) / (sums[1] + 1e-4), 0.0, 8.0)
    found = np.where(whole[..., None], traced[..., :3], drawn[..., :3] * ratio)
    return np.concatenate([found, drawn[..., 3:]], axis=-1)


def _window(alpha: F32) -> tuple[slice, slice] | None:
    """Rows and columns around the product; None where there is none."""
    covered = alpha > 0.0
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if len(rows) == 0:
        return None
    return tuple(slice(max(0, int(line[0]) - MARGIN), min(size, int(line[-1]) + 1 + MARGIN))  # type: ignore[return-value]
                 for line, size in zip((rows, columns), alpha.shape, strict=True))
