"""The light network: what bounces, gloss and shadow are missing from the raster, as smooth fields.

It sees the whole picture at one fixed size and answers on a coarse grid with a log gain and an addition for the
product and a log gain for the plate. Fields are brought to the picture's pixels by weights that know depth, normal
and coverage (joint bilateral upsampling, Kopf et al. 2007), product and plate apart, so light never leaks across a
silhouette and the texture in the raster is never blurred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor
from torch.nn import functional as F

from pipeline.colour import PURE_BACKGROUND_RATIO
from pipeline.refine.nets.inputs import CELL, GRID, LIGHT_PLANES, WORKING, Planes, encode

NOISE_SCALE = 0.15                     # of the coded state, at time 1
STATE = 6                              # coded product and plate on the grid
NOISE = 2                              # planes of noise that make one sample differ from another
FIELDS = (1, 1, 3)                     # channels of the product's log gain and addition, and of the plate's log gain
WHITE = 31                             # the plane of the inputs that says the backdrop is white
FAINT = 0.12                           # share of light missing from where a shadow on white is wholly the network's
MOST_GAIN = 1.2                        # log; a raster without bounces is never further off
MOST_ADDED = 0.6                       # linear
SPATIAL = 0.75                         # cells, width of the Gaussian in the picture
CREASE = 6.0                           # per unit of 1 − cos between normals
STEP_CELLS = 3.0                       # depth difference, in cells, at which a neighbour counts 1/e


@dataclass(frozen=True, slots=True)
class Working:
    """A shot at the light network's size: square, padded right and below; not premultiplied; batched (B, …)."""

    alpha: Tensor                      # (B, 1, WORKING, WORKING)
    valid: Tensor                      # 1 where the picture is
    product: Tensor                    # 3 linear
    plate: Tensor                      # 3 linear
    shares: Tensor                     # (B, GRID², 9, CELL²), how fields spread to the product's pixels
    inputs: Tensor                     # (B, LIGHT_PLANES, GRID, GRID)
    raster: Tensor                     # (B, STATE, GRID, GRID) coded


def working(planes: Planes) -> Working:
    """Reduce one shot's planes."""
    height, width = planes.alpha.shape[-2:]
    scale = WORKING / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    alpha = _fit(planes.alpha, size)

    def inside(plane: Tensor) -> Tensor:
        return _fit(plane * planes.alpha, size) / alpha.clamp_min(1e-3) * (alpha > 1e-3)

    valid = _fit(torch.ones_like(planes.alpha), size)
    product, plate, normal = inside(planes.product), _fit(planes.plate, size), inside(planes.normal)
    depth = inside(planes.depth) * (GRID / planes.frame)
    weight, whole = alpha, valid - alpha
    rows = torch.linspace(-1.0, 1.0, GRID)[:, None].expand(GRID, GRID)[None, None]
    white = torch.full((1, 1, GRID, GRID), float(planes.white))
    vector = planes.light.reshape(1, 3, 1, 1).expand(1, 3, GRID, GRID)
    coded_product, coded_plate = encode(product) * (alpha > 1e-3), encode(plate) * valid
    raster = torch.cat([pooled(coded_product, weight), pooled(coded_plate, whole)], 1)
    inputs = torch.cat([
        F.avg_pool2d(alpha, CELL), F.avg_pool2d(valid, CELL), raster, pooled(encode(inside(planes.albedo)), weight),
        pooled(torch.log(inside(planes.diffuse) + 0.02), weight), pooled(encode(inside(planes.specular)), weight),
        pooled(normal, weight), pooled((normal * planes.up.reshape(1, 3, 1, 1)).sum(1, keepdim=True), weight),
        pooled(depth, weight) / GRID, pooled(inside(planes.shade), weight), pooled(inside(planes.classes), weight),
        white, rows, vector], 1)
    return Working(alpha, valid, product, plate, shares_of(alpha, normal, depth), inputs, raster)


def stacked(shots: list[Working]) -> Working:
    return Working(*(torch.cat([getattr(shot, name) for shot in shots]) for name in Working.__dataclass_fields__))


def _fit(plane: Tensor, size: tuple[int, int]) -> Tensor:
    small = plane if plane.shape[-2:] == size else F.adaptive_avg_pool2d(plane, size)
    return F.pad(small, (0, WORKING - size[1], 0, WORKING - size[0]))


def pooled(plane: Tensor, weight: Tensor) -> Tensor:
    """Mean over each cell's pixels of one layer; 0 in cells that hold next to none of it."""
    return _layer(plane, weight, CELL)


def make_network() -> Any:
    """4 levels, attention on the last; answers zeros before it is trained, which leaves the raster as it is."""
    network = UNet2DModel(sample_size=GRID, in_channels=STATE + NOISE + LIGHT_PLANES, out_channels=sum(FIELDS),
                          block_out_channels=(48, 64, 96, 128), layers_per_block=1, norm_num_groups=8,
                          down_block_types=("DownBlock2D",) * 3 + ("AttnDownBlock2D",),
                          up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * 3, attention_head_dim=32)
    torch.nn.init.zeros_(network.conv_out.weight)
    torch.nn.init.zeros_(network.conv_out.bias)
    return network


@dataclass(frozen=True, slots=True)
class Fields:
    """On the grid: (B, FIELDS, GRID, GRID). The product's light has no tint of its own: its colour is what is sold."""

    gain: Tensor                       # log, of the product
    added: Tensor                      # linear, to the product
    plate: Tensor                      # log gain of the plate


