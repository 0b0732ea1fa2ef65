"""From mesh, shot and textures to control passes, on the GPU or its software stand-in.

Material and light are rendered for the product's rectangle of the frame only, with 2×2 samples
per pixel; coverage with 4×4; ids, depth, uv and normals exactly at pixel centres.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region, Shot
from pipeline.mesh.types import Mesh
from pipeline.render.context import build_program, open_context, set_uniforms
from pipeline.render.environment import Lights, sample_lights
from pipeline.render.geometry import CHART_ROW, MeshBuffers, Programs
from pipeline.render.mirror import Mirror, mirror_of
from pipeline.render.panoramas import lit_by
from pipeline.render.passes import Frame, Tile, assemble, tiles_of
from pipeline.render.prefilter import ROUGHNESS
from pipeline.render.scene import Placement, Scene, compose, place
from pipeline.render.sets.draw import SetBuffers, draw_set
from pipeline.render.shadows import DEFINES, ShadowAtlas, cast_shadows, light_floor
from pipeline.render.soften import COARSE, TOLERANCE, VICINITY, SoftShadows, bind_textures
from pipeline.render.stage import Environment, Rgb, Stage
from pipeline.render.stages import stage_of_shot
from pipeline.render.targets import Targets, draw_fullscreen
from pipeline.render.textures import Textures
from pipeline.render.types import ControlPasses

F64 = NDArray[np.float64]
SAMPLES = 2                # per axis, of material and light
COVERAGE_SAMPLES = 4       # per axis, of coverage
MOST_MIRRORS = 4           # stages whose reflections stay on the GPU, 15 MB each
FLOOR_REACH = 3.2          # of the product's size, how far its shadow may fall
_UP = np.array([0.0, 1.0, 0.0])
_MATERIAL = ("g_base", "g_normal", "g_face", "g_emissive", "g_coat")


@dataclass(frozen=True, slots=True)
class _Lighting:
    """What the shots of one pose, stage and heading share."""

    key: tuple[object, ...]
    lights: Lights
    atlas: ShadowAtlas
    floor: moderngl.Texture

    def release(self) -> None:
        self.atlas.release()
        self.floor.release()


@dataclass(frozen=True, slots=True)
class _View:
    """One scene being rendered."""

    scene: Scene
    buffers: MeshBuffers
    lighting: _Lighting
    mirror: Mirror
    indirect: bool


class Renderer:
    """Renders shots; keeps the last mesh and its shadow maps on the GPU. Use as a context manager.

    ``seconds`` tells how long each part of the last shot took.
    """

    def __init__(self) -> None:
        self.context = open_context()
        self.seconds: dict[str, float] = {}
        self._programs: dict[tuple[str, str, bool], moderngl.Program] = {}
        self._loaded: tuple[Mesh, Textures, MeshBuffers] | None = None
        self._placed: tuple[Mesh, tuple[Instance, ...], Placement] | None = None
        self._lighting: _Lighting | None = None
        self._mirrors: dict[str, Mirror] = {}
        self._stage_set: tuple[str, SetBuffers] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()

    def close(self) -> None:
        with self.context:
            self._forget()
            for program in self._programs.values():
                program.release()
            self._programs.clear()
            for mirror in self._mirrors.values():
                mirror.release()
            self._mirrors.clear()
            if self._stage_set is not None:
                self._stage_set[1].release()
                self._stage_set = None
        self.context.release()

    def render(self, mesh: Mesh, shot: Shot, textures: Textures, region: Region | None = None,
               environment: Environment | None = None) -> ControlPasses:
        """All passes of one shot. ``region``: what the shot frames, where it frames one; ``environment``: its light.

        Raises RenderError ``stage_unknown``, ``camera_unknown``, ``region_not_found``, ``shot_empty`` or
        ``shot_unframeable``.
        """
        started = time.perf_counter()
        stage = stage_of_shot(shot)
        scene = compose(mesh, shot, textures, region, placement=self._place(mesh, shot.instances),
                        stage=stage if environment is None else lit_by(stage, environment))
        composed = time.perf_counter() - started
        passes = self.draw(scene)
        self.seconds["setup"] += composed
        return passes

    def draw(self, scene: Scene, indirect: bool = True) -> ControlPasses:
        """All passes of one scene; without ``indirect``, in light that met no other surface before."""
        # Other contexts of this process may have been current in between.
        with self.context:
            return self._draw(scene, indirect)

    def floor(self, scene: Scene) -> NDArray[np.float32]:
        """(H, W, 3) the plate alone: on a white backdrop the share of light that the product leaves on the floor."""
        with self.context:
            frame = Frame.of(scene.shot)
            lighting = self._light(self._load(scene.mesh, scene.textures), scene)
            self._render_plate(frame, scene, lighting, (0.0, 0.0, 0.0))
            return frame.plate

    def _draw(self, scene: Scene, indirect: bool) -> ControlPasses:
        self.seconds = {}
        started = time.perf_counter()
        buffers = self._load(scene.mesh, scene.textures)
        started = self._took("setup", started)
        lighting = self._light(buffers, scene)
        started = self._took("shadows", started)
        view = _View(scene, buffers, lighting, self._mirror(scene.stage), indirect)
        frame = Frame.of(scene.shot)
        for tile in tiles_of(scene.camera, scene.shot, scene.placement.points):
            self._render_points(frame, tile, view)
            self._render_light(frame, tile, view)
        started = time.perf_counter()
        self._render_plate(frame, scene, lighting, _mean_light(frame) if indirect else (0.0, 0.0, 0.0))
        self._took("plate", started)
        return assemble(frame, scene, lighting.lights.key_chromaticity)

    def _took(self, part: str, started: float) -> float:
        self.context.finish()
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - started
        return now

    # What stays on the GPU between shots

    def _load(self, mesh: Mesh, textures: Textures) -> MeshBuffers:
        if self._loaded is None or self._loaded[0] is not mesh or self._loaded[1] is not textures:
            self._forget()
            self._loaded = (mesh, textures, MeshBuffers(self.context, mesh, textures))
        return self._loaded[2]

    def _place(self, mesh: Mesh, instances: tuple[Instance, ...]) -> Placement:
        if self._placed is None or self._placed[0] is not mesh or self._placed[1] != instances:
            self._placed = (mesh, instances, place(mesh, instances))
        return self._placed[2]

    def _forget(self) -> None:
        if self._lighting is not None:
            self._lighting.release()
        if self._loaded is not None:
            self._loaded[2].release()
        self._lighting, self._loaded = None, None

    def _light(self, buffers: MeshBuffers, scene: Scene) -> _Lighting:
        key = (scene.stage.sha256, scene.instances, scene.heading.front.tobytes())
        if self._lighting is not None and self._lighting.key == key:
            return self._lighting
        if self._lighting is not None:
            self._lighting.release()
        lights = sample_lights(scene.stage, scene.heading)
        atlas = cast_shadows(self.context, buffers, scene.instances, lights, scene.placement.points,
                             Programs(self._program("solid.vert", "depth.frag"),
                                      self._program("mesh.vert", "depth.frag", pierced=True)))
        floor = self._program("fullscreen.vert", "floor.frag")
        blur = self._program("fullscreen.vert", "floor_blur.frag")
        for program in (floor, blur):
            set_uniforms(program, _floor_uniforms(scene.placement) | {"spacing": lights.spacing})
        self._use_lights(floor, scene, lights, atlas)
        self._lighting = _Lighting(key, lights, atlas, light_floor(self.context, atlas, floor, blur))
        return self._lighting

    def _mirror(self, stage: Stage) -> Mirror:
        if stage.sha256 not in self._mirrors:
            while len(self._mirrors) >= MOST_MIRRORS:
                self._mirrors.pop(next(iter(self._mirrors))).release()
            self._mirrors[stage.sha256] = mirror_of(self.context, stage)
        return self._mirrors[stage.sha256]

    # Shaders

    def _program(self, vertex: str, fragment: str, pierced: bool = False) -> moderngl.Program:
        key = (vertex, fragment, pierced)
        if key not in self._programs:
            defines = {**DEFINES, "COARSE": COARSE, "CHART_ROW": CHART_ROW, "LAYERS": len(ROUGHNESS),
                       "PIERCED": int(pierced)}
            self._programs[key] = build_program(self.context, vertex, fragment, defines)
        return self._programs[key]

    def _mesh_programs(self, fragment: str) -> Programs:
        return Programs(self._program("mesh.vert", fragment), self._program("mesh.vert", fragment, pierced=True))

    def _use_lights(self, program: moderngl.Program, scene: Scene, lights: Lights, atlas: ShadowAtlas) -> None:
        block = program["Lights"]
        assert isinstance(block, moderngl.UniformBlock)
        block.binding = 0
        atlas.block.bind_to_uniform_block(0)
        set_uniforms(program, _light_uniforms(scene, lights) | {
            "floor_y": float(scene.placement.centre[1]), "product_size": scene.placement.size})

    # The passes

    def _draw_mesh(self, view: _View, programs: Programs, uniforms: dict[str, Any], rank_grid: int) -> None:
        """Draw with hidden fragments removed first, since material shaders are what costs."""
        instances, buffers = view.scene.instances, view.buffers
        depth = Programs(self._program("solid.vert", "depth.frag"),
                         self._program("mesh.vert", "depth.frag", pierced=True))
        for program in (*depth, *programs):
            set_uniforms(program, uniforms | {"rank_grid": rank_grid})
        buffers.draw(depth, instances)
        self.context.depth_func = "<="
        buffers.draw(programs, instances)
        self.context.depth_func = "<"

    def _render_points(self, frame: Frame, tile: Tile, view: _View) -> None:
        """What lies exactly under each pixel's centre."""
        started = time.perf_counter()
        camera = view.scene.camera
        with Targets(self.context, (tile.width, tile.height), ("f2", "f2", "f4", "u4")) as exact:
            exact.begin()
            self._draw_mesh(view, self._mesh_programs("points.frag"),
                            _camera_uniforms(tile, view) | {"to_camera": camera.view[:3, :3]}, rank_grid=1)
            normal, face, depth_uv, ids = (exact.read(index) for index in range(4))
        inside = ids[..., 3] > 0
        area = tile.slices
        frame.normal[area], frame.face[area] = normal[..., :3], face[..., :3]
        frame.depth[area] = np.where(inside, depth_uv[..., 0], np.inf)
        frame.uv[area] = np.where(inside[..., None], depth_uv[..., 1:3], np.nan)
        frame.ids[area] = ids[..., :3]
        self._took("points", started)

    def _render_light(self, frame: Frame, tile: Tile, view: _View) -> None:
        """Coverage, then material and light of every sample, averaged per pixel."""
        context, width, height = self.context, tile.width, tile.height
        samples = (width * SAMPLES, height * SAMPLES)
        uniforms = _camera_uniforms(tile, view)
        with (Targets(context, (width * COVERAGE_SAMPLES, height * COVERAGE_SAMPLES), ("f1",), components=1,
                      depth=False) as covered,
              Targets(context, samples, ("f2", "f2", "f2", "f2", "f1")) as material,
              SoftShadows(context, (width, height)) as soft,
              Targets(context, (width, height), ("f2",) * 6, depth=False) as lit):
            started = time.perf_counter()
            covered.begin()
            coverage = Programs(self._program("solid.vert", "coverage.frag"),
                                self._program("mesh.vert", "coverage.frag", pierced=True))
            for program in coverage:
                set_uniforms(program, uniforms | {"rank_grid": COVERAGE_SAMPLES})
            view.buffers.draw(coverage, view.scene.instances)
            started = self._took("coverage", started)
            material.begin()
            self._draw_mesh(view, self._mesh_programs("gbuffer.frag"), uniforms, rank_grid=SAMPLES)
            started = self._took("material", started)
            assert material.depth is not None
            inputs = {**dict(zip(_MATERIAL, material.colors, strict=True)), "g_depth": material.depth}
            lighting = {"unproject": np.linalg.inv(uniforms["clip"]), "frame_samples": samples,
                        "texel": view.lighting.atlas.texel, "tolerance": TOLERANCE * view.scene.placement.size,
                        "vicinity": VICINITY * view.scene.placement.size}
            soft.run(lambda fragment: self._lit_program(view, fragment), inputs, view.lighting.atlas.texture,
                     uniforms | lighting)
            started = self._took("softness", started)
            lit.begin()
            program = self._lit_program(view, "shade.frag")
            bind_textures(program, inputs | {"coverage": covered.colors[0], "shares": soft.shares, "place": soft.place,
                                             "face": soft.face, "behind": soft.behind, "around": soft.around,
                                             "cells": soft.cells, "mirror_rest": view.mirror.rest,
                                             "mirror_key": view.mirror.key})
            set_uniforms(program, uniforms | lighting | {
                "indirect": float(view.indirect), "to_stage": view.scene.heading.axes,
                "mirror_roughness": list(ROUGHNESS)})
            draw_fullscreen(context, program)
            for index, target in enumerate((frame.product, frame.base, frame.albedo, frame.specular, frame.emissive,
                                            frame.diffuse)):
                target[tile.slices] = lit.read(index)[..., :target.shape[2]]
        self._took("shade", started)

    def _lit_program(self, view: _View, fragment: str) -> moderngl.Program:
        """A full-screen shader that knows the lights."""
        program = self._program("fullscreen.vert", fragment)
        if "Lights" in program:
            self._use_lights(program, view.scene, view.lighting.lights, view.lighting.atlas)
        return program

    def _render_plate(self, frame: Frame, scene: Scene, lighting: _Lighting, product_light: Rgb) -> None:
        """The stage without the product, under its shadow and what light it sends back."""
        flip = np.diag([1.0, -1.0, 1.0, 1.0])
        uniforms = _floor_uniforms(scene.placement) | _light_uniforms(scene, lighting.lights) | {
            "unproject": np.linalg.inv(flip @ scene.camera.projection @ scene.camera.view),
            "frame_size": (frame.width, frame.height), "floor_share": 0,
            "edge_fade": scene.stage.edge_fade,
            "product_light": product_light}
        if scene.stage.backdrop == "set":
            frame.plate[...] = draw_set(self.context, self._set(scene.stage.name), scene, self._program, uniforms,
                                        lighting.floor)
            return
        program = self._program("fullscreen.vert", f"plate_{scene.stage.backdrop}.frag")
        set_uniforms(program, uniforms)
        lighting.floor.use(0)
        with Targets(self.context, (frame.width, frame.height), ("f2",), depth=False) as target:
            target.begin()
            draw_fullscreen(self.context, program)
            frame.plate[...] = target.read(0)[..., :3]

    def _set(self, name: str) -> SetBuffers:
        if self._stage_set is None or self._stage_set[0] != name:
            if self._stage_set is not None:
                self._stage_set[1].release()
            self._stage_set = (name, SetBuffers(self.context, name))
        return self._stage_set[1]


def _mean_light(frame: Frame) -> Rgb:
    """What the product sends out on average, as the camera sees it."""
    red, green, blue, covered = frame.product.reshape(-1, 4).sum(axis=0, dtype=np.float64)
    return (red / covered, green / covered, blue / covered) if covered > 0 else (0.0, 0.0, 0.0)


def _camera_uniforms(tile: Tile, view: _View) -> dict[str, Any]:
    camera = view.scene.camera
    return {"view": camera.view, "clip": tile.crop(view.scene.shot) @ camera.projection @ camera.view,
            "eye": tuple(np.linalg.inv(camera.view)[:3, 3])}


def _floor_uniforms(placement: Placement) -> dict[str, Any]:
    return {"floor_centre": tuple(placement.centre), "floor_reach": FLOOR_REACH * placement.size,
            "product_size": placement.size}


def _light_uniforms(scene: Scene, lights: Lights) -> dict[str, Any]:
    return {
        "light_count": len(lights.directions), "key_count": lights.key, "dome_first": lights.dome,
        "floor_albedo": scene.stage.floor_albedo or (0.0, 0.0, 0.0),
        "floor_light": tuple(lights.irradiance(_UP)), "key_floor": tuple(lights.key_irradiance(_UP)),
    }
