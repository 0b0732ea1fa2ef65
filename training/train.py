"""Train one of the two networks: ``python -m training.train light|relief --data DATA --out RUN``.

Goes on from RUN's last checkpoint, else from the weights given by ``--start``. Examples that appear while it runs
are taken in. Weights for use are an exponential mean of the trained ones, those of the lowest loss on products that
are held back, written as diffusers writes a model.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.examples import SUFFIX
from training.heads import HEADS, Head

Arrays = dict[str, NDArray[np.float16]]
LOOK_AGAIN_S = 60.0
VALIDATED = 32                         # examples looked at for a line of progress
HELD_BACK = 12                         # every so many products are for validation, never trained on


class Examples:
    """All examples of a folder in memory, half floats; grows as files appear."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.train: list[Arrays] = []
        self.validation: list[Arrays] = []
        self._seen: set[str] = set()
        self._looked = -math.inf

    def refresh(self) -> None:
        if time.monotonic() - self._looked < LOOK_AGAIN_S:
            return
        self._looked = time.monotonic()
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name in self._seen:
                continue
            with np.load(path) as file:
                found = {name.removeprefix(self.prefix): file[name] for name in file if name.startswith(self.prefix)}
            self._seen.add(path.name)
            if found:
                number = int(path.name.split("-")[-2])
                (self.validation if number % HELD_BACK == 0 else self.train).append(found)

    def batch(self, rng: np.random.Generator, size: int) -> list[Arrays]:
        return [self.train[int(index)] for index in rng.integers(len(self.train), size=size)]


@dataclass
class Run:
    """What a checkpoint holds."""

    network: nn.Module
    mean: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf                 # validation loss of the weights kept for use

    def save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        torch.save({"network": self.network.state_dict(), "mean": self.mean.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "step": self.step, "seconds": self.seconds,
                    "best": self.best}, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        held = torch.load(path, weights_only=True)
        self.network.load_state_dict(held["network"])
        self.mean.load_state_dict(held["mean"])
        self.optimizer.load_state_dict(held["optimizer"])
        self.step, self.seconds, self.best = held["step"], held["seconds"], held["best"]


def train(head: Head, examples: Examples, out: Path, *, minutes: float, start: Path | None, wait_for: int,
          seed: int) -> None:
    """Train for so many minutes in all, over all runs; every few minutes a checkpoint and a line of progress."""
    out.mkdir(parents=True, exist_ok=True)
    network = head.make() if start is None else head.load(start)
    run = Run(network, deepcopy(network).requires_grad_(False),
              torch.optim.AdamW(network.parameters(), lr=head.rate, weight_decay=1e-3, betas=(0.9, 0.98)))
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint)
        print(f"goes on at step {run.step}, after {run.seconds / 60:.0f} min", flush=True)
    examples.refresh()
    while len(examples.train) < wait_for:
        print(f"{len(examples.train)} examples of {wait_for} to start with", flush=True)
        time.sleep(LOOK_AGAIN_S)
        examples.refresh()
    total, losses = 60.0 * minutes, []
    saved = said = time.monotonic()
    while run.seconds < total:
        began = time.monotonic()
        examples.refresh()
        rng = np.random.default_rng((seed, run.step))
        torch.manual_seed(seed * 1_000_003 + run.step)
        done = run.seconds / total
        for group in run.optimizer.param_groups:
            group["lr"] = head.rate * min(1.0, (run.step + 1) / 200) * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))
        with torch.autocast("cpu", torch.bfloat16):
            loss = head.loss(run.network, head.augmented(examples.batch(rng, head.batch), rng))
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        run.optimizer.step()
        run.step += 1
        _follow(run.mean, run.network, min(0.999, run.step / (run.step + 20)))
        losses.append(float(loss.detach()))
        run.seconds += time.monotonic() - began
        if time.monotonic() - said > 120.0 or run.seconds >= total:
            said = time.monotonic()
            figures = _validated(head, run.mean, examples.validation)
            if figures.get("loss", run.best) <= run.best:
                run.best = figures.get("loss", run.best)
                head.save(run.mean, out / head.name)
            print(f"step {run.step}  {run.seconds / 60:.1f}/{minutes:.0f} min  {len(examples.train)} examples  "
                  f"loss {np.mean(losses[-200:]):.4f}  {json.dumps(figures)}", flush=True)
        if time.monotonic() - saved > 240.0 or run.seconds >= total:
            saved = time.monotonic()
            run.save(checkpoint)


def _follow(mean: nn.Module, network: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(mean.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1.0 - keep)


def _validated(head: Head, network: nn.Module, held: list[Arrays]) -> dict[str, float]:
    if not held:
        return {}
    few = head.augmented(held[::max(1, len(held) // VALIDATED)][:VALIDATED], None)
    torch.manual_seed(0)                   # the same noise every time, so that losses compare
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        figures = {"loss": float(head.loss(network, few)), **head.figures(network, few)}
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", choices=sorted(HEADS))
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    parser.add_argument("--out", type=Path, default=Path("training-run"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wait-for", type=int, default=300, help="examples before training begins")
    parser.add_argument("--start", type=Path, help="folder of weights to start from")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    head = HEADS[given.head]
    train(head, Examples(given.data / "train", f"{head.name}."), given.out / head.name, minutes=given.minutes,
          start=given.start, wait_for=given.wait_for, seed=given.seed)


if __name__ == "__main__":
    main()


