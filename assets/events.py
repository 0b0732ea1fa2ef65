"""What a run tells Dagster of every SKU: planned, materialized, checked, and one line of progress.

Each event is stored when it is told, so a killed run has told all it did; none is held in memory, as Dagster would do
until the step ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetRecordsFilter,
    DagsterEvent,
    MetadataValue,
    OpExecutionContext,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import AssetMaterializationPlannedData  # no public way to plan scattered partitions
from dagster_shared.record import replace

from assets import sentinel_scores
from assets.making import Made
from assets.sku import Sku
from assets.stage import Stage
from pipeline.errors import PackshotError

Context = OpExecutionContext | AssetExecutionContext


class Events:
    """Of one run. Safe to use from several threads."""

    def __init__(self, context: Context, why: Mapping[str, str] | None = None) -> None:
        self._context = context
        self._why = why or {}
        self._turn = threading.Lock()
        self._last_judged: tuple[str | None, AssetCheckEvaluationTargetMaterializationData | None] = (None, None)

    def plan(self, sku: str, stages: Collection[Stage]) -> None:
        """Say that work on a SKU begins: it shows as in progress, and as failed where the run fails without it.

        Not at the start of the run for all of them: what a run does not come to is neither. One event for many
        partitions would not do, SQL storages read a planned partition from the event's own column.
        """
        context = self._context
        step = context.get_step_execution_context().step.key
        for stage in stages:
            planned = AssetMaterializationPlannedData(stage.spec.key, partition=sku, partitions_subset=None)
            event = DagsterEvent.build_asset_materialization_planned_event(context.job_name, step, planned)
            context.instance.report_dagster_event(event, context.run_id)

    def made(self, stage: Stage, sku: Sku, made: Made) -> None:
        """One asset of one SKU, made or kept, with what an engineer wants to see."""
        artifact = made.artifact
        # What Dagster compares to call a partition stale; the pointer has to be there, NULL is its word for "not kept".
        tags = {"dagster/data_version": artifact.data_version, "dagster/data_version_is_user_provided": "true",
                "dagster/code_version": str(stage.version)}
        for upstream in stage.upstream:
            tags[f"dagster/input_data_version/{upstream}"] = sku.artifact(upstream).data_version
            tags[f"dagster/input_event_pointer/{upstream}"] = "NULL"
        metadata: dict[str, Any] = {
            **stage.describe(sku, artifact), "kept": MetadataValue.bool(made.kept),
            "seconds": MetadataValue.float(round(made.seconds, 3)),
        }
        if sku.name in self._why:
            metadata["why"] = MetadataValue.text(self._why[sku.name])
        self._log(AssetMaterialization(stage.spec.key, partition=sku.name, tags=tags, metadata=metadata))
        if stage.name == sentinel_scores.stage.name:
            for evaluation in sentinel_scores.evaluations(sku, artifact):
                self._log(evaluation)

    def failed(self, stage: str, sku: str, error: PackshotError) -> None:
        """Why a SKU failed, on its partition: Dagster itself says there only that the run did."""
        self._log(AssetObservation(stage, partition=sku, metadata={"error": MetadataValue.text(error.message),
                                                                   "hint": MetadataValue.text(error.hint),
                                                                   "code": MetadataValue.text(error.code)}))

    def closed(self, sku: str) -> None:
        """A SKU has come to its end; all there is to tell of it has been told."""

    def say(self, line: str, *, level: int = logging.INFO, error: BaseException | None = None) -> None:
        """A line for the run's log. It costs an event: one per SKU, and what is wrong."""
        self._context.log.log(level, line, exc_info=error)

    def why(self, sku: str) -> str:
        return self._why.get(sku, "")

    def _log(self, event: AssetMaterialization | AssetCheckEvaluation | AssetObservation) -> None:
        with self._turn:
            if isinstance(event, AssetCheckEvaluation):
                event = replace(event, target_materialization_data=self._judged(event.asset_key, event.partition))
            self._context.log_event(event)  # type: ignore[arg-type]  # checks are documented, not annotated
            for _ in self._context.consume_events():  # stored already; with its thumbnails it would stay in memory
                pass

    def _judged(self, key: AssetKey, partition: str | None) -> AssetCheckEvaluationTargetMaterializationData | None:
        """The materialization that checks of a partition are about: without it they count as missing there."""
        if self._last_judged[0] != partition:
            found = self._context.instance.fetch_materializations(
                AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1).records
            last = found[0] if found else None
            self._last_judged = (partition, last and AssetCheckEvaluationTargetMaterializationData(
                storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp))
        return self._last_judged[1]
