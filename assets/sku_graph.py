"""The SKU graph: six assets of one step, worked through SKU by SKU.

One ``@multi_asset`` because only so can one bad SKU of a batch fail alone: the loop logs a
materialization per SKU and asset, yields no output, and ends with a single failure that names the
bad SKUs. Each asset can still be materialized on its own. ``refresh_batch`` runs the same loop for
SKUs scattered anywhere in the key order, which Dagster's range tags cannot express
(docs/batches.md has the experiment).
"""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    BackfillPolicy,
    Config,
    DagsterEvent,
    Failure,
    MetadataValue,
    OpExecutionContext,
    job,
    multi_asset,
    op,
)
from dagster._core.events import AssetMaterializationPlannedData  # no public way to plan scattered partitions
from pydantic import Field

from assets import sentinel_scores
from assets.partitions import SKUS
from assets.sku import Bench
from assets.work_through import STAGES, work_through
from pipeline.errors import PackshotError
from resources import CatalogueResource, RefinerResource, RendererResource, SentinelResource, StoreResource

# A single range run holds this many SKUs; the next ones get a run of their own.
SKUS_PER_RUN = 500

# OpenGL and torch share one process and one card: the instance's limit of this pool says how many such runs at once.
GPU_POOL = "gpu"


def finish(failed: dict[str, PackshotError], total: int) -> None:
    """End a batch: one failure that names every bad SKU, after all others have reached their scores."""
    if failed:
        raise Failure(f"{len(failed)} of {total} SKUs failed: {', '.join(sorted(failed)[:20])}", allow_retries=False,
                      metadata={name: MetadataValue.text(f"{error.message} {error.hint} [{error.code}]")
                                for name, error in sorted(failed.items())[:50]})


@multi_asset(name="sku_graph", specs=[stage.spec for stage in STAGES], check_specs=sentinel_scores.check_specs,
             can_subset=True, backfill_policy=BackfillPolicy.multi_run(SKUS_PER_RUN), pool=GPU_POOL)
def sku_graph(context: AssetExecutionContext, catalogue: CatalogueResource, store: StoreResource,
              renderer: RendererResource, refiner: RefinerResource, sentinel: SentinelResource) -> Iterator[Any]:
    """Every SKU asset, for one SKU or a range of them."""
    bench = Bench(catalogue.open(), store.open(), renderer, refiner, sentinel, context.run.run_id)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    skus = list(context.partition_keys)
    finish(work_through(context, bench, skus, selected), len(skus))
    yield from ()  # a generator, so that no output is expected; the events above are what it says


class BatchConfig(Config):
    """Which SKUs one batch brings up to date."""

    skus: list[str] = Field(description="SKU names, anywhere in the key order")
    assets: list[str] = Field(default_factory=lambda: [stage.name for stage in STAGES],
                              description="SKU assets to bring up to date")


@op(name="work_through", pool=GPU_POOL, description="Bring a batch of scattered SKUs up to date, SKU by SKU.")
def batch_op(context: OpExecutionContext, config: BatchConfig, catalogue: CatalogueResource, store: StoreResource,
             renderer: RendererResource, refiner: RefinerResource, sentinel: SentinelResource) -> None:
    bench = Bench(catalogue.open(), store.open(), renderer, refiner, sentinel, context.run_id)
    selected = [stage for stage in STAGES if stage.name in config.assets]
    for name in config.skus:
        for stage in selected:
            _plan(context, stage.spec.key, name)
    finish(work_through(context, bench, config.skus, {stage.name for stage in selected}), len(config.skus))


def _plan(context: OpExecutionContext, key: AssetKey, sku: str) -> None:
    """Say that this run intends to materialize a partition: it shows as in progress, and as failed if it fails."""
    step = context.get_step_execution_context().step.key
    planned = AssetMaterializationPlannedData(key, partition=sku, partitions_subset=None)
    event = DagsterEvent.build_asset_materialization_planned_event(context.job_name, step, planned)
    context.instance.report_dagster_event(event, context.run_id)


@job(name="refresh_batch", description="Bring scattered SKUs up to date in one process.")
def refresh_batch() -> None:
    batch_op()


__all__ = ["SKUS", "SKUS_PER_RUN", "STAGES", "refresh_batch", "sku_graph"]
