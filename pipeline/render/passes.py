"""One shot's control passes, rendered.

Material and light are rendered for the product's rectangle of the frame only, with 2×2 samples
per pixel; coverage with 4×4; ids, depth, uv and normals exactly at pixel centres. Averages of
``base_color``, ``diffuse_albedo``, ``diffuse``, ``specular`` and ``emissive`` are over covered
samples, so they do not darken towards the silhouette, and

    product.rgb = alpha · (diffuse_albedo · diffuse + specular + emissive)
    beauty.rgb  = product.rgb + (1 − alpha) · plate

hold in every pixel to half precision. All five are 0 where alpha is 0.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region, Shot
from pipeline.errors import RenderError
from pipeline.mesh.types import Mesh
from pipeline.render.camera import Target, project, solve_camera, toe_direction, world_points
from pipeline.render.context import build_program, open_context, set_uniforms
from pipeline.render.environment import Heading, Lights, box_frame, sample_lights
from pipeline.render.framing import region_target
from pipeline.render.geometry import CHART_ROW, MeshBuffers
from pipeline.render.shadows import DEFINES, ShadowAtlas, cast_shadows, light_floor
from pipeline.render.stages import Stage, find_stage
from pipeline.render.textures import Textures
from pipeline.render.types import CameraMatrices, ControlPasses

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
SAMPLES = 2                # per axis, of material and light
COVERAGE_SAMPLES = 4       # per axis, of coverage
MAX_TILE = 1536            # pixels; bounds memory and stays within what software GL can render to
FLOOR_REACH = 3.2          # of the product's size, how far its shadow may fall
_EMPTY_BOX = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class Scene:
    """The product's place in the world."""

    points: F64                            # (N, 3) outermost points
    centre: F64                            # on the floor, below the product's middle
    size: float                            # metres: the larger of its sides


@dataclass(frozen=True, slots=True)
class _Lighting:
    key: tuple[object, ...]
    lights: Lights
    atlas: ShadowAtlas
    floor: moderngl.Texture

    def release(self) -> None:
        self.atlas.release()
        self.floor.release()


