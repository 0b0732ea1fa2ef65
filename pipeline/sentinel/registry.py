"""The registry of checks: one file in ``checks/`` per check, found by walking that package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache

from pipeline.catalogue import Region
from pipeline.sentinel.types import U8, Expected, Measurement

Estimator = Callable[[Expected, U8, Sequence[Region]], list[Measurement]]
Injector = Callable[[Expected, U8, Sequence[Region]], U8]

_REGISTERED: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Check:
    """One way to look at an image: what it reads, what it emits, and the defect it must catch."""

    name: str
    needs: tuple[str, ...]                 # passes of ``Expected`` that must hold something
    unit: str
    estimators: tuple[str, ...]            # names its measurements may carry; each has a limit
    measure: Estimator
    injectors: tuple[Injector, ...]        # each makes a defect this check must not pass

    @property
    def summary(self) -> str:
        """What it looks at, in one line."""
        return (self.measure.__doc__ or "").strip().split("\n")[0]


def check(name: str, *, needs: tuple[str, ...], unit: str, estimators: tuple[str, ...],
          injectors: tuple[Injector, ...] = ()) -> Callable[[Estimator], Estimator]:
    """Register a function ``(expected, observed, regions) -> measurements`` as the check ``name``."""
    unknown = set(needs) - {field.name for field in fields(Expected)}
    if unknown:
        raise ValueError(f"check {name!r} needs {sorted(unknown)}, which Expected does not have")

    def register(function: Estimator) -> Estimator:
        if name in _REGISTERED and _REGISTERED[name].measure.__module__ != function.__module__:
            raise ValueError(f"two checks are named {name!r}")
        _REGISTERED[name] = Check(name, needs, unit, estimators, function, injectors)
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
