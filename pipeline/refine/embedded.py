"""Preset ``embedded``: the small model that comes with Packshot. No hub, no GPU, the product exact.

It does not repaint: the raster's own colours are multiplied by smooth light and by a bounded, zero-mean relief, and
alpha stays the passes'. So nothing can move or change its print. ``training/`` makes the weights.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.colour import to_display
from pipeline.errors import RefineError, first_line
from pipeline.refine.embedded_weights import PACKAGED, Description, checked, described
from pipeline.refine.lock_settings import ALIGNED
from pipeline.refine.provenance import MODULATED, provenance
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.registry import preset
from pipeline.refine.restraining import freedom_map
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity
from pipeline.settings import RegionKind
from pipeline.torch_beside_gl import prepare_torch

if TYPE_CHECKING:
    from pipeline.refine.nets.model import EmbeddedModel

VERSION = 1
USED = ("product", "plate", "alpha", "base_color", "diffuse", "specular", "visibility", "ao", "normal", "depth", "uv",
        "material_id")
PLAIN_KINDS: tuple[RegionKind, ...] = ("label", "logo")        # printed flat: no thread or grain is invented there
log = logging.getLogger(__name__)


@preset("embedded", lock=ALIGNED)
class EmbeddedRefiner:
    """Bit-identical on one machine at one number of threads, whatever the order of requests."""

    preferred_batch = 1

    def __init__(self, settings: RefinerSettings) -> None:
        self.settings = settings
        self.identity = self.identity_of(settings)
        self._model: tuple[EmbeddedModel, Description] | None = None

    @staticmethod
    def identity_of(settings: RefinerSettings) -> RefinerIdentity:
        """Hashes are taken from ``model.json``; the files themselves are checked when they are loaded."""
        found = described(_folder(settings))
        return RefinerIdentity("embedded", VERSION, found.name, "", found.sha256,
                               {"light_steps": found.light_steps, "relief_steps": found.relief_steps,
                                "guided": found.guided})

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        return [self._one(request) for request in requests]

    def _one(self, request: RefineRequest) -> Refined:
        model, description = self._loaded()
        from pipeline.refine.nets.model import Steps

        started = time.perf_counter()
        passes = request.passes
        locked = coverage_of(passes, request.regions, PLAIN_KINDS)
        steps = Steps(description.light_steps, description.relief_steps, description.guided)
        free = freedom_map(passes.alpha.shape, request.restraints) if request.restraints else None
        picture = model.refine(passes, request.seed, steps, locked, free)
        if not (np.isfinite(picture.product).all() and np.isfinite(picture.plate).all()):
            raise RefineError("output_invalid", f"The embedded model returned pixels that are not numbers for shot "
                              f"{passes.shot.name}.", "Check the passes of this shot for infinities; please report it.")
        pixels = to_display(picture.product, picture.plate, passes.white_backdrop)
        log.info("refined %s in %.2f s", passes.shot.name, time.perf_counter() - started)
        made_with: dict[str, str | int | float | bool] = {
            "bfloat16": model.half, "threads": _threads(self.settings),
            "reproducible": "on one machine at this number of threads",
            **({"strength_lowered": True} if request.restraints else {})}
        record = provenance(self.identity, passes, USED, refined=True, source_type=MODULATED, seed=request.seed,
                            settings=made_with, libraries=("numpy", "torch", "diffusers"))
        return Refined(pixels, record)

    def _loaded(self) -> tuple[EmbeddedModel, Description]:
        if self._model is None:
            description = checked(_folder(self.settings))
            prepare_torch()
            import torch
            from safetensors import SafetensorError

            torch.set_num_threads(_threads(self.settings))
            from pipeline.refine.nets.model import EmbeddedModel

            started = time.perf_counter()
            try:
                model = EmbeddedModel.load(_folder(self.settings))
            except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
                raise RefineError("model_unreadable", f"The embedded model cannot be loaded: {first_line(error)}",
                                  "Use the diffusers version of requirements.lock, or make the model again.") from error
            log.info("loaded the embedded model in %.1f s", time.perf_counter() - started)
            self._model = model, description
        return self._model


def _folder(settings: RefinerSettings) -> Path:
    return Path(settings.model).expanduser() if settings.model else PACKAGED


def _threads(settings: RefinerSettings) -> int:
    return settings.threads or len(os.sched_getaffinity(0))
