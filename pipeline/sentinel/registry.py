"""The registry of checks: one file in ``checks/`` per check, found by walking that package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

from pipeline.catalogue import Region
from pipeline.sentinel.types import U8, Expected, Layer, Limit, Measurement, Remedy

Measure = Callable[[Expected, U8, Sequence[Region]], list[Measurement]]
Injector = Callable[[Expected, U8, Sequence[Region]], U8]

_REGISTERED: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Estimator:
    """One kind of reading a check emits: its engineering limit, and what a reading beyond it means.

    The limit is fixed by hand from what is visible in a delivered image and from what faithful images
    read; a calibrated limit may only be stricter.
    """

    limit: Limit
    defect: str                            # completes "<Where> …" with {value} and {detail}, in a merchandiser's words
    remedy: Remedy = "retry"               # what helps against it


@dataclass(frozen=True, slots=True)
class Check:
    """One way to look at an image: what it reads, what it emits, and the defect it must catch."""

    name: str
    needs: tuple[str, ...]                 # passes of ``Expected`` that must hold something
    unit: str
    about: str                             # what it looks at, in one or two words: "outline", "stitching"
    layer: Layer
    estimators: Mapping[str, Estimator]    # by the name its measurements carry
    measure: Measure
    injectors: tuple[Injector, ...]        # each makes a defect this check must not pass

    @property
    def summary(self) -> str:
        """What it looks at, in one line."""
        return (self.measure.__doc__ or "").strip().split("\n")[0]


def check(name: str, *, needs: tuple[str, ...], unit: str, about: str, estimators: Mapping[str, Estimator],
          layer: Layer = "fidelity", injectors: tuple[Injector, ...] = ()) -> Callable[[Measure], Measure]:
    """Register a function ``(expected, observed, regions) -> measurements`` as the check ``name``."""
    unknown = set(needs) - {field.name for field in fields(Expected)}
    if unknown:
        raise ValueError(f"check {name!r} needs {sorted(unknown)}, which Expected does not have")

    def register(function: Measure) -> Measure:
        if name in _REGISTERED and _REGISTERED[name].measure.__module__ != function.__module__:
            raise ValueError(f"two checks are named {name!r}")
        _REGISTERED[name] = Check(name, needs, unit, about, layer, estimators, function, injectors)
        return function

    return register


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by name."""
    from pipeline.sentinel import checks

    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    return tuple(_REGISTERED[name] for name in sorted(_REGISTERED))


def check_names() -> tuple[str, ...]:
    """Names of all checks, sorted."""
    return tuple(check.name for check in all_checks())


def check_named(name: str) -> Check | None:
    """A check by name; None where nobody registered it, as of a score that an older version gave."""
    return next((check for check in all_checks() if check.name == name), None)
