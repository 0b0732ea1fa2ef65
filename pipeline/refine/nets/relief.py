"""The relief network: threads, grain and stitches as a factor on the picture's brightness, at full resolution.

It sees 60 pixels around each of its own and how many millimetres a pixel spans, so a picture of any size can go
through it whole. Its answer is a log factor: bounded, without a mean over the neighbourhood, and zero where a label
or logo is locked.
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.refine.nets.inputs import RELIEF_PLANES, Planes, luminance

FINE = 4                               # planes at full resolution beside the state and its noise
FOLD = 4                               # pixels folded into channels, per axis
UNIT = 0.06                            # log brightness that the state counts as 1
MOST = 8.0                             # units; e^0.48, a deep shadow between threads
FLOOR = 0.02                           # linear light added before logarithms
NOISE_SCALE = 1.0                      # units, at time 1
MEAN_PX = 6.0                          # sigma of the neighbourhood over which relief has no mean


class ReliefNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """7 convolutions of 3 × 3 on folded pixels, no norm over the picture: what a pixel gets depends on 60 px around."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, planes: int = RELIEF_PLANES, channels: int = 96, depth: int = 6) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.start = nn.Conv2d((2 + FINE) * FOLD * FOLD + planes, channels, 1)
        self.time = nn.Sequential(nn.Linear(16, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.blocks = nn.ModuleList(Block(channels) for _ in range(depth))
        self.end = nn.Conv2d(channels, FOLD * FOLD, 3, padding=1)
        nn.init.zeros_(self.end.weight)
        assert self.end.bias is not None
        nn.init.zeros_(self.end.bias)

    def forward(self, state: Tensor, noise: Tensor, fine: Tensor, planes: Tensor, time: Tensor) -> Tensor:
        """Relief in units (B, 1, H, W) from a noisy one, fresh noise, ``fine`` (B, FINE, H, W) and folded ``planes``.

        H and W are multiples of FOLD; ``time`` (B,) in 0..1.
        """
        folded = F.pixel_unshuffle(torch.cat([state, noise, fine], 1), FOLD)
        x = self.start(torch.cat([folded, planes.to(folded.dtype)], 1))
        angle = time.to(x.dtype)[:, None] * math.pi * torch.arange(1, 9, dtype=x.dtype) / 2.0
        x = x + self.time(torch.cat([angle.sin(), angle.cos()], 1))[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        return MOST * torch.tanh(F.pixel_shuffle(self.end(x), FOLD) / MOST)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        more: Tensor = self.scale * self.mix(F.silu(self.near(F.silu(x))))
        return x + more


def fine_planes(planes: Planes, guide: Tensor) -> Tensor:
    """(1, FINE, H, W): log brightness of picture and albedo less its neighbourhood's mean, in tamed units; the guide.

    ``guide``: (1, 2, H, W) height and tone of what may lie there.
    """
    inside = planes.alpha
    found = [without_mean(torch.log(luminance(plane) + FLOOR), inside) for plane in (planes.product, planes.albedo)]
    return torch.cat([torch.asinh(torch.cat(found, 1) / UNIT), guide_planes(guide)], 1)


def guide_planes(guide: Tensor) -> Tensor:
    """(B, 2, H, W) height and tone as the network sees them."""
    height, tone = torch.split(guide, 1, 1)
    return torch.cat([height, torch.asinh(tone / UNIT)], 1)


def coarse_planes(planes: Planes) -> Tensor:
    """(1, RELIEF_PLANES, H / FOLD, W / FOLD) of what varies slowly."""
    def mean(plane: Tensor) -> Tensor:
        weight = F.avg_pool2d(planes.alpha, FOLD)
        return F.avg_pool2d(plane * planes.alpha, FOLD) / weight.clamp_min(1e-3) * (weight > 1e-3)

    size = planes.alpha.shape[-2] // FOLD, planes.alpha.shape[-1] // FOLD
    span = planes.mm_per_px * (1.0 + planes.depth / planes.distance)
    wide = planes.light.reshape(1, 3, 1, 1).expand(1, 3, *size)
    return torch.cat([
        F.avg_pool2d(planes.alpha, FOLD), mean(torch.log(luminance(planes.product) + FLOOR)),
        mean(torch.log(luminance(planes.albedo) + FLOOR)), mean(planes.normal), wide,
        mean(torch.log(span.clamp_min(1e-4))), mean(planes.uv_turn), mean(planes.shade[:, :1]),
        mean(planes.classes)], 1)


def without_mean(plane: Tensor, weight: Tensor) -> Tensor:
    """The plane less its weighted Gaussian mean over MEAN_PX, 0 where there is no weight."""
    mean = blurred(plane * weight) / blurred(weight).clamp_min(1e-3)
    return (plane - mean) * (weight > 0.0)


def blurred(plane: Tensor) -> Tensor:
    """Gaussian of MEAN_PX pixels over (B, 1, H, W), zeros outside."""
    radius = round(2.5 * MEAN_PX)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=plane.dtype) / MEAN_PX) ** 2)
    kernel = kernel / kernel.sum()
    rows = F.conv2d(plane, kernel.reshape(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(rows, kernel.reshape(1, 1, -1, 1), padding=(radius, 0))
