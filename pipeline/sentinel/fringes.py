"""What accompanies an outline in an image and not in the faithful picture: halos, and second edges beside the true one.

Read on the ground beside the product only, as differences from the faithful picture along the outline's normals:
other light, a soft edge and half a pixel of warp leave nothing two pixels away from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter1d

from pipeline.sentinel.contours import Profiles
from pipeline.sentinel.types import BBox, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

OUT: F64 = np.arange(1.0, 17.0)      # px outside the contour
_NEAR = (2.0, 5.0)                   # px where a halo lies
_FAR = (10.0, 16.0)                  # px where it has ended
_STRETCH = 40.0                      # px of outline that a reading is averaged over: JPEG blocks and noise are shorter
_CLEAR = 0.5                         # share of a stretch that must be bare ground
_BARE = 0.01                         # coverage by the product that still is ground
_STEP = 3                            # px to either side of a second edge, averaged
_FEWEST = 24                         # profiles beside bare ground
_ROUGH = 6.0                         # codes that the faithful ground may vary by along a profile, its slope taken off


@dataclass(frozen=True, slots=True)
class Fringes:
    """Readings beside one outline, in codes of luminance; positive is lighter than the faithful picture."""

    coverage: float          # share of the outline that lies beside bare, calm ground
    halo: float              # of the stretch where it is strongest
    halo_box: BBox
    second_edge: float       # its step, 0 or more
    second_edge_at: float    # px outside the true one
    second_edge_box: BBox


def fringes(expected: Expected, profiles: Profiles, wanted: F32, seen: F32) -> Fringes | None:
    """Read along all normals; None where the ground beside the outline shows too little of itself.

    Args:
        wanted, seen: luminances (H, W) of the faithful picture and the image, in codes.
    """
    xy = profiles.points[:, None] + OUT[None, :, None] * profiles.outward[:, None]
    bare = _sampled(expected.alpha, xy) <= _BARE
    width, height = expected.size
    inside = (xy >= 0.0).all(axis=-1) & (xy[..., 0] <= width - 1) & (xy[..., 1] <= height - 1)
    ground = np.logical_and.accumulate((bare & inside)[:, 1:], axis=1)    # up to the next piece of product
    ground = np.concatenate([ground[:, :1], ground], axis=1)
    faithful = _sampled(wanted, xy)
    calm = ground.all(axis=1) & (_roughness(faithful) <= _ROUGH)
    if np.count_nonzero(calm) < _FEWEST:
        return None
    difference = _sampled(seen, xy) - faithful
    near, far = ((span[0] <= OUT) & (span[1] >= OUT) for span in (_NEAR, _FAR))
    plateau = difference[:, near].mean(axis=1) - difference[:, far].mean(axis=1)
    halo = _mean_along(profiles, plateau[:, None], calm)[:, 0]
    steps = np.stack([difference[:, i:i + _STEP].mean(axis=1) - difference[:, i - _STEP:i].mean(axis=1)
                      for i in range(_STEP + 1, len(OUT) - _STEP + 1)], axis=1)
    edges = np.abs(_mean_along(profiles, steps, calm))
    at = int(np.abs(np.nan_to_num(halo)).argmax())
    where, step = np.unravel_index(int(np.nan_to_num(edges).argmax()), edges.shape)
    return Fringes(float(np.count_nonzero(calm) / len(calm)), float(np.nan_to_num(halo[at])),
                   _box(profiles, at, expected), float(np.nan_to_num(edges[where, step])),
                   float(OUT[step + _STEP + 1] - 0.5), _box(profiles, int(where), expected))


def _roughness(faithful: F64) -> F64:
    """(n,) largest departure of the faithful ground from a straight slope, from 2 px outside on."""
    x = OUT[1:] - OUT[1:].mean()
    values = faithful[:, 1:]
    values = values - values.mean(axis=1, keepdims=True)
    slope = (values @ x) / (x @ x)
    return np.asarray(np.abs(values - slope[:, None] * x).max(axis=1))


def _mean_along(profiles: Profiles, values: F64, calm: Bools) -> F64:
    """(n, k) means over a stretch of outline; NaN where too little of it lies beside calm ground."""
    size = max(3, round(_STRETCH / profiles.spacing))
    result = np.full(values.shape, np.nan)
    for number, closed in enumerate(profiles.closed):
        part = profiles.contour == number
        mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
        weight = uniform_filter1d(calm[part].astype(np.float64), size, mode=mode)
        total = uniform_filter1d(np.where(calm[part, None], values[part], 0.0), size, axis=0, mode=mode)
        result[part] = np.where((weight >= _CLEAR)[:, None], total / np.maximum(weight, 1e-9)[:, None], np.nan)
    return result


def _sampled(values: F32, xy: F64) -> F64:
    return np.asarray(map_coordinates(values, [xy[..., 1], xy[..., 0]], output=np.float64, order=1, mode="nearest"))


def _box(profiles: Profiles, index: int, expected: Expected) -> BBox:
    x, y = profiles.points[index]
    width, height = expected.size
    half = int(_STRETCH / 2)
    return (max(0, int(x) - half), max(0, int(y) - half), min(width, int(x) + half), min(height, int(y) + half))
