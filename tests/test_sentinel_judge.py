"""Verdicts, scores and limits: a missing measurement is never a pass, and worse is never better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SentinelError
from pipeline.sentinel import (
    Limit,
    Measurement,
    Score,
    Verdict,
    engineering_limits,
    image_score,
    image_verdict,
    judge,
    recommended_action,
)
from pipeline.sentinel.sentences import place, severity
from pipeline.sentinel.verdicts import findings, score_for, score_of, verdict_of
from pipeline.settings import LimitEntry

READING = Measurement("silhouette", "toe_deviation_max", "toe", 0.4, "px", 1.0)
RANK = {"pass": 0, "warn": 1, "fail": 2, "unmeasured": 2}
KEYS = sorted(engineering_limits())


def reading(key: str, value: float | None, coverage: float = 1.0) -> Measurement:
    check, estimator = key.split(".")
    return Measurement(check, estimator, "product", value, "px", coverage)


def scored(verdict: Verdict, required: bool = True) -> Score:
    return Score(READING, Limit(fail=1.0, required=required), verdict, None, None, "")


@pytest.mark.parametrize(("value", "coverage", "applicable", "verdict"), [
    (0.4, 1.0, True, "pass"),
    (1.0, 1.0, True, "pass"),            # at the warning limit
    (1.2, 1.0, True, "warn"),
    (1.5, 1.0, True, "warn"),            # at the failing limit
    (1.6, 1.0, True, "fail"),
    (math.inf, 1.0, True, "fail"),
    (0.0, 0.84, True, "unmeasured"),     # the best value of all, of what is left
    (9.9, 0.84, True, "unmeasured"),
    (0.0, 0.85, True, "pass"),
    (None, 1.0, True, "unmeasured"),
    (math.nan, 1.0, True, "unmeasured"),
    (0.0, math.nan, True, "unmeasured"),
    (None, 0.0, False, "not_applicable"),
    (0.1, 1.0, False, "not_applicable"),
])
def test_the_verdict_table(value: float | None, coverage: float, applicable: bool, verdict: Verdict) -> None:
    measurement = replace(READING, value=value, coverage=coverage, applicable=applicable, reason="because")
    score = judge([measurement])[0]
    assert score.verdict == verdict
    assert (score.score is None) == (verdict in ("unmeasured", "not_applicable"))


@pytest.mark.parametrize(("verdicts", "expected"), [
    ([], "unmeasured"),
    ([("not_applicable", True)], "unmeasured"),
    ([("pass", True)], "pass"),
    ([("pass", True), ("not_applicable", True)], "pass"),
    ([("pass", True), ("warn", True)], "warn"),
    ([("pass", True), ("fail", True)], "fail"),
    ([("pass", True), ("unmeasured", True)], "fail"),
    ([("pass", True), ("fail", False)], "warn"),
    ([("pass", True), ("unmeasured", False)], "warn"),
    ([("fail", True), ("warn", True), ("pass", True)], "fail"),
])
def test_the_image_verdict_table(verdicts: list[tuple[Verdict, bool]], expected: Verdict) -> None:
    assert image_verdict([scored(verdict, required) for verdict, required in verdicts]) == expected


@pytest.mark.parametrize(("verdicts", "action"), [
    ([], "review"),
    ([("not_applicable", True)], "review"),
    ([("pass", True), ("not_applicable", True)], "deliver"),
    ([("pass", True), ("fail", False)], "deliver"),
    ([("pass", True), ("warn", True)], "deliver"),
    ([("pass", True), ("fail", True)], "retry"),
    ([("pass", True), ("unmeasured", True)], "review"),
    ([("fail", True), ("unmeasured", True)], "retry"),   # of the same reading's check and region: its cause is known
])
def test_the_action_table(verdicts: list[tuple[Verdict, bool]], action: str) -> None:
    assert recommended_action([scored(verdict, required) for verdict, required in verdicts]) == action


def test_the_gravest_remedy_is_recommended() -> None:
    seam = replace(READING, check="stitching", estimator="missing_fraction")
    retry, repair = scored("fail"), replace(scored("fail"), measurement=seam)
    unknown = replace(scored("fail"), measurement=replace(READING, check="of_an_older_version"))
    assert recommended_action([retry, repair]) == "repair"
    assert recommended_action([repair, retry, unknown]) == "review"


def test_what_follows_from_a_named_defect_sends_nobody_to_review() -> None:
    seam = replace(READING, check="stitching", region="stitching:hem#1")
    gone = replace(scored("fail"), measurement=replace(seam, estimator="missing_fraction"), score=10.0)
    blind = replace(scored("unmeasured"), measurement=replace(seam, estimator="pitch_change", value=None))
    elsewhere = replace(blind, measurement=replace(blind.measurement, region="stitching:cap#1"))
    assert findings([blind, gone]) == [gone]
    assert recommended_action([blind, gone]) == "repair"
    assert findings([blind, gone, elsewhere]) == [elsewhere, gone]
    assert recommended_action([blind, gone, elsewhere]) == "review"
    assert image_verdict([blind]) == image_verdict([blind, gone]) == "fail"


@pytest.mark.parametrize(("value", "unit", "limit", "words"), [
    (0.3, "share", Limit(0.1), "at most 10% is allowed."), (0.3, "fraction", Limit(0.001), "at most 0.1% is allowed."),
    (0.3, "share", Limit(0.95, direction="min", perfect=1.0), "at least 95% is needed."),
    (1.0, "rows", Limit(0.5), "none may be missing."), (4.0, "ΔE00", Limit(3.0), "at most ΔE00 3 is allowed."),
    (300.0, "px", Limit(500.0, direction="min"), "at least 500 px is needed.")])
def test_limits_are_said_in_words(value: float, unit: str, limit: Limit, words: str) -> None:
    assert score_for(replace(READING, value=value, unit=unit), limit).sentence.endswith(f"; {words}")


@pytest.mark.parametrize(("region", "words"), [
    ("toe", "The front (toe)"), ("label:tongue#1", "The label tongue"), ("label:tongue_label#2",
                                                                        "The tongue label (copy 2)"),
    ("stitching:toe cap seam#1", "The toe cap seam"), ("stitching:hem#1", "The stitching hem"),
    ("logo:logo-1#1", "The logo-1"), ("product", "The product")])
def test_places_are_named_as_people_would(region: str, words: str) -> None:
    assert place(region) == words


@given(st.floats(0, 20), st.floats(0, 20))
def test_a_graver_defect_never_has_a_milder_word(a: float, b: float) -> None:
    order = ("slightly", "clearly", "badly")
    first, second = (order.index(severity(value, Limit(3.0))) for value in sorted((a, b)))
    assert first <= second


def test_a_house_that_delivers_no_warnings_is_told_what_helps() -> None:
    warned = [scored("pass"), scored("warn")]
    assert recommended_action(warned, deliver_warn=False) == "retry"


def test_an_image_is_as_good_as_its_worst_required_reading() -> None:
    good, poor = replace(scored("pass"), score=90.0), replace(scored("fail"), score=20.0)
    advisory = replace(scored("fail", required=False), score=1.0)
    assert image_score([good, poor, advisory]) == 20.0
    assert image_score([good, advisory, scored("not_applicable")]) == 90.0
    assert image_score([good, scored("unmeasured")]) == 0.0
    assert image_score([scored("not_applicable")]) is None


@given(st.sampled_from(KEYS), st.floats(-5, 3000), st.floats(-5, 3000), st.floats(0, 1))
def test_a_worse_value_never_gets_a_better_score(key: str, a: float, b: float, coverage: float) -> None:
    better, worse = sorted((a, b), reverse=engineering_limits()[key].direction == "min")
    first, second = judge([reading(key, better, coverage), reading(key, worse, coverage)])
    assert RANK[first.verdict] <= RANK[second.verdict]
    if first.score is not None and second.score is not None and first.margin is not None and second.margin is not None:
        assert first.score >= second.score
        assert first.margin >= second.margin


@given(st.sampled_from(KEYS), st.floats(-5, 3000), st.floats(0, 1), st.floats(0, 1))
def test_less_coverage_never_gets_a_better_verdict(key: str, value: float, a: float, b: float) -> None:
    low, high = sorted((a, b))
    verdicts = [score.verdict for score in judge([reading(key, value, low), reading(key, value, high)])]
    if verdicts[0] in ("pass", "warn"):
        assert verdicts[1] == verdicts[0]


@given(st.sampled_from(KEYS), st.floats(-10, 10, allow_nan=False), st.floats(-5, 5))
def test_scores_stay_on_their_scale_whatever_the_limit(key: str, fail: float, value: float) -> None:
    score = judge([reading(key, value)], {key: LimitEntry(fail=fail)})[0]
    assert score.score is not None
    assert 0.0 <= score.score <= 100.0
    assert score.verdict in ("pass", "warn", "fail")


@pytest.mark.parametrize("key", KEYS)
def test_the_scale_is_anchored(key: str) -> None:
    limit = engineering_limits()[key]
    assert score_of(limit.perfect, limit) == 100.0
    assert score_of(limit.fail, limit) == pytest.approx(50.0)
    if limit.warn is not None:
        assert score_of(limit.warn, limit) >= 50.0
        assert verdict_of(reading(key, limit.warn), limit) == "pass"


def test_margin_is_signed_towards_the_good_side() -> None:
    dent, sharp = judge([reading("silhouette.toe_deviation_max", 3.5), reading("delivery.fill_share", 0.7)])
    assert dent.margin == pytest.approx(-2.0)
    assert sharp.margin == pytest.approx(0.7 - 0.33)


def test_a_catalogue_overrides_single_fields() -> None:
    overrides = {"silhouette.toe_deviation_max": LimitEntry(fail=0.3)}
    strict = judge([READING], overrides)[0]
    assert strict.verdict == "fail"
    assert strict.limit is not None
    assert strict.limit.warn == pytest.approx(0.3)  # never laxer than failing
    assert strict.limit.min_coverage == engineering_limits()["silhouette.toe_deviation_max"].min_coverage
    optional = judge([replace(READING, value=9.0)], {"silhouette.toe_deviation_max": LimitEntry(required=False)})
    assert image_verdict(optional) == "warn"


def test_a_misspelt_limit_names_the_nearest() -> None:
    with pytest.raises(SentinelError) as caught:
        judge([], {"silhouete.toe_deviation_max": LimitEntry(fail=1.0)})
    assert caught.value.code == "limit_unknown"
    assert "silhouette.toe_deviation_max" in caught.value.hint


@pytest.mark.parametrize(("key", "warn", "fail"), [("silhouette.toe_deviation_max", 2.0, 1.0),
                                                   ("delivery.fill_share", 0.2, 0.5)])
def test_a_warning_after_failing_is_refused(key: str, warn: float, fail: float) -> None:
    with pytest.raises(SentinelError) as caught:
        judge([], {key: LimitEntry(warn=warn, fail=fail)})
    assert caught.value.code == "limit_order"


def test_an_estimator_without_a_limit_is_refused() -> None:
    with pytest.raises(SentinelError) as caught:
        judge([Measurement("silhouette", "nonsense", "product", 0.0, "px", 1.0)])
    assert caught.value.code == "limit_missing"


@pytest.mark.parametrize(("measurement", "words"), [
    (replace(READING, value=3.4, reason="inward"), ("toe", "3.4 px", "inward", "1.5")),
    (replace(READING, value=None, coverage=0.0, reason="no outline is there"), ("could not be measured", "no outline")),
    (replace(READING, coverage=0.2), ("20%", "85%")),
    (replace(READING, applicable=False, value=None, reason="the front is not known"), ("not checked", "front")),
    (Measurement("label_legibility", "excess_blur_sigma", "label:tongue#1", 1.8, "px", 1.0),
     ("label tongue", "blurred", "1.8 px")),
    (Measurement("colour_drift", "left_right_delta_e", "material:upper", 4.1, "ΔE00", 1.0),
     ("material upper", "left and right", "4.1")),
])
def test_sentences_are_plain(measurement: Measurement, words: tuple[str, ...]) -> None:
    text = judge([measurement])[0].sentence
    assert all(word in text for word in words), text
    assert text.endswith(".")
    assert "{" not in text
