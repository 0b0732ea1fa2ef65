"""What the networks train on: a pair's inputs and targets as small arrays, one file beside each pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.refine.nets import relief
from pipeline.refine.nets.guide import Laid, guide_of
from pipeline.refine.nets.inputs import Planes, luminance, planes_of
from pipeline.refine.nets.light import Working, working
from training.floor_light import completed_plate
from training.pairs import Pair
from training.types import Sample

SUFFIX = ".example.npz"
SOLID = 0.98                           # coverage from which a pixel's relief counts


def prepare(pair: Pair, sample: Sample | None = None) -> dict[str, NDArray[Any]]:
    """Arrays without their batch axis, half floats: ``light.*`` and ``relief.*``.

    Light is what the raster lacks; relief is what the path-traced stripped product lacks.
    ``sample``: what the pair was made from; its tiles, where they truly lie, are the relief's guide.
    """
    planes = planes_of(pair.passes)
    found = {}
    if pair.traced_product is not None:
        laid = [] if sample is None else [Laid(tile, (repeats, repeats)) for tile, repeats in sample.tiles]
        guide = torch.from_numpy(guide_of(pair.passes, laid)).permute(2, 0, 1)[None]
        base = planes_of(replace(pair.passes, product=pair.traced_product))
        found = {f"relief.{name}": tensor for name, tensor in relief_example(base, guide, pair.truth_product).items()}
    shot = working(planes)
    found |= {f"light.{name}": getattr(shot, name) for name in Working.__dataclass_fields__}
    found |= {f"light.{name}": tensor for name, tensor in light_targets(shot, pair).items()}
    return {name: tensor[0].clamp(-6e4, 6e4).half().numpy() for name, tensor in found.items()}


def light_targets(shot: Working, pair: Pair) -> dict[str, Tensor]:
    """The truth's two layers, linear, padded as the working planes are."""
    size = shot.alpha.shape[-1]
    premultiplied = torch.from_numpy(pair.truth_product).permute(2, 0, 1)[None]
    alpha = premultiplied[:, 3:]
    product = premultiplied[:, :3] / alpha.clamp_min(0.05) * (alpha > 0.05)
    whole = completed_plate(pair.truth_plate, pair.passes.plate, pair.passes.alpha, pair.truth_product[..., 3])
    plate = torch.from_numpy(whole).permute(2, 0, 1)[None]
    pad = (0, size - alpha.shape[-1], 0, size - alpha.shape[-2])
    return {"truth_product": torch.nn.functional.pad(product, pad), "truth_plate": torch.nn.functional.pad(plate, pad),
            "truth_alpha": torch.nn.functional.pad(alpha, pad)}


def relief_example(planes: Planes, guide: Tensor, truth_product: NDArray[np.float32]) -> dict[str, Tensor]:
    """Padded to whole folds: ``fine``, ``coarse``, ``target`` and ``weight`` 1."""
    premultiplied = torch.from_numpy(truth_product).permute(2, 0, 1)[None]
    product = premultiplied[:, :3] / premultiplied[:, 3:].clamp_min(0.05)
    weight = ((planes.alpha > SOLID) & (premultiplied[:, 3:] > SOLID)).float()
    found, drawn = (torch.log(luminance(colours) + relief.FLOOR) for colours in (product, planes.product))
    ratio = (found - drawn) * weight
    target = relief.without_mean(ratio, weight) / relief.UNIT
    height, width = (side // relief.FOLD * relief.FOLD for side in weight.shape[-2:])
    cut = {"fine": relief.fine_planes(planes, guide), "weight": weight,
           "target": target.clamp(-relief.MOST, relief.MOST)}
    return {name: tensor[..., :height, :width] for name, tensor in cut.items()} | {
        "coarse": relief.coarse_planes(planes)}


def save(arrays: Mapping[str, NDArray[Any]], pair_path: Path) -> None:
    with pair_path.with_name(pair_path.name.removesuffix(".npz") + SUFFIX).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
