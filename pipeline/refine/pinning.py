"""`packshot refine --pin`: the commit of every model, asked of the hub and written where the catalogue keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upath import UPath

from pipeline.refine import hub, pins, weights
from pipeline.refine.presets import all_presets
from pipeline.refine.settings import RefinerSettings


@dataclass(frozen=True, slots=True)
class Pinned:
    """One model, before and now."""

    model: str
    before: str                            # commit; "" where it was not pinned
    now: str
    licence: str
    commercial_use: bool


def models_to_pin(settings: RefinerSettings) -> tuple[str, ...]:
    """Every hub model of the presets, and of settings that name others."""
    named = [model.id for data in all_presets().values() for model in data.models]
    named += [each.model for each in settings.weights if weights.is_on_hub(each.model)]
    return tuple(dict.fromkeys(named))


def pin_models(models: Sequence[str], path: UPath) -> list[Pinned]:
    """Resolve all, then write: where one cannot be resolved, the file stays as it was.

    Pins of other models, and the sha256 somebody stated for a folder, are kept.
    """
    before = pins.read(path)
    found = {model: hub.resolve(model) for model in models}
    pins.write(path, {**before, **found})
    return [Pinned(model, before.get(model, pins.Pin()).revision, pin.revision, pin.licence, pin.commercial_use)
            for model, pin in found.items()]
