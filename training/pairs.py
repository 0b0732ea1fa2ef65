"""Pairs of pictures: what the renderer makes of a stripped product, and what the path tracer sees of the real one.

``python -m training.pairs --out DATA`` makes the training set, about an hour on two cores; ``--held-out`` the
products of unseen families that the evaluation uses. A pair is one file named by family, seed and view, so that a
run that was cut short goes on where it stopped, and two machines make the same pairs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.proof_pathtrace import bare_plate, distance_to_floor, ring_of, traced_ratio
from pipeline.catalogue import OrbitCamera, Region, Shot
from pipeline.errors import PackshotError
from pipeline.render import STAGES, Renderer, Scene, compose
from pipeline.render.panoramas import lit_by
from pipeline.render.stage import Stage
from pipeline.render.tracer import Tracer
from pipeline.render.types import CameraMatrices, ControlPasses
from training.light import random_environment
from training.types import Sample

F32 = NDArray[np.float32]
SIDE = 256                             # pixels of the long side
SAMPLES, HELD_OUT_SAMPLES = 16, 36     # paths per pixel, then denoised
DEPTH = 6                              # bounces
CLOSE_MM = (0.12, 0.9)                 # millimetres per pixel in a close view, log-uniform
KNOWN_FLOOR = 8.0                      # product sizes; further out the traced floor ends in a horizon
OWN_LIGHT = 0.3                        # share of products under a panorama of their own
FRAMES = ((256, 256), (256, 256), (256, 144), (204, 256))  # hero, square, portrait
_HALF = ("beauty", "product", "plate", "alpha", "base_color", "diffuse_albedo", "diffuse", "specular", "emissive",
         "visibility", "ao", "normal", "normal_geometric")
_WHOLE = ("depth", "uv")
_IDS = ("instance_id", "material_id", "chart_id")


@dataclass(frozen=True, slots=True)
class Pair:
    """One view. Planes of light are premultiplied or not as in ControlPasses; ``truth_plate`` is a shadow ratio on
    white, and True in ``floor`` are the floor's pixels whose shadow the tracer knows."""

    family: str
    seed: int
    view: str                              # "full", or "close0", …
    passes: ControlPasses                  # of the stripped product
    truth_product: F32                     # (H, W, 4)
    truth_plate: F32                       # (H, W, 3)
    ring: NDArray[np.bool_]                # (H, W) floor within half a product size of the silhouette
    regions: tuple[Region, ...] = ()
    traced_product: F32 | None = None      # (H, W, 4) the stripped product path-traced
    traced_plate: F32 | None = None
    mm_per_px: float = 1.0                 # at the product's mean depth

    @property
    def name(self) -> str:
        return f"{self.family}-{self.seed:06d}-{self.view}"


def pairs_of(sample: Sample, renderer: Renderer, bare: Renderer, tracer: Tracer, *, samples: int, close: int
             ) -> Iterator[Pair]:
    """The product's full view and ``close`` close ones, in one light drawn from the sample's seed.

    ``bare`` draws the empty stage, so that ``renderer`` keeps the product's shadow maps. Raises PackshotError.
    """
    rng = np.random.default_rng((sample.seed, *sample.family.encode()))
    stage = drawn_stage(rng)
    shot = drawn_shot(rng, stage)
    known = compose(sample.known, shot, sample.known_textures, stage=stage)
    truth = compose(sample.truth, shot, sample.truth_textures, stage=stage)
    passes = renderer.draw(known)
    # On white the plate is a ratio, which is 1 without a product.
    plain = np.ones_like(passes.plate) if stage.white_backdrop else bare_plate(bare, known)
    ring = ring_of(known, passes.alpha)

    def plate_of(scene: Scene, passes: ControlPasses, radiance_of: Any) -> F32:
        floor = (distance_to_floor(scene) < KNOWN_FLOOR)[..., None]
        ratio = traced_ratio(scene, radiance_of)
        return np.asarray(np.where(floor, plain * ratio, passes.plate), np.float32)

    traced = tracer.trace(truth, samples=samples, depth=DEPTH, denoise=True)
    # Noise of its own: with the truth's seed the two would share it, and look closer than they are.
    default = tracer.trace(known, samples=samples, depth=DEPTH, denoise=True, seed=1)
    yield Pair(sample.family, sample.seed, "full", passes, traced.product, plate_of(truth, passes, traced), ring,
               sample.regions, default.product, plate_of(known, passes, default),
               _mm_per_px(passes))
    for number in range(close):
        lens = close_lens(rng, passes)
        near = renderer.draw(through(known, lens, SIDE))
        picture = tracer.trace(through(truth, lens, SIDE), samples=samples, depth=DEPTH, denoise=True)
        near_default = tracer.trace(through(known, lens, SIDE), samples=samples, depth=DEPTH, denoise=True, seed=1)
        yield Pair(sample.family, sample.seed, f"close{number}", near, picture.product, near.plate,
                   np.zeros_like(near.mask), sample.regions, near_default.product, near.plate, _mm_per_px(near))


