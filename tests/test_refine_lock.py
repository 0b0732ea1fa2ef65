"""Whatever a refiner does to colours and print, the lock puts back, and it leaves the light alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.ndimage import gaussian_filter, maximum_filter

from pipeline.colour import from_display, to_display
from pipeline.refine import PRESETS
from pipeline.refine.lock import VERSION, lock
from pipeline.refine.lock_fields import Segment, ratio_field
from pipeline.refine.lock_settings import ALIGNED, UNTRUSTED, LockSettings
from pipeline.refine.locked import LockedFactory
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity, Restraint
from tests.sentinel_scene import LABEL, REGIONS, shoe_scene

U8 = NDArray[np.uint8]
PASSES = shoe_scene().passes
TRUE: U8 = to_display(PASSES.product, PASSES.plate, PASSES.white_backdrop)
SOLID = PASSES.alpha >= 1.0
PRINT = coverage_of(PASSES, REGIONS) > 0.5


def error(picture: U8, where: NDArray[np.bool_]) -> float:
    """Root mean square code values off the true picture."""
    return float(np.sqrt(np.mean((picture[where].astype(float) - TRUE[where]) ** 2)))


@pytest.mark.parametrize("trust", [UNTRUSTED, ALIGNED], ids=["untrusted", "aligned"])
def test_the_true_picture_stays(trust: LockSettings) -> None:
    locked = lock(TRUE, PASSES, REGIONS, trust).pixels
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


@pytest.mark.parametrize("trust", [UNTRUSTED, ALIGNED], ids=["untrusted", "aligned"])
def test_a_restrained_place_is_locked_like_a_region_and_no_other(trust: LockSettings) -> None:
    rng = np.random.default_rng(2)
    noise = gaussian_filter(rng.normal(size=TRUE.shape[:2]), 1.0)[..., None] * 60.0
    grainy = np.where(SOLID[..., None], np.clip(TRUE + noise, 0, 255), TRUE).astype(np.uint8)
    box = np.zeros_like(SOLID)
    box[200:260, 150:240] = True
    usual, held, half = (lock(grainy, PASSES, (), trust, [Restraint((150, 200, 240, 260), freedom)])
                         for freedom in (1.0, 0.0, 0.5))
    assert error(held.pixels, box) < 0.5 * error(usual.pixels, box)
    assert error(held.pixels, box) < error(half.pixels, box) < error(usual.pixels, box)
    away = ndimage.distance_transform_edt(~box) > 40
    assert (held.pixels[away] == usual.pixels[away]).all()
    assert (lock(grainy, PASSES, (), trust).pixels == usual.pixels).all()
    assert held.record["restrained_share"] > 0.0  # type: ignore[operator]


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


def test_a_cast_goes_and_the_products_colour_comes_back() -> None:
    x = np.linspace(-1.0, 1.0, TRUE.shape[1])
    gain = np.stack([1.0 - 0.12 * x, np.ones_like(x), 1.0 + 0.12 * x], axis=-1)
    cast = PASSES.product.copy()
    cast[..., :3] *= gain[None]
    picture = to_display(cast, PASSES.plate, PASSES.white_backdrop)
    locked = lock(picture, PASSES, REGIONS).pixels
    assert error(locked, PRINT) < 0.5 * error(picture, PRINT)


def test_two_copies_of_a_product_do_not_share_their_light() -> None:
    """The right half is another copy in half the light; up to the border, neither takes any from the other."""
    right = np.zeros_like(SOLID)
    right[:, 240:] = True
    instance = np.where(right, 2, 1).astype(np.uint32) * (PASSES.instance_id > 0)
    light = np.where(right, 0.5, 1.0).astype(np.float32)[..., None]
    passes = replace(PASSES, instance_id=instance.astype(np.uint32))
    lit = PASSES.product.copy()
    lit[..., :3] *= light
    picture = to_display(lit, PASSES.plate, PASSES.white_backdrop)
    locked = lock(picture, passes, REGIONS).pixels.astype(int)
    border = SOLID.copy()
    border[:, :237], border[:, 243:] = False, False
    assert border.any()
    assert np.abs(locked - picture)[border].mean() < 2.0


@given(st.floats(0.6, 1.5), st.sampled_from([UNTRUSTED, ALIGNED]))
@trials(max_examples=6, deadline=None)
def test_one_exposure_for_all_is_light_and_stays(exposure: float, trust: LockSettings) -> None:
    lit = PASSES.product.copy()
    lit[..., :3] *= np.float32(exposure)
    picture = to_display(lit, PASSES.plate, PASSES.white_backdrop)
    off = np.abs(lock(picture, PASSES, REGIONS, trust).pixels.astype(int) - picture)[SOLID]
    assert off.mean() < 1.0


def test_an_aligned_refiner_is_touched_in_regions_alone() -> None:
    rng = np.random.default_rng(3)
    relief = np.where(SOLID[..., None], rng.integers(-6, 7, TRUE.shape), 0)
    picture = np.clip(TRUE.astype(int) + relief, 0, 255).astype(np.uint8)
    locked = lock(picture, PASSES, REGIONS, ALIGNED).pixels
    away = coverage_of(PASSES, REGIONS) == 0.0
    away &= ~np.asarray(maximum_filter(~away, 13))
    assert (locked[away] == picture[away]).all()
    assert error(locked, PRINT) < 0.5 * error(picture, PRINT)


class Smearing:
    """Smears the raster, as a refiner might."""

    preferred_batch = 1

    def __init__(self, settings: RefinerSettings) -> None:
        self.identity = self.identity_of(settings)

    @staticmethod
    def identity_of(settings: RefinerSettings) -> RefinerIdentity:
        return RefinerIdentity(settings.preset, 1)

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        return [Refined(gaussian_filter(TRUE, (3, 3, 0)), {"preset": "smearing"}) for _ in requests]


def test_every_preset_is_locked_and_keeps_its_own_picture_beside() -> None:
    factory, chosen = LockedFactory(Smearing, UNTRUSTED), RefinerSettings()
    refiner = factory(chosen)
    [image] = refiner.refine([RefineRequest(PASSES, "", 0, regions=REGIONS)])
    assert image.unlocked is not None
    assert error(image.pixels, PRINT) < error(image.unlocked, PRINT)
    assert image.provenance["lock"]
    assert refiner.identity.parameters["lock_version"] == VERSION
    assert refiner.identity == factory.identity_of(chosen)


def test_the_renderers_own_picture_is_not_locked() -> None:
    chosen = RefinerSettings()
    [image] = PRESETS["none"](chosen).refine([RefineRequest(PASSES, "", 0, regions=REGIONS)])
    assert image.unlocked is None
    assert (image.pixels == TRUE).all()


def test_threads_that_never_show_alone_do_not_learn_light_from_what_shines_between_them() -> None:
    """Strings of a racquet after a blur: every pixel of theirs holds mostly the bright backdrop."""
    inside = np.zeros((40, 40), bool)
    inside[:, ::4] = True
    strings = Segment((slice(0, 40), slice(0, 40)), inside, 1, 1)
    expected, seen = np.full((40, 40), 0.05, np.float32), np.full((40, 40), 0.8, np.float32)
    light = np.full((40, 40), 1.25, np.float32)
    barely, fully = np.full((40, 40), 1e-4, np.float32), np.ones((40, 40), np.float32)
    assert ratio_field(seen, expected, barely, [strings], 2.0, light)[inside].max() < 2.0     # of 16 where it learns
    np.testing.assert_allclose(ratio_field(seen, expected, fully, [strings], 2.0, light)[inside], 16.0, rtol=0.2)