@dataclass
class Timings:
    """Seconds spent on each part of the last shot."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, started: float) -> float:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - started
        return now


class Renderer:
    """Renders shots; keeps the last mesh and its shadow maps on the GPU. Use as a context manager."""

    def __init__(self) -> None:
        self.context = open_context()
        self.timings = Timings()
        self._programs: dict[str, moderngl.Program] = {}
        self._loaded: tuple[Mesh, Textures, MeshBuffers] | None = None
        self._lighting: _Lighting | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()

    def close(self) -> None:
        self._forget()
        for program in self._programs.values():
            program.release()
        self._programs.clear()
        self.context.release()

    def render(self, mesh: Mesh, shot: Shot, textures: Textures, region: Region | None = None) -> ControlPasses:
        """All passes of one shot. ``region`` is the region to frame where the shot frames one.

        Raises RenderError ``stage_unknown``, ``camera_unknown``, ``region_not_found``, ``shot_empty`` or
        ``shot_unframeable``.
        """
        self.timings = Timings()
        started = time.perf_counter()
        stage = find_stage(shot.stage)
        scene = _scene(mesh, shot.instances)
        target = Target(scene.points)
        if shot.framed_region is not None:
            if region is None:
                raise RenderError("region_not_found", f"Shot {shot.name} frames region {shot.framed_region!r}, "
                                  "which is not among the product's regions.", "Check `regions:` in product.yaml.")
            target = region_target(mesh, shot.instances, region, scene.points)
        camera = solve_camera(mesh, shot, target)
        buffers = self._load(mesh, textures)
        started = self.timings.add("setup", started)
        heading = Heading.of(camera.view[:3, :3])
        lighting = self._light(buffers, shot, stage, heading, scene)
        self.context.finish()
        started = self.timings.add("shadows", started)
        frame = _Frame(shot.width, shot.height)
        for tile in _tiles(camera, shot, scene.points):
            self._render_tile(frame, tile, camera, shot, stage, heading, scene, buffers, lighting)
        started = time.perf_counter()
        self._render_plate(frame, camera, stage, heading, scene, lighting)
        self.timings.add("plate", started)
        return _assemble(frame, mesh, shot, camera, stage, scene)

    # What stays on the GPU between shots

    def _load(self, mesh: Mesh, textures: Textures) -> MeshBuffers:
        if self._loaded is None or self._loaded[0] is not mesh or self._loaded[1] is not textures:
            self._forget()
            self._loaded = (mesh, textures, MeshBuffers(self.context, mesh, textures))
        return self._loaded[2]

    def _forget(self) -> None:
        if self._lighting is not None:
            self._lighting.release()
        if self._loaded is not None:
            self._loaded[2].release()
        self._lighting, self._loaded = None, None

    def _light(self, buffers: MeshBuffers, shot: Shot, stage: Stage, heading: Heading, scene: Scene) -> _Lighting:
        key = (stage.sha256, shot.instances, heading.front.tobytes())
        if self._lighting is not None and self._lighting.key == key:
            return self._lighting
        if self._lighting is not None:
            self._lighting.release()
        lights = sample_lights(stage, heading)
        atlas = cast_shadows(self.context, buffers, shot.instances, lights, scene.points,
                             self._program("shadow_solid.vert", "shadow_solid.frag"),
                             self._program("shadow.vert", "shadow.frag"))
        floor, blur = self._program("fullscreen.vert", "floor.frag"), self._program("fullscreen.vert", "floor_blur.frag")
        for program in (floor, blur):
            set_uniforms(program, _floor_uniforms(scene))
        self._use_lights(floor, stage, heading, lights, atlas, scene)
        self._lighting = _Lighting(key, lights, atlas, light_floor(self.context, atlas, floor, blur))
        return self._lighting

    def _program(self, vertex: str, fragment: str) -> moderngl.Program:
        name = f"{vertex} {fragment}"
        if name not in self._programs:
            self._programs[name] = build_program(self.context, vertex, fragment, {**DEFINES, "CHART_ROW": CHART_ROW})
        return self._programs[name]

    def _use_lights(self, program: moderngl.Program, stage: Stage, heading: Heading, lights: Lights,
                    atlas: ShadowAtlas, scene: Scene) -> None:
        program["Lights"].binding = 0
        atlas.block.bind_to_uniform_block(0)
        frames = [box_frame(box, heading) for box in stage.softboxes]
        spare = 4 - len(frames)
        axes, rights, ups = ([tuple(getattr(frame, name)) for frame in frames] + [empty] * spare
                             for name, empty in zip(("axis", "right", "up"), _EMPTY_BOX, strict=True))
        set_uniforms(program, {
            "light_count": len(lights.directions), "key_count": lights.key, "dome_first": lights.dome,
            "box_count": len(frames), "box_axis": axes, "box_right": rights, "box_up": ups,
            "box_half": [frame.half for frame in frames] + [(0.1, 0.1)] * spare,
            "box_radiance": [tuple(frame.radiance) for frame in frames] + [(0.0, 0.0, 0.0)] * spare,
            "dome_zenith": stage.dome_zenith, "dome_horizon": stage.dome_horizon,
            "floor_albedo": stage.floor_albedo, "floor_light": tuple(lights.irradiance(np.array([0.0, 1.0, 0.0]))),
            "floor_y": float(scene.centre[1]), "product_size": scene.size,
        })

    # The passes

    def _render_tile(self, frame: _Frame, tile: Tile, camera: CameraMatrices, shot: Shot, stage: Stage,
                     heading: Heading, scene: Scene, buffers: MeshBuffers, lighting: _Lighting) -> None:
        """All product passes of one rectangle of the frame."""
        started = time.perf_counter()
        context, width, height = self.context, tile.width, tile.height
        clip = tile.crop(shot) @ camera.projection @ camera.view
        eye = tuple(np.linalg.inv(camera.view)[:3, 3])
        common = {"view": camera.view, "clip": clip, "eye": eye}

        points = self._program("mesh.vert", "points.frag")
        set_uniforms(points, {**common, "to_camera": camera.view[:3, :3]})
        with _Targets(context, (width, height), ("f2", "f2", "f4", "u4")) as exact:
            exact.begin()
            buffers.draw(points, shot.instances)
            normal, face, depth_uv, ids = (exact.read(index) for index in range(4))
        inside = ids[..., 3] > 0
        area = tile.slices
        frame.normal[area], frame.face[area] = normal[..., :3], face[..., :3]
        frame.depth[area] = np.where(inside, depth_uv[..., 0], np.inf)
        frame.uv[area] = np.where(inside[..., None], depth_uv[..., 1:3], np.nan)
        frame.ids[area] = ids[..., :3]
        started = self.timings.add("points", started)

        coverage = self._program("mesh.vert", "coverage.frag")
        set_uniforms(coverage, common)
        gbuffer = self._program("mesh.vert", "gbuffer.frag")
        set_uniforms(gbuffer, common)
        shade = self._program("fullscreen.vert", "shade.frag")
        samples = (width * SAMPLES, height * SAMPLES)
        with (_Targets(context, (width * COVERAGE_SAMPLES, height * COVERAGE_SAMPLES), ("f1",), components=1,
                       depth=False) as covered,
              _Targets(context, samples, ("f2", "f2", "f2", "f2", "f1")) as material,
              _Targets(context, (width, height), ("f2",) * 6, depth=False) as lit):
            covered.begin()
            buffers.draw(coverage, shot.instances)
            context.finish()
            started = self.timings.add("coverage", started)
            material.begin()
            buffers.draw(gbuffer, shot.instances)
            context.finish()
            started = self.timings.add("material", started)
            lit.begin()
            self._use_lights(shade, stage, heading, lighting.lights, lighting.atlas, scene)
            names = ("g_base", "g_normal", "g_face", "g_emissive", "g_coat", "g_depth", "coverage", "atlas")
            inputs = (*material.colors, material.depth, covered.colors[0], lighting.atlas.texture)
            for unit, (name, texture) in enumerate(zip(names, inputs, strict=True)):
                assert texture is not None
                texture.use(unit)
                set_uniforms(shade, {name: unit})
            set_uniforms(shade, {"unproject": np.linalg.inv(clip), "frame_samples": samples, "eye": eye,
                                 "texel": lighting.atlas.texel})
            _draw_fullscreen(context, shade)
            for index, name in enumerate(("product", "base", "albedo", "specular", "emissive", "diffuse")):
                getattr(frame, name)[area] = lit.read(index)[..., :getattr(frame, name).shape[2]]
        self.timings.add("shade", started)

    def _render_plate(self, frame: _Frame, camera: CameraMatrices, stage: Stage, heading: Heading, scene: Scene,
                      lighting: _Lighting) -> None:
        program = self._program("fullscreen.vert", f"plate_{stage.backdrop}.frag")
        lights = lighting.lights
        up, key = np.array([0.0, 1.0, 0.0]), slice(0, lights.key)
        key_only = Lights(lights.directions[key], lights.colors[key], lights.key, lights.key)
        flip = np.diag([1.0, -1.0, 1.0, 1.0])
        set_uniforms(program, _floor_uniforms(scene) | {
            "unproject": np.linalg.inv(flip @ camera.projection @ camera.view),
            "frame_size": (frame.width, frame.height), "floor_ratio": 0,
            "stage_front": tuple(heading.front), "stage_right": tuple(heading.right),
            "shadow_strength": stage.shadow_strength, "floor_albedo": stage.floor_albedo,
            "floor_light": tuple(lights.irradiance(up)), "wall_light": tuple(lights.irradiance(heading.front)),
            "key_direction": tuple(box_frame(stage.key, heading).axis),
            "key_floor": tuple(key_only.irradiance(up)), "key_wall": tuple(key_only.irradiance(heading.front)),
        })
        lighting.floor.use(0)
        with _Targets(self.context, (frame.width, frame.height), ("f2",), depth=False) as target:
            target.begin()
            _draw_fullscreen(self.context, program)
            frame.plate[...] = target.read(0)[..., :3]


class _Targets:
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


def _draw_fullscreen(context: moderngl.Context, program: moderngl.Program) -> None:
    array = context.vertex_array(program, [])
    array.render(moderngl.TRIANGLES, vertices=3)
    array.release()


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the frame in whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def crop(self, shot: Shot) -> F64:
        """4×4: full-frame ndc → the tile's ndc with y down."""
        scale = np.array([shot.width / self.width, -shot.height / self.height])
        middle = np.array([2 * self.left + self.width, 2 * self.top + self.height]) / [shot.width, shot.height] - 1.0
        matrix = np.diag([scale[0], scale[1], 1.0, 1.0])
        matrix[0, 3] = -middle[0] * scale[0]
        matrix[1, 3] = -middle[1] * -scale[1]
        return matrix


