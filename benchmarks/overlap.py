"""What scoring one SKU beside the imaging of the next saves: ``python -m benchmarks.overlap --rounds 3``.

Example products go through one batch of the default refiner and light, once as they do and once with nothing in the
back room: every SKU is finished before the next begins. Rounds go in turns, forwards and backwards, so that a busy
machine troubles both alike; each has a store of its own, and an uncounted SKU goes first. Images are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from dagster import DagsterInstance

from assets.backroom import Backroom
from benchmarks.loop_cost import batch_loop, cpu_seconds, environment
from pipeline.store import ArtifactStore

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "catalogue"
WAYS = ("overlapped", "one after the other")


class NoBackroom(Backroom):
    """Does what it is given at once."""

    def do(self, task: Callable[[], None]) -> None:
        task()


def catalogue(folder: Path, count: int, scale: float) -> list[str]:
    """The first example products, at a share of their size, without reference photos."""
    folder.mkdir(parents=True)
    (folder / "catalogue.yaml").write_text(f"scale: {scale}\n" + (EXAMPLES / "catalogue.yaml").read_text())
    skus = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())[:count]
    for sku in skus:
        shutil.copytree(EXAMPLES / sku, folder / sku, ignore=shutil.ignore_patterns("reference"))
    return skus


def one_round(way: str, folder: Path, skus: list[str]) -> tuple[float, float, dict[str, str]]:
    """Seconds and processor seconds of a batch of all but the first SKU, and the sha256 of its images."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    inside = nullcontext() if way == WAYS[0] else patch("assets.work_through.Backroom", NoBackroom)
    with environment(PACKSHOT_CATALOGUE=str(folder / "catalogue"), PACKSHOT_STORE=str(store)) as resources, \
            DagsterInstance.ephemeral() as instance, inside:
        batch_loop(skus[:1], resources, instance)
        cpu, started = cpu_seconds(), time.perf_counter()
        batch_loop(skus[1:], resources, instance)
        seconds, used = time.perf_counter() - started, cpu_seconds() - cpu
    kept = ArtifactStore(store)
    images = {f"{sku}/{name}": kept.require("refined_images", sku).json(name)["pixels_sha256"] for sku in skus[1:]
              for name in kept.require("refined_images", sku).files if name.endswith(".json")
              and "pixels_sha256" in kept.require("refined_images", sku).json(name)}
    return seconds, used, images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each way")
    parser.add_argument("--skus", type=int, default=6)
    parser.add_argument("--scale", type=float, default=0.5, help="of the images' sides")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    used: dict[str, list[float]] = {way: [] for way in WAYS}
    images: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="packshot-overlap-") as temporary:
        folder = Path(temporary)
        skus = catalogue(folder / "catalogue", options.skus, options.scale)
        for number in range(options.rounds):
            for way in WAYS if number % 2 == 0 else WAYS[::-1]:
                wall, cpu, made = one_round(way, folder, skus)
                seconds[way].append(wall)
                used[way].append(cpu)
                images.append(made)
                print(f"{way}: {wall:.1f} s, {cpu:.1f} processor s", file=sys.stderr, flush=True)
    medians = {way: statistics.median(seconds[way]) for way in WAYS}
    print(json.dumps({
        "skus": len(skus) - 1, "images": len(images[0]), "load": round(os.getloadavg()[0], 1),
        "seconds": {way: [round(each, 1) for each in seconds[way]] for way in WAYS},
        "processor_seconds": {way: round(statistics.median(used[way]), 1) for way in WAYS},
        "saved": round(1.0 - medians[WAYS[0]] / medians[WAYS[1]], 3),
        "same_images": all(made == images[0] for made in images)}, indent=1))


if __name__ == "__main__":
    main()
