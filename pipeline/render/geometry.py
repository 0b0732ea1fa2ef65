"""A mesh and its textures on the GPU, one draw call per material and instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render.context import set_uniforms
from pipeline.render.textures import SLOTS, Textures, key_of

CHART_ROW = 4096           # triangles per row of the chart id texture
ANISOTROPY = 4.0           # 2×2 supersampling does the rest
SIMPLE_CASTER = 25_000     # triangles that are drawn into shadow maps as they are
CASTER_GRID = 400          # cells along the longest side of heavier meshes
COARSEST_GRID = 160         # cells: three texels of a shadow map each
MOST_CASTERS = 30_000      # triangles; the grid gets coarser to stay near it
MAX_SEE_THROUGH = 0.4      # glass keeps at least 60 % opacity, so that its shape stays in the mask
_SRGB8_ALPHA8 = 0x8C43
_SAMPLERS = ("t_base", "t_normal", "t_metallic_roughness", "t_occlusion", "t_emissive", "t_roughness", "t_metallic",
             "t_opacity")
_ATTRIBUTES = ("in_position", "in_normal", "in_uv0", "in_uv1", "in_color", "in_tangent")


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive triangles of one material."""

    material: int
    first: int                             # triangle in drawing order
    count: int


class Programs(NamedTuple):
    """One shader in two variants; see is_solid."""

    solid: moderngl.Program
    pierced: moderngl.Program              # asks each fragment whether it is a hole


