"""What strong refiners do to a product, done to a true picture, one fault at a time.

Every damage is a function of a truth to (H, W, 3) sRGB code values; the same truth gives the same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.lock_scenes import Truth
from pipeline.colour import from_display, quantise, srgb_encode, view_transform
from pipeline.refine.lock_fields import luminance, smooth
from pipeline.refine.regions_in_picture import coverage_of

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

SHRINK = 4                     # of an autoencoder whose decoder has lost the detail
DRIFT = 0.20                   # of red and blue at either side of the product
WOBBLE_PX = 2.0                # largest displacement
WOBBLE_WAVE = 24.0             # px, σ of the noise that bends
GLYPH_PX = 3.0                 # largest displacement inside a label
GLYPH_SMEAR = 2.5              # px, σ along the line
SHIFT_PX = 0.5
SEED = 5


def blurred(truth: Truth) -> U8:
    """Four times down and up: what an autoencoder loses."""
    image = Image.fromarray(truth.picture)
    small = image.resize((image.width // SHRINK, image.height // SHRINK), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def drifted(truth: Truth) -> U8:
    """Warmer to the left, colder to the right, a grey as bright as before."""
    columns = np.flatnonzero((truth.passes.alpha > 0.5).any(axis=0))
    x = np.clip((np.arange(truth.picture.shape[1]) - columns[0]) / max(int(np.ptp(columns)), 1), 0, 1) * 2 - 1
    gain = np.stack([1 - DRIFT * x, np.ones_like(x), 1 + DRIFT * x], axis=-1).astype(np.float32)
    gain /= luminance(gain)[:, None]
    coded = srgb_encode(view_transform(from_display(truth.picture) * gain[None]))
    alpha = truth.passes.alpha[..., None]
    return quantise(truth.picture / 255.0 * (1 - alpha) + coded * alpha)


def misprinted(truth: Truth) -> U8:
    """Labels and logos bent by up to three pixels and smeared along the line."""
    rng = np.random.default_rng(SEED)
    bent = _warped(truth.picture.astype(np.float32), _noise(rng, truth.picture.shape[:2], 6.0, GLYPH_PX))
    smeared = ndimage.gaussian_filter1d(bent, GLYPH_SMEAR, axis=1)
    where = coverage_of(truth.passes, truth.regions, ("label", "logo"))[..., None]
    return quantise((truth.picture * (1 - where) + smeared * where) / 255.0)


def unstitched(truth: Truth) -> U8:
    """Every row of stitches gone, the material around it drawn across."""
    picture, where = truth.picture.astype(np.float32), coverage_of(truth.passes, truth.regions, ("stitching",))
    around = ((where == 0.0) & (truth.passes.alpha >= 1.0)).astype(np.float32)
    share = ndimage.gaussian_filter(around, 5.0)[..., None]
    filled = ndimage.gaussian_filter(picture * around[..., None], (5.0, 5.0, 0.0)) / np.maximum(share, 1e-4)
    where = np.where(share[..., 0] > 1e-3, where, 0.0)[..., None]
    return quantise((picture * (1 - where) + filled * where) / 255.0)


def wobbled(truth: Truth) -> U8:
    """The whole picture bent smoothly by up to two pixels."""
    rng = np.random.default_rng(SEED)
    field = _noise(rng, truth.picture.shape[:2], WOBBLE_WAVE, WOBBLE_PX)
    return quantise(_warped(truth.picture.astype(np.float32), field) / 255.0)


def shifted(truth: Truth) -> U8:
    """Half a pixel to the right and down."""
    field = np.full((2, *truth.picture.shape[:2]), SHIFT_PX)
    return quantise(_warped(truth.picture.astype(np.float32), field) / 255.0)


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float, largest: float) -> NDArray[np.float64]:
    """(2, H, W) smooth displacements in y and x."""
    field = np.stack([smooth(rng.standard_normal(shape).astype(np.float32), sigma) for _ in range(2)])
    return np.asarray(field * largest / np.abs(field).max(), np.float64)


def _warped(picture: F32, field: NDArray[np.float64]) -> F32:
    grid = np.mgrid[0:picture.shape[0], 0:picture.shape[1]] - field
    return np.stack([ndimage.map_coordinates(picture[..., c], grid, order=3, mode="nearest") for c in range(3)],
                    axis=-1).astype(np.float32)


def strong(truth: Truth) -> U8:
    """Everything but the wobble, one after the other."""
    picture = truth
    for damage in (drifted, misprinted, unstitched, shifted, blurred):
        picture = Truth(truth.passes, truth.regions, damage(picture), truth.alpha)
    return picture.picture


def untouched(truth: Truth) -> U8:
    return truth.picture


DAMAGES: Mapping[str, Callable[[Truth], U8]] = {
    "nothing": untouched, "blur": blurred, "drift": drifted, "glyphs": misprinted, "rows": unstitched,
    "wobble": wobbled, "shift": shifted, "all but wobble": strong,
}
