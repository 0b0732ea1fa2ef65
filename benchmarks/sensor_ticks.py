"""How long one look at a catalogue takes. ``python -m benchmarks.sensor_ticks``

Decisions only, no run is started: what a tick of the sensor does before it hands over its requests. Locally over
small files on this disk; on S3 over moto's server in this machine, where requests are counted and not timed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.catalogue import Catalogue
from pipeline.outcomes import Outcome, OutcomeLog
from pipeline.place import place
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore
from sensors.decide import Plan, assign_batches, decide
from tests.s3 import s3_server

REFINER = RefinerIdentity("none", 1)
FILES = ("model.obj", "model.mtl", "product.yaml", *(f"map-{number}.png" for number in range(7)))


def fill(root: Path, skus: int) -> None:
    """SKU folders of ten small files each, every one different."""
    for number in range(skus):
        folder = root / f"sku-{number:06d}"
        folder.mkdir(parents=True)
        for name in FILES:
            (folder / name).write_text(f"{name} of {number}")


def look(catalogue: Catalogue, store: ArtifactStore) -> Plan:
    plan = decide(catalogue, store, REFINER, lambda _: "succeeded")
    assign_batches(plan, plan.batches(500))
    plan.state.save(store)
    return plan


def answer(plan: Plan, store: ArtifactStore) -> None:
    """Say that everything asked for was made."""
    keys = {plan.states[request.sku].run_key for request in plan.requests}
    for key in keys:
        names = [sku for sku, state in plan.states.items() if state.run_key == key]
        OutcomeLog(store, key, "run").end_all({sku: Outcome("made", time.time()) for sku in names})


def timed(what: str, work: Callable[[], Plan]) -> Plan:
    wall, cpu = time.perf_counter(), time.process_time()
    plan = work()
    print(f"| {what} | {len(plan.requests)} | {time.perf_counter() - wall:.2f} | {time.process_time() - cpu:.2f} |",
          flush=True)
    return plan


def local(skus: int, folder: Path) -> None:
    root = folder / "catalogue"
    fill(root, skus)
    catalogue, store = Catalogue.at(root), ArtifactStore(folder / "store")
    print(f"{skus} SKUs, {skus * len(FILES)} files, local\n| look | requested | seconds | CPU |\n|---|---|---|---|")
    answer(timed("first, every file read", lambda: look(catalogue, store)), store)
    timed("after the runs, outcomes read", lambda: look(catalogue, store))
    for _ in range(3):
        timed("unchanged", lambda: look(catalogue, store))
    for number in random.Random(7).sample(range(skus), min(200, skus)):
        (root / f"sku-{number:06d}" / "map-3.png").write_text("another map")
    answer(timed("200 textures changed", lambda: look(catalogue, store)), store)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Requests to S3 by name, of whatever opens a place in this process."""
    from pipeline.s3_files import S3Files

    counts: Counter[str] = Counter()
    call = S3Files._call_s3

    async def counting(self: S3Files, method: str, *args: object, **kwargs: object) -> object:
        counts[method] += 1
        return await call(self, method, *args, **kwargs)

    S3Files._call_s3 = counting  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        S3Files._call_s3 = call  # type: ignore[method-assign]


def remote(skus: int) -> None:
    import boto3

    with s3_server("catalogue") as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint)
        for number in range(skus):
            for name in FILES:
                key = f"products/sku-{number:06d}/{name}"
                client.put_object(Bucket="catalogue", Key=key, Body=str(number).encode())
        catalogue = Catalogue.at(place("s3://catalogue/products"))
        store = ArtifactStore(place("s3://catalogue/store"))
        print(f"\n{skus * len(FILES)} keys on S3\n| look | requested | requests |\n|---|---|---|")
        for what in ("first, every file read", "after the runs, outcomes read", "unchanged"):
            with counted() as counts:
                plan = look(catalogue, store)
            told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            print(f"| {what} | {len(plan.requests)} | {told} |", flush=True)
            answer(plan, store)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=10_000, help="of ten files each")
    parser.add_argument("--s3-skus", type=int, default=350)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="packshot-ticks-"))
    try:
        local(options.skus, folder)
    finally:
        shutil.rmtree(folder)
    if options.s3_skus:
        remote(options.s3_skus)


if __name__ == "__main__":
    main()
