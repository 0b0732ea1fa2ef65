"""Channels: what the shops that an image is delivered to ask of it, as data files.

A channel's rules judge readings that ``checks/delivery.py`` and ``checks/artefacts.py`` have taken once; nothing is
measured here. ``own`` is this project's default and always applies; a catalogue chooses others for each shot in
``catalogue.yaml`` and may put files of its own beside it, ``channels/<name>.yaml``.

>>> chosen = channels_for(catalogue.settings, catalogue.root)
>>> scores = channel_scores(measurements, chosen.get("square", ()))
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from upath import UPath

from pipeline.errors import SentinelError
from pipeline.sentinel.types import Limit, Measurement, Score
from pipeline.sentinel.verdicts import score_for
from pipeline.settings import Settings

BUILT_IN = Path(__file__).parent / "channel_rules"
FOLDER = "channels"                    # beside catalogue.yaml
OWN = "own"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

# Which reading a rule judges, and what breaking it means; completes "The channel <name> …".
READINGS: Mapping[str, tuple[str, str, str]] = {
    "fill": ("delivery", "fill_share", "wants the product to fill more of the frame than {value:.0%}"),
    "margin": ("delivery", "margin_share", "wants more room around the product than {value:.1%} of the frame"),
    "short_side": ("delivery", "short_side", "does not take a short side of {value:.0f} px"),
    "long_side": ("delivery", "long_side", "does not take a long side of {value:.0f} px"),
    "megapixels": ("delivery", "megapixels", "does not take {value:.1f} megapixels"),
    "aspect": ("delivery", "aspect", "wants another shape than {value:.2f} times as long as wide"),
    "background": ("artefacts", "impure_share", "wants pure white: {value:.2%} of the background is not{detail}"),
}
SUFFIXES: Mapping[str, str] = {"jpeg": "jpg", "tiff": "tif"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Rule(_Strict):
    """What one reading may be."""

    min: float | None = None
    max: float | None = None
    warn: Annotated[float | None, Field(description="the stricter limit beyond which it warns")] = None
    perfect: Annotated[float | None, Field(description="the value that scores 100; else the limit itself")] = None
    required: bool = True

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a rule needs `min`, `max` or both")
        if self.min is not None and self.max is not None and (self.warn, self.perfect) != (None, None):
            raise ValueError("a rule with `min` and `max` has neither `warn` nor `perfect`")
        if self.warn is not None and (self.warn < self.min if self.min is not None else self.warn > (self.max or 0.0)):
            raise ValueError("`warn` must be the stricter of the two limits")
        return self

    @property
    def limits(self) -> tuple[Limit, ...]:
        """One or two."""
        found = []
        if self.min is not None:
            perfect = self.min if self.perfect is None else self.perfect
            found.append(Limit(self.min, self.warn, "min", perfect, required=self.required))
        if self.max is not None:
            perfect = self.max if self.perfect is None else self.perfect
            found.append(Limit(self.max, self.warn, "max", perfect, required=self.required))
        return tuple(found)


class Files(_Strict):
    """Which files a channel takes."""

    formats: Annotated[tuple[str, ...], Field(min_length=1, description="suffixes: jpg, webp, png, tif, gif")]
    max_bytes: Annotated[int | None, Field(gt=0)] = None


class Channel(_Strict):
    """One file of ``channel_rules/``, or of a catalogue's ``channels/``."""

    name: str
    title: str
    source: Annotated[str, Field(description="where the rules are stated, and when they were read")]
    rules: dict[str, Rule] = {}
    files: Files | None = None

    @model_validator(mode="after")
    def _rules_are_known(self) -> Self:
        for rule in self.rules:
            if rule not in READINGS:
                near = difflib.get_close_matches(rule, READINGS, n=1, cutoff=0.4)
                raise ValueError(f"there is no rule `{rule}`; "
                                 + (f"did you mean `{near[0]}`?" if near else f"known: {', '.join(READINGS)}"))
        return self


@cache
def built_in(name: str) -> Channel:
    """A channel of ours by name."""
    return _parsed(name, (BUILT_IN / f"{name}.yaml").read_text(), f"{name}.yaml")


