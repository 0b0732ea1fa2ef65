"""What a preset offers before it is made."""

from __future__ import annotations

from typing import Protocol

from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refiner, RefinerIdentity


class PresetFactory(Protocol):
    """What a preset's class offers before it is made."""

    def __call__(self, settings: RefinerSettings) -> Refiner: ...

    def identity_of(self, settings: RefinerSettings) -> RefinerIdentity:
        """Cheap: no torch, no weights in memory. Raises RefineError where the model cannot be found."""
        ...
