"""How long work keeps a CUDA card, by the card's own clock.

>>> with gpu_clock() as clock:
...     images = refiner.refine(requests)
>>> clock.seconds
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class GpuClock:
    """``seconds`` from the first to the last of the work on the card, gaps included; 0 where none was used.

    None where that is not known: the first work of a process, before which the card was not in use.
    """

    seconds: float | None = 0.0


@contextmanager
def gpu_clock() -> Iterator[GpuClock]:
    """Time what the block does on the current card. Loads no torch, and waits for the card at the end of the block."""
    clock = GpuClock()
    cuda = _cuda()
    begin = cuda.Event(enable_timing=True) if cuda else None
    if begin is not None:
        begin.record()
    yield clock
    cuda = _cuda()
    if cuda is None:
        return
    if begin is None:
        clock.seconds = None
        return
    end = cuda.Event(enable_timing=True)
    end.record()
    end.synchronize()
    clock.seconds = begin.elapsed_time(end) / 1e3


def _cuda() -> Any:
    """``torch.cuda`` where this process has begun to use a card."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None
