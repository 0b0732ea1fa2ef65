"""10,000 SKUs without their imaging: ``python -m benchmarks.night_simulated`` (`make bench-scale`).

A catalogue, a store with every artefact and Dagster's records of 10,000 SKUs (:mod:`benchmarks.simulated`), and what
is done with all of them at once: the catalogue sensor's tick, the UI's partition pages from a real webserver,
compaction of the score tables, the report page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dagster import DagsterInstance, build_sensor_context

from benchmarks import loop_cost
from benchmarks.night import CHEAPEST
from benchmarks.simulated import put_scores, simulate
from pipeline.catalogue import Catalogue
from pipeline.outcomes import Outcome, OutcomeLog
from pipeline.report import build_report, collect
from pipeline.score_table import compact, read_current
from pipeline.store import ArtifactStore
from sensors.catalogue_sensor import catalogue_changes
from tests.dagster_stack import running
from tests.postgres import free_port

ROOT = Path(__file__).parent.parent
CHANGED = 100                              # SKUs of an incremental compaction

# What the UI's pages ask, less fields that cost nothing: names as in Dagster's own client.
PAGES = {
    "asset's partitions (PartitionHealthQuery)": """query ($asset: AssetKeyInput!) {
        assetNodeOrError(assetKey: $asset) { ... on AssetNode { id partitionKeysByDimension { name type partitionKeys }
          assetPartitionStatuses { __typename ... on DefaultPartitionStatuses {
            materializedPartitions materializingPartitions failedPartitions } } } } }""",
    "asset's counts in the graph (partitionStats)": """query ($asset: AssetKeyInput!) {
        assetNodeOrError(assetKey: $asset) { ... on AssetNode { id
          partitionStats { numMaterialized numMaterializing numPartitions numFailed } } } }""",
    "one partition's latest run and metadata": """query ($asset: AssetKeyInput!, $sku: String!) {
        assetNodeOrError(assetKey: $asset) { ... on AssetNode { id
          latestMaterializationByPartition(partitions: [$sku]) { runId timestamp partition
            metadataEntries { label description } } } } }""",
    "asset's last 100 materializations": """query ($asset: AssetKeyInput!) { assetOrError(assetKey: $asset) {
        ... on Asset { id assetMaterializations(limit: 100) { runId timestamp partition } } } }""",
    "asset's checks": """query ($asset: AssetKeyInput!) { assetNodeOrError(assetKey: $asset) { ... on AssetNode { id
        assetChecksOrError { ... on AssetChecks { checks { name
          executionForLatestMaterialization { status evaluation { severity } } } } } } } }""",
    "whole graph's staleness": """query { assetNodes { id staleStatus } }""",
}


class Took(NamedTuple):
    """Seconds."""

    wall: float
    processor: float | None = None         # of this process; None where another did the work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="keep what is made here; a temporary folder by default")
    parser.add_argument("--only", choices=["tables", "sensor", "pages", "report"], action="append")
    options = parser.parse_args()
    parts = {"tables": tables, "sensor": sensor, "pages": pages, "report": report}
    with tempfile.TemporaryDirectory(prefix="packshot-scale-") as temporary:
        out = (options.out or Path(temporary)).resolve()
        out.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        skus = simulate(out, options.skus)
        size = (out / "store" / ".dagster" / "history" / "runs" / "index.db").stat().st_size / 1e6
        print(f"{len(skus)} SKUs, Dagster's index {size:.0f} MB, made in {time.perf_counter() - started:.0f} s, "
              f"load {os.getloadavg()[0]:.1f}\n\n| what | seconds | processor s | |\n|---|---|---|---|", flush=True)
        for name in options.only or parts:
            parts[name](out, skus)


def tables(out: Path, skus: Sequence[str]) -> None:
    """Compaction of everything, of nothing, and of a few changed SKUs; each in this process."""
    store = ArtifactStore(out / "store")
    shutil.rmtree(out / "store" / "score_table", ignore_errors=True)
    for what in ("compaction, first", "compaction, nothing changed", f"compaction, {CHANGED} SKUs changed",
                 "compaction, index lost"):
        if "changed" in what and "nothing" not in what:
            put_scores(out / "store", skus[:: max(1, len(skus) // CHANGED)][:CHANGED],
                       1 + int(time.time()) % 9_999)  # a version that was not there before
        if "lost" in what:
            shutil.rmtree(out / "store" / "score_table" / "index")
        result, seconds = timed(lambda: compact(store))
        tell(what, seconds, f"{result.skus} SKUs, {result.rows} rows, {result.read} read, {result.buckets_written} "
                            f"files of current written, {result.history_rows} rows to history")
    _, seconds = timed(lambda: read_current(store, ["required", "verdict"]))
    files = list((out / "store" / "score_table").rglob("*.parquet"))
    tell("verdicts of all SKUs for the asset's page", seconds, f"{len(files)} files, "
         f"{sum(path.stat().st_size for path in files) / 1e6:.0f} MB")


def sensor(out: Path, skus: Sequence[str]) -> None:
    """The catalogue sensor's function: everything new, everything known, one texture changed."""
    store = ArtifactStore(out / "store")
    shutil.rmtree(out / "store" / "state", ignore_errors=True)
    with (loop_cost.environment(PACKSHOT_CATALOGUE=str(out / "catalogue"), PACKSHOT_STORE=str(out / "store"),
                                **CHEAPEST) as resources,
          DagsterInstance.from_config(str(out / "store" / ".dagster")) as instance):
        def tick() -> Any:
            with build_sensor_context(instance=instance, resources={
                    "catalogue": resources.catalogue, "store": resources.store,
                    "refiner": resources.refiner}) as context:
                return catalogue_changes(context)

        for turn in range(40):             # ticks are capped: everything new takes several
            result, seconds = timed(tick)
            requests = getattr(result, "run_requests", None) or []
            tell(f"sensor tick {turn + 1}", seconds, f"{len(requests)} runs requested")
            if not requests:
                break
            for request in requests:
                log = OutcomeLog(store, request.run_key, "simulated")
                asked = request.run_config["ops"]["work_through"]["config"]["skus"]
                log.end_all({sku: Outcome("made", time.time(), run_id="simulated") for sku in asked})
        texture = out / "catalogue" / skus[len(skus) // 2] / "diffuse.png"
        data = texture.read_bytes()
        texture.unlink()                   # a link: the others keep theirs
        texture.write_bytes(data + b"\0")
        result, seconds = timed(tick)
        tell("sensor tick, one texture touched", seconds, f"{len(getattr(result, 'run_requests', None) or [])} runs")


def pages(out: Path, skus: Sequence[str]) -> None:
    """GraphQL queries of the UI, first and again, from a webserver of its own."""
    port = free_port()
    environment = {**CHEAPEST, "PACKSHOT_CATALOGUE": str(out / "catalogue"), "PACKSHOT_STORE": str(out / "store"),
                   "DAGSTER_HOME": str(out / "store" / ".dagster")}
    command = [str(Path(sys.executable).parent / "dagster-webserver"), "-w", "workspace.yaml", "-h", "127.0.0.1", "-p",
               str(port)]
    with running([command], environment, port, out / "logs") as stack:
        for name, query in PAGES.items():
            variables: dict[str, Any] = {"asset": {"path": ["sentinel_scores"]}} if "$asset" in query else {}
            variables |= {"sku": skus[len(skus) // 2]} if "$sku" in query else {}
            times = []
            for _ in range(6):
                answer, seconds = timed(lambda query=query, variables=variables: stack.ask(query, **variables))
                times.append(seconds.wall)
            tell(f"page: {name}", Took(statistics.median(times[1:])),
                 f"first {times[0]:.2f} s, {len(json.dumps(answer)) / 1e3:.0f} kB")


def report(out: Path, skus: Sequence[str]) -> None:
    """The report page, in a process of its own, which tells its memory."""
    told = subprocess.run([sys.executable, "-c", REPORT, str(out)], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout
    found = json.loads(told)
    tell("report: collecting", Took(*found["collect"]), f"{found['skus']} SKUs")
    tell("report: drawing", Took(*found["draw"]), f"{found['mb']:.1f} MB, process peak {found['peak_mb']:.0f} MB")


REPORT = """
import json, resource, sys
from benchmarks.night_simulated import drawn
print(json.dumps({**drawn(sys.argv[1]), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))
"""


def drawn(out: str) -> dict[str, Any]:
    data, collecting = timed(lambda: collect(ArtifactStore(Path(out, "store")), Catalogue.at(Path(out, "catalogue"))))
    page, drawing = timed(lambda: build_report(data))
    return {"collect": collecting, "draw": drawing, "mb": len(page.encode()) / 1e6, "skus": len(data.skus)}


def timed(act: Callable[[], Any]) -> tuple[Any, Took]:
    wall, processor = time.perf_counter(), time.process_time()
    found = act()
    return found, Took(time.perf_counter() - wall, time.process_time() - processor)


def tell(what: str, took: Took, more: str = "") -> None:
    processor = "" if took.processor is None else f"{took.processor:.2f}"
    print(f"| {what} | {took.wall:.2f} | {processor} | {more} |", flush=True)


if __name__ == "__main__":
    main()
