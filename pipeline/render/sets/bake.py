"""Bake a set's light with the path tracer: python -m pipeline.render.sets.bake window cafe curb sweep

Writes ``<name>.npz`` beside the set: ``key`` (the key light's direct part) and ``rest`` (everything else, all
bounces), (ATLAS, ATLAS, 3) half, what a white card sends back; and ``probe``, the panorama at the product's place
without the key's direct light.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.colour import srgb_decode
from pipeline.render.environment import panorama_directions, radiance_towards, sample_lights, surroundings_towards
from pipeline.render.heading import UPRIGHT
from pipeline.render.pathtrace import irradiance_at, panorama_at, radiance_along
from pipeline.render.pathtrace_model import Look, Model, Surface
from pipeline.render.sets.panels import ATLAS, MARGIN, Panel, charts, texel_centres, texel_normals
from pipeline.render.sets.textures import texture
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Environment, Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
DEPTH = 6                  # surfaces a path meets at most
PROBE_ROWS = 64
PROBE_HEIGHT = 0.35        # product sizes above the floor


def bake(stage_set: StageSet) -> dict[str, NDArray[np.float16]]:
    panels, samples = stage_set.panels, stage_set.samples
    places = charts(panels)
    points = np.concatenate([texel_centres(panel, chart).reshape(-1, 3)
                             for panel, chart in zip(panels, places, strict=True)])
    normals = np.concatenate([texel_normals(panel, chart).reshape(-1, 3)
                              for panel, chart in zip(panels, places, strict=True)])
    surfaces = tuple(_surface(panel) for panel in panels)
    dark = tuple(_surface(panel, lit=False) for panel in panels)
    key, everything = (Environment(_light(stage_set, only_key), f"{stage_set.name} {only_key}")
                       for only_key in (True, False))
    direct = _direct(stage_set, Model(dark, key), points, normals)
    # The same paths with and without their first ray's own view of the key.
    bounced = (irradiance_at(Model(dark, key), points, normals, samples=samples, depth=DEPTH, lift=2e-3)
               - irradiance_at(Model(dark, key), points, normals, samples=samples, depth=1, lift=2e-3))
    rest = irradiance_at(Model(surfaces, everything), points, normals, samples=samples, depth=DEPTH, lift=2e-3)
    maps = {"key": _atlas(stage_set, direct, soften=0.35), "rest": _atlas(stage_set, rest + np.maximum(bounced, 0.0),
                                                                         soften=stage_set.smooth)}
    at = (0.0, PROBE_HEIGHT, 0.0)
    probe = panorama_at(Model(surfaces, everything), at, height=PROBE_ROWS, samples=128, depth=DEPTH)
    probe = probe + panorama_at(Model(dark, key), at, height=PROBE_ROWS, samples=128, depth=DEPTH)
    # The key and the softboxes are lights of their own.
    towards = panorama_directions(PROBE_ROWS)
    lamps = radiance_towards(_stage(stage_set), towards) - surroundings_towards(_stage(stage_set), towards)
    probe[ndimage.binary_dilation(np.asarray(lamps.any(axis=-1)), iterations=2)] = np.asarray(stage_set.sky, np.float32)
    return {**maps, "probe": np.minimum(probe, 60.0).astype(np.float16)}


def _direct(stage_set: StageSet, model: Model, points: F64, normals: F64) -> F32:
    """(N, 3) light of the key that reaches each point straight: one ray to each of its sampled directions."""
    lights = sample_lights(_stage(stage_set), UPRIGHT)
    towards = lights.directions[:lights.key]
    cosine = np.maximum(normals @ towards.T, 0.0)
    point, light = np.nonzero(cosine)
    seen = np.zeros(cosine.shape)
    seen[point, light] = radiance_along(model, points[point] + normals[point] * 2e-3, towards[light], samples=1, depth=1
                                        ).any(axis=1)
    direct: F32 = ((cosine * seen) @ lights.colors[:lights.key]).astype(np.float32)
    return direct


def _stage(stage_set: StageSet) -> Stage:
    sky = stage_set.sky
    return Stage(stage_set.name, "white", stage_set.key, stage_set.others, sky, sky, sky, 4, None)


def _light(stage_set: StageSet, only_key: bool) -> F32:
    towards = panorama_directions(512)
    light = radiance_towards(_stage(stage_set), towards, only_key=only_key)
    if not only_key:
        light[towards[..., 1] < 0.0] = stage_set.ground
    return light.astype(np.float32)


def _surface(panel: Panel, lit: bool = True) -> Surface:
    corner, u, v = (np.asarray(vector, np.float64) for vector in (panel.corner, panel.u, panel.v))
    mean = srgb_decode(texture(panel.texture).astype(np.float32) / 255.0).mean(axis=(0, 1)) * panel.tint
    glows = any(panel.emission)
    look = Look(albedo=(0.0, 0.0, 0.0) if glows else tuple(np.clip(mean, 0.0, 0.95).tolist()),
                emission=panel.emission if lit else (0.0, 0.0, 0.0))
    return Surface(np.stack([corner, corner + u, corner + u + v, corner + v]), np.array([[0, 1, 2], [0, 2, 3]]), look)


def _atlas(stage_set: StageSet, values: F32, soften: float) -> NDArray[np.float16]:
    """Texels into their charts, a little smoothed within each, and continued over its margin."""
    atlas = np.zeros((ATLAS, ATLAS, 3), np.float32)
    at = 0
    for chart in charts(stage_set.panels):
        part = values[at:at + chart.width * chart.height].reshape(chart.height, chart.width, 3)
        at += chart.width * chart.height
        part = ndimage.gaussian_filter(part, (soften, soften, 0.0), mode="nearest")
        rows = slice(chart.top - MARGIN, chart.top + chart.height + MARGIN)
        columns = slice(chart.left - MARGIN, chart.left + chart.width + MARGIN)
        atlas[rows, columns] = np.pad(part, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    return atlas.astype(np.float16)


def main() -> None:
    from pipeline.render.sets import SETS

    for name in sys.argv[1:] or SETS:
        light = bake(SETS[name])
        np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), key=light["key"], rest=light["rest"],
                            probe=light["probe"])
        print(name)


if __name__ == "__main__":
    main()
