"""A house's own layer: rules as data, own checks as code, whole layers and checks made advisory or switched off."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from pipeline.catalogue import Catalogue
from pipeline.errors import CatalogueError, PackshotError, SentinelError
from pipeline.sentinel import Measurement, Score, all_checks, image_verdict, measure, registry
from pipeline.sentinel.calibration import products_needed, to_yaml
from pipeline.sentinel.evidence import evidence_path
from pipeline.sentinel.house import checked, rule_scores
from pipeline.sentinel.judging import Judging, judging_for
from pipeline.settings import LayerEntry, LimitEntry, RuleEntry
from tests.conftest import ROOT
from tests.sentinel_scene import REGIONS, shoe_scene
from tests.test_sentinel_calibration import REFINER, SIZE, good_products

TOE = Measurement("silhouette", "toe_deviation_max", "toe", 0.4, "px", 1.0, (1, 2, 3, 4))
DRIFT = Measurement("colour_drift", "material_delta_e", "material:upper", 1.6, "ΔE00", 1.0)
OWN = """
import numpy as np
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import Limit, Measurement

@check("{name}", needs=("alpha",), unit="code", about="brightness",
       estimators={{"mean": Estimator(Limit(fail=90.0, direction="min", perfect=255.0),
                                      "is too dark (mean code {{value:.0f}})")}})
def brightness(expected, observed, regions):
    \"\"\"Mean code value of the picture.\"\"\"
    {body}
"""
MEAN = 'return [Measurement("{name}", "mean", "image", float(np.mean(observed)), "code", 1.0)]'


def catalogue(folder: Path, yaml: str) -> Judging:
    folder.mkdir(exist_ok=True)
    (folder / "catalogue.yaml").write_text(yaml)
    opened = Catalogue.at(str(folder))
    return judging_for(opened.settings, opened.root)


def own(folder: Path, body: str = MEAN, name: str = "brightness") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(OWN.format(name=name, body=body.format(name=name)))


def by_key(scores: list[Score]) -> dict[str, Score]:
    return {f"{score.measurement.check}.{score.measurement.estimator}": score for score in scores}


def error_of(folder: Path, yaml: str) -> PackshotError:
    with pytest.raises(PackshotError) as caught:
        catalogue(folder, yaml)
    return caught.value


def test_a_rule_is_a_score_of_the_check_house(tmp_path: Path) -> None:
    judging = catalogue(tmp_path, """
rules:
  - {name: no_toe_dent_on_hero, shot: hero, reading: silhouette.toe_deviation_max, max: 0.3, warn: 0.2,
     sentence: "must be spotless on the homepage, but is off by {value:.1f} px"}
