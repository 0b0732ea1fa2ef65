"""Blur is read in pixels of σ, a label's in excess of the whole picture's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalogue import Region
from pipeline.sentinel import judge
from pipeline.sentinel.checks.detail import detail
from pipeline.sentinel.injectors import blur_regions, defocus
from pipeline.sentinel.types import U8, Measurement
from tests.sentinel_scene import LABEL, LOGO, NUISANCES, REGIONS, Nuisance, Scene, shoe_scene

PRINTS = ("label:tongue#1", "logo:side#1")


def readings(scene: Scene, image: U8, regions: tuple[Region, ...] = REGIONS) -> dict[str, Measurement]:
    named = {m.region: m for m in detail(scene.expected, image, regions)}
    assert len(named) == len(detail(scene.expected, image, regions))
    return named


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
def test_a_faithful_image_is_sharp(scene: Scene, nuisance: Nuisance) -> None:
    read = readings(scene, scene.observed(**nuisance))
    assert all((read[name].value or 0.0) <= 0.4 for name in PRINTS)
    assert all(score.verdict == "pass" for score in judge(read.values()))


@pytest.mark.parametrize("sigma", [0.8, 1.2, 1.8, 3.0])
def test_a_blurred_print_reads_its_sigma(scene: Scene, sigma: float) -> None:
    image = blur_regions(scene.expected, scene.observed(jpeg=92, blur=0.3), REGIONS, sigma_px=sigma)
    read = readings(scene, image)
    for name in PRINTS:
        assert read[name].value == pytest.approx(sigma, rel=0.2)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0])
def test_a_soft_picture_is_not_a_soft_label(scene: Scene, sigma: float) -> None:
    read = readings(scene, defocus(scene.expected, scene.expected.display, sigma_px=sigma))
    assert all((read[name].value or 0.0) <= 0.55 for name in PRINTS)


def test_a_wiped_print_is_never_a_pass(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[90:240, 170:400] = np.median(image[150:160, 100:120], axis=(0, 1)).astype(np.uint8)
    read = readings(scene, image)
    for name in PRINTS:
        assert {score.verdict for score in judge([read[name]])} <= {"unmeasured", "fail"}


def test_small_or_absent_prints_do_not_apply_and_say_why(scene: Scene) -> None:
    tiny = replace(LABEL, name="tiny", polygon=((0.4, 0.2), (0.5, 0.2), (0.5, 0.23), (0.4, 0.23)))
    crumb = replace(LOGO, name="crumb", polygon=((0.7, 0.5), (0.72, 0.5), (0.72, 0.52), (0.7, 0.52)))
    absent = replace(LOGO, name="absent", material="no such material")
    read = readings(scene, scene.expected.display, (tiny, crumb, absent))
    assert "px high" in read["label:tiny#1"].reason
    assert "px small" in read["logo:crumb#1"].reason
    assert "does not show" in read["logo:absent"].reason
    assert {score.verdict for score in judge(read[n] for n in ("label:tiny#1", "logo:crumb#1", "logo:absent"))
            } == {"not_applicable"}


def test_a_steep_print_does_not_apply(scene: Scene) -> None:
    steep = replace(scene.expected, normal=np.where(np.isnan(scene.expected.uv[..., :1]), 0.0,
                                                    np.array([0.97, 0.0, 0.24])).astype(np.float32))
    reason = {m.region: m for m in detail(steep, steep.display, (LABEL,))}["label:tongue#1"].reason
    assert "76°" in reason


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
