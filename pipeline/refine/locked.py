"""Every refiner behind the identity lock: its picture is locked, and the one before is kept beside it.

A preset states how far it can be trusted where it registers; see :func:`pipeline.refine.registry.preset`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pipeline.refine.factory import PresetFactory
from pipeline.refine.lock import VERSION, lock
from pipeline.refine.lock_settings import LockSettings
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refined, Refiner, RefineRequest, RefinerIdentity


@dataclass(frozen=True, slots=True)
class LockedFactory:
    """A preset's class, with the lock behind it."""

    inner: PresetFactory
    settings: LockSettings

    def __call__(self, settings: RefinerSettings) -> Refiner:
        return LockedRefiner(self.inner(settings), self.settings)

    def identity_of(self, settings: RefinerSettings) -> RefinerIdentity:
        return identity_with_lock(self.inner.identity_of(settings), self.settings)


class LockedRefiner:
    """Hands on what another refiner makes, locked."""

    def __init__(self, inner: Refiner, settings: LockSettings) -> None:
        self.inner = inner
        self.settings = settings
        self.identity = identity_with_lock(inner.identity, settings)
        self.preferred_batch = inner.preferred_batch

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        """One image per request, in order; ``unlocked`` is the picture as the refiner made it."""
        return [self._lock(request, refined)
                for request, refined in zip(requests, self.inner.refine(requests), strict=True)]

    def _lock(self, request: RefineRequest, refined: Refined) -> Refined:
        started = time.perf_counter()
        locked = lock(refined.pixels, request.passes, request.regions, self.settings, request.restraints)
        seconds = time.perf_counter() - started
        record = {**refined.provenance, "lock": {**asdict(self.settings), **locked.record}}
        return replace(refined, pixels=locked.pixels, provenance=record, unlocked=refined.pixels,
                       lock_seconds=seconds)


def identity_with_lock(identity: RefinerIdentity, settings: LockSettings) -> RefinerIdentity:
    """What the image depends on, the lock's version and settings included."""
    own = {f"lock_{name}": value for name, value in asdict(settings).items()}
    return replace(identity, parameters={**identity.parameters, "lock_version": VERSION, **own})
