"""Passes as small pictures for the report and the UI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import quantise, srgb_encode, to_display, view_transform
from pipeline.render.types import ControlPasses

LONG_SIDE = 512            # pixels
COMPARED_LONG_SIDE = 1080  # of the two that stand beside the finished image in the report
CLAY_ALBEDO = 0.42         # a neutral grey that keeps light and shadow readable
_PAPER = np.array([0.945, 0.945, 0.95], np.float32)   # behind the product, in code values
# Depth from near to far: a dark-to-light ramp of even lightness steps (deep blue, teal, sand).
_RAMP = np.array([[0.98, 0.94, 0.80], [0.55, 0.80, 0.66], [0.16, 0.55, 0.60], [0.13, 0.30, 0.47], [0.10, 0.12, 0.28]],
                 np.float32)

F32 = NDArray[np.float32]


def preview_images(passes: ControlPasses) -> dict[str, NDArray[np.uint8]]:
    """(H, W, 3) sRGB pictures by pass name, at most 512 pixels long; ``beauty`` and ``clay`` 1080.

    ``clay`` is the product in its true light without its textures: what the geometry alone says.
    """
    alpha = _small(passes.alpha)
    inside = (passes.material_id > 0).astype(np.float32)
    coded: dict[str, F32] = {
        "beauty": _small(_displayed(passes, passes.product), COMPARED_LONG_SIDE),
        "clay": _small(_displayed(passes, _clay(passes)), COMPARED_LONG_SIDE),
        "albedo": _over_paper(srgb_encode(_small(passes.base_color)), alpha),
        "normal": _over_paper(_small(passes.normal * 0.5 + 0.5), _small(inside)),
        "depth": _over_paper(_small(_depth(passes)), _small(inside)),
        "ids": _over_paper(_small(_ids(passes)), _small(inside)),
        "diffuse": _over_paper(srgb_encode(view_transform(_small(passes.diffuse))), alpha),
        "specular": _over_paper(srgb_encode(view_transform(_small(passes.specular))), alpha),
        "visibility": _over_paper(np.repeat(srgb_encode(_small(passes.visibility))[..., None], 3, axis=2), alpha),
    }
    return {name: quantise(picture) for name, picture in coded.items()}


def _displayed(passes: ControlPasses, product: F32) -> F32:
    return to_display(product, passes.plate, passes.white_backdrop).astype(np.float32) / np.float32(255.0)


def _clay(passes: ControlPasses) -> F32:
    """(H, W, 4) premultiplied: every material one matte grey."""
    alpha = passes.alpha[..., None]
    return np.concatenate([alpha * CLAY_ALBEDO * passes.diffuse, alpha], axis=-1).astype(np.float32)


def _over_paper(coded: F32, alpha: F32) -> F32:
    share = alpha[..., None]
    return (coded * share + _PAPER * (1.0 - share)).astype(np.float32)


def _depth(passes: ControlPasses) -> F32:
    finite = np.isfinite(passes.depth)
    if not finite.any():
        return np.zeros((*passes.depth.shape, 3), np.float32)
    near, far = float(passes.depth[finite].min()), float(passes.depth[finite].max())
    share = np.where(finite, (passes.depth - near) / max(far - near, 1e-9), 0.0)
    steps = np.linspace(0.0, 1.0, len(_RAMP))
    return np.stack([np.interp(share, steps, _RAMP[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def _ids(passes: ControlPasses) -> F32:
    """One hue per material, charts within it by lightness."""
    material, chart = passes.material_id.astype(np.float32), passes.chart_id.astype(np.float32)
    hue = np.mod(material * 0.618034 + 0.05, 1.0)
    value = 0.62 + 0.33 * np.mod(chart * 0.618034, 1.0)
    wheel = np.mod(hue[..., None] * 6.0 + np.array([5.0, 3.0, 1.0], np.float32), 6.0)
    pure = 1.0 - np.clip(np.minimum(wheel, 4.0 - wheel), 0.0, 1.0)
    return np.asarray(value[..., None] * (1.0 - 0.55 * (1.0 - pure)), np.float32)


def _small(values: F32, long_side: int = LONG_SIDE) -> F32:
    """Box average over whole blocks, cropped at the far edges by less than a block."""
    height, width = values.shape[:2]
    block = -(-max(height, width) // long_side)
    rows, columns = max(1, height // block), max(1, width // block)
    kept = values[:rows * block, :columns * block].reshape(rows, block, columns, block, *values.shape[2:])
    return np.asarray(kept.mean(axis=(1, 3)), np.float32)