def drawn_stage(rng: np.random.Generator) -> Stage:
    names = list(STAGES)
    stage = STAGES["white"] if rng.random() < 0.4 else STAGES[names[int(rng.integers(len(names)))]]
    return lit_by(stage, random_environment(rng)) if rng.random() < OWN_LIGHT else stage


def drawn_shot(rng: np.random.Generator, stage: Stage) -> Shot:
    width, height = FRAMES[int(rng.integers(len(FRAMES)))]
    camera = OrbitCamera(azimuth_deg=float(rng.uniform(-180.0, 180.0)),
                         elevation_deg=float(rng.uniform(4.0, 38.0)) if rng.random() < 0.9 else 85.0,
                         focal_mm=float(rng.uniform(50.0, 110.0)), fill=float(rng.uniform(0.55, 0.85)))
    return Shot("pair", camera, width, height, stage.name)


def _mm_per_px(passes: ControlPasses) -> float:
    """Millimetres that a pixel spans at the product's mean depth, seen square on."""
    depth = passes.depth[np.isfinite(passes.depth)]
    if len(depth) == 0:
        return 1.0
    return float(depth.mean() * 2000.0 / (passes.camera.projection[0, 0] * passes.alpha.shape[1]))


def close_lens(rng: np.random.Generator, passes: ControlPasses, side: int = SIDE) -> NDArray[np.float64]:
    """A 4×4 in clip space that looks closer at a random point well inside the product, ``side`` px square."""
    height, width = passes.alpha.shape
    inside = np.argwhere(passes.alpha > 0.99)
    row, column = inside[int(rng.integers(len(inside)))] if len(inside) else (height // 2, width // 2)
    x, y = (column + 0.5) / width * 2 - 1, 1 - (row + 0.5) / height * 2
    wanted = math.exp(rng.uniform(math.log(CLOSE_MM[0]), math.log(CLOSE_MM[1])))
    # The close view is square, so both axes grow by what its width needs.
    closer = max(_mm_per_px(passes) * width / (wanted * side), 1.5)
    lens = np.diag([closer, closer * height / width, 1.0, 1.0])
    lens[:2, 3] = [-x * lens[0, 0], -y * lens[1, 1]]
    return lens


def through(scene: Scene, lens: NDArray[np.float64], side: int) -> Scene:
    camera = replace(scene.camera, projection=lens @ scene.camera.projection)
    return replace(scene, camera=camera, shot=replace(scene.shot, width=side, height=side))


# Files


def save(pair: Pair, folder: Path) -> Path:
    """Write one .npz; light and normals as half floats. Appears whole or not at all."""
    passes = pair.passes
    arrays: dict[str, NDArray[Any]] = {name: getattr(passes, name).astype(np.float16) for name in _HALF}
    arrays |= {name: getattr(passes, name).astype(np.float32) for name in _WHOLE}
    arrays |= {name: getattr(passes, name).astype(np.uint16) for name in _IDS}
    arrays |= {"truth_product": pair.truth_product.astype(np.float16),
               "truth_plate": pair.truth_plate.astype(np.float16),
               "ring": pair.ring, "view_matrix": passes.camera.view, "projection": passes.camera.projection}
    if pair.traced_product is not None and pair.traced_plate is not None:
        arrays |= {"traced_product": pair.traced_product.astype(np.float16),
                   "traced_plate": pair.traced_plate.astype(np.float16)}
    shot = passes.shot
    about = {"family": pair.family, "seed": pair.seed, "view": pair.view, "mm_per_px": pair.mm_per_px,
             "stage": shot.stage, "width": shot.width, "height": shot.height, "camera": asdict(shot.camera),
             "stage_hash": passes.stage_hash, "white": passes.white_backdrop, "key": passes.key_chromaticity,
             "toe": passes.toe_direction, "names": passes.material_names, "kinds": passes.material_kinds,
             "regions": [asdict(region) for region in pair.regions]}
    path = folder / f"{pair.name}.npz"
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    part.replace(path)
    return path


def load(path: Path) -> Pair:
    """What :func:`save` wrote."""
    with np.load(path) as file:
        about = json.loads(file["about"].tobytes())
        planes: dict[str, Any] = {name: file[name].astype(np.float32) for name in (*_HALF, *_WHOLE)}
        planes |= {name: file[name].astype(np.uint32) for name in _IDS}
        camera = CameraMatrices(file["view_matrix"], file["projection"])
        traced = {name: file[name].astype(np.float32) if name in file else None
                  for name in ("traced_product", "traced_plate")}
        truth = {name: file[name].astype(np.float32) for name in ("truth_product", "truth_plate")}
        ring = file["ring"]
    shot = Shot("pair", OrbitCamera(**about["camera"]), about["width"], about["height"], about["stage"])
    passes = ControlPasses(shot=shot, camera=camera, stage_hash=about["stage_hash"], white_backdrop=about["white"],
                           key_chromaticity=tuple(about["key"]),
                           toe_direction=None if about["toe"] is None else tuple(about["toe"]),
                           material_names=tuple(about["names"]), material_kinds=tuple(about["kinds"]), **planes)
    return Pair(about["family"], about["seed"], about["view"], passes, ring=ring,
                regions=tuple(_region(region) for region in about["regions"]), mm_per_px=about["mm_per_px"],
                truth_product=truth["truth_product"], truth_plate=truth["truth_plate"],
                traced_product=traced["traced_product"], traced_plate=traced["traced_plate"])


def _region(given: dict[str, Any]) -> Region:
    """From JSON, which has lists where a Region has tuples."""
    values: dict[str, Any] = {name: tuple(tuple(point) for point in value) if isinstance(value, list) else value
                              for name, value in given.items()}
    return Region(**values)


# The whole set


def _work(job: tuple[str, int, str, bool]) -> tuple[str, str]:
    """One product in a process of its own pool; the answer is its name and what went wrong, if anything did."""
    from training import examples
    from training.families import make_sample

    family, seed, folder, held_out = job
    torch.set_num_threads(1)
    try:
        sample = make_sample(family, seed)
        made = pairs_of(sample, _here("renderer", Renderer), _here("bare", Renderer),
                        _here("tracer", lambda: Tracer(threads=1)), samples=HELD_OUT_SAMPLES if held_out else SAMPLES,
                        close=1 if held_out else 2)
        for pair in made:
            path = save(pair, Path(folder))
            if not held_out:
                examples.save(examples.prepare(pair, sample), path)
        (Path(folder) / f"{family}-{seed:06d}.done").touch()
    except PackshotError as error:
        return f"{family}-{seed:06d}", str(error)
    return f"{family}-{seed:06d}", ""


def _die_with_parent() -> None:
    """A pool whose owner is killed would keep its workers, and their gigabytes, for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


_STAYS: dict[str, Any] = {}


def prepare_again(folder: Path) -> None:
    """Examples of pairs that are there, after what the networks see was changed."""
    from training import examples
    from training.families import make_sample

    paths = sorted(path for path in folder.glob("*.npz") if not path.name.endswith(examples.SUFFIX))
    sample: Sample | None = None
    for number, path in enumerate(paths, 1):
        pair = load(path)
        if sample is None or (sample.family, sample.seed) != (pair.family, pair.seed):
            sample = make_sample(pair.family, pair.seed)
        examples.save(examples.prepare(pair, sample), path)
        if number % 200 == 0:
            print(f"{number}/{len(paths)} prepared again", flush=True)


def _here(name: str, make: Any) -> Any:
    """What a process opens once."""
    if name not in _STAYS:
        _STAYS[name] = make()
    return _STAYS[name]


def make_all(folder: Path, products: int, held_out: bool, first_seed: int, workers: int) -> None:
    """Every family in turn, until there are ``products`` of them; what is already there is kept."""
    from training.families import FAMILIES, HELD_OUT

    folder.mkdir(parents=True, exist_ok=True)
    families = sorted(HELD_OUT if held_out else FAMILIES)
    jobs = [(families[index % len(families)], first_seed + index // len(families), str(folder), held_out)
            for index in range(products)]
    todo = [job for job in jobs if not (folder / f"{job[0]}-{job[1]:06d}.done").exists()]
    print(f"{len(jobs)} products, {len(jobs) - len(todo)} are there", flush=True)
    started = time.monotonic()
    with ProcessPoolExecutor(workers, get_context("spawn"), _die_with_parent, max_tasks_per_child=200) as pool:
        for done, future in enumerate(as_completed([pool.submit(_work, job) for job in todo]), 1):
            name, error = future.result()
            if error:
                print(f"{name}: {error}", flush=True)
            if done % 20 == 0 or done == len(todo):
                each = (time.monotonic() - started) / done
                print(f"{done}/{len(todo)} products, {each:.1f} s each, about {each * (len(todo) - done) / 60:.0f} min "
                      "to go", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("training-data"))
    parser.add_argument("--products", type=int, default=None, help="600, or 120 held out")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="only prepare the examples of existing pairs again")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    products = given.products or (120 if given.held_out else 600)
    if given.prepare:
        prepare_again(given.out / "train")
        return
    make_all(given.out / ("held-out" if given.held_out else "train"), products, given.held_out, given.first_seed,
             given.workers)


if __name__ == "__main__":
    main()
