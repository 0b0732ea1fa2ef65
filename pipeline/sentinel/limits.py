"""When a reading is too much: the engineering limits of all checks, and a catalogue's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from pipeline.errors import SentinelError
from pipeline.sentinel.registry import Check, all_checks, registered
from pipeline.sentinel.types import Layer, Limit
from pipeline.settings import LayerEntry, LimitEntry

CALIBRATION_ID = "engineering-1"


@cache
def engineering_limits() -> Mapping[str, Limit]:
    """Every estimator's engineering limit, by ``check.estimator``; they stand in the checks' own files."""
    return {f"{check.name}.{name}": estimator.limit
            for check in all_checks() for name, estimator in check.estimators.items()}


def limits_with(overrides: Mapping[str, LimitEntry]) -> dict[str, Limit]:
    """All limits, those of a house's own checks too, with a catalogue's fields put in.

    An entry by ``check`` is for all of its estimators; one by ``check.estimator`` outranks it.

    Raises SentinelError for a name no check or estimator has, or a warning limit beyond the failing one.
    """
    checks = registered()
    limits = {f"{check.name}.{name}": estimator.limit
              for check in checks.values() for name, estimator in check.estimators.items()}
    unknown = next((key for key in overrides if key not in limits and key not in checks), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, [*limits, *checks], n=1, cutoff=0.4)
        raise SentinelError("limit_unknown", f"There is no limit {unknown!r}.",
                            f"Did you mean `{near[0]}`?" if near else f"Known limits: {', '.join(sorted(limits))}.")
    for key in sorted(overrides, key=lambda key: key in limits):  # whole checks first
        entry = overrides[key]
        if key in limits:
            limits[key] = _overridden(key, limits[key], entry)
            continue
        if entry.fail is not None or entry.warn is not None:
            raise SentinelError("limit_of_check", f"`{key}` is a whole check: its readings share no limit.",
                                f"Name one of them: {', '.join(f'{key}.{name}' for name in checks[key].estimators)}.")
        for name in checks[key].estimators:
            limits[f"{key}.{name}"] = _overridden(key, limits[f"{key}.{name}"], entry)
    return limits


def overrides_of(checks: Iterable[Check], layers: Mapping[Layer, LayerEntry], limits: Mapping[str, LimitEntry],
                 ) -> dict[str, LimitEntry]:
    """A catalogue's ``layers`` and ``limits`` as overrides by check and by estimator; ``limits`` outrank."""
    merged: dict[str, LimitEntry] = {}
    for check in checks:
        if check.layer in layers:
            layer = layers[check.layer]
            merged[check.name] = LimitEntry(required=layer.required, enabled=layer.enabled)
    for key, entry in limits.items():
        said = entry.model_dump(exclude_none=True)
        merged[key] = merged.get(key, LimitEntry()).model_copy(update=said)
    return merged


def stricter(a: float, b: float, direction: str) -> float:
    """Of two limits the one that lets less through."""
    return min(a, b) if direction == "max" else max(a, b)


def _overridden(key: str, limit: Limit, entry: LimitEntry) -> Limit:
    fail = limit.fail if entry.fail is None else entry.fail
    if entry.warn is not None:
        warn: float | None = entry.warn
        if stricter(entry.warn, fail, limit.direction) != entry.warn:
            raise SentinelError("limit_order", f"`{key}` warns at {entry.warn:g} only after failing at {fail:g}.",
                                "Let `warn` be the stricter of the two, or leave it out.")
    else:
        warn = None if limit.warn is None else stricter(limit.warn, fail, limit.direction)
    return replace(limit, fail=fail, warn=warn, source=limit.source if entry.fail is None else "catalogue",
                   min_coverage=limit.min_coverage if entry.min_coverage is None else entry.min_coverage,
                   required=limit.required if entry.required is None else entry.required,
                   enabled=limit.enabled if entry.enabled is None else entry.enabled)
