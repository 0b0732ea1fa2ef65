"""Smooth fields over one product's picture that never mix two of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.render.types import F32, ControlPasses

Bools = NDArray[np.bool_]
Window = tuple[slice, slice]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709
_LEAST_WEIGHT = 1e-3           # of full weight; below it a field falls back to the next coarser one
_SMALLEST_BOXED = 2.5          # σ in px from which three boxes stand in for a Gaussian
_SIGMA_IN_BLOCKS = 3.0         # blocks that a very wide σ still spans


@dataclass(frozen=True, slots=True)
class Segment:
    """The pixels of one material of one instance."""

    window: Window
    inside: Bools                          # (h, w) of the window
    material: int                          # as in ``material_id``
    instance: int


def segments_of(passes: ControlPasses, window: Window) -> list[Segment]:
    """Instances × materials seen in a window of the picture, in it."""
    instance, material = passes.instance_id[window].astype(np.int64), passes.material_id[window].astype(np.int64)
    step = int(material.max()) + 1
    code = np.where(instance > 0, instance * step + material, 0)
    boxes = ndimage.find_objects(code)
    return [Segment((box[0], box[1]), code[box] == index + 1, (index + 1) % step, (index + 1) // step)
            for index, box in enumerate(boxes) if box is not None]


def smooth(field: F32, sigma: float) -> F32:
    """Gaussian of an (H, W) field, zero beyond its border.

    Wide ones are three running means, whose cost does not grow with σ (P. Kovesi, "Fast Almost-Gaussian
    Filtering", DICTA 2010); very wide ones are worked out on blocks of pixels and brought back.
    """
    if sigma < _SMALLEST_BOXED:
        return np.asarray(ndimage.gaussian_filter(field, sigma, mode="constant", truncate=3.0))
    block = int(sigma / _SIGMA_IN_BLOCKS)
    if block > 1:
        return _on_blocks(field, sigma, block)
    out = field
    for width in box_widths(sigma):
        for axis in (0, 1):
            out = ndimage.uniform_filter1d(out, width, axis=axis, mode="constant")
    return np.asarray(out)


def _on_blocks(field: F32, sigma: float, block: int) -> F32:
    height, width = field.shape
    whole = np.pad(field, ((0, -height % block), (0, -width % block)))
    firsts = np.add.reduceat(whole, np.arange(0, whole.shape[0], block), axis=0)
    means = np.add.reduceat(firsts, np.arange(0, whole.shape[1], block), axis=1) / np.float32(block * block)
    small = smooth(np.asarray(means, np.float32), sigma / block)
    # Block centres lie at (i + 0.5) · block − 0.5.
    rows, columns = ((np.arange(length) + 0.5) / block - 0.5 for length in (height, width))
    return np.ascontiguousarray(_interpolated(_interpolated(small, rows).T, columns).T)


def _interpolated(field: F32, places: NDArray[np.float64]) -> F32:
    """Rows of a field between its rows, linearly; beyond the first and last, those."""
    places = np.clip(places, 0.0, len(field) - 1.0)
    low = np.minimum(places.astype(np.intp), max(len(field) - 2, 0))
    share = (places - low).astype(np.float32)[:, None]
    return np.asarray(field[low] * (1.0 - share) + field[np.minimum(low + 1, len(field) - 1)] * share, np.float32)


def box_widths(sigma: float) -> Sequence[int]:
    """Three odd widths whose running means together have the variance σ²."""
    ideal = np.sqrt(12.0 * sigma * sigma / 3 + 1.0)
    low = int(ideal) - (1 - int(ideal) % 2)
    shorter = round((12.0 * sigma * sigma - 3 * low * low - 12 * low - 9) / (-4 * low - 4))
    return [low] * shorter + [low + 2] * (3 - shorter)


def ratio_field(above: F32, below: F32, weight: F32, segments: Sequence[Segment], sigma: float,
                otherwise: F32) -> F32:
    """(H, W) Σ w·above / Σ w·below around every pixel, over its own segment only: normalised convolution.

    Knutsson and Westin, "Normalized and Differential Convolution", CVPR 1993. Where little weight is near,
    ``otherwise`` (H, W) takes over. Little means little of full weight, not of what the segment has: threads that
    nowhere show themselves alone must not learn their light from what shines between them.
    """
    out = otherwise.copy()
    pad = int(np.ceil(3.0 * sigma))
    for segment in segments:
        window = segment.window
        mask = np.where(segment.inside, weight[window], 0.0).astype(np.float32)
        local = below[window]
        typical = float(local[segment.inside].mean())
        floor = _LEAST_WEIGHT * max(typical, 1e-6)
        top, bottom = smooth(_padded(mask * above[window], pad), sigma), smooth(_padded(mask * local, pad), sigma)
        inner = slice(pad, top.shape[0] - pad), slice(pad, top.shape[1] - pad)
        value = (top[inner] + floor * otherwise[window]) / (bottom[inner] + floor)
        out[window][segment.inside] = value[segment.inside]
    return out


def _padded(field: F32, pad: int) -> F32:
    """Zeros around it, so that three boxes in a row lose nothing at the border."""
    return np.pad(field, pad)


def segment_level(above: F32, below: F32, weight: F32, segments: Sequence[Segment], otherwise: float) -> F32:
    """(H, W) one ratio Σ w·above / Σ w·below per segment; where a segment has little weight, all segments' together.

    ``otherwise`` stands outside and where there is no weight at all.
    """
    bottom = float((weight * below).sum())
    common = float((weight * above).sum()) / bottom if bottom > 1e-6 else otherwise
    out = np.full(above.shape, otherwise, np.float32)
    for segment in segments:
        mask = np.where(segment.inside, weight[segment.window], 0.0)
        local = below[segment.window]
        floor = _LEAST_WEIGHT * float(local[segment.inside].sum()) + 1e-6
        out[segment.window][segment.inside] = (float((mask * above[segment.window]).sum()) + floor * common) / (
            float((mask * local).sum()) + floor)
    return out


def luminance(light: F32) -> F32:
    """(H, W) of linear Rec. 709 (H, W, 3)."""
    return np.asarray(light @ LUMINANCE)
