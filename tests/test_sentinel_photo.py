"""What Sentinel says of the photo around a product: its own defects are caught, a faithful picture passes."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.catalogue import PhotoLight
from pipeline.reference.backplate import backplate
from pipeline.refine.in_photo import photographed
from pipeline.render.in_photo import in_photo
from pipeline.render.types import Replaced
from pipeline.sentinel import expected_from
from pipeline.sentinel.checks.photo import leave_ghost, photo, tint_plate
from pipeline.sentinel.checks.texture import texture
from pipeline.sentinel.injectors import defocus
from pipeline.sentinel.types import U8, Expected
from tests.photographed import ellipse, staged
from tests.sentinel_scene import shoe_scene

SIDE = 400


@cache
def scene() -> Expected:
    """The test shoe in the place of a larger oval."""
    passes = shoe_scene(SIDE, SIDE, white=False).passes
    rows, columns = np.nonzero(passes.alpha > 0.5)
    at = float(columns.mean()) / SIDE, float(rows.mean()) / SIDE
    old = ellipse(SIDE, 0.55 * float(np.ptp(columns)) / SIDE, 0.72 * float(np.ptp(rows)) / SIDE, at=at)
    shot = staged(old)
    made = backplate(shot.photo, old, passes.alpha > 0.5, np.ones((SIDE, SIDE), np.float32), float(np.ptp(columns)))
    return expected_from(in_photo(passes, Replaced(shot.photo, old, made.pixels)))


def before() -> Replaced:
    found = scene().replaced
    assert found is not None
    return found


def readings(image: U8, expected: Expected | None = None) -> dict[str, float | None]:
    return {m.estimator: m.value for m in photo(expected or scene(), image, ())}


def jpeg(image: U8) -> U8:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer).convert("RGB"))


def test_a_faithful_picture_passes_even_as_jpeg() -> None:
    for image in (scene().display, jpeg(scene().display)):
        found = readings(image)
        assert found["plate_delta_e"] is not None
        assert found["plate_delta_e"] < 0.4
        assert found["ghost"] is not None
        assert found["ghost"] < 0.12


def test_what_shines_through_is_a_ghost() -> None:
    ghostly = readings(leave_ghost(scene(), scene().display, ()))
    assert ghostly["ghost"] is not None
    assert ghostly["ghost"] > 0.25
    untouched = np.where(scene().alpha[..., None] > 0, scene().display, before().photo)
    whole = readings(untouched)
    assert whole["ghost"] is not None
    assert whole["ghost"] > 0.8


@given(st.integers(2, 12), st.sampled_from([0, 1, 2]))
@settings(max_examples=10, deadline=None)
def test_a_changed_ground_is_seen(codes: int, channel: int) -> None:
    shift = np.zeros(3, int)
    shift[channel] = codes
    changed = np.clip(scene().display.astype(int) + shift * (scene().alpha[..., None] <= 0), 0, 255).astype(np.uint8)
    found = readings(changed)["plate_delta_e"]
    assert found is not None
    assert found > 0.5


def test_the_injected_tint_fails() -> None:
    found = readings(tint_plate(scene(), scene().display, ()))["plate_delta_e"]
    assert found is not None
    assert found > 0.5


def test_it_says_nothing_of_a_stage() -> None:
    plain = replace(scene(), replaced=None)
    assert all(not m.applicable for m in photo(plain, plain.display, ()))
    assert np.array_equal(leave_ghost(plain, plain.display, ()), plain.display)


def test_a_product_that_covers_the_old_one_leaves_nothing_to_look_for() -> None:
    small = cv2.erode((scene().alpha > 0.5).astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    covered = replace(scene(), replaced=replace(before(), mask=np.asarray(small)))
    [ghost] = [m for m in photo(covered, covered.display, ()) if m.estimator == "ghost"]
    assert not ghost.applicable


@pytest.mark.parametrize("blur_px", [0.0, 0.7, 1.6])
def test_a_product_as_soft_as_its_photo_is_in_focus(blur_px: float) -> None:
    """The lens of the photo is the product's too: only what is softer than that is out of focus."""
    codes = np.full((SIDE, SIDE, 3), 150, np.uint8)
    sharp = shoe_scene(SIDE, SIDE, white=False).passes
    shot = replace(sharp.shot, light=PhotoLight(blur_px=blur_px))
    passes = in_photo(replace(sharp, shot=shot), Replaced(codes, sharp.alpha > 0.5, codes))
    made, expected = photographed(passes.display, passes), expected_from(passes)

    def softness(image: U8) -> float:
        [value] = [m.value for m in texture(expected, image, ()) if m.estimator == "global_blur_sigma"]
        assert value is not None
        return value

    assert softness(made) < 0.4
    assert softness(defocus(expected, made, (), sigma_px=1.6)) > 1.0
    away = cv2.dilate((passes.alpha > 0.0).astype(np.uint8), np.ones((17, 17), np.uint8)) == 0
    assert np.array_equal(expected.display[away], codes[away])


def test_passes_before_a_photo_show_it_exactly() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    passes = shoe_scene(SIDE, SIDE, white=False).passes
    made = in_photo(passes, Replaced(codes, passes.alpha > 0.5, codes))
    away = passes.alpha <= 0.0
    assert np.array_equal(made.display[away], codes[away])
    assert np.array_equal(photographed(made.display, made)[away], codes[away])
