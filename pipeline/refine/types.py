"""The one thing a refiner is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.render.types import ControlPasses


@dataclass(frozen=True, slots=True)
class RefinerIdentity:
    """What the image depends on besides its passes; enters the data version whole."""

    preset: str                            # none, diffusers, …
    version: int                           # of this preset's code, bumped by hand when its output changes
    model: str = ""                        # folder name or hub id; "" where there is none
    revision: str = ""                     # hub revision
    model_sha256: str = ""                 # over all weight files
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def scored_as(self, light: str) -> str:
        """``refiner_version`` of the score tables: code, weights and, unless it is traced, the light of the passes.

        In drawn light a refiner has more to change, and good images read differently.
        """
        version = f"{self.version}:{self.model_sha256[:12]}".rstrip(":")
        return version if light == "traced" else f"{version}+{light}"


@dataclass(frozen=True, slots=True)
class Restraint:
    """Where a refiner may do less than usual, for what an earlier picture of the same shot got wrong there."""

    bbox: tuple[int, int, int, int] | None  # px: x0, y0, x1, y1, the last two exclusive; None: the whole picture
    freedom: float                         # 0..1 share of its usual freedom; 0 leaves the raster and exact albedo


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """One image to make."""

    passes: ControlPasses
    prompt: str
    seed: int                              # hash(sku, shot, attempt)
    negative_prompt: str = ""
    regions: tuple[Region, ...] = ()       # labels, logos, stitching: what the identity lock holds to the letter
    restraints: tuple[Restraint, ...] = ()  # on top of the preset's own; they multiply where they overlap


@dataclass(frozen=True, slots=True)
class Refined:
    """A display-ready image and where it came from."""

    pixels: NDArray[np.uint8]              # (H, W, 3) sRGB
    provenance: Mapping[str, object]       # JSON-able: preset, model, revision, seed, strength, DigitalSourceType, …
    unlocked: NDArray[np.uint8] | None = None  # (H, W, 3) before the identity lock; None where nothing was locked
    lock_seconds: float = 0.0              # wall clock of the identity lock


class Refiner(Protocol):
    """Passes in, photograph out. ``preferred_batch`` images at a time share one forward pass."""

    identity: RefinerIdentity
    preferred_batch: int

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        """Return one image per request, in order, at the size of its passes."""
        ...
