"""What a defect came out as, measured between noise-free renders of the whole and of the damaged product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from pipeline.colour import from_display, to_display
from pipeline.render.types import ControlPasses
from pipeline.sentinel.cielab import ciede2000, lab_of

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SIGMAS = np.arange(0.0, 4.01, 0.1)    # px


@dataclass(frozen=True, slots=True)
class Severity:
    """Of one defect in one picture."""

    value: float | None        # in the row's own unit, where renders can tell
    visible: float             # rms change of luma over the pixels it changed, code values


def severity(row: str, whole: ControlPasses, damaged: ControlPasses, where: Bools) -> Severity:
    """Both in drawn light. ``where``: pixels that the defect may have changed."""
    before, after = (to_display(one.product, one.plate, one.white_backdrop) for one in (whole, damaged))
    first, second = (picture @ np.array([0.2126, 0.7152, 0.0722]) for picture in (before, after))
    change = np.abs(second - first)[where]
    changed = change[change > 0.5]
    visible = float(np.sqrt((changed**2).mean())) if len(changed) >= 12 else 0.0
    value: float | None = None
    if row.endswith("dent"):
        value = displacement(whole.alpha, damaged.alpha, where)
    elif row.endswith("hue"):
        value = float(np.median(ciede2000(lab_of(from_display(before)[where]), lab_of(from_display(after)[where]))))
    elif row.endswith("blur"):
        value = softness(first, second, ndimage.binary_erosion(where, iterations=2))
    return Severity(value, visible)


def displacement(before: NDArray[np.float32], after: NDArray[np.float32], where: Bools) -> float:
    """Furthest that the 0.5 iso-contour has moved within ``where``, px."""
    lines = find_contours(np.pad(before, 1), 0.5)
    old = np.concatenate(lines) - 1.0
    row, column = np.clip(np.rint(old).astype(int), 0, np.array(before.shape) - 1).T
    old = old[where[row, column]]
    new = np.concatenate([_dense(line) for line in find_contours(np.pad(after, 1), 0.5)]) - 1.0
    if len(old) == 0 or len(new) == 0:
        return 0.0
    return float(max(np.hypot(*(new - point).T).min() for point in old))


def _dense(line: F64) -> F64:
    at = np.linspace(0, len(line) - 1, 8 * (len(line) - 1) + 1)
    return np.stack([np.interp(at, np.arange(len(line)), line[:, axis]) for axis in (0, 1)], axis=1)


def softness(before: F64, after: F64, where: Bools) -> float:
    """σ of the Gaussian that turns one luma into the other within ``where``, px, to a tenth."""
    errors = [float(((ndimage.gaussian_filter(before, sigma) - after)[where] ** 2).sum()) for sigma in _SIGMAS]
    return float(_SIGMAS[int(np.argmin(errors))])
