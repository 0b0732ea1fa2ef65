"""The measure by which the embedded model is judged, measured itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.colour import quantise, srgb_encode, view_transform
from training.metrics import psnr, texture_distance
from training.pixel_sets import pixel_sets

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
SIDE = 128
ONE = np.ones((SIDE, SIDE), np.uint32)
EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)


def texture(seed: int, contrast: float = 0.1, scale: tuple[float, float] = (1.0, 1.0)) -> F64:
    """(H, W) scene-linear light: filtered noise of a given contrast around 0.3. ``scale``: grain in px."""
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), scale, mode="wrap")
    return np.asarray(0.3 * np.exp(contrast * grain / grain.std()))


def shown(light: F64, gain: F64 | float = 1.0) -> U8:
    return quantise(srgb_encode(view_transform(np.repeat((light * gain)[..., None], 3, axis=2))))


def distance(picture: U8, truth: U8) -> float:
    found = texture_distance(picture, truth, ONE, EVERYWHERE)
    assert found is not None
    return found


def test_the_same_texture_in_another_place_is_no_difference() -> None:
    assert distance(shown(texture(1)), shown(texture(1))) == 0.0
    assert distance(shown(texture(1)), shown(np.roll(texture(1), (17, 40), axis=(0, 1)))) < 0.5
    assert distance(shown(texture(1)), shown(texture(2))) < 0.8


def test_a_texture_smoothed_away_is_far() -> None:
    truth = shown(texture(1))
    smooth = shown(ndimage.gaussian_filter(texture(1), 2.0))
    assert distance(smooth, truth) > 10.0
    assert distance(shown(np.full((SIDE, SIDE), 0.3)), truth) > 15.0


def test_orientation_and_scale_of_the_grain_count() -> None:
    along, across = shown(texture(1, scale=(0.5, 3.0))), shown(texture(2, scale=(3.0, 0.5)))
    assert distance(along, across) > 5.0
    assert distance(along, shown(texture(3, scale=(0.5, 3.0)))) < 1.0
    assert distance(shown(texture(1, scale=(0.7, 0.7))), shown(texture(2, scale=(2.5, 2.5)))) > 5.0


def test_slow_light_is_no_texture() -> None:
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    gain = 0.5 + 0.8 * across * (1.0 - 0.4 * down)
    assert distance(shown(texture(1), gain), shown(texture(1))) < 0.5


@pytest.mark.parametrize("truth_contrast", [0.04, 0.15])
def test_the_further_the_relief_the_further_the_distance(truth_contrast: float) -> None:
    truth = shown(texture(1, truth_contrast))
    weaker = [distance(shown(texture(2, truth_contrast * share)), truth) for share in (1.0, 0.7, 0.5, 0.25, 0.0)]
    stronger = [distance(shown(texture(2, truth_contrast * times)), truth) for times in (1.0, 1.4, 2.0, 4.0)]
    assert weaker == sorted(weaker)
    assert stronger == sorted(stronger)
    assert weaker[2] == pytest.approx(6.0, abs=1.2)  # half the amplitude is 6 dB less power


def test_what_rounding_alone_adds_does_not_count() -> None:
    # A ramp so flat that its codes are bands: another ramp has other bands, and no texture.
    across = np.mgrid[0:SIDE, 0:SIDE][1] / SIDE
    assert distance(shown(0.3 + 0.02 * across), shown(0.3 + 0.02 * across.T)) < 3.0
    assert distance(shown(np.full((SIDE, SIDE), 0.31)), shown(np.full((SIDE, SIDE), 0.3))) == 0.0


def test_materials_are_judged_apart_and_patches_never_straddle_them() -> None:
    left = np.arange(SIDE) < SIDE // 2
    materials = np.where(np.tile(left, (SIDE, 1)), 1, 2).astype(np.uint32)
    step = np.where(materials == 1, 1.0, 0.1)
    found = texture_distance(shown(texture(1) * step), shown(texture(1)), materials, EVERYWHERE)
    assert found is not None
    assert found < 1.5  # of one material it would be the step's spectrum
    swapped = texture_distance(shown(np.where(materials == 1, texture(1), 0.3)), shown(texture(1)), materials,
                               EVERYWHERE)
    assert swapped is not None
    whole = distance(shown(np.full((SIDE, SIDE), 0.3)), shown(texture(1)))
    assert swapped == pytest.approx(whole / np.sqrt(2.0), rel=0.1)


def test_where_no_patch_fits_nothing_is_claimed() -> None:
    thin = np.zeros((SIDE, SIDE), np.bool_)
    thin[:, 50:70] = True
    assert texture_distance(shown(texture(1)), shown(texture(2)), ONE, thin) is None
    assert texture_distance(shown(texture(1)), shown(texture(2)), ONE * 0, EVERYWHERE) is None


def test_psnr_by_hand() -> None:
    truth = np.zeros((2, 2, 3), np.uint8)
    picture = truth.copy()
    picture[0, 0] = 51  # a fifth of the range in one of two pixels: mean square 0.02
    where = np.array([[True, True], [False, False]])
    assert psnr(picture, truth, where) == pytest.approx(10 * np.log10(1 / 0.02))
    assert psnr(picture, truth, ~where) == 99.0
    assert psnr(picture, truth, where & ~where) is None
    assert psnr(truth, picture, where) == psnr(picture, truth, where)  # no wrap of unsigned bytes


def test_the_sets_share_no_pixel_and_the_band_is_four_wide() -> None:
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 30:] = 1.0
    alpha[:, 29] = 0.4  # the contour lies between 29 and 30
    ring = np.zeros(alpha.shape, np.bool_)
    ring[:, 10:31] = True
    sets = pixel_sets(alpha, ring)
    assert np.flatnonzero(sets.band[20]).tolist() == [28, 29, 30, 31]
    assert np.flatnonzero(sets.product[20]).tolist() == list(range(32, 60))
    assert np.flatnonzero(sets.ring[20]).tolist() == list(range(10, 28))
    assert (sets.band.astype(int) + sets.product + sets.ring).max() == 1
    assert not (sets.inner & ~sets.product).any()


def test_a_picture_full_of_product_has_no_silhouette() -> None:
    sets = pixel_sets(np.ones((8, 8), np.float32), np.zeros((8, 8), np.bool_))
    assert not sets.band.any()
    assert sets.product.all()
