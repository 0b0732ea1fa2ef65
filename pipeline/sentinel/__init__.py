"""Sentinel: compares an image with what the exact geometry says it should show, and judges it.

>>> judging = judging_for(catalogue.settings, catalogue.root)
>>> scores = judging.judge(measure(expected_from(passes), image, regions, judging.checks), shot="hero")
>>> image_verdict(scores), recommended_action(scores)
('pass', 'deliver')
"""

from pipeline.sentinel.calibration import calibrate, calibration_warning, refiner_id
from pipeline.sentinel.judging import Judging, judging_for
from pipeline.sentinel.limits import CALIBRATION_ID, engineering_limits
from pipeline.sentinel.measuring import expected_from, measure
from pipeline.sentinel.registry import all_checks, check_names
from pipeline.sentinel.types import Expected, Limit, Measurement, Score, Verdict
from pipeline.sentinel.verdicts import image_score, image_verdict, judge, recommended_action
from pipeline.sentinel.version import VERSION

__all__ = ["CALIBRATION_ID", "VERSION", "Expected", "Judging", "Limit", "Measurement", "Score", "Verdict", "all_checks",
           "calibrate", "calibration_warning", "check_names", "engineering_limits", "expected_from", "image_score",
           "image_verdict", "judge", "judging_for", "measure", "recommended_action", "refiner_id"]
