"""Every check is found, has limits for what it emits, and catches the defect it carries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalogue import Region
from pipeline.errors import SentinelError
from pipeline.sentinel import (
    Expected,
    Measurement,
    all_checks,
    check_names,
    engineering_limits,
    expected_from,
    image_verdict,
    judge,
    measure,
)
from pipeline.sentinel.measuring import run_check
from pipeline.sentinel.registry import Check, Injector, check, check_named
from pipeline.sentinel.types import U8
from tests.passes_factory import sphere_passes
from tests.sentinel_scene import NUISANCES, REGIONS, Nuisance, Scene, shoe_scene

INJECTED = [pytest.param(check, injector, id=f"{check.name}-{getattr(injector, '__name__', '?')}")
            for check in all_checks() for injector in check.injectors]


def test_every_file_of_the_package_is_found() -> None:
    assert check_names() == ("artefacts", "colour_drift", "delivery", "label_legibility", "logo_sharpness",
                             "photo", "semantic", "silhouette", "stitching", "texture")


def test_every_estimator_has_a_limit_and_every_limit_an_estimator() -> None:
    named = {f"{check.name}.{estimator}" for check in all_checks() for estimator in check.estimators}
    assert named == set(engineering_limits())


def test_checks_emit_only_what_they_declare(scene: Scene) -> None:
    for one in all_checks():
        emitted = {m.estimator for m in one.measure(scene.expected, scene.expected.display, REGIONS)}
        assert emitted == set(one.estimators)
        assert one.summary


@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
@pytest.mark.parametrize("nuisance", NUISANCES[::5], ids=str)
def test_a_faithful_image_passes_every_required_check(nuisance: Nuisance, white: bool) -> None:
    scene = shoe_scene(white=white)
    scores = judge(measure(scene.expected, scene.observed(**nuisance), REGIONS))
    required = [score for score in scores if score.limit is not None and score.limit.required]
    assert {score.verdict for score in required} <= {"pass", "not_applicable"}
    assert all(score.score >= 70 for score in required if score.score is not None)


@pytest.mark.parametrize(("one", "injector"), INJECTED)
def test_each_check_catches_its_defect(scene: Scene, one: Check, injector: Injector) -> None:
    image = injector(scene.expected, scene.observed(jpeg=92), REGIONS)
    assert image_verdict(judge(run_check(one, scene.expected, image, REGIONS))) in ("fail", "unmeasured")


def test_a_plain_sphere_passes_too() -> None:
    expected = expected_from(sphere_passes(256))
    verdict = image_verdict(judge(measure(expected, expected.display)))
    assert verdict == "warn"  # small on purpose: the size advises, nothing fails


def test_a_product_without_uv_is_judged_by_what_it_has(scene: Scene) -> None:
    bare = replace(scene.expected, uv=np.full_like(scene.expected.uv, np.nan))
    scores = judge(measure(bare, bare.display, REGIONS))
    assert image_verdict(scores) in ("pass", "warn")
    assert {score.verdict for score in scores if score.measurement.check == "stitching"} == {"not_applicable"}


def test_bare_metal_has_no_colour_of_its_own_to_judge(scene: Scene) -> None:
    light = scene.expected.diffuse_albedo * scene.expected.diffuse + scene.expected.specular
    metal = replace(scene.expected, diffuse_albedo=np.zeros_like(light), specular=light.astype(np.float32))
    scores = judge(run_check(_colour(), metal, metal.display, REGIONS))
    assert {score.verdict for score in scores} == {"not_applicable"}


def test_an_image_of_another_size_is_refused(scene: Scene) -> None:
    with pytest.raises(SentinelError) as caught:
        measure(scene.expected, scene.expected.display[:, :-1])
    assert caught.value.code == "image_size"
    assert "480 × 400" in caught.value.message
    with pytest.raises(SentinelError):
        measure(scene.expected, scene.expected.display.astype(np.float32))


def test_a_product_outside_the_picture_fails(scene: Scene) -> None:
    nothing = replace(scene.expected, alpha=np.zeros_like(scene.expected.alpha))
    scores = judge(measure(nothing, nothing.display, REGIONS))
    assert image_verdict(scores) == "fail"
    looked_at = [score for score in scores
                 if score.measurement.check in ("silhouette", "colour_drift", "texture", "logo_sharpness")]
    assert "pass" not in {score.verdict for score in looked_at}


@pytest.mark.parametrize("image", [0, 128, 255], ids=["black", "grey", "white"])
def test_a_blank_image_fails(scene: Scene, image: int) -> None:
    blank = np.full_like(scene.expected.display, image)
    assert image_verdict(judge(measure(scene.expected, blank, REGIONS))) == "fail"


def test_noise_instead_of_an_image_fails(scene: Scene) -> None:
    noise = np.random.default_rng(0).integers(0, 256, scene.expected.display.shape).astype(np.uint8)
    assert image_verdict(judge(measure(scene.expected, noise, REGIONS))) == "fail"


def test_a_documented_error_becomes_unmeasured_and_any_other_is_raised(scene: Scene) -> None:
    def refuses(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
        raise SentinelError("odd_input", "This cannot be read.")

    def breaks(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
        raise KeyError("a bug")

    template = all_checks()[0]
    measured = run_check(replace(template, measure=refuses), scene.expected, scene.expected.display, ())
    assert {m.estimator for m in measured} == set(template.estimators)
    assert {m.value for m in measured} == {None}
    assert all("cannot be read" in m.reason for m in measured)
    with pytest.raises(KeyError):
        run_check(replace(template, measure=breaks), scene.expected, scene.expected.display, ())


def test_a_check_may_only_need_passes_that_exist() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        check("impossible", needs=("nonsense",), unit="px", about="nothing", estimators={})


def test_regions_of_one_name_stay_apart(scene: Scene) -> None:
    measured = measure(scene.expected, scene.expected.display, (*REGIONS, *REGIONS))
    keys = [(m.check, m.estimator, m.region) for m in measured]
    assert len(keys) == len(set(keys))


def test_measuring_is_deterministic(scene: Scene) -> None:
    first, second = (measure(scene.expected, scene.observed(noise=2.0), REGIONS) for _ in range(2))
    assert [(m.region, m.value, m.coverage, m.bbox) for m in first] == [
        (m.region, m.value, m.coverage, m.bbox) for m in second]


def test_a_small_picture_takes_a_fraction_of_a_second(scene: Scene) -> None:
    image = scene.observed()
    started = time.process_time()
    measure(scene.expected, image, REGIONS)
    assert time.process_time() - started < 2.0  # 0.2 s on one quiet core


def _colour() -> Check:
    found = check_named("colour_drift")
    assert found is not None
    return found


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
