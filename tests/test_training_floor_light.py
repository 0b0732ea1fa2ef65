"""Specks of the traced floor along a silhouette are no light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.floor_light import OFF, completed_plate

SIDE = 48
DOWN, ACROSS = np.mgrid[0:SIDE, 0:SIDE]
AWAY = np.hypot(DOWN - 24, ACROSS - 24) - 12.0
ALPHA = np.clip(0.5 - AWAY, 0.0, 1.0).astype(np.float32)
PATTERN = (0.5 + 0.3 * np.sin(ACROSS))[..., None].repeat(3, axis=2).astype(np.float32)
SHADOW = (0.6 + 0.01 * DOWN)[..., None]
CLEAN = (PATTERN * SHADOW).astype(np.float32)


def specked() -> NDArray[np.float32]:
    edge = (ALPHA > 0.0) & (ALPHA < 1.0)
    noise = np.random.default_rng(1).uniform(-0.4, 0.6, CLEAN.shape)
    return np.asarray(np.where(edge[..., None], CLEAN + noise, CLEAN), np.float32)


def test_the_edge_continues_pattern_and_shadow_of_beside_it() -> None:
    found = completed_plate(specked(), PATTERN, ALPHA)
    edge = (ALPHA > 0.0) & (ALPHA < 1.0)
    assert np.abs(specked() - CLEAN)[edge].mean() > 0.15
    assert np.abs(found - CLEAN)[edge].max() < 0.03


def test_the_floor_beyond_is_untouched_and_twice_is_once() -> None:
    once = completed_plate(specked(), PATTERN, ALPHA)
    far = AWAY > OFF + 1.0
    np.testing.assert_array_equal(once[far], specked()[far])
    np.testing.assert_allclose(completed_plate(once, PATTERN, ALPHA), once, atol=1e-5)


def test_a_picture_full_of_product_or_without_any() -> None:
    np.testing.assert_array_equal(completed_plate(specked(), PATTERN, np.ones_like(ALPHA)), PATTERN)
    np.testing.assert_array_equal(completed_plate(CLEAN, PATTERN, np.zeros_like(ALPHA)), CLEAN)
