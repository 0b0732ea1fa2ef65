"""The four defects of the mission as one story: each is caught, and nothing else is accused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from examples.generate.twin import TWIN, hero
from pipeline import sentinel
from pipeline.render.tracing import light_here
from pipeline.sentinel.types import Score


@pytest.fixture(scope="module")
def scores() -> dict[str, list[Score]]:
    """Judged readings of the undamaged hero and of its committed twin."""
    if light_here("auto") != "traced":
        pytest.skip("the twin was made in path-traced light, which cannot be traced here")
    image, passes, regions = hero()
    expected = sentinel.expected_from(passes)
    with Image.open(TWIN) as opened:
        twin = np.asarray(opened.convert("RGB"))
    return {name: sentinel.judge(sentinel.measure(expected, pixels, regions))
            for name, pixels in (("whole", image), ("twin", twin))}


def failing(scores: list[Score]) -> set[tuple[str, str]]:
    return {(s.measurement.estimator, s.measurement.region.split(":")[0]) for s in scores if s.verdict == "fail"}


def test_the_undamaged_image_passes(scores: dict[str, list[Score]]) -> None:
    assert sentinel.image_verdict(scores["whole"]) == "pass"


def test_the_blurred_label_the_soft_logo_and_the_drift_on_one_side_are_caught(scores: dict[str, list[Score]]) -> None:
    assert sentinel.image_verdict(scores["twin"]) == "fail"
    found = failing(scores["twin"])
    assert {("excess_blur_sigma", "label"), ("excess_blur_sigma", "logo")} <= found
    assert "left_right_delta_e" in {estimator for estimator, _ in found}
    assert "tile_delta_e" in {estimator for estimator, _ in found}


def test_nothing_else_is_accused(scores: dict[str, list[Score]]) -> None:
    assert {score.measurement.check for score in scores["twin"] if score.verdict in ("fail", "unmeasured")} == {
        "colour_drift", "label_legibility", "logo_sharpness", "stitching"}


def test_the_double_row_that_reads_as_one_is_caught_on_its_seam_only(scores: dict[str, list[Score]]) -> None:
    seams = [score for score in scores["twin"] if score.measurement.check == "stitching"]
    failed = [score for score in seams if score.verdict in ("fail", "unmeasured")]
    assert {score.measurement.region for score in failed} == {"stitching:lateral eyestay seam#1"}
    assert any("double stitching in the middle reads as one row" in score.sentence for score in failed)
    assert sum(score.verdict == "pass" for score in seams) >= 20


def test_every_caught_defect_has_a_sentence_and_a_place(scores: dict[str, list[Score]]) -> None:
    for score in scores["twin"]:
        if score.verdict == "fail":
            assert len(score.sentence) > 20
            assert score.measurement.bbox is not None
