"""The shoe from a camera inside its file, against the Khronos reference; and the ruler itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.proof_khronos import Pair, shoe_pairs
from benchmarks.reference_metrics import color_difference, shift_between, silhouette


@pytest.fixture(scope="module")
def pair(shared_folder: Path) -> Pair:
    return shoe_pairs(shared_folder / "corpus", (0,))[0]


def test_the_outline_is_the_references(pair: Pair) -> None:
    reading = silhouette(pair.passes, pair.reference, pair.toe)
    assert reading.iou >= 0.995
    assert reading.theirs_only == 0
    assert reading.measured > 0.98
    assert reading.p95 <= 0.75
    assert reading.toe_largest is not None
    assert reading.toe_largest <= 0.75
    assert np.hypot(*reading.shift) < 0.05


def test_the_colour_is_the_references_in_even_light(pair: Pair) -> None:
    # The one exposure that benchmarks/proof_khronos.py fits to the three references.
    difference = color_difference(1.15 * pair.lit, pair.reference, pair.interior)
    assert np.nanmedian(difference) <= 3.0


def test_the_ruler_sees_half_a_pixel_and_a_toe_that_moved(pair: Pair) -> None:
    moved = np.roll(pair.reference, (0, 1), axis=(0, 1))
    reading = silhouette(pair.passes, moved, pair.toe)
    assert reading.shift == pytest.approx((1.0, 0.0), abs=0.1)
    assert reading.p95 > 0.75
    half = (pair.passes.alpha + np.roll(pair.passes.alpha, 1, axis=1)) / 2
    points = np.argwhere((pair.passes.alpha > 0.4) & (pair.passes.alpha < 0.6)).astype(float)
    assert shift_between(pair.passes.alpha, half > 0.5, points)[0] == pytest.approx(0.5, abs=0.2)
    longer = pair.reference.copy()
    rows, columns = np.nonzero(pair.toe)
    tip = int(columns.max())
    at = int(np.median(rows[columns > tip - 4]))
    longer[at - 6:at + 6, tip:tip + 4] = 90
    found = silhouette(pair.passes, longer, pair.toe).toe_largest
    assert found is not None
    assert found > 1.5


def test_a_dark_product_cannot_hide_as_white_on_white(pair: Pair) -> None:
    erased = pair.reference.copy()
    erased[:300, 230:420] = 255                 # the tongue, which is black, is gone from the reference
    reading = silhouette(pair.passes, erased, pair.toe)
    assert reading.ours_only > 500
    assert reading.largest > 10
    pale = replace(pair.passes, base_color=np.ones_like(pair.passes.base_color))
    assert silhouette(pale, erased, pair.toe).measured < silhouette(pair.passes, erased, pair.toe).measured