def built_in_names() -> tuple[str, ...]:
    """Sorted; ``own`` too."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.yaml")))


def channels_for(settings: Settings, root: UPath) -> dict[str, tuple[Channel, ...]]:
    """The channels that a catalogue has chosen, by shot.

    Raises SentinelError ``channel_unknown`` or ``channel_invalid``.
    """
    return {shot: tuple(channel_named(name, root) for name in dict.fromkeys(names))
            for shot, names in settings.channels.items()}


def channel_named(name: str, root: UPath) -> Channel:
    """A catalogue's own file of that name, else the built-in one."""
    if _NAME.fullmatch(name):
        own = root / FOLDER / f"{name}.yaml"
        if own.exists():
            try:
                return _parsed(name, own.read_text(), f"{FOLDER}/{name}.yaml")
            except (OSError, UnicodeDecodeError) as error:
                raise SentinelError("channel_invalid", f"{FOLDER}/{name}.yaml cannot be read: {error}.") from error
        if name in built_in_names():
            return built_in(name)
    near = difflib.get_close_matches(name, built_in_names(), n=1, cutoff=0.4)
    raise SentinelError("channel_unknown", f"There is no channel {name!r}.",
                        f"Did you mean `{near[0]}`?" if near else f"Built in: {', '.join(built_in_names())}; or put "
                        f"{FOLDER}/<name>.yaml beside catalogue.yaml.")


def own_limit(rule: str) -> Limit:
    """What ``own`` asks of one reading; it is that reading's engineering limit."""
    return built_in(OWN).rules[rule].limits[0]


def channel_scores(measurements: Sequence[Measurement], channels: Iterable[Channel]) -> list[Score]:
    """One score for each rule of each channel, as the check ``delivery`` of the region ``channel:<name>``.

    A rule whose reading is missing is unmeasured, one whose reading does not apply to the picture says so.
    """
    by_name = {(m.check, m.estimator): m for m in measurements}
    return [_rule_score(channel, rule, by_name) for channel in channels for rule in channel.rules]


def file_scores(suffix: str, size: int, channels: Iterable[Channel]) -> list[Score]:
    """Whether each channel takes a file of this format (``jpg``, ``webp``) and of so many bytes."""
    known = SUFFIXES.get(suffix.lower().lstrip("."), suffix.lower().lstrip("."))
    scores = []
    for channel in channels:
        if channel.files is None:
            continue
        region = f"channel:{channel.name}"
        refused = Measurement("delivery", "format", region, float(known not in channel.files.formats), "", 1.0,
                              reason=known)
        scores.append(score_for(refused, Limit(0.0), f"does not take .{known} files, only "
                                f"{', '.join(channel.files.formats)}"))
        if channel.files.max_bytes is not None:
            megabytes = Measurement("delivery", "bytes", region, size / 1e6, "MB", 1.0)
            scores.append(score_for(megabytes, Limit(channel.files.max_bytes / 1e6, perfect=0.0),
                                    "does not take a file of {value:.1f} MB"))
    return scores


def takes(channel: Channel, suffix: str, size: int) -> bool:
    """Whether a channel accepts a file of this format and size in bytes."""
    return all(score.verdict == "pass" for score in file_scores(suffix, size, (channel,)))


def _rule_score(channel: Channel, rule: str, by_name: Mapping[tuple[str, str], Measurement]) -> Score:
    check, estimator, words = READINGS[rule]
    region = f"channel:{channel.name}"
    read = by_name.get((check, estimator))
    if read is None:
        about = Measurement("delivery", estimator, region, None, "", 0.0, reason=f"nobody has read {check}.{estimator}")
    elif rule == "background" and not read.applicable:
        # Whatever hides a white background or stands in its place, the channel does not get one.
        about = Measurement("delivery", estimator, region, 1.0, read.unit, 1.0, reason=f"({read.reason})")
    else:
        about = replace(read, check="delivery", region=region, evidence=None)
    judged = [score_for(about, limit, words) for limit in channel.rules[rule].limits]
    return min(judged, key=lambda score: (score.verdict not in ("fail", "unmeasured"), score.verdict != "warn"))


def _parsed(name: str, text: str, where: str) -> Channel:
    try:
        data: Any = yaml.safe_load(text)
        if not isinstance(data, dict):
            raise SentinelError("channel_invalid", f"{where} holds no `key: value` lines.",
                                "Write it like pipeline/sentinel/channel_rules/own.yaml.")
        return Channel.model_validate({**data, "name": name})
    except yaml.YAMLError as error:
        line = str(error).replace("\n", " ")
        raise SentinelError("channel_invalid", f"{where} is not valid YAML: {line}", "Check quotes and indentation."
                            ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]) if first["loc"] else "",
                                         (*Channel.model_fields, *Rule.model_fields, *Files.model_fields), n=1)
        hint = f"Did you mean `{near[0]}`?" if near and first["type"] == "extra_forbidden" else \
            f"Rules: {', '.join(READINGS)}; files: formats, max_bytes."
        raise SentinelError("channel_invalid", f"{where}: `{place}`: {first['msg']}.", hint) from error
