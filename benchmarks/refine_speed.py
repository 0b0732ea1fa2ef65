"""How long an image is in refinement, and how much of that is not the model. ``python -m benchmarks.refine_speed``

One shot of the example sneaker, 1080² with its label, logo and stitching, is refined again and again by every
preset that needs nothing from a hub, and by the tiny diffusion pipelines of the tests at the presets' own numbers of
steps. Their weights are random and small: the model takes no time worth the name, so of them the milliseconds beside
the model are what counts, and the share is worked out for a model that takes ``--model-seconds`` an image. The first
batch, with its loading, is left out. Per image:

seconds    all of it: passes opened, refined, locked, written
model      inside calls of the model's own modules (UNet, ControlNet, autoencoder, text encoders, …)
around     inside ``refine`` but neither model nor lock: controls, noise, scheduler, strength map, resizing, record
lock       the identity lock
open       the passes' EXR read; a SKU refined alone has them in memory and saves that
write      PNG before and after the lock, record
share      around / (model + around): what the preset's own code adds
of all     1 - model / seconds

``--cpu`` counts this process's processor seconds instead of the clock's, for a machine that is busy with other work;
run it with OMP_NUM_THREADS=1, or threads that wait for each other are counted too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline import refining
from pipeline.catalogue import Catalogue, Region
from pipeline.errors import RefineError
from pipeline.lone_file import open_file
from pipeline.refine import PRESETS, RefinerSettings, identity_of, lock, locked, make_refiner, seed_for
from pipeline.refine.types import Refiner, RefineRequest
from pipeline.render import load_passes, save_passes
from pipeline.render.tracing import light_here, open_renderer
from pipeline.shots import shots_for
from pipeline.torch_beside_gl import prepare_torch
from tests.tiny_pipelines import save_tiny_pipeline, save_tiny_sdxl

SKU = "court-sneaker-green"


@dataclass
class Clock:
    """Seconds inside the model and the lock, summed up while they run."""

    now: Callable[[], float] = time.perf_counter
    model: float = 0.0
    lock: float = 0.0


@contextmanager
def watching(clock: Clock) -> Iterator[None]:
    """Time every outermost call of a torch module, and every call of the lock."""
    prepare_torch()
    import torch
    from torch.nn.modules import module as hooks

    inside: list[float] = []

    def begin(_: Any, __: Any) -> None:
        inside.append(clock.now())

    def end(_: Any, __: Any, ___: Any) -> None:
        started = inside.pop()
        if inside:
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        clock.model += clock.now() - started

    whole: Callable[..., Any] = lock.lock

    def timed(*arguments: Any) -> Any:
        started = clock.now()
        result = whole(*arguments)
        clock.lock += clock.now() - started
        return result

    handles = [hooks.register_module_forward_pre_hook(begin), hooks.register_module_forward_hook(end)]
    try:
        with patch.object(locked, "lock", timed):
            yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Subject:
    """One shot as a SKU's folder gives it, its passes in a file."""

    exr: Path
    regions: tuple[Region, ...]

    def requests(self, count: int) -> list[RefineRequest]:
        return [RefineRequest(load_passes(self.exr), "product photograph", seed_for(SKU, "square", number), "blurry",
                              self.regions) for number in range(count)]


def subject(folder: Path, scale: float) -> Subject:
    catalogue = Catalogue.at("examples/catalogue")
    product = catalogue.product(SKU)
    settings = catalogue.settings.model_copy(update={"scale": scale, "shots": ("square",)})
    [shot] = shots_for(product, settings, product.regions)
    opened = open_file(Path(product.folder.path) / product.mesh_file, manifest=product.manifest,
                       description=product.description, category=product.category)
    with open_renderer(light_here("auto")) as renderer:
        save_passes(renderer.render(opened.mesh, shot, opened.textures), folder / "square.exr")
    return Subject(folder / "square.exr", product.regions)


@dataclass(frozen=True)
class Case:
    """A preset as it can run here."""

    name: str
    settings: RefinerSettings
    tiny: bool                                 # a stand-in for a real model's weights


