"""The table of presets. A preset is one file that decorates its class with :func:`preset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from pipeline.errors import RefineError
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refiner, RefinerIdentity


class PresetFactory(Protocol):
    """What a preset's class offers before it is made."""

    def __call__(self, settings: RefinerSettings) -> Refiner: ...

    def identity_of(self, settings: RefinerSettings) -> RefinerIdentity:
        """Cheap: no torch, no weights in memory. Raises RefineError where the model cannot be found."""
        ...


PRESETS: dict[str, PresetFactory] = {}
Factory = TypeVar("Factory", bound=PresetFactory)


def preset(name: str) -> Callable[[Factory], Factory]:
    """Register a refiner class under the name that settings use."""
    def register(factory: Factory) -> Factory:
        PRESETS[name] = factory
        return factory
    return register


def find(name: str) -> PresetFactory:
    if name not in PRESETS:
        raise RefineError("preset_unknown", f"There is no refiner preset {name!r}.",
                          f"Presets: {', '.join(sorted(PRESETS))}.")
    return PRESETS[name]