""")
    hero = judging.judge([TOE, DRIFT], shot="hero", category="footwear")
    assert [score.measurement.check for score in hero] == ["silhouette", "colour_drift", "house"]
    rule = hero[-1]
    assert (rule.verdict, rule.measurement.estimator, rule.measurement.region) == ("fail", "no_toe_dent_on_hero", "toe")
    assert rule.measurement.bbox == TOE.bbox
    assert rule.sentence == ("The front (toe) must be spotless on the homepage, but is off by 0.4 px; at most 0.3 px "
                             "is allowed.")
    assert image_verdict(hero) == "fail"
    assert [score.measurement.check for score in judging.judge([TOE], shot="top")] == ["silhouette"]


@pytest.mark.parametrize(("rule", "matches"), [
    ({"region": "label"}, 2), ({"region": "label:*"}, 2), ({"region": "label:tongue#1"}, 1), ({"region": "*"}, 3),
    ({"category": "foot*"}, 3), ({"category": "mug"}, 0), ({"shot": "h*"}, 3), ({"shot": "top"}, 0)])
def test_rules_choose_by_region_category_and_shot(rule: dict[str, Any], matches: int) -> None:
    readings = [replace(DRIFT, region=region) for region in ("label:tongue#1", "label:tongue#2", "logo:side#1")]
    entry = RuleEntry(name="r", reading="colour_drift.material_delta_e", max=9, **rule)
    scores = rule_scores([entry], readings, shot="hero", category="footwear")
    assert [score.verdict for score in scores] == ["pass"] * matches
    assert len({score.measurement.region for score in scores}) == matches


def test_a_rule_without_its_reading_never_passes() -> None:
    entry = RuleEntry(name="r", reading="colour_drift.material_delta_e", max=9)
    assert [score.verdict for score in rule_scores([entry], [TOE], shot="hero", category="")] == ["not_applicable"]
    blind = replace(DRIFT, value=None, reason="it is too dark")
    [score] = rule_scores([entry], [blind], shot="hero", category="")
    assert score.verdict == "unmeasured"
    assert "too dark" in score.sentence


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(-10, 10), st.booleans())
def test_a_worse_reading_never_fares_better_under_a_rule(a: float, b: float, limit: float, least: bool) -> None:
    rank = {"pass": 0, "warn": 1, "fail": 2}
    entry = RuleEntry(name="r", reading="colour_drift.material_delta_e", min=limit if least else None,
                      max=None if least else limit)
    better, worse = sorted((a, b), reverse=least)
    first, second = (rule_scores([entry], [replace(DRIFT, value=value)], shot="", category="")[0]
                     for value in (better, worse))
    assert rank[first.verdict] <= rank[second.verdict]
    assert (second.verdict == "fail") == (worse < limit if least else worse > limit)


def test_a_rule_shows_the_reading_s_own_crop() -> None:
    scene = shoe_scene()
    crop = replace(DRIFT, evidence=scene.expected.display[:10, :10])
    entry = RuleEntry(name="r", reading="colour_drift.material_delta_e", max=1)
    [fresh] = rule_scores([entry], [crop], shot="hero", category="")
    [again] = rule_scores([entry], [replace(DRIFT, evidence_path=evidence_path(crop, "hero"))], shot="hero",
                          category="")
    assert fresh.measurement.evidence_path == again.measurement.evidence_path == evidence_path(crop, "hero")


@pytest.mark.parametrize(("rules", "words"), [
    ("[{name: r, reading: silhouete.toe_deviation_max, max: 1}]", "silhouette.toe_deviation_max"),
    ("[{name: r, reading: silhouette.toe_deviation_max, max: 1}, "
     "{name: r, reading: silhouette.toe_deviation_max, min: 1}]", "Two rules"),
    ("[{name: r, reading: silhouette.toe_deviation_max, max: 1, warn: 2}]", "only after failing"),
    ("[{name: r, reading: silhouette.toe_deviation_max, max: 1, sentence: 'is {wrong}'}]", "sentence"),
])
def test_a_rule_that_cannot_work_is_refused(tmp_path: Path, rules: str, words: str) -> None:
    error = error_of(tmp_path, f"rules: {rules}")
    assert error.code == "rule_invalid"
    assert words in f"{error.message} {error.hint}"


@pytest.mark.parametrize("rule", ["{name: r, reading: a.b}", "{name: r, reading: a.b, max: 1, min: 0}",
                                  "{name: Two Words, reading: a.b, max: 1}", "{name: r, reading: a.b, most: 1}"])
def test_a_rule_that_says_too_little_or_too_much_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue(tmp_path, f"rules: [{rule}]")
    assert caught.value.code == "manifest_invalid"


def test_layers_and_whole_checks_become_advisory_or_silent(tmp_path: Path) -> None:
    bad = [replace(TOE, value=9.0), replace(DRIFT, value=9.0)]
    rule = "rules: [{name: r, reading: silhouette.toe_deviation_max, max: 1}]\n"
    assert image_verdict(catalogue(tmp_path, rule).judge(bad)) == "fail"
    advisory = catalogue(tmp_path, rule + "layers: {fidelity: {required: false}, house: {required: false}}")
    assert {score.verdict for score in advisory.judge(bad)} == {"fail"}
    assert image_verdict(advisory.judge(bad)) == "warn"
    off = catalogue(tmp_path, rule + "layers: {fidelity: {enabled: false}, house: {enabled: false}}").judge(bad)
    assert {score.verdict for score in off} == {"not_applicable"}
    assert all("switched off" in score.sentence for score in off)
    mixed = by_key(catalogue(tmp_path, "layers: {fidelity: {enabled: false}}\n"
                                       "limits: {silhouette: {enabled: true, required: false}, "
                                       "silhouette.toe_deviation_max: {required: true}}").judge(bad))
    assert mixed["silhouette.toe_deviation_max"].verdict == "fail"
    assert mixed["colour_drift.material_delta_e"].verdict == "not_applicable"
    assert image_verdict(list(mixed.values())) == "fail"


def test_a_whole_check_has_no_number(tmp_path: Path) -> None:
    error = error_of(tmp_path, "limits: {silhouette: {fail: 2}}")
    assert error.code == "limit_of_check"
    assert "silhouette.toe_deviation_max" in error.hint
    assert error_of(tmp_path, "limits: {silhouete: {required: false}}").code == "limit_unknown"


def test_a_file_beside_the_catalogue_brings_a_check(tmp_path: Path) -> None:
    own(tmp_path)
    judging = catalogue(tmp_path, "checks: [brightness.py]\nlimits: {brightness.mean: {fail: 400}}")
    [found] = judging.checks
    assert (found.name, found.layer) == ("brightness", "house")
    scene = shoe_scene()
    measured = measure(scene.expected, scene.expected.display, REGIONS, judging.checks)
    assert by_key(judging.judge(measured))["brightness.mean"].verdict == "fail"
    assert catalogue(tmp_path, "checks: [brightness.py]").judge([measured[-1]])[0].verdict == "pass"
    assert "brightness" not in {m.check for m in measure(scene.expected, scene.expected.display, REGIONS)}
    assert "brightness" not in {one.name for one in all_checks()}
    rules = catalogue(tmp_path, "checks: [brightness.py]\nrules: [{name: no_dark_hero, shot: hero, "
                                "reading: brightness.mean, min: 255.5}]")
    assert by_key(rules.judge(measured, shot="hero"))["house.no_dark_hero"].verdict == "fail"


def test_an_edited_file_is_loaded_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    counter = tmp_path / "loads"
    own(tmp_path, MEAN)
    (tmp_path / "brightness.py").write_text((tmp_path / "brightness.py").read_text()
                                            + f"\nopen({str(counter)!r}, 'a').write('x')\n")
    first, second = (catalogue(tmp_path, "checks: [brightness.py]") for _ in range(2))
    assert counter.read_text() == "x"
    assert first.sources == second.sources
    (tmp_path / "brightness.py").write_text((tmp_path / "brightness.py").read_text() + "# edited\n")
    assert catalogue(tmp_path, "checks: [brightness.py]").sources != first.sources
    assert counter.read_text() == "xx"


def test_two_catalogues_of_one_process_keep_their_own(tmp_path: Path) -> None:
    own(tmp_path / "a")
    own(tmp_path / "b", MEAN.replace("float(np.mean(observed))", "-1.0"))
    a, b = (catalogue(tmp_path / name, "checks: [brightness.py]") for name in "ab")
    scene = shoe_scene()
    values = [[m.value for m in measure(scene.expected, scene.expected.display, (), judging.checks)
               if m.check == "brightness"] for judging in (a, b)]
    assert values[1] == [-1.0]
    assert values[0] != values[1]


def test_an_importable_module_brings_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path / "lib", name="house_sharpness_example")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    judging = catalogue(tmp_path / "shop", "checks: [house_sharpness_example]")
    assert [found.name for found in judging.checks] == ["house_sharpness_example"]
    assert len(judging.sources["house_sharpness_example"]) == 64


def test_an_entry_point_brings_a_check_to_every_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path, name="installed_example")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = EntryPoint("example", "installed_example", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    before = all_checks()
    all_checks.cache_clear()
    try:
        assert {one.name for one in all_checks()} - {one.name for one in before} == {"installed_example"}
        assert {one.layer for one in all_checks() if one.name == "installed_example"} == {"house"}
    finally:
        monkeypatch.undo()
        all_checks.cache_clear()
    assert all_checks() == before


@pytest.mark.parametrize(("body", "reason"), [
    ("raise KeyError('a bug')", "KeyError"),
    ("return [1]", "no measurement"),
    ("return None", "TypeError"),
    ("observed[:] = 0; raise MemoryError('large')", "MemoryError"),
    ("return [Measurement('silhouette', 'mean', 'image', 1.0, 'px', 1.0)]", "no measurement"),
])
def test_a_check_of_theirs_that_breaks_is_unmeasured_and_harms_nobody(tmp_path: Path, body: str, reason: str) -> None:
    own(tmp_path, body)
    judging = catalogue(tmp_path, "checks: [brightness.py]")
    scene = shoe_scene()
    image = scene.expected.display.copy()
    ours = measure(scene.expected, image, REGIONS)
    measured = measure(scene.expected, image, REGIONS, judging.checks)
    assert [(m.value, m.region) for m in measured[:-1]] == [(m.value, m.region) for m in ours]
    assert (image == scene.expected.display).all()
    score = by_key(judging.judge(measured))["brightness.mean"]
    assert score.verdict == "unmeasured"
    assert reason in score.sentence
    assert image_verdict(judging.judge(measured)) == "fail"


@pytest.mark.parametrize(("source", "words"), [
    ("def broken(:", "SyntaxError"), ("import nowhere_to_be_found", "nowhere_to_be_found"), ("raise SystemError('no')",
                                                                                            "SystemError")])
def test_code_that_cannot_be_loaded_is_named(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(source)
    error = error_of(tmp_path, "checks: [mine.py]")
    assert error.code == "checks_unusable"
    assert "mine.py" in error.message
    assert words in error.message
    assert error_of(tmp_path, "checks: [not_installed_anywhere]").code == "checks_unusable"


@pytest.mark.parametrize("name", ["silhouette", "house"])
def test_a_check_of_theirs_takes_no_name_of_ours(tmp_path: Path, name: str) -> None:
    own(tmp_path, name=name)
    before = registry.registered()[name] if name != "house" else None
    assert error_of(tmp_path, f"checks: [{name}.py]").code == "checks_unusable"
    assert before is None or registry.registered()[name] is before


@pytest.mark.parametrize("name", ["../mine.py", "/etc/mine.py", "absent.py"])
def test_code_lies_beside_the_catalogue(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text("")
    assert error_of(tmp_path / "shop", f"checks: ['{name}']").code == "checks_missing"


def test_a_bucket_names_no_code() -> None:
    root = UPath("memory://shop")
    (root / "catalogue.yaml").write_text("checks: [json]\n")
    with pytest.raises(SentinelError) as caught:
        judging_for(Catalogue(root).settings, root)
    assert caught.value.code == "checks_remote"


def test_a_calibration_is_chosen_by_name(tmp_path: Path) -> None:
    from pipeline.sentinel.calibration import calibrate

    made = calibrate(good_products(140))
    (tmp_path / "ours.yaml").write_text(to_yaml(made))
    judging = catalogue(tmp_path, "calibration: ours.yaml")
    assert judging.calibration == made
    assert judging.warning(REFINER, SIZE) == ""
    assert "uncalibrated" in judging.warning("other 1")
    assert judging.judge([TOE], refiner=REFINER, size=SIZE)[0].limit != catalogue(
        tmp_path, "calibration: engineering").judge([TOE], refiner=REFINER, size=SIZE)[0].limit
    assert error_of(tmp_path, "calibration: absent.yaml").code == "calibration_missing"
    assert error_of(tmp_path, "calibration: ../ours.yaml").code == "calibration_missing"
    assert error_of(tmp_path, "calibration: catalogue.yaml").code == "calibration_unreadable"


def test_inputs_move_with_everything_that_moves_a_verdict(tmp_path: Path) -> None:
    own(tmp_path)
    variants = ["", "limits: {silhouette: {required: false}}", "layers: {house: {required: false}}",
                "layers: {quality: {required: false}}", "rules: [{name: r, reading: delivery.short_side, max: 1}]",
                "rules: [{name: r, reading: delivery.short_side, max: 2}]"]
    seen = [str(catalogue(tmp_path, yaml).inputs) for yaml in variants]
    assert len(set(seen)) == len(variants)
    assert catalogue(tmp_path, "checks: [brightness.py]").sources.keys() == {"brightness.py"}


def test_settings_reach_plain_functions_too() -> None:
    entry = RuleEntry(name="r", reading="silhouette.toe_deviation_max", max=1.0)
    assert checked([entry]) == (entry,)
    judging = Judging({"silhouette": LimitEntry(required=False)}, {"house": LayerEntry(required=False)}, (entry,))
    assert image_verdict(judging.judge([replace(TOE, value=9.0)])) == "warn"


def test_what_the_documentation_shows_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "judging.md").read_text()
    yaml, code = (page.split(f"```{language}\n")[1].split("```")[0] for language in ("yaml", "python"))
    (tmp_path / "brightness.py").write_text(code)
    judging = catalogue(tmp_path, yaml)
    scene = shoe_scene()
    scores = judging.judge(measure(scene.expected, scene.expected.display, REGIONS, judging.checks), shot="hero")
    found = by_key(scores)
    assert found["brightness.mean"].verdict in ("pass", "fail")
    assert found["house.spotless_toe_on_the_homepage"].verdict == "pass"
    assert {score.verdict for score in scores if score.measurement.check == "stitching"} == {"not_applicable"}
    for alpha in (0.01, 0.05):
        assert f"needs {products_needed(alpha)}" in page
