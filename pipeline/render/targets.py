"""Textures that are rendered to, and read back as arrays."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import moderngl
import numpy as np
from numpy.typing import NDArray


class Targets:
    """Colour targets of one size and an optional depth buffer, released at the end of the block."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int], dtypes: tuple[str, ...], components: int = 4,
                 depth: bool = True) -> None:
        self.context, self.size, self.dtypes, self.components = context, size, dtypes, components
        self.colors = tuple(context.texture(size, components, dtype=dtype) for dtype in dtypes)
        for color in self.colors:
            color.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.depth = context.depth_texture(size) if depth else None
        if self.depth is not None:
            self.depth.compare_func = ""
            self.depth.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.framebuffer = context.framebuffer(self.colors, self.depth)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.framebuffer.release()
        for texture in (*self.colors, self.depth):
            if texture is not None:
                texture.release()

    def begin(self) -> None:
        self.framebuffer.use()
        self.framebuffer.clear()
        self.context.enable_only(moderngl.DEPTH_TEST if self.depth is not None else moderngl.NOTHING)

    def read(self, index: int) -> NDArray[Any]:
        """(H, W, components), row 0 at the top since cameras are rendered with y down."""
        kinds: dict[str, type[np.generic]] = {"f1": np.uint8, "f2": np.float16, "f4": np.float32, "u4": np.uint32}
        width, height = self.size
        data = self.framebuffer.read(components=self.components, attachment=index, dtype=self.dtypes[index])
        return np.frombuffer(data, kinds[self.dtypes[index]]).reshape(height, width, self.components)


def draw_fullscreen(context: moderngl.Context, program: moderngl.Program) -> None:
    array = context.vertex_array(program, [])
    array.render(moderngl.TRIANGLES, vertices=3)
    array.release()
