"""How far a picture is from its truth: code values by PSNR, texture by a patch-spectrum distance.

    psnr(picture, truth, sets.product)                       # dB
    texture_distance(picture, truth, passes.material_id, inner)

Pictures are display code values (H, W, 3) uint8, as :func:`pipeline.colour.to_display` gives them.

PSNR asks for every thread in its place; nobody can infer that. What can be inferred is how strong the relief is, how
fine, and which way it runs: the statistics of texture by which people tell materials apart (J. Portilla and
E. Simoncelli, IJCV 40, 2000), of which the power at each scale and orientation is the first; natural surfaces differ
in how it falls with frequency (D. Field, JOSA A 4, 1987). It is blind to phase, so that another realisation of the
same weave is no error, and to slow light, which PSNR judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.colour import from_display, inverse_view_transform, srgb_decode

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709
DARK = 1e-3                # luminance added before the logarithm; code 0 would have none


@dataclass(frozen=True, slots=True)
class PatchSettings:
    """How patches are cut and their power is sorted."""

    side: int = 32                         # px
    stride: int = 8                        # px between patches; windows of Hann overlap well at a quarter
    erode: int = 2                         # px from another material or the silhouette
    slow_light: float = 4.0                # σ in px of the blur that is divided out
    rings: tuple[float, ...] = (2.0, 4.0, 5.66, 8.0, 11.31, 16.0)  # borders in cycles per patch; the last is Nyquist
    orientations: int = 4
    floor: float = 2.0                     # rms of the noise floor in units of white 8-bit rounding noise, 1/√12
                                           # code: bands of a slow ramp are rounding too, gathered in few bins


PATCHES = PatchSettings()


def psnr(picture: U8, truth: U8, where: Mask) -> float | None:
    """Peak signal-to-noise ratio in dB of 8-bit code values; None where the set is empty.

    Equal pictures are held at 99.
    """
    if not where.any():
        return None
    error = picture[where].astype(np.float64) - truth[where].astype(np.float64)
    mean = float(np.mean(np.square(error)))
    return 99.0 if mean == 0.0 else min(99.0, 10.0 * float(np.log10(255.0 ** 2 / mean)))


def log_luminance(picture: U8) -> F64:
    """(H, W) natural logarithm of scene-linear luminance: gains become sums."""
    return np.asarray(np.log(from_display(picture).astype(np.float64) @ LUMINANCE + DARK), np.float64)


def rounding_variance(picture: U8) -> F64:
    """(H, W) variance of :func:`log_luminance` that rounding to 8 bit leaves: (d ln Y / d code)² / 12.

    Rounding errors are uniform over one code (B. Widrow and I. Kollár, Quantization Noise, 2008). Of the grey whose
    code is the pixel's luma; the slope is taken across two codes.
    """
    luma = np.clip(np.rint(picture.astype(np.float64) @ LUMINANCE), 0, 255).astype(np.intp)
    return np.asarray(_rounding_table()[luma], np.float64)


@cache
def _rounding_table() -> F64:
    grey = np.repeat((np.arange(256) / 255.0)[:, None], 3, axis=1)
    level = np.log(inverse_view_transform(srgb_decode(grey)).astype(np.float64) @ LUMINANCE + DARK)
    return np.asarray(np.gradient(level) ** 2 / 12.0, np.float64)


def texture_distance(picture: U8, truth: U8, material_id: NDArray[np.integer], inner: Mask,
                     settings: PatchSettings = PATCHES) -> float | None:
    """Patch-spectrum distance in dB: 0 for the same texture statistics; None where no patch fits.

    Per material: the mean over its patches of 10·log10(P + N), P the power of log-luminance in each bin of radial
    frequency × orientation after slow light is divided out, N the power of 8-bit rounding. The distance is the root
    mean square of the two pictures' differences over bins, and over materials by their number of patches.

    A spectrum of few patches is uncertain: two draws of one texture are 3.3 dB apart where one patch fits, 1.4 dB in
    64², 0.5 dB in 128². Halving the grain's amplitude is 6 dB.

    ``material_id``: (H, W), 0 = none. ``inner``: (H, W) pixels that the product covers whole.
    """
    spread = squares = 0.0
    ours, theirs = log_luminance(picture), log_luminance(truth)
    noise = rounding_variance(truth)
    for material in np.unique(material_id[inner & (material_id > 0)]):
        whole = inner & (material_id == material)
        corners = patch_corners(whole, settings)
        if len(corners) == 0:
            continue
        difference = (spectrum(ours, noise, whole, corners, settings)
                      - spectrum(theirs, noise, whole, corners, settings))
        squares += len(corners) * float(np.mean(np.square(difference)))
        spread += len(corners)
    return float(np.sqrt(squares / spread)) if spread else None


def patch_corners(whole: Mask, settings: PatchSettings = PATCHES) -> NDArray[np.intp]:
    """(N, 2) row and column of patches wholly inside the eroded mask, one in each cell of a grid that has any."""
    side = settings.side
    if min(whole.shape) < side:
        return np.zeros((0, 2), np.intp)
    # The picture's edge is no edge of the product.
    eroded = ndimage.binary_erosion(whole, iterations=settings.erode, border_value=1)
    sums = np.pad(np.cumsum(np.cumsum(eroded, axis=0), axis=1), ((1, 0), (1, 0)))
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    corners = np.argwhere(counts == side * side)
    _, first = np.unique(corners // settings.stride, axis=0, return_index=True)
    return np.asarray(corners[first], np.intp)


def spectrum(log_light: F64, noise: F64, whole: Mask, corners: NDArray[np.intp],
             settings: PatchSettings = PATCHES) -> F64:
    """(rings × orientations,) dB, averaged over patches: power per coefficient, so that white noise is level.

    ``noise``: (H, W) variance of the floor in ``log_light``.
    """
    quick = without_slow_light(log_light, whole, settings.slow_light)
    window = np.outer(np.hanning(settings.side + 1)[:-1], np.hanning(settings.side + 1)[:-1])
    energy = float(np.square(window).sum())
    bins = frequency_bins(settings)
    count = np.bincount(bins[bins >= 0])
    total = np.zeros(len(count))
    for row, column in corners:
        place = np.s_[row:row + settings.side, column:column + settings.side]
        power = np.square(np.abs(np.fft.fft2(window * quick[place]))) / energy
        floor = float((np.square(window) * noise[place]).sum()) / energy * settings.floor ** 2
        mean = np.bincount(bins[bins >= 0], weights=power[bins >= 0]) / count
        total += 10.0 * np.log10(mean + floor)
    return np.asarray(total / len(corners), np.float64)


def without_slow_light(log_light: F64, whole: Mask, sigma: float) -> F64:
    """Logarithm of light over its blur inside the mask, Σ(w·m·x) / Σ(w·m); 0 outside."""
    inside = whole.astype(np.float64)
    share = ndimage.gaussian_filter(inside, sigma)
    slow = ndimage.gaussian_filter(inside * log_light, sigma) / np.maximum(share, 1e-6)
    return np.asarray(np.where(whole, log_light - slow, 0.0), np.float64)


def frequency_bins(settings: PatchSettings = PATCHES) -> NDArray[np.intp]:
    """(side, side) bin of each coefficient of a patch's transform, −1 where it is in none.

    The lowest ring starts at 2 cycles a patch: below, Hann's main lobe holds what slow light left. Orientations are
    centred on the axes and diagonals.
    """
    cycles = np.fft.fftfreq(settings.side) * settings.side
    down, across = np.meshgrid(cycles, cycles, indexing="ij")
    ring = np.searchsorted(np.array(settings.rings), np.hypot(down, across), side="right") - 1
    turn = np.mod(np.arctan2(down, across) / np.pi * settings.orientations + 0.5, settings.orientations)
    inside = (ring >= 0) & (ring < len(settings.rings) - 1)
    return np.where(inside, ring * settings.orientations + turn.astype(np.intp), -1)
