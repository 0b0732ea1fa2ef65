"""Whatever a refiner does to colours and print, the lock puts back, and it leaves the light alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.colour import from_display, to_display
from pipeline.refine.lock import lock
from pipeline.refine.lock_settings import ALIGNED, UNTRUSTED, LockSettings
from pipeline.refine.regions_in_picture import coverage_of
from tests.sentinel_scene import LABEL, REGIONS, shoe_scene

U8 = NDArray[np.uint8]
PASSES = shoe_scene().passes
TRUE: U8 = to_display(PASSES.product, PASSES.plate, PASSES.white_backdrop)
SOLID = PASSES.alpha >= 1.0
PRINT = coverage_of(PASSES, REGIONS) > 0.5


def error(picture: U8, where: NDArray[np.bool_]) -> float:
    """Root mean square code values off the true picture."""
    return float(np.sqrt(np.mean((picture[where].astype(float) - TRUE[where]) ** 2)))


@pytest.mark.parametrize("settings", [UNTRUSTED, ALIGNED], ids=["untrusted", "aligned"])
def test_the_true_picture_stays(settings: LockSettings) -> None:
    locked = lock(TRUE, PASSES, REGIONS, settings).pixels
    assert error(locked, SOLID) < 0.5
    assert np.abs(locked.astype(int) - TRUE)[SOLID].max() <= 2


@pytest.mark.parametrize("regions", [(), REGIONS], ids=["no regions", "regions"])
def test_the_background_keeps_its_bytes(regions: tuple[object, ...]) -> None:
    locked = lock(TRUE, PASSES, REGIONS if regions else ()).pixels
    assert (locked[PASSES.alpha == 0.0] == TRUE[PASSES.alpha == 0.0]).all()


def test_smeared_print_comes_back() -> None:
    smeared = np.where(PASSES.alpha[..., None] > 0, gaussian_filter(TRUE, (3, 3, 0)), TRUE)
    locked = lock(smeared, PASSES, REGIONS).pixels
    assert error(locked, PRINT) < 0.35 * error(smeared, PRINT)


def test_light_is_kept() -> None:
    x = np.linspace(0.8, 1.25, TRUE.shape[1], dtype=np.float32)[None, :, None]
    lit = PASSES.product.copy()
    lit[..., :3] = PASSES.product[..., :3] * x
    picture = to_display(lit, PASSES.plate, PASSES.white_backdrop)
    locked = lock(picture, PASSES, REGIONS).pixels
    ratio = from_display(locked)[SOLID].sum() / from_display(picture)[SOLID].sum()
    assert ratio == pytest.approx(1.0, abs=0.01)
    assert np.abs(locked.astype(int) - picture)[SOLID].mean() < 1.0


def test_a_product_without_parts_or_a_picture_without_a_product_is_no_failure() -> None:
    nothing = replace(PASSES, alpha=np.zeros_like(PASSES.alpha))
    assert (lock(TRUE, nothing, [LABEL]).pixels == TRUE).all()
