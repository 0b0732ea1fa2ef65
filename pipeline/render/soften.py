"""Soft shadows: the shares of light that reach every pixel, as textures for the final shading.

A coarse pass finds how far away the blockers are; a full pass tilts every light's ray by what that
distance asks for, differently in each pixel of a 4×4 block; a filter along surfaces averages the block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import moderngl

from pipeline.render.context import set_uniforms
from pipeline.render.targets import Targets, draw_fullscreen

COARSE = 4                 # pixels per cell of the coarse grid
STRIDES = (1, 2, 4, 8)     # cells between taps; together they reach 30 cells to each side
TOLERANCE = 0.0015         # of the product's size, off a surface's plane
VICINITY = 0.25            # of the product's size, how far surfaces light each other

Use = Callable[[str], moderngl.Program]


class SoftShadows:
    """Targets of one tile, released at the end of the block; run() fills them.

    ``shares``: of the key light, of all others, of the surroundings. ``place`` and ``face`` tell which
    surface they belong to; ``behind`` are the shares of what lies behind it at its edge; ``around`` is the mean
    albedo and openness of what surrounds a point, on the coarse grid whose
    places are ``cells``.
    """

    def __init__(self, context: moderngl.Context, size: tuple[int, int]) -> None:
        self.context, self.size = context, size
        coarse = (-(-size[0] // COARSE), -(-size[1] // COARSE))
        self._found = Targets(context, coarse, ("f2", "f2", "f4", "f2"), depth=False)
        self._widened = tuple(Targets(context, coarse, ("f2", "f2"), depth=False) for _ in range(2))
        self._raw = Targets(context, size, ("f2", "f4", "f2", "f2"), depth=False)
        self._softened = tuple(Targets(context, size, ("f2",), depth=False) for _ in range(2))
        _, self.place, self.face, self.behind = self._raw.colors
        self.shares = self._softened[1].colors[0]
        self.cells = self._found.colors[2]
        self.around = self._widened[(len(STRIDES) - 1) % 2].colors[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        for target in (self._found, *self._widened, self._raw, *self._softened):
            target.__exit__(kind, error, trace)

    def run(self, program: Use, inputs: Mapping[str, moderngl.Texture], atlas: moderngl.Texture,
            uniforms: Mapping[str, Any]) -> None:
        """Fill the targets. ``program`` returns a fragment shader's program with the lights set."""
        plain = self.context.sampler(filter=(moderngl.NEAREST, moderngl.NEAREST), repeat_x=False, repeat_y=False)
        compared = self.context.sampler(filter=(moderngl.LINEAR, moderngl.LINEAR), repeat_x=False, repeat_y=False,
                                        compare_func="<=")
        blockers, around, place, face = self._found.colors
        self._draw(self._found, program("blockers.frag"), {**inputs, "atlas": atlas}, uniforms, {"atlas": plain})
        for step, stride in enumerate(STRIDES):
            target = self._widened[step % 2]
            self._draw(target, program("widen.frag"), {"blockers": blockers, "around": around, "place": place,
                                                       "face": face}, {**uniforms, "stride": stride})
            blockers, around = target.colors
        self._draw(self._raw, program("shadow.frag"),
                   {**inputs, "atlas": atlas, "atlas_depth": atlas, "blockers": blockers, "place": place,
                    "face": face}, uniforms, {"atlas": compared, "atlas_depth": plain})
        shares = self._raw.colors[0]
        for target, axis in zip(self._softened, ((1, 0), (0, 1)), strict=True):
            self._draw(target, program("soften.frag"), {"shares": shares, "place": self.place, "face": self.face},
                       {**uniforms, "axis": axis})
            shares = target.colors[0]
        plain.release()
        compared.release()

    def _draw(self, target: Targets, program: moderngl.Program, textures: Mapping[str, moderngl.Texture],
              uniforms: Mapping[str, Any], samplers: Mapping[str, moderngl.Sampler] | None = None) -> None:
        target.begin()
        bind_textures(program, textures)
        set_uniforms(program, uniforms)
        units = list(textures)
        for name, sampler in (samplers or {}).items():
            sampler.use(units.index(name))
        draw_fullscreen(self.context, program)
        for name, sampler in (samplers or {}).items():
            sampler.clear(units.index(name))


def bind_textures(program: moderngl.Program, textures: Mapping[str, moderngl.Texture | moderngl.TextureArray]) -> None:
    """Bind textures to units in their order, and tell the program's samplers."""
    for unit, (name, texture) in enumerate(textures.items()):
        texture.use(unit)
        set_uniforms(program, {name: unit})
