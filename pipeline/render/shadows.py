"""Shadow maps of all lights in one atlas, and the light map of the floor made from them."""

from __future__ import annotations

from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance
from pipeline.render.context import set_uniforms
from pipeline.render.environment import Lights
from pipeline.render.geometry import MeshBuffers, Programs
from pipeline.render.targets import draw_fullscreen

F64 = NDArray[np.float64]
TILE = 512                 # pixels of one light's map
ATLAS_TILES = 8            # tiles across: room for 64 lights
MAX_LIGHTS = ATLAS_TILES * ATLAS_TILES
BORDER = 2                 # pixels of a tile that filters may reach into
FLOOR_MAP = 384            # pixels of the floor's light map
DEFINES = {"MAX_LIGHTS": MAX_LIGHTS, "ATLAS_TILES": ATLAS_TILES, "TILE": TILE}


@dataclass(frozen=True, slots=True)
class ShadowAtlas:
    """Depth of every light's map; ``block`` is the shaders' uniform block of lights."""

    texture: moderngl.Texture
    block: moderngl.Buffer
    texel: float                           # metres a texel spans, at most
    depth: float                           # metres between depth 0 and 1, on average

    def release(self) -> None:
        self.texture.release()
        self.block.release()


def light_matrices(lights: Lights, points: F64) -> tuple[F64, F64]:
    """(L, 4, 4) world → each light's clip space, tight around ``points``; (L, 3) metres spanned."""
    matrices, spans = [], []
    for direction in lights.directions:
        helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
        right = np.cross(helper, direction)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(direction, right), direction])
        local = points @ rotation.T
        low, high = local.min(axis=0), local.max(axis=0)
        margin = 0.01 * float((high - low).max()) + 1e-9
        low, high = low - margin, high + margin
        span = high - low
        matrix = np.eye(4)
        matrix[:3, :3] = rotation * (2.0 / span)[:, None]
        matrix[:3, 3] = -(high + low) / span
        matrix[2] = -matrix[2]             # nearer to the light is a smaller depth
        matrix[2, 3] = (high[2] + low[2]) / span[2]
        matrices.append(matrix)
        spans.append(span)
    return np.stack(matrices), np.stack(spans)


def cast_shadows(context: moderngl.Context, buffers: MeshBuffers, instances: tuple[Instance, ...], lights: Lights,
                 points: F64, programs: Programs) -> ShadowAtlas:
    """Render one depth map per light."""
    matrices, spans = light_matrices(lights, points)
    side = TILE * ATLAS_TILES
    texture = context.depth_texture((side, side))
    texture.repeat_x = texture.repeat_y = False
    target = context.framebuffer(depth_attachment=texture)
    target.use()
    target.clear(depth=1.0)
    context.enable_only(moderngl.DEPTH_TEST)
    context.polygon_offset = (1.0, 2.0)
    for number, matrix in enumerate(matrices):
        column, row = number % ATLAS_TILES, number // ATLAS_TILES
        target.viewport = (column * TILE + BORDER, row * TILE + BORDER, TILE - 2 * BORDER, TILE - 2 * BORDER)
        for program in programs:
            set_uniforms(program, {"clip": matrix, "rank_grid": 4})
        buffers.draw_casters(programs, instances)
    context.polygon_offset = (0.0, 0.0)
    target.release()
    return ShadowAtlas(texture, _block(context, lights, matrices, spans),
                       float(spans[:, :2].max()) / (TILE - 2 * BORDER), float(spans[:, 2].mean()))


def _block(context: moderngl.Context, lights: Lights, matrices: F64, spans: F64) -> moderngl.Buffer:
    """std140: three rows per light from world to 0..1 map coordinates, then directions, colours and patches."""
    count = len(matrices)
    rows = np.zeros((MAX_LIGHTS, 3, 4), np.float32)
    rows[:count] = matrices[:, :3] * 0.5
    rows[:count, :, 3] += 0.5
    vectors = np.zeros((3, MAX_LIGHTS, 4), np.float32)
    vectors[0, :count, :3] = lights.directions
    vectors[1, :count, :3] = lights.colors
    share = (TILE - 2 * BORDER) / (TILE * ATLAS_TILES)
    vectors[2, :count] = np.column_stack([lights.radii[:, None] * share / spans[:, :2], spans[:, 2], lights.radii])
    return context.buffer(rows.tobytes() + vectors.tobytes())


def light_floor(context: moderngl.Context, atlas: ShadowAtlas, floor: moderngl.Program, blur: moderngl.Program
                ) -> moderngl.Texture:
    """The floor's light map: share of light past the product, softened; uniforms are set by the caller."""
    size = (FLOOR_MAP, FLOOR_MAP)
    dark_key, dark_other, soft = (context.texture(size, 4, dtype="f2") for _ in range(3))
    for texture in (dark_key, dark_other, soft):
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
    context.enable_only(moderngl.NOTHING)
    # Distances are read here, not comparisons.
    atlas.texture.compare_func = ""
    atlas.texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
    atlas.texture.use(0)
    _fill(context, (dark_key, dark_other), floor, {"atlas": 0, "atlas_depth": atlas.depth, "map_size": size})
    atlas.texture.compare_func = "<="
    atlas.texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
    for unit, texture in enumerate((dark_key, dark_other)):
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.use(unit)
    _fill(context, (soft,), blur, {"dark_key": 0, "dark_other": 1, "map_size": size})
    dark_key.release()
    dark_other.release()
    return soft


def _fill(context: moderngl.Context, textures: tuple[moderngl.Texture, ...], program: moderngl.Program,
          uniforms: dict[str, object]) -> None:
    set_uniforms(program, uniforms)
    target = context.framebuffer(textures)
    target.use()
    draw_fullscreen(context, program)
    target.release()
