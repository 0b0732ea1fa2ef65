"""A house's own layer: rules that ``catalogue.yaml`` states as data, and checks that it brings as code.

Code comes from a Python file beside ``catalogue.yaml``, from a module it names, or from an installed package through
the entry point group ``packshot.checks``. It is written like the checks in ``checks/``: one function under
``@check(…)``. A catalogue in a bucket may name no code: whoever can write there could run anything here.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from upath import UPath

from pipeline.catalogue import is_local
from pipeline.errors import SentinelError
from pipeline.sentinel.calibration import region_kind
from pipeline.sentinel.evidence import evidence_path
from pipeline.sentinel.registry import ENTRY_POINTS, Check, enlist, house_checks, registered
from pipeline.sentinel.sentences import accepts
from pipeline.sentinel.types import Limit, Measurement, Score
from pipeline.sentinel.verdicts import score_for
from pipeline.settings import LayerEntry, RuleEntry

RULES = "house"                # the check whose estimators are a catalogue's rules

_LOADED: dict[tuple[str, str], tuple[Check, ...]] = {}


def own_checks(names: Iterable[str], root: UPath) -> tuple[tuple[Check, ...], dict[str, str]]:
    """Load the checks a catalogue names, each file once; returns them and the sha256 of each source.

    Raises SentinelError: ``checks_remote``, ``checks_missing``, or ``checks_unusable`` with what the code raised.
    """
    found: list[Check] = []
    sources: dict[str, str] = {}
    for name in names:
        if not is_local(root):
            raise SentinelError("checks_remote", f"{root} names code to run: {name}.",
                                f"Install it as a package with an entry point of the group {ENTRY_POINTS}; code is "
                                "only read beside a catalogue.yaml on a disk.")
        made, sources[name] = _of_file(name, root) if name.endswith(".py") else _of_module(name)
        twice = {check.name for check in made} & {check.name for check in found}
        if twice or any(check.name == RULES for check in made):
            raise SentinelError("checks_unusable", f"{name}: the name {(*sorted(twice), RULES)[0]!r} is taken.",
                                "Give each check a name of its own.")
        found += made
    enlist(found)
    return tuple(found), sources


def installed_sources() -> dict[str, str]:
    """Versions of the installed packages that bring checks."""
    return {entry.name: f"{entry.value} {entry.dist.version if entry.dist else ''}".strip()
            for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name)}


def checked(rules: Sequence[RuleEntry]) -> tuple[RuleEntry, ...]:
    """The rules, if they can be used. Raises SentinelError ``rule_invalid`` with what is wrong."""
    readings = [f"{check.name}.{name}" for check in registered().values() for name in check.estimators]
    for number, rule in enumerate(rules):
        if rule.reading not in readings:
            near = difflib.get_close_matches(rule.reading, readings, n=1, cutoff=0.4)
            raise SentinelError("rule_invalid", f"The rule {rule.name!r} reads {rule.reading!r}, which nothing "
                                "measures.", f"Did you mean `{near[0]}`?" if near else "packshot explain lists all.")
        if any(rule.name == other.name for other in rules[:number]):
            raise SentinelError("rule_invalid", f"Two rules are named {rule.name!r}.", "Names tell scores apart.")
        limit = _limit(rule, None)
        if limit.warn is not None and (limit.warn > limit.fail) == (limit.direction == "max"):
            raise SentinelError("rule_invalid", f"The rule {rule.name!r} warns at {limit.warn:g} only after failing at "
                                f"{limit.fail:g}.", "Let `warn` be the stricter of the two, or leave it out.")
        if not accepts(rule.sentence):
            raise SentinelError("rule_invalid", f"The sentence of the rule {rule.name!r} cannot be filled in: "
                                f"{rule.sentence!r}.", "It may hold {value}, {detail} and {severity}; a brace of its "
                                "own is written twice.")
    return tuple(rules)


def rule_scores(rules: Iterable[RuleEntry], measurements: Sequence[Measurement], *, shot: str, category: str,
                layer: LayerEntry | None = None) -> list[Score]:
    """One score for each reading that a rule of this shot and category is about, as the check ``house``.

    A rule that finds no reading says so as not applicable.
    """
    return [score for rule in rules if fnmatchcase(shot, rule.shot) and fnmatchcase(category, rule.category)
            for score in _scores(rule, measurements, shot, layer)]


def _scores(rule: RuleEntry, measurements: Sequence[Measurement], shot: str, layer: LayerEntry | None) -> list[Score]:
    check, estimator = rule.reading.split(".")
    about = [m for m in measurements if (m.check, m.estimator) == (check, estimator)
             and (fnmatchcase(m.region, rule.region) or fnmatchcase(region_kind(m.region), rule.region))]
    if not about:
        unit = registered()[check].unit
        about = [Measurement(RULES, rule.name, "image", None, unit, 0.0, applicable=False,
                             reason=f"there is no {rule.reading} of {rule.region} in this picture")]
    words = rule.sentence or f"breaks the house rule {rule.name.replace('_', ' ')} ({{value:.3g}})"
    limit = _limit(rule, layer)
    return [score_for(replace(m, check=RULES, estimator=rule.name, evidence=None, evidence_path=_crop(m, shot)),
                      limit, words) for m in about]


def _crop(measurement: Measurement, shot: str) -> str | None:
    """The crop that is kept for the reading itself."""
    return measurement.evidence_path or (None if measurement.evidence is None else evidence_path(measurement, shot))


def _limit(rule: RuleEntry, layer: LayerEntry | None) -> Limit:
    check, estimator = rule.reading.split(".")
    least = rule.max is None
    fail = rule.min if rule.max is None else rule.max
    assert fail is not None                    # RuleEntry holds exactly one of them
    perfect = registered()[check].estimators[estimator].limit.perfect
    return Limit(fail, rule.warn, "min" if least else "max", perfect, rule.min_coverage,
                 rule.required and not (layer is not None and layer.required is False), "catalogue",
                 enabled=not (layer is not None and layer.enabled is False))


def _of_file(name: str, root: UPath) -> tuple[tuple[Check, ...], str]:
    path = Path(root.path, name)
    if Path(name).name != name or not path.is_file() or not path.resolve().is_relative_to(Path(root.path).resolve()):
        raise SentinelError("checks_missing", f"There is no file {name} beside catalogue.yaml.",
                            "Put it there, or name an importable module, without .py.")
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    key = (str(path.resolve()), digest)
    if key not in _LOADED:
        module = ModuleType(f"packshot_checks_{hashlib.sha256('/'.join(key).encode()).hexdigest()[:12]}")
        module.__file__ = str(path)

        def load() -> None:
            sys.modules[module.__name__] = module  # dataclasses look their module up
            exec(compile(source, str(path), "exec"), module.__dict__)

        _LOADED[key] = house_checks(name, load)
    return _LOADED[key], digest


def _of_module(name: str) -> tuple[tuple[Check, ...], str]:
    if (name, "") not in _LOADED:
        _LOADED[name, ""] = house_checks(name, lambda: importlib.import_module(name))
    file = getattr(sys.modules[name], "__file__", None)
    return _LOADED[name, ""], hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def sources_of(sources: Mapping[str, str]) -> dict[str, str]:
    """All code that readings depend on besides ours: the catalogue's own and that of installed packages."""
    return {**installed_sources(), **sources}
