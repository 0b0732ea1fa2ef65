"""How far each pixel may leave the raster, and the callback that holds a diffusion pipeline to it.

Levin and Fried, "Differential Diffusion: Giving Each Pixel Its Strength", 2023. An image-to-image run of N
steps starts from the picture plus noise. A pixel of strength s is held to the picture, noised to the level of
the moment, until s · N steps are left, and is free from there on: as if the run had been shorter for it alone.
A pixel of strength 0 is never free and ends as the autoencoder's own copy of the picture.

    latents = where(s · N ≤ steps left, add_noise(picture, noise, t_next), latents)      after every step
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import Region
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.restraining import freedom_map
from pipeline.refine.types import Restraint
from pipeline.render.types import ControlPasses
from pipeline.settings import RegionKind

F32 = NDArray[np.float32]
Bits = NDArray[np.bool_]

HELD = 0.02                    # of a pixel in a label or logo is enough to hold it; less is a sampling crumb
SEAM = 0.1                     # of a pixel in a band of stitching
EDGE_REACH = 1 / 128           # of the long side: how far from the silhouette its low strength reaches
HELD_REACH = 1 / 256           # and how far the hold of a label goes beyond its edge: a decoder blurs that much
BACKGROUND = 1.0


@dataclass(frozen=True, slots=True)
class Strengths:
    """Shares of the preset's strength, 0..1."""

    product: float                         # inside the product
    edge: float                            # along the silhouette, and on stitching


def strength_map(passes: ControlPasses, regions: Sequence[Region], strengths: Strengths,
                 restraints: Sequence[Restraint] = ()) -> F32:
    """(H, W) share of the preset's strength at every pixel of a shot."""
    seams: tuple[RegionKind, ...] = ("stitching",)
    usual = strengths_of(passes.alpha, coverage_of(passes, regions, ("label", "logo")) > HELD,
                         coverage_of(passes, regions, seams) > SEAM, strengths)
    return usual * freedom_map(passes.alpha.shape, restraints) if restraints else usual


def strengths_of(alpha: F32, held: Bits, seams: Bits, strengths: Strengths) -> F32:
    """0 on what is held, low along silhouette and seams, 1 on the background, in between on the rest.

    Args:
        alpha: (H, W) coverage of the product.
        held: (H, W) labels and logos.
        seams: (H, W) stitching.
    """
    reach = EDGE_REACH * max(alpha.shape)
    result = np.where(alpha > 0.0, np.float32(strengths.product), np.float32(BACKGROUND)).astype(np.float32)
    partly = (alpha > 0.0) & (alpha < 1.0)
    outline = _within(partly | _borders(alpha > 0.5), reach)
    for low in (outline, _within(seams, reach)):
        result[low] = np.minimum(result[low], np.float32(strengths.edge))
    result[_within(held, HELD_REACH * max(alpha.shape))] = 0.0
    return result


def on_latents(strength: F32, width: int, height: int) -> F32:
    """(height, width) lowest strength of the pixels each latent stands for: what is held, is held whole."""
    rows = np.arange(height) * strength.shape[0] // height
    columns = np.arange(width) * strength.shape[1] // width
    result: F32 = np.minimum.reduceat(np.minimum.reduceat(strength, rows, axis=0), columns, axis=1)
    return result


def holding(strengths: Any, original: Any, noise: Any) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """The ``callback_on_step_end`` that holds every latent until its strength sets it free.

    Args:
        strengths: (B, 1, h, w) tensor in 0..1 where the latents are.
        original: (B, C, h, w) latents of the picture, scaled as the pipeline scales them.
        noise: (B, C, h, w) the run was started with; one noise for all levels, so that a held latent and
            its free neighbour are noised alike.
    """
    import torch

    def hold(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps = pipeline.num_timesteps
        left = steps - step - 1
        held = strengths * steps <= left
        known = renoised(pipeline, original, noise, step + 1)
        return {"latents": torch.where(held, known, tensors["latents"])}

    return hold


def renoised(pipeline: Any, original: Any, noise: Any, step: int) -> Any:
    """The picture's latents at the noise level before a step of the run under way; after the last, as they are."""
    timesteps = pipeline.scheduler.timesteps[-pipeline.num_timesteps:]
    if step >= len(timesteps):
        return original
    return pipeline.scheduler.add_noise(original, noise, timesteps[step:step + 1].repeat(original.shape[0]))


def _borders(inside: Bits) -> Bits:
    """Pixels beside a silhouette so sharp that no pixel is partly covered."""
    return np.asarray(ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside, border_value=1))


def _within(where: Bits, reach: float) -> Bits:
    """Pixels at most ``reach`` px from some pixels."""
    if not where.any():
        return where
    return np.asarray(ndimage.distance_transform_edt(~where) <= reach)