def fields_of(network: Callable[..., Any], shots: Working, state: Tensor, noise: Tensor, time: float | Tensor
              ) -> Fields:
    """``time`` in 0..1, one or (B,)."""
    answer = network(torch.cat([state, noise, shots.inputs], 1), time * 1000.0).sample
    gain, added, plate = torch.split(answer.float(), list(FIELDS), 1)
    return Fields(MOST_GAIN * torch.tanh(gain), MOST_ADDED * torch.tanh(added), MOST_GAIN * torch.tanh(plate))


def relit(shots: Working, fields: Fields) -> tuple[Tensor, Tensor]:
    """Product and plate (B, 3, WORKING, WORKING), linear, in the fields' light."""
    gain, added = torch.split(spread(torch.cat([fields.gain, fields.added], 1), shots.shares), list(FIELDS[:2]), 1)
    white = shots.inputs[:, WHITE:WHITE + 1, :1, :1]
    return (shots.product * gain.exp() + added).clamp_min(0.0), relit_plate(shots.plate, fields.plate, white)


def relit_plate(plate: Tensor, field: Tensor, white: Tensor) -> Tensor:
    """The plate (B, 3, H, W) in the field's light. On white only a shadow changes: purity is not the network's."""
    gain = F.interpolate(field, size=plate.shape[-2:], mode="bilinear", align_corners=False)
    shadow = ((PURE_BACKGROUND_RATIO - plate.mean(1, keepdim=True)) / FAINT).clamp(0.0, 1.0)
    shadow = shadow * shadow * (3.0 - 2.0 * shadow)  # no edge where the network begins to be heard
    answer = plate * (gain * (1.0 - white * (1.0 - shadow))).exp()
    lit: Tensor = torch.where(white > 0.5, answer.clamp_max(1.0), answer)
    return lit


def state_of(shots: Working, product: Tensor, plate: Tensor) -> Tensor:
    """A picture on the grid, as the diffusion sees it: (B, STATE, GRID, GRID)."""
    return torch.cat([pooled(encode(product) * (shots.alpha > 1e-3), shots.alpha),
                      pooled(encode(plate) * shots.valid, shots.valid - shots.alpha)], 1)


def shares_of(alpha: Tensor, normal: Tensor, depth: Tensor) -> Tensor:
    """How much each pixel of (B, C, k·GRID, k·GRID) planes takes from its nearest 3 × 3 cells: (B, GRID², 9, k²).

    ``depth`` is in cells. A cell counts by its coverage and its likeness to the pixel.
    """
    factor = alpha.shape[-1] // GRID
    cells = torch.cat([F.avg_pool2d(alpha, factor), _layer(normal, alpha, factor), _layer(depth, alpha, factor)], 1)
    weight, cell_normal, cell_depth = torch.split(_around(cells), [1, 3, 1], 2)            # (B, GRID², C, 9, 1)
    fine = torch.cat([normal, depth], 1)
    fine_normal, fine_depth = torch.split(_folded(fine, factor)[:, :, :, None], [3, 1], 2)  # (B, …, 1, k²)
    bend = (1.0 - (cell_normal * fine_normal).sum(2)).clamp_min(0.0)
    step = (cell_depth - fine_depth).abs()[:, :, 0]
    place = (torch.arange(factor) + 0.5) / factor - 0.5
    away = torch.stack([(place[:, None] - down) ** 2 + (place[None] - right) ** 2
                        for down in (-1, 0, 1) for right in (-1, 0, 1)]).flatten(1)       # (9, k²)
    share = torch.exp(-away / (2.0 * SPATIAL ** 2) - CREASE * bend - step / STEP_CELLS) * weight[:, :, 0]
    share = share + 1e-6 * torch.exp(-away) * (weight[:, :, 0] > 0.0)
    whole: Tensor = share / share.sum(2, keepdim=True).clamp_min(1e-12)
    return whole


def spread(fields: Tensor, shares: Tensor) -> Tensor:
    """Fields (B, C, GRID, GRID) on the pixels that the shares were made for."""
    factor = round(shares.shape[-1] ** 0.5)
    near = _around(fields)[..., 0]                                                        # (B, GRID², C, 9)
    fine = torch.matmul(near, shares.to(near.dtype))
    count, _, channels, _ = fine.shape
    blocks = fine.reshape(count, GRID, GRID, channels, factor, factor)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, GRID * factor, GRID * factor)


def _around(cells: Tensor) -> Tensor:
    """(B, GRID², C, 9, 1): of each cell the 3 × 3 around it, nothing outside the picture."""
    count, channels = cells.shape[:2]
    return F.unfold(cells, 3, padding=1).reshape(count, channels, 9, -1).permute(0, 3, 1, 2)[..., None]


def _folded(planes: Tensor, factor: int) -> Tensor:
    """(B, GRID², C, factor²)."""
    count, channels = planes.shape[:2]
    blocks = planes.reshape(count, channels, GRID, factor, GRID, factor)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(count, GRID * GRID, channels, factor * factor)


def _layer(plane: Tensor, weight: Tensor, factor: int) -> Tensor:
    total = F.avg_pool2d(weight, factor)
    return F.avg_pool2d(plane * weight, factor) / total.clamp_min(1e-3) * (total > 1e-3)
