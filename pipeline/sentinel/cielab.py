"""Scene-linear Rec. 709 to CIELAB and back under D65, and CIEDE2000."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.colour import srgb_encode

F64 = NDArray[np.float64]

_D65 = np.array([0.95047, 1.0, 1.08883])
_XYZ_TO_RGB = np.array([[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560],
                        [0.0556434, -0.2040259, 1.0572252]])  # IEC 61966-2-1


def lab_of(linear: NDArray[np.floating]) -> F64:
    """(n, 3) scene-linear 0..1 to CIELAB. OpenCV's float Lab would be off by up to 0.38 ΔE00."""
    return np.asarray(rgb2lab(srgb_encode(linear)[None])[0], np.float64)  # skimage takes sRGB code values


def linear_of(lab: F64) -> F64:
    """(n, 3) CIELAB to scene-linear, out-of-gamut values held at 0 (CIE 15:2004)."""
    fy = (lab[:, 0] + 16.0) / 116.0
    f = np.stack([fy + lab[:, 1] / 500.0, fy, fy - lab[:, 2] / 200.0], axis=1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D65
    return np.asarray(np.maximum(xyz @ _XYZ_TO_RGB.T, 0.0), np.float64)


def ciede2000(first: F64, second: F64, lightness_weight: float = 1.0) -> F64:
    """(n,) CIEDE2000 of CIELAB colours; ``lightness_weight`` is kL."""
    return np.asarray(deltaE_ciede2000(first, second, kL=lightness_weight), np.float64)  # type: ignore[no-untyped-call]
