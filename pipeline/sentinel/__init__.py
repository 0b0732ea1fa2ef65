"""Sentinel: compares an image with what the exact geometry says it should show, and judges it.

>>> expected = expected_from(passes)
>>> scores = judge(measure(expected, image, regions), settings.limits)
>>> image_verdict(scores)
'pass'
"""

from pipeline.sentinel.limits import CALIBRATION_ID, engineering_limits
from pipeline.sentinel.measuring import expected_from, measure
from pipeline.sentinel.registry import all_checks, check_names
from pipeline.sentinel.types import Expected, Limit, Measurement, Score, Verdict
from pipeline.sentinel.verdicts import image_score, image_verdict, judge, recommended_action
from pipeline.sentinel.version import VERSION

__all__ = ["CALIBRATION_ID", "VERSION", "Expected", "Limit", "Measurement", "Score", "Verdict", "all_checks",
           "check_names", "engineering_limits", "expected_from", "image_score", "image_verdict", "judge", "measure",
           "recommended_action"]