class MeshBuffers:
    """Vertex buffers, textures and per-triangle ids of one mesh; release() when done."""

    def __init__(self, context: moderngl.Context, mesh: Mesh, textures: Textures) -> None:
        self.context = context
        self.mesh = mesh
        order = np.argsort(mesh.triangle_material, kind="stable")
        materials = mesh.triangle_material[order].astype(np.int64)
        starts = np.flatnonzero(np.r_[True, materials[1:] != materials[:-1]])
        ends = np.r_[starts[1:], len(materials)]
        self.parts = tuple(Part(int(materials[a]), int(a), int(b - a)) for a, b in zip(starts, ends, strict=True))
        self.indices = context.buffer(np.ascontiguousarray(mesh.triangles[order], np.uint32).tobytes())
        self.columns = {name: context.buffer(np.ascontiguousarray(column, np.float32).tobytes())
                        for name, column in _columns(mesh).items()}
        self.charts = _id_texture(context, mesh.triangle_chart[order].astype(np.uint32) + 1
                                  if mesh.uv_sets else np.ones(len(order), np.uint32))
        self.blank = context.texture((1, 1), 4, b"\xff\xff\xff\xff")
        self.textures: dict[tuple[tuple[str, str], bool, str, str, bool], moderngl.Texture] = {}
        self.mirrored: dict[tuple[tuple[str, str], bool, str, str, bool], moderngl.Texture] = {}
        for material in mesh.materials:
            for slot, ref in material.textures.items():
                coded = slot in ("base_color", "emissive")
                self._upload(self.textures, ref, coded, textures.of(ref))
                if key_of(ref) in textures.mirrored:
                    self._upload(self.mirrored, ref, coded, textures.of(ref, mirrored=True))
        casters = _casters(mesh)
        self.casters = context.buffer(casters.tobytes()) if len(casters) else None
        self._arrays: dict[tuple[int, bool], moderngl.VertexArray] = {}

    def _upload(self, held: dict[tuple[tuple[str, str], bool, str, str, bool], moderngl.Texture], ref: TextureRef,
                coded: bool, image: NDArray[np.uint8]) -> None:
        key = (key_of(ref), coded, ref.wrap_u, ref.wrap_v, ref.nearest)
        if key in held:
            return
        size = (image.shape[1], image.shape[0])
        texture = (self.context.texture(size, 4, image.tobytes(), internal_format=_SRGB8_ALPHA8) if coded
                   else self.context.texture(size, 4, image.tobytes()))
        texture.build_mipmaps()
        magnified = moderngl.NEAREST if ref.nearest else moderngl.LINEAR
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, magnified)
        texture.anisotropy = ANISOTROPY
        # Mirroring is done in the shader and stays within 0..1.
        texture.repeat_x = ref.wrap_u == "repeat"
        texture.repeat_y = ref.wrap_v == "repeat"
        held[key] = texture

    def draw(self, programs: Programs, instances: tuple[Instance, ...]) -> None:
        """Draw every instance with the programs' camera uniforms already set."""
        self._draw_parts(programs.solid, instances, self._parts(solid=True))
        self._draw_parts(programs.pierced, instances, self._parts(solid=False))

    def draw_casters(self, programs: Programs, instances: tuple[Instance, ...]) -> None:
        """Draw what casts shadows: solid triangles simplified, the others as they are."""
        if self.casters is not None:
            array = self._array(programs.solid, self.casters)
            for instance in instances:
                set_uniforms(programs.solid, {"model": np.asarray(instance.world, np.float64)})
                array.render(moderngl.TRIANGLES)
        self._draw_parts(programs.pierced, instances, self._parts(solid=False))

    def _parts(self, solid: bool) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if is_solid(self.mesh.materials[part.material]) == solid)

    def _draw_parts(self, program: moderngl.Program, instances: tuple[Instance, ...], parts: tuple[Part, ...]) -> None:
        if not parts:
            return
        self.charts.use(len(SLOTS))
        array = self._array(program, self.indices)
        set_uniforms(program, {"has_tangents": self.mesh.tangents is not None, "charts": len(SLOTS)})
        for number, instance in enumerate(instances, start=1):
            model = np.asarray(instance.world, np.float64)
            set_uniforms(program, {"model": model, "normal_matrix": np.linalg.inv(model[:3, :3]).T,
                                   "instance_id": number})
            for part in parts:
                self._bind(program, part.material, instance.mirrored)
                set_uniforms(program, {"material_id": part.material + 1, "first_triangle": part.first})
                array.render(moderngl.TRIANGLES, vertices=part.count * 3, first=part.first * 3)

    def _array(self, program: moderngl.Program, indices: moderngl.Buffer) -> moderngl.VertexArray:
        key = (program.glo, indices is self.casters)
        if key not in self._arrays:
            used = [name for name in _ATTRIBUTES if name in program]
            content = [(self.columns[name], f"{_width(name)}f", name) for name in used]
            self._arrays[key] = self.context.vertex_array(program, content, indices)
        return self._arrays[key]

    def _bind(self, program: moderngl.Program, index: int, mirrored: bool) -> None:
        if "m_base" not in program and "t_transform" not in program:
            return                         # a program that looks at no material
        material = self.mesh.materials[index]
        set_uniforms(program, material_uniforms(material))
        for unit, (slot, sampler) in enumerate(zip(SLOTS, _SAMPLERS, strict=True)):
            if sampler not in program:
                continue
            set_uniforms(program, {sampler: unit})
            ref = material.textures.get(slot)
            texture = self.blank
            if ref is not None:
                key = key_of(ref), slot in ("base_color", "emissive"), ref.wrap_u, ref.wrap_v, ref.nearest
                texture = self.mirrored[key] if mirrored and key in self.mirrored else self.textures[key]
            texture.use(unit)

    def release(self) -> None:
        for array in self._arrays.values():
            array.release()
        for texture in (*self.textures.values(), *self.mirrored.values()):
            texture.release()
        for buffer in self.columns.values():
            buffer.release()
        self.indices.release()
        if self.casters is not None:
            self.casters.release()
        self.charts.release()
        self.blank.release()


def is_solid(material: Material) -> bool:
    """Whether the material lets no light through anywhere."""
    return material.alpha_mode == "opaque" and material.transmission == 0.0


def material_uniforms(material: Material) -> Mapping[str, Any]:
    refs = [material.textures.get(slot) for slot in SLOTS]
    return {
        "m_base": material.base_color,
        "m_emissive": material.emissive,
        "m_surface": (material.metallic, material.roughness, material.clearcoat, material.sheen),
        "m_specular": float(not material.unlit),
        "m_opacity": 1.0 - MAX_SEE_THROUGH * material.transmission,
        "m_alpha_mode": ("opaque", "mask", "blend").index(material.alpha_mode),
        "m_cutoff": material.alpha_cutoff,
        "t_present": sum(1 << index for index, ref in enumerate(refs) if ref is not None),
        "t_transform": np.stack([_transform(ref) for ref in refs]),
        "m_strength": tuple(material.textures[slot].strength if slot in material.textures else 1.0
                            for slot in ("normal", "occlusion")),
        "t_uv_set": [min(ref.uv_set, 1) if ref else 0 for ref in refs],
        "t_mirror": [(int(ref.wrap_u == "mirror"), int(ref.wrap_v == "mirror")) if ref else (0, 0) for ref in refs],
        "t_clamp": [(int(ref.wrap_u == "clamp"), int(ref.wrap_v == "clamp")) if ref else (0, 0) for ref in refs],
    }


