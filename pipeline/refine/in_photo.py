"""A refined product back in its photo: the plate's own pixels around it, the photo's lens and grain upon it.

A refiner may repaint whatever it is shown. Of a shot in a photo only the product is its business: its layer is taken
out of the refined picture by the background that the picture itself shows beside it, and laid over the plate.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.colour import quantise, srgb_decode, srgb_encode
from pipeline.lens import missing_blur, softened
from pipeline.refine.factory import PresetFactory
from pipeline.refine.lock_plate import SPREAD, plate_behind
from pipeline.refine.provenance import COMPOSED, RENDERED
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import Refined, Refiner, RefineRequest, RefinerIdentity
from pipeline.render.types import ControlPasses

VERSION = 1
GRAIN_SIZE_PX = 0.6            # sigma: a camera's noise is not white after its demosaicing


@dataclass(frozen=True, slots=True)
class PhotographingFactory:
    """A preset's class, whose pictures of shots in photos become part of those."""

    inner: PresetFactory

    def __call__(self, settings: RefinerSettings) -> Refiner:
        return PhotographingRefiner(self.inner(settings))

    def identity_of(self, settings: RefinerSettings) -> RefinerIdentity:
        return self.inner.identity_of(settings)


class PhotographingRefiner:
    """Hands on what another refiner makes; shots in photos are laid over their plates."""

    def __init__(self, inner: Refiner) -> None:
        self.inner = inner
        self.identity = inner.identity
        self.preferred_batch = inner.preferred_batch

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        """One image per request, in order."""
        return [_photographed(request, made) if request.passes.replaced is not None else made
                for request, made in zip(requests, self.inner.refine(requests), strict=True)]


def _photographed(request: RefineRequest, made: Refined) -> Refined:
    source = made.provenance["digital_source_type"]
    record = {**made.provenance, "photo_version": VERSION,
              "digital_source_type": COMPOSED if source == RENDERED else source}
    return replace(made, pixels=photographed(made.pixels, request.passes), provenance=record)


def photographed(pixels: NDArray[np.uint8], passes: ControlPasses) -> NDArray[np.uint8]:
    """(H, W, 3) the product of a refined picture over the shot's plate, as the photo's camera would have it.

    All of it in display-linear light, as the photo is.
    """
    alpha = passes.alpha[..., None]
    light, replaced = passes.shot.light, passes.replaced
    assert replaced is not None
    seen, plate = srgb_decode(pixels), srgb_decode(replaced.plate)
    behind = plate_behind(seen, plate, passes.alpha <= 0.0, SPREAD)
    product = np.maximum(seen - (1.0 - alpha) * behind, 0.0) * (alpha > 0.0)
    product, alpha = (softened(layer, missing_blur(light)) for layer in (product, alpha))
    coded = srgb_encode(product + (1.0 - alpha) * plate)
    if light is not None and light.grain > 0.0:
        coded = coded + _grain(passes.shot.backplate, alpha.shape[:2], light.grain) / 255.0 * alpha
    return np.where(alpha > 0.0, quantise(coded), replaced.plate)


def _grain(seed: str, shape: tuple[int, ...], sigma: float) -> NDArray[np.float32]:
    """(H, W, 1) noise in codes; the same for the same plate, whatever the picture."""
    noise = np.random.default_rng(zlib.crc32(seed.encode())).standard_normal(shape).astype(np.float32)
    soft = ndimage.gaussian_filter(noise, GRAIN_SIZE_PX)
    return np.asarray(soft * (sigma / float(soft.std())))[..., None]
