"""How far an answer is from the truth, and the score that makes a network answer with samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.metrics import PatchSettings, frequency_bins

PATCH = 8                              # pixels of a patch's side; patches overlap by half
SPECTRUM = PatchSettings(stride=16)
ROUNDING = 0.03                        # units² of relief: the power of 8-bit rounding in a mid-grey, as in the metric


def patch_distance(one: Tensor, other: Tensor, weight: Tensor, patch: int = PATCH) -> Tensor:
    """(B,) mean over patches of the root of the weighted mean square difference of (B, C, H, W)."""
    square = ((one - other) ** 2).mean(1, keepdim=True) * weight
    share = F.avg_pool2d(weight, patch, patch // 2)
    root = torch.sqrt(F.avg_pool2d(square, patch, patch // 2) + 1e-8)
    return (root * (share > 0.0)).flatten(1).sum(1) / share.flatten(1).sum(1).clamp_min(1e-3)


def energy_score(first: Tensor, second: Tensor, truth: Tensor, weight: Tensor, patch: int = PATCH) -> Tensor:
    """(B,) E‖x − truth‖ − ½E‖x − x′‖ of two samples, over patches: least where samples are drawn from the truth's law.

    Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 2007.
    """
    near = patch_distance(first, truth, weight, patch) + patch_distance(second, truth, weight, patch)
    return 0.5 * (near - patch_distance(first, second, weight, patch))


def spectral_distance(picture: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """(B,) decibels between two (B, 1, H, W) high-passed log pictures; 0 where no patch fits inside ``weight``.

    As :func:`training.metrics.texture_distance`, over one crop: what it wants of a sample is the power of texture
    at each scale and orientation, not its place.
    """
    bins = torch.from_numpy(frequency_bins(SPECTRUM).ravel())
    count = int(bins.max()) + 1
    share = F.one_hot(bins.clamp_min(0), count).float() * (bins >= 0)[:, None]
    share = share / share.sum(0).clamp_min(1.0)
    hann = torch.hann_window(SPECTRUM.side)
    window = hann[:, None] * hann[None]
    window = window / window.square().sum().sqrt()
    inside = -F.max_pool2d(-weight, SPECTRUM.side, SPECTRUM.stride).flatten(1)             # (B, patches) 0 or 1

    def spectrum(plane: Tensor) -> Tensor:
        patches = F.unfold(plane, SPECTRUM.side, stride=SPECTRUM.stride)                    # (B, side², patches)
        blocks = patches.transpose(1, 2).reshape(len(plane), -1, SPECTRUM.side, SPECTRUM.side)
        power = torch.fft.fft2(blocks * window).abs().square().flatten(2)
        level = 10.0 * torch.log10(power @ share + ROUNDING)
        mean: Tensor = (level * inside[..., None]).sum(1) / inside.sum(1, keepdim=True).clamp_min(1.0)
        return mean

    return ((spectrum(picture) - spectrum(truth)).square().mean(1) + 1e-4).sqrt() * (inside.sum(1) > 0)


def squared_error(answer: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """(B,) weighted mean square difference."""
    square = ((answer - truth) ** 2).mean(1, keepdim=True) * weight
    return square.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1.0)
