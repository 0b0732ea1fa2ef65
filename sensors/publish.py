"""After every batch, good or bad: tables and report."""

from dagster import (
    AssetSelection,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    RunStatusSensorContext,
    SkipReason,
    define_asset_job,
    run_status_sensor,
)

from assets.catalogue_report import catalogue_report
from assets.night_runs import night_runs
from assets.process import ended
from assets.score_table import score_table
from assets.sku_graph import refresh_batch, sku_graph

publish = define_asset_job("publish", AssetSelection.assets(score_table, night_runs, catalogue_report),
                           description="Score tables for analysts, what the nights did, and the report page, from "
                                       "whatever is current.")

# Runs of the SKU graph started by hand in the UI count as well.
IMAGING_JOBS = (refresh_batch.name, "__ASSET_JOB")
BUSY = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


def _request(context: RunStatusSensorContext) -> RunRequest | SkipReason:
    """One publish run per quiet moment: while another imaging run works, its own end will publish."""
    run = context.dagster_run
    if run.job_name not in IMAGING_JOBS:
        return SkipReason(f"{run.job_name} makes no images.")
    if run.asset_selection and not run.asset_selection & sku_graph.keys:
        return SkipReason("No SKU asset in this run.")
    for job in IMAGING_JOBS:
        busy = context.instance.get_runs(RunsFilter(job_name=job, statuses=BUSY))
        if not all(ended(context.instance, other) for other in busy):
            return SkipReason("Another imaging run is under way; it will publish.")
    return RunRequest(run_key=f"publish:{run.run_id}")


@run_status_sensor(run_status=DagsterRunStatus.SUCCESS, request_job=publish, default_status=DefaultSensorStatus.RUNNING,
                   description="Publishes after an imaging run that succeeded.")
def publish_after_success(context: RunStatusSensorContext) -> RunRequest | SkipReason:
    return _request(context)


@run_status_sensor(run_status=DagsterRunStatus.FAILURE, request_job=publish, default_status=DefaultSensorStatus.RUNNING,
                   description="Publishes after an imaging run in which SKUs failed; the others have their scores.")
def publish_after_failure(context: RunStatusSensorContext) -> RunRequest | SkipReason:
    return _request(context)
