"""What the loop costs over the imaging: the same small SKUs without Dagster, then as one batch.

    python -m benchmarks.loop_cost --skus 40

``bare``  every stage of every SKU made and written, and nothing else: no hashing of inputs, no look at what is
          stored, no events, no records
``batch`` the same SKUs through ``refresh_batch`` on an instance of its own (SQLite, or PostgreSQL with ``--postgres``)
``kept``  the same batch once more, when every artefact is kept

All start warm: one SKU of each way goes first and is not counted. CPU seconds count this process and its children;
they are what remains true on a busy machine. Memory is the median of the batch's last fifth of SKUs against its second
fifth: what a longer batch would need more of.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dagster import DagsterInstance, Definitions, in_process_executor
from PIL import Image

from assets.sku import Bench
from assets.sku_graph import STAGES, refresh_batch
from pipeline.store import ArtifactStore
from resources import Resources, configured

SETTINGS = "scale: 0.1\nshots: [square]\nregions_found: {found}\ndelivery: {{deliver_unrefined: true}}\n"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
NOTHING = "0" * 16             # data version of what is made with no look at its inputs


@dataclass(frozen=True)
class Cost:
    """What a number of SKUs took."""

    skus: int
    seconds: float                             # wall clock
    cpu_seconds: float                         # of this process and its children that have ended
    events: int = 0                            # in the run's event log
    grown_mb: float = 0.0                      # resident memory, the last fifth of the time less the second
    peak_mb: float = 0.0

    def per_sku(self) -> dict[str, float]:
        return {"seconds": round(self.seconds / self.skus, 4), "cpu_seconds": round(self.cpu_seconds / self.skus, 4),
                "events": round(self.events / self.skus, 2), "grown_mb": round(self.grown_mb, 1),
                "peak_mb": round(self.peak_mb)}


def small_skus(root: Path, count: int, *, regions_found: bool = True) -> list[str]:
    """A catalogue of boxes, each with colours of its own, one small square shot each; returns its SKUs."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "catalogue.yaml").write_text(SETTINGS.format(found=str(regions_found).lower()))
    names = [f"box-{number:05d}" for number in range(count)]
    for number, name in enumerate(names):
        folder = root / name
        folder.mkdir(exist_ok=True)
        (folder / "box.obj").write_text(_box(0.08 + 0.0001 * number))
        rows, columns = np.mgrid[:64, :64] // 8
        odd = ((rows + columns) % 2).astype(bool)
        colour = [(37 * number + 60) % 200, (91 * number + 140) % 200, (53 * number + 90) % 200]
        Image.fromarray(np.where(odd[..., None], colour, [205, 200, 190]).astype(np.uint8)).save(folder / "diffuse.png")
    return names


