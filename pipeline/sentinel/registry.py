"""The registry of checks: one file in ``checks/`` per check, found by walking that package.

Installed packages may add checks of a house's own: modules that the entry point group ``packshot.checks`` names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.metadata import entry_points

from pipeline.catalogue import Region
from pipeline.errors import SentinelError
from pipeline.sentinel.types import U8, Expected, Layer, Limit, Measurement, Remedy

Measure = Callable[[Expected, U8, Sequence[Region]], list[Measurement]]
Injector = Callable[[Expected, U8, Sequence[Region]], U8]

ENTRY_POINTS = "packshot.checks"

_REGISTERED: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Estimator:
    """One kind of reading a check emits: its engineering limit, and what a reading beyond it means.

    The limit is fixed by hand from what is visible in a delivered image and from what faithful images
    read; a calibrated limit may only be stricter.
    """

    limit: Limit
    defect: str                            # completes "<Where> …" in plain words; {value}, {detail}, {severity}
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
        held = _REGISTERED.get(name)
        if held is not None and held.layer != "house" and held.measure.__module__ != function.__module__:
            raise ValueError(f"two checks are named {name!r}")
        _REGISTERED[name] = Check(name, needs, unit, about, layer, estimators, function, injectors)
        return function

    return register


def house_checks(source: str, load: Callable[[], object]) -> tuple[Check, ...]:
    """Load foreign code and register its checks in the layer ``house``, whatever layer they name.

    Args:
        source: names the code in errors.
        load: imports it.

    Raises SentinelError ``checks_unusable`` where it cannot be imported or its checks cannot be used; then none is
    registered.
    """
    before = dict(_REGISTERED)
    try:
        load()
        made = {name: replace(found, layer="house") for name, found in _REGISTERED.items()
                if before.get(name) is not found}
        for found in made.values():
            _try_out(found)
    except Exception as error:  # whatever a house's own code does while it is imported
        _restore(before)
        raise SentinelError("checks_unusable", f"The checks of {source} cannot be used: {type(error).__name__}: "
                            f"{error}.", "Correct that code, or take it out of `checks:` in catalogue.yaml."
                            ) from error
    _REGISTERED.update(made)
    return tuple(made[name] for name in sorted(made))


def enlist(checks: Iterable[Check]) -> None:
    """Make loaded checks the ones of their names: another catalogue of this process may have brought others."""
    _REGISTERED.update({check.name: check for check in checks})


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check of ours and of installed packages, by name."""
    from pipeline.sentinel import checks

    found = set()
    for module in pkgutil.iter_modules(checks.__path__):
        found.update(_registered_by(importlib.import_module(f"{checks.__name__}.{module.name}").__name__))
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        found.update(check.name for check in house_checks(f"the entry point {entry.name} ({entry.value})", entry.load))
    return tuple(_REGISTERED[name] for name in sorted(found))


def check_names() -> tuple[str, ...]:
    """Names of all checks, sorted."""
    return tuple(check.name for check in all_checks())


def registered() -> Mapping[str, Check]:
    """Every check there is by name: :func:`all_checks` and those that catalogues have brought."""
    all_checks()
    return _REGISTERED


def check_named(name: str) -> Check | None:
    """A check by name; None where nobody registered it, as of a score that an older version gave."""
    return registered().get(name)


def _registered_by(module: str) -> set[str]:
    return {name for name, found in _REGISTERED.items() if found.measure.__module__ == module}


def _restore(before: Mapping[str, Check]) -> None:
    _REGISTERED.clear()
    _REGISTERED.update(before)


def _try_out(found: Check) -> None:
    if not found.estimators:
        raise ValueError(f"{found.name!r} declares no estimators")
    for name, estimator in found.estimators.items():
        estimator.defect.format(value=1.0, detail="", severity="")
        if "." in name or "." in found.name:
            raise ValueError(f"{found.name}.{name}: a dot parts check and estimator; neither may hold one")
