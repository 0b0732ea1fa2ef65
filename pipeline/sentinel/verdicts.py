"""Judging: a measurement and its limit become a verdict, a score and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.errors import SentinelError
from pipeline.sentinel.calibration import Calibration, calibrated
from pipeline.sentinel.limits import limits_with
from pipeline.sentinel.registry import check_named
from pipeline.sentinel.sentences import sentence
from pipeline.sentinel.types import Action, Limit, Measurement, Remedy, Score, Verdict
from pipeline.settings import LimitEntry

GRAVITY: tuple[Remedy, ...] = ("retry", "repair", "review")
BAD: tuple[Verdict, ...] = ("fail", "unmeasured")
NO_OVERRIDES: Mapping[str, LimitEntry] = {}


def judge(measurements: Iterable[Measurement], overrides: Mapping[str, LimitEntry] = NO_OVERRIDES,
          calibration: Calibration | None = None, refiner: str = "", size: tuple[int, int] | None = None,
          ) -> list[Score]:
    """One score per measurement, in order.

    Args:
        overrides: of ``catalogue.yaml``, by ``check.estimator`` or ``check``.
        calibration: makes limits stricter where it knows the refiner (:func:`calibration.refiner_id`) and the
            resolution of the image.
        size: width and height of the image, px.
    """
    limits = limits_with(overrides)
    scores = []
    for measurement in measurements:
        limit = _limit_of(measurement, limits)
        scores.append(score_for(measurement, calibrated(limit, measurement, calibration, refiner, size)))
    return scores


def score_for(measurement: Measurement, limit: Limit, words: str | None = None) -> Score:
    """One measurement judged by one limit; ``words`` replace what its check says of a defect."""
    if not limit.enabled:
        measurement = replace(measurement, applicable=False, reason="switched off in catalogue.yaml")
    verdict, value = verdict_of(measurement, limit), measurement.value
    score = margin = None
    if verdict in ("pass", "warn", "fail") and value is not None:
        score = score_of(value, limit)
        margin = limit.fail - value if limit.direction == "max" else value - limit.fail
    return Score(measurement, limit, verdict, score, margin, sentence(measurement, limit, verdict, words))


def image_verdict(scores: Sequence[Score]) -> Verdict:
    """``fail`` if a required check failed or could not measure, else ``warn``, else ``pass``.

    An advisory check never does worse than ``warn``. An image nothing was measured on is
    ``unmeasured``: silence is not a pass.
    """
    required = {score.verdict for score in scores if score.limit is None or score.limit.required}
    verdicts = {score.verdict for score in scores}
    if required & {"fail", "unmeasured"}:
        return "fail"
    if verdicts & {"warn", "fail", "unmeasured"}:
        return "warn"
    return "pass" if "pass" in verdicts else "unmeasured"


def findings(scores: Sequence[Score]) -> list[Score]:
    """Required readings that failed or are missing, gravest first, each cause once.

    What could not be measured where another reading of the same check and region failed is left out: a seam that is
    gone has no rhythm to measure.
    """
    bad = [score for score in scores if score.verdict in BAD and (score.limit is None or score.limit.required)]
    failed = {(score.measurement.check, score.measurement.region) for score in bad if score.verdict == "fail"}
    return sorted((score for score in bad if score.verdict == "fail"
                   or (score.measurement.check, score.measurement.region) not in failed),
                  key=lambda score: 0.0 if score.score is None else score.score)


def recommended_action(scores: Sequence[Score], deliver_warn: bool = True) -> Action:
    """What to do with an image: the gravest of what helps against its findings, or ``deliver``.

    Nobody knows what an unmeasured picture needs, so it goes to a person. ``deliver_warn`` is the catalogue's.
    """
    verdict = image_verdict(scores)
    if verdict == "pass" or (verdict == "warn" and deliver_warn):
        return "deliver"
    if verdict == "unmeasured":
        return "review"
    found = findings(scores) or [score for score in scores if score.verdict not in ("pass", "not_applicable")]
    return max((_remedy(score) for score in found), key=GRAVITY.index)


def image_score(scores: Sequence[Score]) -> float | None:
    """0..100: an image is as good as its worst required reading, and 0 where one is missing; None: none applies."""
    required = [score for score in scores if score.verdict != "not_applicable"
                and (score.limit is None or score.limit.required)]
    return min((0.0 if score.score is None else score.score for score in required), default=None)


def verdict_of(measurement: Measurement, limit: Limit) -> Verdict:
    """The verdict table. Too little coverage outranks any value: the value is of something else."""
    if not measurement.applicable:
        return "not_applicable"
    value = measurement.value
    if value is None or math.isnan(value) or not measurement.coverage >= limit.min_coverage:
        return "unmeasured"
    if _worse(value, limit.fail, limit):
        return "fail"
    return "warn" if limit.warn is not None and _worse(value, limit.warn, limit) else "pass"


def score_of(value: float, limit: Limit) -> float:
    """0..100, linear: 100 at the perfect value or better, 50 at the failing limit, 0 twice as far."""
    sign = 1.0 if limit.direction == "max" else -1.0
    distance, span = sign * (value - limit.perfect), sign * (limit.fail - limit.perfect)
    if span <= 0:  # a limit at or beyond perfection leaves no scale between the two
        return 0.0 if _worse(value, limit.fail, limit) else 100.0
    return min(100.0, max(0.0, 100.0 - 50.0 * distance / span))


def _remedy(score: Score) -> Remedy:
    if score.verdict == "unmeasured":
        return "review"
    check = check_named(score.measurement.check)
    estimator = check.estimators.get(score.measurement.estimator) if check else None
    return estimator.remedy if estimator else "review"


def _limit_of(measurement: Measurement, limits: Mapping[str, Limit]) -> Limit:
    key = f"{measurement.check}.{measurement.estimator}"
    if key not in limits:
        raise SentinelError("limit_missing", f"No limit is known for `{key}`.",
                            "Declare the estimator where its check is registered.")
    return limits[key]


def _worse(value: float, than: float, limit: Limit) -> bool:
    return value > than if limit.direction == "max" else value < than