def _transform(ref: TextureRef | None) -> NDArray[np.float64]:
    """3×3 uv transform of KHR_texture_transform: offset + R·(scale·uv), counter-clockwise with v running down."""
    if ref is None:
        return np.eye(3)
    cosine, sine = np.cos(ref.rotation), np.sin(ref.rotation)
    matrix = np.eye(3)
    matrix[:2, :2] = np.array([[cosine, sine], [-sine, cosine]]) @ np.diag(ref.scale)
    matrix[:2, 2] = ref.offset
    return matrix


def transformed_uv(uv: NDArray[np.floating], ref: TextureRef | None) -> NDArray[np.float64]:
    """(N, 2) uv after the texture's transform, before wrapping."""
    matrix = _transform(ref)
    return np.asarray(uv, np.float64) @ matrix[:2, :2].T + matrix[:2, 2]


def _casters(mesh: Mesh) -> NDArray[np.uint32]:
    """(T, 3) vertices of the solid triangles, without what a shadow map cannot show.

    Heavy meshes are simplified by vertex clustering (J. Rossignac and P. Borrel 1993) on a grid of
    about one shadow texel; each cluster is drawn at one of its own vertices.
    """
    solid = np.array([is_solid(material) for material in mesh.materials])
    triangles = mesh.triangles[solid[mesh.triangle_material]]
    if len(triangles) <= SIMPLE_CASTER:
        return np.ascontiguousarray(triangles, np.uint32)
    cells = CASTER_GRID
    coarse = _clustered(mesh, triangles, cells)
    while len(coarse) > MOST_CASTERS and cells > COARSEST_GRID:
        cells = max(COARSEST_GRID, cells * 4 // 5)
        coarse = _clustered(mesh, triangles, cells)
    return coarse


def _clustered(mesh: Mesh, triangles: NDArray[np.uint32], cells: int) -> NDArray[np.uint32]:
    """Triangles between the cells of a grid with ``cells`` along the longest side."""
    low, high = mesh.bounds
    size = max(float((high - low).max()) / cells, 1e-12)
    grid = np.floor((mesh.positions - low) / size).astype(np.int64)
    _, first, cluster = np.unique(grid @ np.array([1, 1 << 20, 1 << 40]), return_index=True, return_inverse=True)
    merged = np.sort(cluster[triangles], axis=1)
    merged = merged[(merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2])]
    _, kept = np.unique((merged[:, 0] * len(first) + merged[:, 1]) * len(first) + merged[:, 2], return_index=True)
    return np.ascontiguousarray(first[merged[kept]], np.uint32)


def _width(name: str) -> int:
    return {"in_uv0": 2, "in_uv1": 2, "in_color": 4, "in_tangent": 4}.get(name, 3)


def _columns(mesh: Mesh) -> dict[str, NDArray[np.float32]]:
    count = len(mesh.positions)
    uv = [mesh.uv_sets[0] if mesh.uv_sets else np.zeros((count, 2), np.float32), _second_uv(mesh)]
    return {
        "in_position": mesh.positions, "in_normal": mesh.normals, "in_uv0": uv[0], "in_uv1": uv[1],
        "in_color": mesh.colors if mesh.colors is not None else np.ones((count, 4), np.float32),
        "in_tangent": mesh.tangents if mesh.tangents is not None else np.zeros((count, 4), np.float32),
    }


def _second_uv(mesh: Mesh) -> NDArray[np.float32]:
    """(V, 2) the set that a material's textures use beside set 0; a vertex belongs to one material."""
    others = [next((ref.uv_set for ref in material.textures.values() if ref.uv_set > 0), 0)
              for material in mesh.materials]
    if not any(others):
        return mesh.uv_sets[0] if mesh.uv_sets else np.zeros((len(mesh.positions), 2), np.float32)
    chosen = mesh.uv_sets[0].copy()
    for material, other in enumerate(others):
        if other:
            vertices = mesh.triangles[mesh.triangle_material == material].ravel()
            chosen[vertices] = mesh.uv_sets[other][vertices]
    return chosen


def _id_texture(context: moderngl.Context, ids: NDArray[np.uint32]) -> moderngl.Texture:
    rows = -(-len(ids) // CHART_ROW)
    padded = np.zeros(rows * CHART_ROW, np.uint32)
    padded[:len(ids)] = ids
    return context.texture((CHART_ROW, rows), 1, padded.tobytes(), dtype="u4")