def cases(folder: Path, batch: int, long_side: int) -> Iterator[Case]:
    """Every preset that needs no hub, then the diffusion pipelines with tiny weights."""
    for name in PRESETS:
        settings = RefinerSettings.from_environment({"PACKSHOT_REFINER": name})
        try:
            identity_of(settings)
        except RefineError:
            continue                           # it asks for a model that nobody named
        if not settings.model:
            yield Case(name, settings, tiny=False)
    own = {"batch": batch, "long_side": long_side, "local_files_only": True}
    sd15, sdxl = save_tiny_pipeline(folder / "sd15", controlnets=1), save_tiny_sdxl(folder / "sdxl")
    yield Case("diffusers, tiny SD 1.5", RefinerSettings.parse(
        {"preset": "diffusers", "model": str(sd15), "controlnets": [{"drive": "depth"}], **own}), tiny=True)
    yield Case("sdxl-union, tiny SDXL", RefinerSettings.parse(
        {"preset": "sdxl-union", "model": str(sdxl), "controlnets": [{"drive": "depth"}, {"drive": "edges"}], **own}),
        tiny=True)


def measure(refiner: Refiner, what: Subject, folder: Path, batches: int, clock: Clock) -> dict[str, float]:
    """Seconds per image, after a first batch that loads the model."""
    count, now = refiner.preferred_batch, clock.now
    refiner.refine(what.requests(count))
    spent = dict.fromkeys(("open", "refine", "write"), 0.0)
    with watching(clock):
        for _ in range(batches):
            times = [now()]
            requests = what.requests(count)
            times.append(now())
            images = refiner.refine(requests)
            times.append(now())
            for number, image in enumerate(images):
                refining.save_refined(image, {**image.provenance, "shot": f"s{number}"}, lambda name: folder / name)
            times.append(now())
            for part, began, ended in zip(spent, times, times[1:], strict=False):
                spent[part] += ended - began
    parts = {"model": clock.model, "around": spent["refine"] - clock.model - clock.lock, "lock": clock.lock,
             "open": spent["open"], "write": spent["write"]}
    return {name: seconds / (batches * count) for name, seconds in parts.items()}


def row(name: str, batch: int, found: dict[str, float]) -> str:
    """A line of the table; a preset without a model has no share."""
    total, model, around = sum(found.values()), found["model"], found["around"]
    shares = [f"{around / (model + around):.1%}", f"{1 - model / total:.1%}"] if model else ["–", "–"]
    times = [f"{total:.2f}", f"{model:.2f}"]
    times += [f"{1000 * found[key]:.0f}" for key in ("around", "lock", "open", "write")]
    return f"| {name} | {batch} | {' | '.join([*times, *shares])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds per image, and the share that is not the model.")
    parser.add_argument("--batch", type=int, default=2, help="images per forward pass of the tiny pipelines")
    parser.add_argument("--batches", type=int, default=3, help="batches per preset, after a first that is left out")
    parser.add_argument("--long-side", type=int, default=384,
                        help="px the tiny pipelines work at; the presets say 768 and 1024, long for a CPU")
    parser.add_argument("--model-seconds", type=float, default=3.0,
                        help="what a real model is taken to need for an image, where a tiny one stands in")
    parser.add_argument("--cpu", action="store_true", help="count processor seconds, on a busy machine")
    parser.add_argument("--scale", type=float, default=1.0, help="of the shot's size; 1 is 1080 x 1080")
    parser.add_argument("--json", type=Path, help="write every figure there as well")
    chosen = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    print("| preset | batch | s per image | model s | around ms | lock ms | open ms | write ms | share | of all |")
    print("|---" * 10 + "|")
    with tempfile.TemporaryDirectory(prefix="packshot-bench-") as temporary:
        folder = Path(temporary)
        what = subject(folder, chosen.scale)
        for case in cases(folder, chosen.batch, chosen.long_side):
            refiner = make_refiner(case.settings)
            clock = Clock(time.process_time if chosen.cpu else time.perf_counter)
            found = {case.name: measure(refiner, what, folder, chosen.batches, clock)}
            if case.tiny:
                name = f"the same around a model of {chosen.model_seconds:g} s"
                found[f"{case.name}: {name}"] = {**found[case.name], "model": chosen.model_seconds}
            for label, parts in found.items():
                table[label] = {"batch": refiner.preferred_batch, **parts}
                print(row(label, refiner.preferred_batch, parts), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
