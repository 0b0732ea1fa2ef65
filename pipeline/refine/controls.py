"""Control images from control passes, each in the convention its ControlNet was trained on.

All are float32 (H, W, 3) in 0..1 at the size of the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.render.types import ControlPasses

F32 = NDArray[np.float32]
Bits = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

FARTHEST = 0.2                # of the depth range: the product's far end still stands out from the black background
CREASE_DEG = 25.0             # angle between neighbouring normals that draws a line
DEPTH_BREAK = 0.02            # bend of inverse depth between three neighbours, as a share of its value
PIXELS_PER_LINE = 512         # a line is one pixel wide for every so many pixels of the long side


def depth_control(depth: F32) -> F32:
    """Near white, far dark, background black: the inverse depth that MiDaS gives and ControlNet-depth expects.

    Ranftl et al., "Towards Robust Monocular Depth Estimation", 2020. Inverse depth (H, W) is stretched over
    the product alone, to 0.2..1, because a backdrop at infinity would leave the product no contrast.
    """
    seen = np.isfinite(depth)
    if not seen.any():
        return np.zeros((*depth.shape, 3), np.float32)
    inverse = 1.0 / np.where(seen, depth, 1.0)
    low, high = inverse[seen].min(), inverse[seen].max()
    span = max(float(high - low), 1e-6 * float(high))  # a flat card facing the camera is all near
    near = FARTHEST + (1.0 - FARTHEST) * (1.0 - (high - inverse) / span)
    return _grey(np.where(seen, near, 0.0))


def normal_control(normal: F32, seen: Bits) -> F32:
    """Normals as ControlNet 1.1 normal-bae reads them: red is left, green is up, blue is to the viewer.

    Our camera space has +X to the right, so X changes sign. The background looks at the viewer (0.5, 0.5, 1),
    like the wall that Bae's estimator finds behind a product.
    """
    towards = np.where(seen[..., None], normal, np.array([0.0, 0.0, 1.0], np.float32))
    coded = 0.5 + 0.5 * towards * np.array([-1.0, 1.0, 1.0], np.float32)
    return np.clip(coded, 0.0, 1.0).astype(np.float32)


def edges_control(depth: F32, normal: F32, ids: tuple[NDArray[np.uint32], ...]) -> F32:
    """White lines on black, as ControlNet lineart expects, where depth, normal or an id breaks.

    Depth breaks are found in the second difference of inverse depth, which is zero on every plane however
    steep (inverse depth is affine in image coordinates; Saito and Takahashi, SIGGRAPH 1990, use the same cue).
    UV charts draw no line: a seam of the texture is not an edge of the product.
    """
    seen = np.isfinite(depth)
    inverse = np.where(seen, 1.0 / np.where(seen, depth, 1.0), 0.0)
    lines = np.zeros(depth.shape, bool)
    cosine = np.cos(np.radians(CREASE_DEG))
    for axis in (0, 1):
        before, after = _shifted(inverse, 1, axis), _shifted(inverse, -1, axis)
        bend = np.abs(before - 2.0 * inverse + after)
        np.moveaxis(bend, axis, 0)[[0, -1]] = 0.0  # one neighbour is missing: a steep plane would look bent
        lines |= seen & (bend > DEPTH_BREAK * inverse)
        neighbour, neighbour_seen = _shifted(normal, -1, axis), _shifted(seen, -1, axis)
        lines |= seen & neighbour_seen & ((normal * neighbour).sum(axis=-1) < cosine)
        for identity in ids:
            lines |= seen & (identity != _shifted(identity, -1, axis))
    width = max(1, round(max(depth.shape) / PIXELS_PER_LINE))
    return _grey(ndimage.maximum_filter(lines, size=width))


@dataclass(frozen=True, slots=True)
class Control:
    """A way to drive a ControlNet, and the passes it reads."""

    image: Callable[[ControlPasses], F32]
    uses: tuple[str, ...]


CONTROLS: Mapping[str, Control] = {
    "depth": Control(lambda p: depth_control(p.depth), ("depth",)),
    "normal": Control(lambda p: normal_control(p.normal, np.isfinite(p.depth)), ("normal", "depth")),
    "edges": Control(lambda p: edges_control(p.depth, p.normal, (p.material_id, p.instance_id)),
                     ("depth", "normal", "material_id", "instance_id")),
}


def _grey(values: NDArray[np.generic]) -> F32:
    return np.repeat(values.astype(np.float32)[..., None], 3, axis=-1)


def _shifted(field: NDArray[Scalar], step: int, axis: int) -> NDArray[Scalar]:
    """The neighbour's value; the image's border repeats itself, so that nothing breaks there."""
    moved = np.roll(field, step, axis)
    border = [slice(None)] * field.ndim
    border[axis] = slice(0, 1) if step > 0 else slice(-1, None)
    moved[tuple(border)] = field[tuple(border)]
    return moved
