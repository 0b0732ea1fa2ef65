"""Passes in, photograph out: refiner presets, their identity and the provenance of every image.

>>> refiner = make_refiner(RefinerSettings.from_environment())
>>> [image] = refiner.refine([RefineRequest(passes, prompt, seed_for(sku, shot, attempt=0))])
>>> save_png(image.pixels, path, image.provenance)
"""

from __future__ import annotations

from pipeline.refine import diffusers_controlnet as _diffusers_controlnet  # noqa: F401  registers itself
from pipeline.refine import embedded as _embedded  # noqa: F401  registers itself
from pipeline.refine import none as _none  # noqa: F401  registers itself
from pipeline.refine.provenance import array_sha256, read_provenance, save_png, srgb_profile, xmp_packet
from pipeline.refine.registry import PRESETS, find
from pipeline.refine.seeds import seed_for
from pipeline.refine.settings import ControlNetSettings, RefinerSettings
from pipeline.refine.types import Refined, Refiner, RefineRequest, RefinerIdentity

__all__ = [
    "PRESETS", "VERSION", "ControlNetSettings", "RefineRequest", "Refined", "Refiner", "RefinerIdentity",
    "RefinerSettings", "array_sha256", "identity_of", "make_refiner", "read_provenance", "save_png", "seed_for",
    "srgb_profile", "xmp_packet",
]

VERSION = 1  # of the stage around the presets: compositing, file format, provenance schema; bumped by hand


def make_refiner(settings: RefinerSettings) -> Refiner:
    """The refiner of a preset. Weights are loaded at its first image, not here."""
    return find(settings.preset)(settings)


def identity_of(settings: RefinerSettings) -> RefinerIdentity:
    """What its images depend on besides the passes, without importing torch or loading weights.

    A local model is known by a sha256 over its files, a hub model by its id and commit.
    """
    return find(settings.preset).identity_of(settings)
