"""Preset ``none``: the raster through the view transform, and labelled as exactly that."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.refine.provenance import RENDERED, provenance
from pipeline.refine.registry import preset
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity

VERSION = 1


@preset("none", lock=None)
class NoRefiner:
    """Needs no weights and draws no noise; the same passes give the same bytes."""

    preferred_batch = 1

    def __init__(self, settings: RefinerSettings) -> None:
        self.identity = self.identity_of(settings)

    @staticmethod
    def identity_of(settings: RefinerSettings) -> RefinerIdentity:
        """No other setting touches the image, so none is part of it."""
        return RefinerIdentity(settings.preset, VERSION)

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        return [self._one(request) for request in requests]

    def _one(self, request: RefineRequest) -> Refined:
        passes = request.passes
        record = provenance(self.identity, passes, ("product", "plate"), refined=False, source_type=RENDERED)
        return Refined(passes.display, record)