def _tiles(camera: CameraMatrices, shot: Shot, points: F64) -> Iterator[Tile]:
    """The rectangle of the frame that the product may touch, cut so that no tile is too large."""
    pixels = project(camera, points, shot.width, shot.height)
    if np.isnan(pixels).any():
        low, high = np.zeros(2, int), np.array([shot.width, shot.height])
    else:
        low = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 2, 0, [shot.width, shot.height])
        high = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 2, 0, [shot.width, shot.height])
    for top in range(int(low[1]), int(high[1]), MAX_TILE):
        for left in range(int(low[0]), int(high[0]), MAX_TILE):
            yield Tile(left, top, min(MAX_TILE, int(high[0]) - left), min(MAX_TILE, int(high[1]) - top))


class _Frame:
    """Full-size arrays that tiles are written into; untouched memory costs nothing."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.product, self.base, self.albedo = (np.zeros((height, width, 4), np.float32) for _ in range(3))
        self.specular, self.emissive, self.diffuse, self.plate, self.normal, self.face = (
            np.zeros((height, width, 3), np.float32) for _ in range(6))
        self.depth = np.full((height, width), np.inf, np.float32)
        self.uv = np.full((height, width, 2), np.nan, np.float32)
        self.ids = np.zeros((height, width, 3), np.uint32)


def _scene(mesh: Mesh, instances: tuple[Instance, ...]) -> Scene:
    points = world_points(mesh, instances)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    return Scene(points, np.array([middle[0], low[1], middle[2]]), float((high - low).max()))


def _floor_uniforms(scene: Scene) -> dict[str, Any]:
    return {"floor_centre": tuple(scene.centre), "floor_reach": FLOOR_REACH * scene.size, "product_size": scene.size}


def _assemble(frame: _Frame, mesh: Mesh, shot: Shot, camera: CameraMatrices, stage: Stage, scene: Scene
              ) -> ControlPasses:
    alpha = np.ascontiguousarray(frame.product[..., 3])
    beauty = np.empty_like(frame.product)
    beauty[..., :3] = frame.product[..., :3] + (1.0 - alpha[..., None]) * frame.plate
    beauty[..., 3] = 1.0
    # Every pass is what a file can hold, so rendering and loading give the same numbers.
    beauty = beauty.astype(np.float16).astype(np.float32)
    names = [material.name for material in mesh.materials]
    return ControlPasses(
        shot=shot, camera=camera, stage_hash=stage.sha256, white_backdrop=stage.white_backdrop,
        key_chromaticity=stage.key_chromaticity,
        toe_direction=toe_direction(mesh, shot, camera, scene.centre),
        beauty=beauty, product=frame.product, plate=frame.plate, alpha=alpha,
        base_color=np.ascontiguousarray(frame.base[..., :3]), diffuse_albedo=np.ascontiguousarray(frame.albedo[..., :3]),
        diffuse=frame.diffuse, specular=frame.specular, emissive=frame.emissive,
        visibility=np.ascontiguousarray(frame.base[..., 3]), ao=np.ascontiguousarray(frame.albedo[..., 3]),
        normal=frame.normal, normal_geometric=frame.face, depth=frame.depth, uv=frame.uv,
        instance_id=np.ascontiguousarray(frame.ids[..., 0]), material_id=np.ascontiguousarray(frame.ids[..., 1]),
        chart_id=np.ascontiguousarray(frame.ids[..., 2]),
        material_names=tuple(names), material_kinds=tuple(material.kind for material in mesh.materials))


def content_hash(passes: ControlPasses) -> str:
    """sha256 over every array, for golden tests."""
    digest = hashlib.sha256()
    for name in ControlPasses.__dataclass_fields__:
        value = getattr(passes, name)
        if isinstance(value, np.ndarray):
            digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()
