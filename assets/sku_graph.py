"""The SKU graph: six assets of one step, worked through SKU by SKU.

One ``@multi_asset`` because only so can one bad SKU of a batch fail alone: the loop logs a
materialization per SKU and asset, yields no output, and ends with a single failure that names the
bad SKUs. Each asset can still be materialized on its own. ``refresh_batch`` runs the same loop for
SKUs scattered anywhere in the key order, which Dagster's range tags cannot express
(docs/batches.md has the experiment).
"""

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
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

from assets import control_passes, delivered_images, product_mesh, product_regions, refined_images, sentinel_scores
from assets.partitions import SKUS
from assets.process import RUN_KEY_TAG, process_tags
from assets.sku import Bench, Sku
from assets.stage import Stage
from pipeline.errors import PackshotError
from pipeline.store import Artifact
from resources import CatalogueResource, RefinerResource, RendererResource, SentinelResource, StoreResource

STAGES: tuple[Stage, ...] = (product_mesh.stage, product_regions.stage, control_passes.stage, refined_images.stage,
                             sentinel_scores.stage, delivered_images.stage)
# A single range run holds this many SKUs; the next ones get a run of their own.
SKUS_PER_RUN = 500


@dataclass(frozen=True)
class Made:
    """What became of one asset of one SKU."""

    artifact: Artifact
    kept: bool
    seconds: float


def make(stage: Stage, sku: Sku) -> Made:
    """Bring one asset of one SKU up to date; a version whose exact inputs are unchanged is kept."""
    started = time.perf_counter()
    inputs = stage.inputs(sku)
    version = stage.version_of(inputs)
    current = sku.store.current(stage.name, sku.name)
    if (current is not None and current.data_version == version and sku.store.intact(current)
            and stage.complete(sku, current)):
        return Made(current, True, time.perf_counter() - started)
    with sku.store.writing(stage.name, sku.name, version, inputs) as pending:
        stage.produce(sku, pending.writer)
        pending.writer.metadata["total_seconds"] = round(time.perf_counter() - started, 3)
    assert pending.artifact is not None
    if stage.name in ("product_mesh", "product_regions"):
        sku.forget()
    return Made(pending.artifact, False, time.perf_counter() - started)


def work_through(context: OpExecutionContext | AssetExecutionContext, bench: Bench, skus: Sequence[str],
                 selected: Collection[str]) -> dict[str, PackshotError]:
    """Make the selected assets of every SKU, in order; returns the SKUs that failed, each with its error."""
    failed: dict[str, PackshotError] = {}
    started = time.perf_counter()
    run_key = context.run.tags.get(RUN_KEY_TAG, "")
    context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
    for number, name in enumerate(skus, 1):
        stage_name = STAGES[0].name
        begun = time.perf_counter()
        try:
            sku = bench.sku(name)
            stale_error = bench.store.error(name)
            made: dict[str, Made] = {}
            for stage in STAGES:
                if stage.name in selected:
                    stage_name = stage.name
                    made[stage.name] = make(stage, sku)
                    _log_events(context, stage, sku, made[stage.name])
            if not stale_error or stale_error["asset"] in made or STAGES[-1].name in made:
                bench.store.clear_error(name)
            _drop_passes(sku, made)
            kept = sum(m.kept for m in made.values())
            result = "kept" if kept == len(made) else f"made {len(made) - kept}, kept {kept}"
        except PackshotError as error:
            failed[name] = error
            result = f"failed: {error}"
        except Exception as error:  # a defect of ours on one SKU must not stop the others
            context.log.error(f"{name}: unexpected {type(error).__name__} in {stage_name}", exc_info=error)
            failed[name] = PackshotError("internal", f"Unexpected {type(error).__name__} in {stage_name}: {error}",
                                         "The run's log holds the traceback; please report it.")
            result = f"failed: {failed[name]}"
        if name in failed:
            bench.store.record_error(name, stage_name, failed[name])
        if run_key:  # a run started by hand answers no request
            bench.store.record_outcome(name, run_key, failed=name in failed)
        remaining = (time.perf_counter() - started) / number * (len(skus) - number)
        context.log.log(logging.ERROR if name in failed else logging.INFO,
                        f"[{number}/{len(skus)}] {name}: {result} in {time.perf_counter() - begun:.1f} s"
                        + (f", about {remaining:.0f} s to go" if number < len(skus) else ""))
    return failed


def _log_events(context: OpExecutionContext | AssetExecutionContext, stage: Stage, sku: Sku, made: Made) -> None:
    artifact = made.artifact
    # What Dagster compares to call a partition stale; the pointer has to be there, NULL is its word for "not kept".
    tags = {"dagster/data_version": artifact.data_version, "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": str(stage.version)}
    for upstream in stage.upstream:
        current = sku.store.current(upstream, sku.name)
        if current is not None:
            tags[f"dagster/input_data_version/{upstream}"] = current.data_version
            tags[f"dagster/input_event_pointer/{upstream}"] = "NULL"
    metadata: dict[str, Any] = {
        **stage.describe(sku, artifact), "kept": MetadataValue.bool(made.kept),
        "seconds": MetadataValue.float(round(made.seconds, 3)),
    }
    context.log_event(AssetMaterialization(stage.spec.key, partition=sku.name, tags=tags, metadata=metadata))
    if stage.name == "sentinel_scores":
        for evaluation in sentinel_scores.evaluations(sku, artifact):
            context.log_event(evaluation)  # type: ignore[arg-type]  # accepted and documented, not annotated


def _drop_passes(sku: Sku, made: dict[str, Made]) -> None:
    """``keep_passes: failed``: EXRs stay only where somebody will want to look."""
    if sku.settings.keep_passes != "failed" or "sentinel_scores" not in made:
        return
    verdicts = made["sentinel_scores"].artifact.metadata["verdicts"]
    sku.store.drop(sku.artifact("control_passes"),
                   [f"{shot}.exr" for shot, verdict in verdicts.items() if verdict in ("pass", "warn")])


def finish(failed: dict[str, PackshotError], total: int) -> None:
    """End a batch: one failure that names every bad SKU, after all others have reached their scores."""
    if failed:
        raise Failure(f"{len(failed)} of {total} SKUs failed: {', '.join(sorted(failed)[:20])}", allow_retries=False,
                      metadata={name: MetadataValue.md(f"**{error.code}** {error.message}\n\n{error.hint}")
                                for name, error in sorted(failed.items())[:50]})


@multi_asset(name="sku_graph", specs=[stage.spec for stage in STAGES], check_specs=sentinel_scores.check_specs,
             can_subset=True, backfill_policy=BackfillPolicy.multi_run(SKUS_PER_RUN), pool="imaging")
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


@op(name="work_through", pool="imaging", description="Bring a batch of scattered SKUs up to date, SKU by SKU.")
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
