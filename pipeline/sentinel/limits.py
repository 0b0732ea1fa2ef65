"""When a reading is too much: the engineering limits of all checks, and a catalogue's own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from pipeline.catalogue import LimitEntry
from pipeline.errors import SentinelError
from pipeline.sentinel.registry import all_checks
from pipeline.sentinel.types import Limit

CALIBRATION_ID = "engineering-1"


@cache
def engineering_limits() -> Mapping[str, Limit]:
    """Every estimator's engineering limit, by ``check.estimator``; they stand in the checks' own files."""
    return {f"{check.name}.{name}": estimator.limit
            for check in all_checks() for name, estimator in check.estimators.items()}


def limits_with(overrides: Mapping[str, LimitEntry]) -> dict[str, Limit]:
    """The engineering limits with a catalogue's own fields put in.

    Raises SentinelError for a name no estimator has, or a warning limit beyond the failing one.
    """
    limits = dict(engineering_limits())
    for key, entry in overrides.items():
        if key not in limits:
            near = difflib.get_close_matches(key, limits, n=1, cutoff=0.4)
            raise SentinelError("limit_unknown", f"There is no limit {key!r}.",
                                f"Did you mean `{near[0]}`?" if near else f"Known limits: {', '.join(sorted(limits))}.")
        limits[key] = _overridden(key, limits[key], entry)
    return limits


def _overridden(key: str, limit: Limit, entry: LimitEntry) -> Limit:
    fail = limit.fail if entry.fail is None else entry.fail
    stricter = min if limit.direction == "max" else max
    if entry.warn is not None:
        warn: float | None = entry.warn
        if stricter(entry.warn, fail) != entry.warn:
            raise SentinelError("limit_order", f"`{key}` warns at {entry.warn:g} only after failing at {fail:g}.",
                                "Let `warn` be the stricter of the two, or leave it out.")
    else:
        warn = None if limit.warn is None else stricter(limit.warn, fail)
    return replace(limit, fail=fail, warn=warn,
                   min_coverage=limit.min_coverage if entry.min_coverage is None else entry.min_coverage,
                   required=limit.required if entry.required is None else entry.required)
