"""How far an answer is from the truth, and the score that makes a network answer with samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PATCH = 8                              # pixels of a patch's side; patches overlap by half


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


def squared_error(answer: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """(B,) weighted mean square difference."""
    square = ((answer - truth) ** 2).mean(1, keepdim=True) * weight
    return square.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1.0)
