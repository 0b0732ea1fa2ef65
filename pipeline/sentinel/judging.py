"""How one catalogue wants its images judged: its limits, layers, rules, own checks and calibration, in one value.

>>> judging = judging_for(catalogue.settings, catalogue.root)
>>> measurements = measure(expected_from(passes), image, regions, judging.checks)
>>> scores = judging.judge(measurements, shot="hero", category="mug", refiner=refiner_id(…), size=(1920, 1080))
>>> image_verdict(scores), recommended_action(scores), image_score(scores)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from upath import UPath

from pipeline.errors import SentinelError
from pipeline.sentinel.calibration import Calibration, calibration_id, calibration_warning, from_yaml
from pipeline.sentinel.channels import Channel, channel_scores, channels_for
from pipeline.sentinel.house import checked, own_checks, rule_scores, sources_of
from pipeline.sentinel.limits import limits_with, overrides_of
from pipeline.sentinel.registry import Check, all_checks
from pipeline.sentinel.types import Layer, Measurement, Score
from pipeline.sentinel.verdicts import judge
from pipeline.settings import LayerEntry, LimitEntry, RuleEntry, Settings

BUILT_IN = Path(__file__).parent / "calibrations"
STANDARD, NONE = "standard", "engineering"


@dataclass(frozen=True)
class Judging:
    """All that turns measurements into scores, besides the measurements."""

    limits: Mapping[str, LimitEntry] = field(default_factory=dict)     # by check and by estimator
    layers: Mapping[Layer, LayerEntry] = field(default_factory=dict)
    rules: tuple[RuleEntry, ...] = ()
    checks: tuple[Check, ...] = ()         # of the catalogue's own, to be measured beside ours
    sources: Mapping[str, str] = field(default_factory=dict)           # version of code that is not ours, by name
    calibration: Calibration | None = None
    channels: Mapping[str, tuple[Channel, ...]] = field(default_factory=dict)  # that each shot is delivered to

    def judge(self, measurements: Sequence[Measurement], *, shot: str = "", category: str = "", refiner: str = "",
              size: tuple[int, int] | None = None) -> list[Score]:
        """One score per measurement, in order, then those of the shot's channels and of the house's rules.

        Args:
            refiner: see :func:`pipeline.sentinel.calibration.refiner_id`.
            size: width and height of the image, px.
        """
        return [*judge(measurements, self.overrides, self.calibration, refiner, size),
                *channel_scores(measurements, self.channels.get(shot, ())),
                *rule_scores(self.rules, measurements, shot=shot, category=category, layer=self.layers.get("house"))]

    @cached_property
    def overrides(self) -> Mapping[str, LimitEntry]:
        """Layers and limits as one, by check and by estimator."""
        return overrides_of((*all_checks(), *self.checks), self.layers, self.limits)

    def warning(self, refiner: str, size: tuple[int, int] | None = None) -> str:
        """What a reader of the scores must know about their limits, or nothing."""
        return calibration_warning(self.calibration, refiner, size)

    @property
    def calibration_id(self) -> str:
        """For the score table."""
        return calibration_id(self.calibration)

    @property
    def inputs(self) -> dict[str, Any]:
        """All that judging depends on, for a data version; :attr:`sources` are what measuring depends on."""
        return {"limits": {key: entry.model_dump(mode="json") for key, entry in self.limits.items()},
                "layers": {key: entry.model_dump(mode="json") for key, entry in self.layers.items()},
                "rules": [rule.model_dump(mode="json") for rule in self.rules], "calibration": self.calibration_id,
                "channels": {shot: [channel.model_dump(mode="json") for channel in channels]
                             for shot, channels in self.channels.items()}}


def judging_for(settings: Settings, root: UPath) -> Judging:
    """Read what ``catalogue.yaml`` says of judging, and load what it names beside it.

    Raises SentinelError where a limit, rule, check or calibration cannot be used.
    """
    checks, sources = own_checks(settings.checks, root)
    judging = Judging(settings.limits, settings.layers, checked(settings.rules), checks, sources_of(sources),
                      calibration_of(settings.calibration, root), channels_for(settings, root))
    limits_with(judging.overrides)             # a misspelt limit is an error of the catalogue, not of its first image
    return judging


def calibration_of(name: str, root: UPath) -> Calibration | None:
    """The calibration a catalogue names; None for ``engineering``, and where no standard one is built in."""
    if name == NONE:
        return None
    built_in = BUILT_IN / f"{name}.yaml"
    if built_in.parent == BUILT_IN and built_in.is_file():
        return from_yaml(built_in.read_text(), built_in.name)
    if name == STANDARD:
        return None
    if "/" in name or "\\" in name or name.startswith("."):
        raise SentinelError("calibration_missing", f"The calibration {name} is not beside catalogue.yaml.",
                            "Put the file there and give its name alone.")
    try:
        text = (root / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        known = sorted(path.stem for path in BUILT_IN.glob("*.yaml"))
        raise SentinelError("calibration_missing", f"There is no calibration {name!r} beside catalogue.yaml.",
                            f"Write it with `packshot calibrate --out {name}`, or give one of: "
                            f"{', '.join([*known, NONE])}.") from error
    return from_yaml(text, name)
