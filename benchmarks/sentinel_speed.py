"""Seconds that Sentinel takes per shot, on one core: ``OMP_NUM_THREADS=1 python -m benchmarks.sentinel_speed``.

One shot of the example sneaker at 1024² with its label, logo and stitching, in drawn light, as a refiner may hand it
on: relit a little, through JPEG. Processor seconds of this process, so that a busy machine does not count; the least of
``--runs`` after one that loads models. Reading text is told apart: its time is that inside the reader's own calls.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.lock_scenes import EXAMPLES
from benchmarks.sentinel_nuisances import Nuisance, seen_through
from pipeline import ocr
from pipeline.catalogue import Catalogue, OrbitCamera, Region, Shot
from pipeline.lone_file import open_file
from pipeline.render import Renderer
from pipeline.sentinel import Expected, all_checks, expected_from
from pipeline.sentinel.measuring import run_check

SKU = "court-sneaker-green"
TARGET = 0.8                   # seconds without reading text


@dataclass
class Reading:
    seconds: float = 0.0


@contextmanager
def watched(spent: Reading) -> Iterator[None]:
    """Sum up the time inside the text reader, through whichever name a check calls it by."""
    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent.seconds += time.process_time() - started
        return call

    with patch.object(ocr, "_engine", lambda engine=ocr._engine: timed(engine())):
        yield


def subject(side: int) -> tuple[Expected, NDArray[np.uint8], tuple[Region, ...]]:
    product = Catalogue.at(EXAMPLES).product(SKU)
    opened = open_file(Path(product.folder.path) / product.mesh_file, manifest=product.manifest,
                       description=product.description, category=product.category)
    with Renderer() as renderer:
        passes = renderer.render(opened.mesh, Shot("square", OrbitCamera(62.0, 10.0, fill=0.84), side, side),
                                 opened.textures)
    expected = expected_from(passes)
    image = seen_through(Nuisance(relight=0.1, jpeg=92), expected.display, expected.alpha, expected.white_backdrop,
                         np.random.default_rng(1))
    return expected, image, product.regions


def measure_times(side: int, runs: int) -> dict[str, tuple[float, float]]:
    """By check: processor seconds without reading text, and reading it."""
    expected, image, regions = subject(side)
    found: dict[str, tuple[float, float]] = {}
    for check in all_checks():
        run_check(check, expected, image, regions)
        tries = []
        for _ in range(runs):
            spent, started = Reading(), time.process_time()
            with watched(spent):
                run_check(check, expected, image, regions)
            tries.append((time.process_time() - started - spent.seconds, spent.seconds))
        found[check.name] = min(tries)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    found = measure_times(given.side, given.runs)
    print("| check | s | reading text, s |\n|---|---|---|")
    for name, (own, reading) in found.items():
        print(f"| {name} | {own:.3f} | {f'{reading:.3f}' if reading else '–'} |")
    own, reading = (sum(times[part] for times in found.values()) for part in (0, 1))
    print(f"| **all** | **{own:.2f}** | {reading:.2f} |\n\n{TARGET:g} s wanted without reading text.")


if __name__ == "__main__":
    main()