def _box(height: float) -> str:
    """An OBJ box with every face on the whole texture, in metres, standing on the floor."""
    corners = [(a * 0.1, b * height + height, c * 0.06) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return "\n".join([*(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in corners), "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1",
                      *("f " + " ".join(f"{v + 1}/{t + 1}" for t, v in enumerate(face)) for face in faces), ""])


def bench_of(resources: Resources, run_id: str = "bare") -> Bench:
    """What SKUs are worked on with, outside any run."""
    return Bench(resources.catalogue.open(), resources.store.open(), resources.renderer, resources.refiner,
                 resources.sentinel, run_id)


def bare_loop(skus: Sequence[str], bench: Bench) -> float:
    """Make and write every stage of every SKU, with nothing of the loop around it; returns seconds."""
    started = time.perf_counter()
    for name in skus:
        sku = bench.sku(name)
        for stage in STAGES:
            with bench.store.writing(stage.name, name, NOTHING, {}) as pending:
                stage.produce(sku, pending.writer)
    return time.perf_counter() - started


def batch_loop(skus: Sequence[str], resources: Resources, instance: DagsterInstance) -> str:
    """The same SKUs as one run of ``refresh_batch``; returns the run's id. Raises RuntimeError where one fails."""
    definitions = Definitions(jobs=[refresh_batch], resources=resources.by_key(), executor=in_process_executor)
    instance.add_dynamic_partitions("sku", list(skus))
    result = definitions.resolve_job_def("refresh_batch").execute_in_process(
        run_config={"ops": {"work_through": {"config": {"skus": list(skus)}}}, **QUIET}, instance=instance,
        raise_on_error=False)
    if not result.success:
        raise RuntimeError(f"The batch failed: {resources.store.open().errors()}")
    return result.run_id


@contextmanager
def environment(**variables: str) -> Iterator[Resources]:
    """Resources for these variables; the process's own come back afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield configured()
    finally:
        os.environ.clear()
        os.environ.update(before)


def resident_mb() -> float:
    """Resident memory of this process. Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Memory:
    """Resident memory while the block runs, looked at ten times a second. Use as a context manager."""

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._seen.append(resident_mb())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def grown_mb(self) -> float:
        """Median of the last fifth of the block less that of its second fifth."""
        fifth = len(self._seen) // 5
        if not fifth:
            return 0.0
        return statistics.median(self._seen[-fifth:]) - statistics.median(self._seen[fifth:2 * fifth])

    def peak_mb(self) -> float:
        return max(self._seen, default=0.0)


def cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure_bare(catalogue: Path, folder: Path, skus: Sequence[str]) -> Cost:
    with environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(folder / "bare")) as resources:
        bench = bench_of(resources)
        bare_loop(skus[:1], bench)
        gc.collect()
        cpu = cpu_seconds()
        with Memory() as memory:
            seconds = bare_loop(skus, bench)
        return Cost(len(skus), seconds, cpu_seconds() - cpu, 0, memory.grown_mb(), memory.peak_mb())


def measure_batch(catalogue: Path, folder: Path, skus: Sequence[str], instance: DagsterInstance) -> tuple[Cost, Cost]:
    """The cost of making all SKUs, and of going through them again when all are kept."""
    with environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(folder / "warm")) as resources:
        batch_loop(skus[:1], resources, instance)
    costs = []
    with environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(folder / "batch")) as resources:
        for _ in ("made", "kept"):
            gc.collect()
            cpu, started = cpu_seconds(), time.perf_counter()
            with Memory() as memory:
                run_id = batch_loop(skus, resources, instance)
            seconds = time.perf_counter() - started
            costs.append(Cost(len(skus), seconds, cpu_seconds() - cpu, len(instance.all_logs(run_id)),
                              memory.grown_mb(), memory.peak_mb()))
    return costs[0], costs[1]


def same_images(folder: Path, skus: Sequence[str]) -> bool:
    """Whether both ways have made the same pixels; files differ in the data versions they name."""
    stores = [ArtifactStore(folder / name) for name in ("bare", "batch")]
    return all(len({store.require("refined_images", sku).json("square.json")["pixels_sha256"] for store in stores}) == 1
               for sku in skus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=40)
    parser.add_argument("--postgres", metavar="URL",
                        help="postgresql+psycopg2://…: keep Dagster's records there instead of in SQLite")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    os.environ.setdefault("PACKSHOT_LIGHT", "raster")
    os.environ.setdefault("PACKSHOT_REFINER", "none")
    with tempfile.TemporaryDirectory(prefix="packshot-loop-") as temporary:
        folder = options.folder or Path(temporary)
        skus = small_skus(folder / "catalogue", options.skus)
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        if options.postgres:
            settings = f"storage:\n  postgres:\n    postgres_url: {json.dumps(options.postgres)}\n"
            (home / "dagster.yaml").write_text(settings)
        bare = measure_bare(folder / "catalogue", folder, skus)
        with DagsterInstance.from_config(str(home)) as instance:
            made, kept = measure_batch(folder / "catalogue", folder, skus, instance)
        found = {"skus": len(skus), "records": "PostgreSQL" if options.postgres else "SQLite",
                 "bare": bare.per_sku(), "batch": made.per_sku(), "kept": kept.per_sku(),
                 "orchestration": {"seconds": round((made.seconds - bare.seconds) / len(skus), 4),
                                   "cpu_seconds": round((made.cpu_seconds - bare.cpu_seconds) / len(skus), 4)},
                 "same_images": same_images(folder, skus)}
        print(json.dumps(found, indent=1))
        sys.exit(0 if found["same_images"] else 1)


if __name__ == "__main__":
    main()
