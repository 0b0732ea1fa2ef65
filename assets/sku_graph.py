"""The SKU graph: seven assets of one step, worked through SKU by SKU.

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
    BackfillPolicy,
    Config,
    Failure,
    MetadataValue,
    OpExecutionContext,
    job,
    multi_asset,
    op,
)
from pydantic import Field

from assets import sentinel_scores
from assets.job import Workload
from assets.making import STAGES
from assets.partitions import SKUS, skus_in
from assets.sku import Bench
from assets.work_through import work_through
from resources import CatalogueResource, RefinerResource, RendererResource, SentinelResource, StoreResource

# A single range run holds this many SKUs; the next ones get a run of their own.
SKUS_PER_RUN = 500

# OpenGL and torch share one process and one card: the instance's limit of this pool says how many such runs at once.
GPU_POOL = "gpu"


def finish(work: Workload) -> None:
    """End a batch: one failure that names every bad SKU, after all others have reached their scores."""
    if work.ended is not None:
        raise Failure(f"Stopped after {work.done} of {work.total} SKUs: {work.ended.message} {work.ended.hint}",
                      allow_retries=False, metadata={"code": MetadataValue.text(work.ended.code)})
    if work.failed:
        failed = sorted(work.failed.items())
        raise Failure(f"{len(failed)} of {work.total} SKUs failed: {', '.join(name for name, _ in failed[:20])}",
                      allow_retries=False,
                      metadata={name: MetadataValue.text(f"{error.message} {error.hint} [{error.code}]")
                                for name, error in failed[:50]})


@multi_asset(name="sku_graph", specs=[stage.spec for stage in STAGES], check_specs=sentinel_scores.check_specs,
             can_subset=True, backfill_policy=BackfillPolicy.multi_run(SKUS_PER_RUN), pool=GPU_POOL)
def sku_graph(context: AssetExecutionContext, catalogue: CatalogueResource, store: StoreResource,
              renderer: RendererResource, refiner: RefinerResource, sentinel: SentinelResource) -> Iterator[Any]:
    """Every SKU asset, for one SKU or a range of them."""
    bench = Bench(catalogue.open(), store.open(), renderer, refiner, sentinel, context.run.run_id)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    finish(work_through(context, bench, skus_in(context.partition_keys, bench.catalogue.skus), selected))
    yield from ()  # a generator, so that no output is expected; the events above are what it says


class BatchConfig(Config):
    """Which SKUs one batch brings up to date."""

    skus: list[str] = Field(description="SKU names, anywhere in the key order")
    assets: list[str] = Field(default_factory=lambda: [stage.name for stage in STAGES],
                              description="SKU assets to bring up to date")
    why: dict[str, str] = Field(default_factory=dict, description="reason by SKU, in words")
    deadline: float | None = Field(default=None, description="seconds since 1970 after which no SKU is begun")


@op(name="work_through", pool=GPU_POOL, description="Bring a batch of scattered SKUs up to date, SKU by SKU.")
def batch_op(context: OpExecutionContext, config: BatchConfig, catalogue: CatalogueResource, store: StoreResource,
             renderer: RendererResource, refiner: RefinerResource, sentinel: SentinelResource) -> None:
    bench = Bench(catalogue.open(), store.open(), renderer, refiner, sentinel, context.run_id)
    finish(work_through(context, bench, config.skus, config.assets, plans=True, why=config.why,
                        deadline=config.deadline))


@job(name="refresh_batch", description="Bring scattered SKUs up to date in one process.")
def refresh_batch() -> None:
    batch_op()


__all__ = ["SKUS", "SKUS_PER_RUN", "STAGES", "refresh_batch", "sku_graph"]
