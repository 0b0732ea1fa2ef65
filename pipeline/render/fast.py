"""Colour and depth of a mesh, and nothing else: the quickest look at a product.

One sample per pixel, base colour without light, two narrow targets: RGBA8, and the depth buffer, which
is turned into metres on the CPU. That costs less than a float target of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.colour import srgb_encode
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render.context import build_program, open_context, set_uniforms
from pipeline.render.geometry import material_uniforms
from pipeline.render.textures import Textures
from pipeline.render.types import CameraMatrices

_Y_DOWN = np.diag([1.0, -1.0, 1.0, 1.0])   # row 0 is the image's top


@dataclass(frozen=True, slots=True)
class ColorDepth:
    """One picture of H × W pixels."""

    color: NDArray[np.uint8]               # (H, W, 4) base colour in sRGB code values; 0 where nothing is
    depth: NDArray[np.float32]             # (H, W) metres along the view axis; background +inf


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive triangles of one material, ready to be drawn."""

    material: Material
    array: moderngl.VertexArray
    texture: moderngl.Texture | None
    first: int                             # index
    count: int


class FastRenderer:
    """Draws colour and depth; keeps the last mesh and the last size on the GPU. Use as a context manager.

    Colours multiply in code values, mipmaps are not blended, blended materials are drawn opaque: what a
    preview bears. For exact passes there is Renderer.
    """

    def __init__(self) -> None:
        self.context = open_context()
        self._programs: dict[tuple[bool, ...], moderngl.Program] = {}
        self._loaded: tuple[Mesh, Textures, tuple[_Part, ...]] | None = None
        self._held: list[moderngl.Buffer | moderngl.Texture | moderngl.VertexArray] = []
        self._target: moderngl.Framebuffer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()

    def close(self) -> None:
        with self.context:
            self._forget()
            self._forget_target()
            for program in self._programs.values():
                program.release()
        self.context.release()

    def draw(self, mesh: Mesh, textures: Textures, camera: CameraMatrices, size: tuple[int, int]) -> ColorDepth:
        """Draw the mesh as it lies in the world; ``size`` is (width, height) in pixels."""
        with self.context:
            target = self._framebuffer(size)
            target.use()
            target.clear(depth=1.0)
            self.context.enable_only(moderngl.DEPTH_TEST)
            projection, near = _endless(camera.projection)
            clip = _Y_DOWN @ projection @ camera.view
            for part in self._load(mesh, textures):
                self._draw(part, clip)
            width, height = size
            color = np.empty((height, width, 4), np.uint8)
            depth = np.empty((height, width), np.float32)
            target.read_into(color, components=4)
            target.read_into(depth, components=1, attachment=-1, dtype="f4")
        return ColorDepth(color, _metres(depth, near))

    def _draw(self, part: _Part, clip: NDArray[np.float64]) -> None:
        material = part.material
        ref = material.textures.get("base_color")
        values = {"clip": clip, "base": (*map(float, srgb_encode(np.array(material.base_color[:3]))),
                                         material.base_color[3]), "cutoff": material.alpha_cutoff}
        if part.texture is not None and ref is not None:
            part.texture.use(0)
            # The first slot is the base colour's.
            placed = material_uniforms(material)
            values |= {"t_base": 0, "uv_transform": placed["t_transform"][0], "uv_set": ref.uv_set,
                       "mirrored": placed["t_mirror"][0]}
        set_uniforms(part.array.program, values)
        part.array.render(moderngl.TRIANGLES, vertices=part.count, first=part.first)

    # What stays on the GPU

    def _framebuffer(self, size: tuple[int, int]) -> moderngl.Framebuffer:
        if self._target is None or self._target.size != size:
            self._forget_target()
            self._target = self.context.framebuffer(self.context.renderbuffer(size),
                                                    self.context.depth_renderbuffer(size))
        return self._target

    def _load(self, mesh: Mesh, textures: Textures) -> tuple[_Part, ...]:
        if self._loaded is None or self._loaded[0] is not mesh or self._loaded[1] is not textures:
            self._forget()
            self._loaded = (mesh, textures, self._upload(mesh, textures))
        return self._loaded[2]

    def _upload(self, mesh: Mesh, textures: Textures) -> tuple[_Part, ...]:
        context = self.context
        order = np.argsort(mesh.triangle_material, kind="stable")
        one = len(mesh.materials) == 1 or bool((mesh.triangle_material == mesh.triangle_material[0]).all())
        triangles = mesh.triangles if one else mesh.triangles[order]
        narrow = len(mesh.positions) <= 1 << 16
        indices = context.buffer(np.ascontiguousarray(triangles, np.uint16 if narrow else np.uint32))
        columns = {"in_position": (context.buffer(np.ascontiguousarray(mesh.positions)), "3f")}
        for number, uv in enumerate((*mesh.uv_sets, *mesh.uv_sets[:1])[:2] if mesh.uv_sets else ()):
            columns[f"in_uv{number}"] = (context.buffer(np.ascontiguousarray(uv)), "2f")
        if mesh.colors is not None:
            coded = np.concatenate([srgb_encode(mesh.colors[:, :3]), mesh.colors[:, 3:]], axis=1)
            columns["in_color"] = (context.buffer(np.ascontiguousarray(coded, np.float32)), "4f")
        self._held += [indices, *(buffer for buffer, _ in columns.values())]
        sorted_materials = mesh.triangle_material[order]
        parts = []
        uploaded: dict[TextureRef, moderngl.Texture] = {}
        for index in np.unique(sorted_materials):
            first, end = np.searchsorted(sorted_materials, [index, index + 1])
            material = mesh.materials[index]
            ref = material.textures.get("base_color") if mesh.uv_sets else None
            if ref is not None and ref not in uploaded:
                uploaded[ref] = self._texture(ref, textures)
            program = self._program(textured=ref is not None, mirrored=ref is not None and _mirrors(ref),
                                    colored=mesh.colors is not None, pierced=material.alpha_mode == "mask")
            content = [(buffer, form, name) for name, (buffer, form) in columns.items() if name in program]
            array = context.vertex_array(program, content, indices, index_element_size=2 if narrow else 4)
            self._held.append(array)
            parts.append(_Part(material, array, uploaded[ref] if ref is not None else None,
                               int(first) * 3, int(end - first) * 3))
        return tuple(parts)

    def _texture(self, ref: TextureRef, textures: Textures) -> moderngl.Texture:
        image = textures.of(ref)
        texture = self.context.texture((image.shape[1], image.shape[0]), 4, np.ascontiguousarray(image))
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.NEAREST if ref.nearest else moderngl.LINEAR)
        texture.repeat_x, texture.repeat_y = ref.wrap_u == "repeat", ref.wrap_v == "repeat"
        self._held.append(texture)
        return texture

    def _program(self, *, textured: bool, mirrored: bool, colored: bool, pierced: bool) -> moderngl.Program:
        key = (textured, mirrored, colored, pierced)
        if key not in self._programs:
            defines = {"TEXTURED": int(textured), "MIRRORED": int(mirrored), "COLORED": int(colored),
                       "PIERCED": int(pierced)}
            self._programs[key] = build_program(self.context, "fast.vert", "fast.frag", defines)
        return self._programs[key]

    def _forget(self) -> None:
        for held in reversed(self._held):
            held.release()
        self._held.clear()
        self._loaded = None

    def _forget_target(self) -> None:
        if self._target is not None:
            for attachment in (*self._target.color_attachments, self._target.depth_attachment):
                attachment.release()
            self._target.release()
            self._target = None


def _mirrors(ref: TextureRef) -> bool:
    return "mirror" in (ref.wrap_u, ref.wrap_v)


def _endless(projection: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """A perspective without a far plane, and its near plane in metres: the depth buffer is 1 − near / depth."""
    near = float(projection[2, 3] / (projection[2, 2] - 1.0))
    endless = projection.copy()
    endless[2] = (0.0, 0.0, -1.0, -2.0 * near)
    return endless, near


def _metres(buffer: NDArray[np.float32], near: float) -> NDArray[np.float32]:
    """(H, W) of a depth buffer without a far plane to metres, in place; 1, where nothing is, becomes +inf."""
    np.subtract(1.0, buffer, out=buffer)
    with np.errstate(divide="ignore"):
        np.divide(near, buffer, out=buffer)
    return buffer
