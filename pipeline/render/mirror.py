"""A stage's prefiltered light on the GPU."""

from __future__ import annotations

from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from pipeline.render.prefilter import prefiltered
from pipeline.render.stage import Stage


@dataclass(frozen=True, slots=True)
class Mirror:
    """What surfaces of every roughness mirror, in the stage's axes: all light but the key's, and the key's."""

    rest: moderngl.TextureArray
    key: moderngl.TextureArray

    def release(self) -> None:
        self.rest.release()
        self.key.release()


def mirror_of(context: moderngl.Context, stage: Stage) -> Mirror:
    rest, key = (_array(context, layers) for layers in prefiltered(stage))
    return Mirror(rest, key)


def _array(context: moderngl.Context, layers: NDArray[np.float32]) -> moderngl.TextureArray:
    count, rows, columns, components = layers.shape
    # Half floats end at 65504; a sun in a panorama may be brighter.
    texture = context.texture_array((columns, rows, count), components,
                                    np.minimum(layers, 6e4).astype(np.float16).tobytes(), dtype="f2")
    texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
    texture.repeat_x, texture.repeat_y = True, False
    return texture
