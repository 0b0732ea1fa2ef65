"""Regions that no check looks at yet, named so that a report does not pass over them in silence.

A check that looks at one of them takes its function out of here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalogue import Region
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Limit, Measurement

REASON = "not yet covered by a check"


LABEL_LEGIBILITY_ESTIMATORS: Mapping[str, Estimator] = {
    "text_match": Estimator(Limit(fail=0.99, direction="min", perfect=1.0), "is off by {value:.3g}"),
}


@check("label_legibility", needs=(), unit="fraction", estimators=LABEL_LEGIBILITY_ESTIMATORS, about="lettering")
def label_legibility(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Names every region with text as not yet covered."""
    return [_named("label_legibility", "text_match", "fraction", region) for region in regions if region.text]


def _named(check_name: str, estimator: str, unit: str, region: Region) -> Measurement:
    return Measurement(check_name, estimator, f"{region.kind}:{region.name}", None, unit, 0.0, applicable=False,
                       reason=REASON)
