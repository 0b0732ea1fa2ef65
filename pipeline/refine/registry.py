"""The table of presets. A preset is one file that decorates its class with :func:`preset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import RefineError
from pipeline.refine.factory import PresetFactory
from pipeline.refine.in_photo import PhotographingFactory
from pipeline.refine.lock_settings import UNTRUSTED, LockSettings
from pipeline.refine.locked import LockedFactory

PRESETS: dict[str, PresetFactory] = {}
Factory = TypeVar("Factory", bound=PresetFactory)


def preset(name: str, lock: LockSettings | None = UNTRUSTED) -> Callable[[Factory], Factory]:
    """Register a refiner class under the name that settings use; its pictures go through the identity lock.

    Pictures of shots in a photo become part of it. ``lock`` says how far the refiner can be trusted; None is for
    pictures that are the renderer's own.
    """
    def register(factory: Factory) -> Factory:
        PRESETS[name] = PhotographingFactory(factory if lock is None else LockedFactory(factory, lock))
        return factory
    return register


def find(name: str) -> PresetFactory:
    if name not in PRESETS:
        raise RefineError("preset_unknown", f"There is no refiner preset {name!r}.",
                          f"Presets: {', '.join(sorted(PRESETS))}.")
    return PRESETS[name]
