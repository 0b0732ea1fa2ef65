"""Colour drift is read in ΔE00; smooth light and stronger highlights are not drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.colour import quantise
from pipeline.sentinel import expected_from, judge
from pipeline.sentinel.checks.colour_drift import colour_drift
from pipeline.sentinel.cielab import ciede2000, lab_of, linear_of
from pipeline.sentinel.injectors import shift_colour_left
from pipeline.sentinel.types import U8, Expected, Measurement
from tests.sentinel_scene import NUISANCES, Nuisance, Scene, shoe_scene


def readings(expected: Expected, image: U8) -> dict[tuple[str, str], Measurement]:
    return {(m.estimator, m.region): m for m in colour_drift(expected, image, ())}


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
def test_a_faithful_image_drifts_less_than_one_and_a_half(nuisance: Nuisance, white: bool) -> None:
    scene = shoe_scene(white=white)
    measured = [m for m in readings(scene.expected, scene.observed(**nuisance)).values()
                if m.applicable]
    assert len(measured) >= 5
    for reading in measured:
        assert reading.value is not None
        assert reading.value < 1.5, reading
        assert reading.coverage > 0.9


@pytest.mark.parametrize("hue", [0.0, 60.0, 270.0])
@pytest.mark.parametrize("delta_e", [4.0, 8.0])
def test_a_shift_of_the_left_half_reads_near_its_size(delta_e: float, hue: float) -> None:
    scene = shoe_scene()
    image = shift_colour_left(scene.expected, scene.observed(exposure=0.15, jpeg=92), delta_e=delta_e, hue_deg=hue)
    read = readings(scene.expected, image)
    assert read["left_right_delta_e", "material:upper"].value == pytest.approx(delta_e, rel=0.3)
    assert (read["tile_delta_e", "product"].value or 0.0) > 0.75 * delta_e
    verdicts = {score.verdict for score in judge(read.values())}
    assert "fail" in verdicts


def test_the_worst_tile_lies_in_the_shifted_half(scene: Scene) -> None:
    image = shift_colour_left(scene.expected, scene.expected.display, delta_e=5.0)
    box = readings(scene.expected, image)["tile_delta_e", "product"].bbox
    assert box is not None
    assert (box[0] + box[2]) / 2 < scene.expected.size[0] / 2


def test_a_shift_of_everything_shows_in_the_materials(scene: Scene) -> None:
    image = shift_colour_left(scene.expected, scene.expected.display, delta_e=6.0, share=1.0)
    read = readings(scene.expected, image)
    assert (read["material_delta_e", "material:upper"].value or 0.0) > 4.0
    assert (read["left_right_delta_e", "material:upper"].value or 9.0) < 1.0


def test_stronger_highlights_are_not_drift(scene: Scene) -> None:
    passes = scene.passes
    product = passes.product.copy()
    product[..., :3] += 0.8 * passes.specular
    from pipeline.colour import to_display

    image = to_display(product, passes.plate, passes.white_backdrop)
    assert all((m.value or 0.0) < 1.5 for m in readings(scene.expected, image).values())


def test_clipped_colours_are_never_a_pass(scene: Scene) -> None:
    """A strong shift clamps a channel; the few pixels left must not speak for the rest."""
    image = shift_colour_left(scene.expected, scene.expected.display, delta_e=60.0, share=1.0)
    read = readings(scene.expected, image)
    upper = read["material_delta_e", "material:upper"]
    assert upper.coverage < 0.5
    scores = {score.measurement.region: score.verdict for score in judge([upper, read["tile_delta_e", "product"]])}
    assert set(scores.values()) <= {"unmeasured", "fail"}


def test_a_cast_of_the_grey_backdrop_is_taken_off_and_reported() -> None:
    scene = shoe_scene(white=False)
    from pipeline.colour import from_display, srgb_encode, view_transform

    cast = from_display(scene.expected.display) * np.array([1.06, 1.0, 0.94], np.float32)
    read = readings(scene.expected, quantise(srgb_encode(view_transform(cast))))
    assert (read["backdrop_delta_e", "background"].value or 0.0) > 3.0
    assert (read["material_delta_e", "material:sole"].value or 9.0) < 1.5


def test_a_nearly_black_product_reads_no_drift_of_its_own() -> None:
    """Rounding to 8 bits alone must not read as drift where a channel is close to zero."""
    passes = shoe_scene().passes
    dark = 0.02
    product = passes.product.copy()
    product[..., :3] = (passes.product[..., :3] - passes.specular) * dark + passes.specular * 0.02
    black = replace(passes, product=product, diffuse_albedo=passes.diffuse_albedo * dark,
                    specular=passes.specular * 0.02)
    expected = expected_from(black)
    for reading in readings(expected, expected.display).values():
        assert (reading.value or 0.0) < 0.5


def test_a_material_under_highlights_does_not_apply(scene: Scene) -> None:
    gloss = replace(scene.expected, specular=scene.expected.specular + 5.0 * (scene.expected.alpha > 0.5)[..., None])
    applicable = [m.estimator for m in readings(gloss, scene.expected.display).values() if m.applicable]
    assert applicable == []


def test_lab_round_trips_and_matches_the_oracle() -> None:
    colour = pytest.importorskip("colour")
    rng = np.random.default_rng(1)
    linear = rng.uniform(0.02, 0.9, (64, 3))
    assert linear_of(lab_of(linear)) == pytest.approx(linear, abs=2e-4)
    first, second = lab_of(linear), lab_of(np.clip(linear * rng.uniform(0.9, 1.1, (64, 3)), 0, 1))
    assert ciede2000(first, second) == pytest.approx(colour.delta_E(first, second, method="CIE 2000"), abs=1e-9)


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
