"""From noise to a picture in four steps or fewer.

The state at time t is (1 − t)·x + t·(prior + scale·noise): it slides from a first guess of the picture to the picture
itself (residual shifting: Yue et al., "ResShift", NeurIPS 2023, with linear schedules). The networks are trained to
answer with a *sample* of what x may be, not with its mean (De Bortoli et al., "Distributional Diffusion Models with
Scoring Rules", ICML 2025), which is what makes so few steps enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

TIMES = (1.0, 0.75, 0.5, 0.25)
Answer = TypeVar("Answer")


def times_of(steps: int) -> tuple[float, ...]:
    """The times visited: 1 alone, or all four, or evenly chosen ones between."""
    if not 1 <= steps <= len(TIMES):
        raise ValueError(f"{steps} steps; 1 to {len(TIMES)} are possible")
    return TIMES[::len(TIMES) // steps][:steps] if len(TIMES) % steps == 0 else TIMES[:1] + TIMES[-steps + 1:]


def noised(x: Tensor, prior: Tensor, scale: float, noise: Tensor, time: Tensor | float) -> Tensor:
    return (1.0 - time) * x + time * (prior + scale * noise)


def sampled(predict: Callable[[Tensor, float], tuple[Answer, Tensor]], prior: Tensor, scale: float,
            generator: torch.Generator, steps: int) -> Answer:
    """The last step's answer. ``predict(state, time)`` gives an answer and the state it stands for."""
    times = times_of(steps)
    state = prior + scale * torch.randn(prior.shape, generator=generator)
    for time, later in zip(times, (*times[1:], 0.0), strict=True):
        answer, x = predict(state, time)
        if later > 0.0:
            state = noised(x, prior, scale, torch.randn(prior.shape, generator=generator), later)
    return answer


def expected(predict: Callable[[Tensor, float], tuple[Answer, Tensor]], prior: Tensor) -> Answer:
    """What the network takes for the mean: one step without noise, as it was trained by squared error."""
    return predict(prior, 1.0)[0]
