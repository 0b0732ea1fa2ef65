"""A modelled set on the GPU, drawn as the plate behind a product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.colour import srgb_decode
from pipeline.render.context import set_uniforms
from pipeline.render.environment import sample_lights
from pipeline.render.heading import UPRIGHT
from pipeline.render.scene import Scene
from pipeline.render.sets import SETS, baked, stage_of
from pipeline.render.sets.panels import vertices
from pipeline.render.sets.textures import SIZE, texture
from pipeline.render.targets import Targets, draw_fullscreen

SHARP = 0.75               # product sizes before and behind the product's middle that stay sharp
APERTURE = 0.055           # of the picture's height, the blur of an infinite distance at the usual framing
NEAR = 0.05                # of the camera's distance
_ATTRIBUTES = ("in_position", "in_normal", "in_uv", "in_light", "in_panel")

F32 = NDArray[np.float32]


class SetBuffers:
    """Geometry, albedo and baked light of one set; release() when done."""

    def __init__(self, context: moderngl.Context, name: str) -> None:
        self.context = context
        panels, light = SETS[name].panels, baked(name)
        self.vertices = context.buffer(vertices(panels).tobytes())
        names = sorted({panel.texture for panel in panels})
        self.albedo = context.texture_array((SIZE, SIZE, len(names)), 4, _rgba(names))
        self.albedo.build_mipmaps()
        self.albedo.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.albedo.anisotropy = 2.0
        self.light = tuple(context.texture(values.shape[1::-1], 3, values.tobytes(), dtype="f2", alignment=1)
                           for values in (light.key, light.rest))
        looks = np.array([[[*panel.tint, names.index(panel.texture)], [*panel.emission, panel.gloss]]
                          for panel in panels], np.float32)
        self.looks = context.texture((2, len(panels)), 4, looks.tobytes(), dtype="f4")
        rows, columns = light.probe.shape[:2]
        # Above the horizon, behind the product.
        ahead = light.probe[rows * 3 // 8:rows // 2, columns // 4:columns * 3 // 4]
        self.sheen = tuple(float(value) for value in ahead.mean(axis=(0, 1)))

    def release(self) -> None:
        self.vertices.release()
        self.albedo.release()
        for texture_map in (*self.light, self.looks):
            texture_map.release()


def _rgba(names: list[str]) -> bytes:
    """Square roots of linear albedo: moderngl has no array of sRGB textures."""
    roots = (np.rint(np.sqrt(srgb_decode(texture(name))) * 255.0).astype(np.uint8) for name in names)
    return b"".join(np.dstack([root, np.full((SIZE, SIZE), 255, np.uint8)]).tobytes() for root in roots)


def draw_set(context: moderngl.Context, buffers: SetBuffers, scene: Scene,
             program: Callable[[str, str], moderngl.Program], uniforms: Mapping[str, Any], floor: moderngl.Texture
             ) -> F32:
    """(H, W, 3) the stage without the product, under its shadow, out of focus where it is far."""
    width, height = scene.shot.width, scene.shot.height
    surface, focus = program("set.vert", "set.frag"), program("fullscreen.vert", "set_focus.frag")
    view, eye = scene.camera.view, np.linalg.inv(scene.camera.view)[:3, 3]
    middle = scene.placement.centre + np.array([0.0, 0.3 * scene.placement.size, 0.0])
    away = -float(view[2, :3] @ middle + view[2, 3])
    set_uniforms(surface, {
        **uniforms, "to_world": scene.stage_to_world, "clip": _flipped(scene, away * NEAR, away * 60.0) @ view,
        "eye": tuple(eye), "sheen": buffers.sheen,
        "relit": _relit(scene, uniforms["floor_light"]), "albedo": 1, "key_map": 2, "rest_map": 3, "looks": 4})
    floor.use(0)
    buffers.albedo.use(1)
    for unit, each in enumerate((*buffers.light, buffers.looks), start=2):
        each.use(unit)
    with (Targets(context, (2 * width, 2 * height), ("f2",)) as drawn,
          Targets(context, (width, height), ("f2",), depth=False) as plate):
        drawn.begin()
        sky = SETS[scene.stage.name].sky
        drawn.framebuffer.clear(*sky, min(away * 60.0, 6e4), depth=1.0)
        array = context.vertex_array(surface, [(buffers.vertices, "3f 3f 2f 2f 1f", *_ATTRIBUTES)])
        array.render(moderngl.TRIANGLES)
        array.release()
        picture = drawn.colors[0]
        picture.build_mipmaps()
        picture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        picture.repeat_x = picture.repeat_y = False
        picture.use(0)
        # A longer lens and a closer camera blur more.
        magnified = scene.camera.projection[1, 1] / away * scene.placement.size
        set_uniforms(focus, {"picture": 0, "frame_size": (width, height), "aperture": APERTURE * height * magnified,
                             "focus": (away - SHARP * scene.placement.size, away + SHARP * scene.placement.size)})
        plate.begin()
        draw_fullscreen(context, focus)
        return np.array(plate.read(0)[..., :3], np.float32)


def _relit(scene: Scene, floor_light: tuple[float, float, float]) -> tuple[float, float, float]:
    """(3,) what a panorama of the user's sends a white floor, of what is baked there; 0 in the set's own light."""
    if scene.stage.key is SETS[scene.stage.name].key:
        return 0.0, 0.0, 0.0
    baked_light = sample_lights(stage_of(scene.stage.name), UPRIGHT).irradiance(np.array([0.0, 1.0, 0.0]))
    red, green, blue = np.asarray(floor_light) / baked_light
    return float(red), float(green), float(blue)


def _flipped(scene: Scene, near: float, far: float) -> NDArray[np.float64]:
    """The shot's projection with y down and room for the whole set between near and far."""
    matrix = np.diag([1.0, -1.0, 1.0, 1.0]) @ scene.camera.projection
    matrix[2] = [0.0, 0.0, (far + near) / (near - far), 2.0 * far * near / (near - far)]
    return matrix
