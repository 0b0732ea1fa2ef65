"""Silhouettes of one mesh through many cameras at once: tiles of one picture, an instance each."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Mesh
from pipeline.render.context import build_program, open_context
from pipeline.render.geometry import clustered

TILES = 8                  # per side of the picture, at most
_CLIP_DISTANCE0 = 0x3000   # of OpenGL's enumeration
HEAVY = 4_000              # triangles; a heavier mesh is simplified


class SilhouetteRenderer:
    """Draws one mesh, filled, and knows neither materials nor light. Use as a context manager.

    A heavy mesh is simplified on a grid of ``cells`` along its longest side: 64 is 1.6 % of its size, a pixel of
    a tile of 64.
    """

    def __init__(self, mesh: Mesh, cells: int = 128) -> None:
        self._context = open_context()
        triangles = mesh.triangles
        if len(triangles) > HEAVY:
            triangles = clustered(mesh, triangles, cells)
        with self._context as context:
            self._program = build_program(context, "silhouettes.vert", "silhouettes.frag")
            self._cameras = context.buffer(reserve=TILES * TILES * 14 * 4, dynamic=True)
            self._array = context.vertex_array(self._program, [
                (context.buffer(np.ascontiguousarray(mesh.positions, np.float32)), "3f", "in_position"),
                (self._cameras, "4f 4f 4f 2f/i", "row_x", "row_y", "row_w", "tile")],
                context.buffer(np.ascontiguousarray(triangles, np.uint32)))
        self._targets: dict[int, moderngl.Framebuffer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()

    def close(self) -> None:
        self._context.release()

    def draw(self, clip: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
        """(N, side, side) of N cameras: what (N, 4, 4) matrices mesh → clip space see, top-left origin."""
        found = [self._draw(clip[start : start + TILES * TILES], side) for start in range(0, len(clip), TILES * TILES)]
        return np.concatenate(found) if found else np.zeros((0, side, side), np.bool_)

    def _draw(self, clip: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
        across = min(TILES, math.ceil(math.sqrt(len(clip))))  # one alone needs no large picture
        rows = -(-len(clip) // across)
        tile = np.arange(len(clip))
        content = np.concatenate([clip[:, [0, 1, 3]].reshape(len(clip), 12), (tile % across)[:, None],
                                  (tile // across)[:, None]], axis=1)
        with self._context as context:
            target = self._framebuffer(across * side)
            target.use()
            target.clear()
            context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
            for plane in range(4):
                context.enable_direct(_CLIP_DISTANCE0 + plane)
            self._cameras.write(np.ascontiguousarray(content, np.float32))
            self._program["tiles"] = float(across)
            self._array.render(moderngl.TRIANGLES, instances=len(clip))
            raw = target.read(viewport=(0, 0, across * side, rows * side), components=1, alignment=1)
        picture = np.frombuffer(raw, np.uint8).reshape(rows, side, across, side)
        return np.asarray(picture.transpose(0, 2, 1, 3).reshape(-1, side, side)[: len(clip)] > 0)

    def _framebuffer(self, size: int) -> moderngl.Framebuffer:
        if size not in self._targets:
            self._targets[size] = self._context.framebuffer(self._context.renderbuffer((size, size), 1))
        return self._targets[size]
