"""The model of a faithful image, fitted: observed ≈ k(x) · (diffuse_albedo · diffuse + m · specular) + emissive.

k is achromatic and smooth, one field per instance; m ≥ 0 scales the known highlights, one number
per instance. Colour is never free, so what the fit leaves over is drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter, minimum_filter

from pipeline.colour import from_display
from pipeline.sentinel.types import U8, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709
_MOST_PIXELS = 120_000      # of a product; more are thinned, means of tiles do not need them
_SPECULAR_SHARE = 0.30      # of radiance; above it a pixel shows the light's colour, not the product's
_BRIGHT, _DARK = 250, 2     # codes 0.98 and 0.01: beyond them a channel may have been cut off
_DARK_BY_DESIGN = 8         # a channel this dark in the faithful picture is not cut off, it is the colour
_CELLS = 32                 # grid cells over the product's larger extent, on which k is smoothed
_SMOOTH_CELLS = 2.0         # Gaussian σ: half width 1/7 of the extent, so k cannot follow a tile
_MOST_SPECULAR = 3.0        # m: no light makes the known highlights more than three times as strong


@dataclass(frozen=True, slots=True)
class Fit:
    """The product's measurable pixels (n of them), thinned evenly."""

    x: NDArray[np.intp]          # (n,) pixel column
    y: NDArray[np.intp]          # (n,)
    material: NDArray[np.intp]   # (n,) 1 + index into the material names
    observed: F64                # (n, 3) scene-linear
    predicted: F64               # (n, 3) what a faithful image would show there
    usable: Bools                # (n,) not cut off in the image
    measurable_share: NDArray[np.float64]  # (materials + 1,) share of a material's pixels that are in here
    pixel_area: int              # pixels of the image that one of these stands for


def fit_faithful(expected: Expected, observed: U8, white_balance: F32) -> Fit:
    """Fit k and m to one image. ``white_balance`` (3,) divides the observed light.

    Measurable are pixels wholly inside one material of the product whose predicted highlight is at most 30 %
    of their radiance and which the faithful picture does not cut off. Whether the image cuts them
    off decides ``usable``.
    """
    # One pixel in from every border of a material: there its colour is its own, not a mixture.
    same = maximum_filter(expected.material_id, 3) == minimum_filter(expected.material_id, 3)
    solid = (expected.alpha > 0.99) & same
    step = max(1, int(np.ceil(np.sqrt(np.count_nonzero(solid) / _MOST_PIXELS))))
    y, x = (axis * step for axis in np.nonzero(solid[::step, ::step]))
    at = (y, x)
    diffuse, specular = expected.diffuse_albedo[at] * expected.diffuse[at], expected.specular[at]
    emissive = expected.emissive[at]
    radiance = np.maximum((diffuse + specular + emissive) @ LUMINANCE, 1e-6)
    wanted, seen = expected.display[at], observed[at]
    matte = specular @ LUMINANCE <= _SPECULAR_SHARE * radiance
    measurable = matte & (wanted.max(axis=1) <= _BRIGHT) & (wanted.max(axis=1) > _DARK)
    material = expected.material_id[at].astype(np.intp)
    of_all = np.bincount(material)
    share = np.bincount(material[measurable], minlength=len(of_all)) / np.maximum(of_all, 1)

    x, y, material, seen, wanted = (a[measurable] for a in (x, y, material, seen, wanted))
    specular, emissive = specular[measurable], emissive[measurable]
    # Through the faithful picture's own 8 bits: near black, rounding alone would read as drift.
    diffuse = from_display(wanted[None])[0] - specular - emissive
    usable = ((seen <= _BRIGHT) & ((seen >= _DARK + 1) | (wanted <= _DARK_BY_DESIGN))).all(axis=1)
    light = from_display(seen[None])[0] / white_balance - emissive
    predicted = np.zeros(light.shape)
    instance = expected.instance_id[y, x]
    for number in np.unique(instance):
        part = instance == number
        predicted[part] = _fit_instance(x[part], y[part], light[part].astype(np.float64), diffuse[part],
                                        specular[part], usable[part])
    return Fit(x, y, material, light.astype(np.float64), predicted, usable, share, step * step)


def backdrop_white_balance(expected: Expected, observed: U8) -> F32 | None:
    """(3,) gain of the image's white balance read off the backdrop, luminance 1; None where it cannot be.

    Only a neutral backdrop that we made ourselves is a reference, and only where it is not cut off.
    """
    if expected.white_backdrop:
        return None
    rows, columns = np.nonzero(expected.alpha[::4, ::4] == 0)
    at = (rows * 4, columns * 4)
    wanted, seen = expected.display[at], observed[at]
    clear = (np.maximum(wanted, seen).max(axis=1) <= _BRIGHT) & (np.minimum(wanted, seen).min(axis=1) > _DARK)
    if np.count_nonzero(clear) < 200:
        return None
    reference, light = from_display(wanted[clear][None])[0], from_display(seen[clear][None])[0]
    mean = np.median(reference, axis=0)
    if np.abs(mean / mean.mean() - 1.0).max() > 0.05:
        return None
    gain = np.median(light / np.maximum(reference, 1e-4), axis=0).astype(np.float32)
    return np.asarray(gain / max(float(gain @ LUMINANCE), 1e-4), np.float32)


def _fit_instance(x: NDArray[np.intp], y: NDArray[np.intp], light: F64, diffuse: F32, specular: F32,
                  usable: Bools) -> F64:
    """(n, 3) prediction of one instance's pixels; k is smoothed as a ratio of smoothed luminances."""
    cell = max(float(np.ptp(x)), float(np.ptp(y)), 1.0) / _CELLS
    column, row = (x - x.min()) / cell, (y - y.min()) / cell
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    index = (row.astype(np.intp) * shape[1] + column.astype(np.intp))[usable]
    strength = 1.0
    for _ in range(2):
        model = diffuse.astype(np.float64) + strength * specular
        wanted = _smooth_grid(index, (model @ LUMINANCE)[usable].astype(np.float64), shape)
        seen = _smooth_grid(index, (light @ LUMINANCE)[usable].astype(np.float64), shape)
        k = np.where(wanted > 1e-9, seen / np.maximum(wanted, 1e-9), 1.0)
        gain = map_coordinates(k, [row - 0.5, column - 0.5], order=1, mode="nearest")[:, None]
        gloss = gain * specular
        left = light - gain * diffuse
        weight = float((gloss[usable] ** 2).sum())
        strength = float(np.clip((left * gloss)[usable].sum() / weight, 0.0, _MOST_SPECULAR)) if weight > 1e-9 else 1.0
    return np.asarray(gain * (diffuse + strength * specular), np.float64)


def _smooth_grid(index: NDArray[np.intp], values: F64, shape: tuple[int, int]) -> F64:
    total = np.bincount(index, values, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(gaussian_filter(total, _SMOOTH_CELLS, mode="constant", truncate=8.0))
