"""How should 200 changed SKUs, scattered among 1,000, share runs? ``python -m benchmarks.scattered_batches``

Orchestration only: six assets whose work is nothing, on Dagster's SQLite storage. Three ways to ask for
the same SKUs are run one after another and what the instance then says of every partition is counted.

range     the range tags, one run per contiguous block of changed keys (what a backfill does)
widened   one range run from the first to the last changed key; SKUs in between are skipped by the loop
scattered one run of a job whose config names the SKUs and which plans their partitions itself
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    Config,
    DagsterEvent,
    DagsterInstance,
    Definitions,
    DynamicPartitionsDefinition,
    Failure,
    OpExecutionContext,
    in_process_executor,
    job,
    multi_asset,
    op,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

SKUS = DynamicPartitionsDefinition(name="sku")
ASSETS = [AssetSpec(f"stage_{number}", skippable=True, partitions_def=SKUS,
                    deps=[f"stage_{number - 1}"] if number else []) for number in range(6)]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
CHANGED: set[str] = set()
BAD: set[str] = set()


def work(context: AssetExecutionContext | OpExecutionContext, skus: Sequence[str]) -> None:
    """What the real loop says: a materialization per asset and SKU, one failure at the end."""
    failed = []
    for sku in skus:
        if sku not in CHANGED:
            continue
        if sku in BAD:
            failed.append(sku)
            continue
        for spec in ASSETS:
            context.log_event(AssetMaterialization(spec.key, partition=sku, tags={"dagster/data_version": "2"}))
    if failed:
        raise Failure(f"{len(failed)} failed", allow_retries=False)


@multi_asset(name="graph", specs=ASSETS, can_subset=True)
def graph(context: AssetExecutionContext) -> Iterator[object]:
    work(context, list(context.partition_keys))
    yield from ()


class Batch(Config):
    skus: list[str]


@op
def batch(context: OpExecutionContext, config: Batch) -> None:
    step = context.get_step_execution_context().step.key
    for sku in config.skus:
        for spec in ASSETS:
            planned = AssetMaterializationPlannedData(spec.key, partition=sku, partitions_subset=None)
            event = DagsterEvent.build_asset_materialization_planned_event(context.job_name, step, planned)
            context.instance.report_dagster_event(event, context.run_id)
    work(context, config.skus)


@job
def scattered_job() -> None:
    batch()


defs = Definitions(assets=[graph], jobs=[scattered_job], executor=in_process_executor)


def run_range(instance: DagsterInstance, first: str, last: str) -> None:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, tags=tags, run_config=QUIET,
                                                                   raise_on_error=False)


def by_blocks(instance: DagsterInstance, keys: Sequence[str]) -> int:
    runs, start = 0, None
    for index, key in enumerate([*keys, None]):
        if key in CHANGED:
            start = index if start is None else start
        elif start is not None:
            run_range(instance, keys[start], keys[index - 1])
            runs, start = runs + 1, None
    return runs


def widened(instance: DagsterInstance, keys: Sequence[str]) -> int:
    changed = [key for key in keys if key in CHANGED]
    run_range(instance, changed[0], changed[-1])
    return 1


def scattered(instance: DagsterInstance, keys: Sequence[str]) -> int:
    config = {**QUIET, "ops": {"batch": {"config": {"skus": [key for key in keys if key in CHANGED]}}}}
    defs.resolve_job_def("scattered_job").execute_in_process(instance=instance, run_config=config, raise_on_error=False)
    return 1


def status(instance: DagsterInstance, key: AssetKey) -> tuple[set[str], set[str]]:
    """Materialized and failed partitions of an asset, as the UI shows them."""
    cached = get_and_update_asset_status_cache_value(instance, key, SKUS)
    assert cached is not None
    with partition_loading_context(dynamic_partitions_store=instance):
        return (set(cached.deserialize_materialized_partition_subsets(SKUS).get_partition_keys()),
                set(cached.deserialize_failed_partition_subsets(SKUS).get_partition_keys()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=1000)
    parser.add_argument("--changed", type=int, default=200)
    parser.add_argument("--bad", type=int, default=3)
    options = parser.parse_args()
    keys = [f"sku-{number:05d}" for number in range(options.skus)]
    CHANGED.update(random.Random(7).sample(keys, options.changed))
    BAD.update(sorted(CHANGED)[:: max(1, options.changed // options.bad)][: options.bad])
    print(f"{options.changed} of {options.skus} SKUs changed, {len(BAD)} of them bad")
    print("| way | runs | seconds | changed, shown right | untouched, turned red |\n|---|---|---|---|---|")
    ways: dict[str, Callable[[DagsterInstance, Sequence[str]], int]] = {
        "range": by_blocks, "widened": widened, "scattered": scattered}
    for name, way in ways.items():
        with DagsterInstance.local_temp() as instance:
            instance.add_dynamic_partitions("sku", keys)
            for spec in ASSETS:  # a night before, everything was good
                for key in keys:
                    instance.report_runless_asset_event(AssetMaterialization(spec.key, partition=key))
            started = time.perf_counter()
            runs = way(instance, keys)
            seconds = time.perf_counter() - started
            right, red = set(CHANGED), set()
            for spec in ASSETS:
                _, failed = status(instance, spec.key)
                right &= {key for key in CHANGED if (key in failed) == (key in BAD)}
                red |= failed - CHANGED
        print(f"| {name} | {runs} | {seconds:.1f} | {len(right)} of {len(CHANGED)} | {len(red)} |", flush=True)


if __name__ == "__main__":
    main()
