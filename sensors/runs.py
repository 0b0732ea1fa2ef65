"""What became of the run behind a run key, and how a batch is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRequest, RunsFilter

from assets.partitions import BUCKETS, BY_SKU
from assets.process import RUN_KEY_TAG, ended
from sensors.decide import Plan, RunState

BATCH_TAG = "packshot/batch"

# At most so many processes for one look at the catalogue, however many SKUs changed.
MAX_RUNS = 4
MIN_SKUS_PER_RUN = 200

# Dagster makes a run of a saved request within so long, or it was lost.
LAUNCH_S = 300.0

# Whether a failed run is tried again is known within so long, or whoever was to say so has died.
UNDECIDED_S = 60.0

# SQLite takes about this many partition keys in one call.
KEYS_PER_CALL = 25_000


def batch_size(requested: int) -> int:
    """SKUs per run: a start costs seconds, so small batches share one run and large ones at most four."""
    return max(MIN_SKUS_PER_RUN, -(-requested // MAX_RUNS))


def run_state(instance: DagsterInstance, run_key: str) -> RunState:
    """Latest state of the run that carries a run key."""
    runs = instance.get_runs(RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
    if not runs:
        return "absent"
    if not ended(instance, runs[0]):
        return "in_flight"
    run = instance.get_run_by_id(runs[0].run_id) or runs[0]  # ended just now, perhaps, and by that look
    if run.status is DagsterRunStatus.FAILURE and _may_be_tried_again(instance, run):
        return "in_flight"
    states: dict[DagsterRunStatus, RunState] = {DagsterRunStatus.SUCCESS: "succeeded",
                                                DagsterRunStatus.CANCELED: "cancelled"}
    return states.get(run.status, "failed")


def _may_be_tried_again(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether Dagster's own retry of a failed run, which carries the same key, has yet to be made, or to be decided.

    Dagster writes down that a run has failed, and a moment later whether it will be tried again.
    """
    decided = run.tags.get("dagster/will_retry")
    if decided is not None or not instance.run_retries_enabled:
        return decided == "true" and "dagster/auto_retry_run_id" not in run.tags
    record = instance.get_run_record_by_id(run.run_id)
    return record is not None and record.end_time is not None and time.time() - record.end_time < UNDECIDED_S


def batch_config(skus: Sequence[str], why: Mapping[str, str] | None = None, deadline: float | None = None
                 ) -> dict[str, object]:
    """What ``refresh_batch`` is told: which SKUs, why each, and until when new ones may be begun."""
    told = {sku: why[sku] for sku in skus if sku in why} if why else {}
    return {"ops": {"work_through": {"config": {"skus": list(skus), "why": told, "deadline": deadline}}}}


def batch_requests(plan: Plan, keys: Sequence[str], batches: Sequence[Sequence[str]], deadline: float | None = None
                   ) -> list[RunRequest]:
    """A run for each batch of a plan."""
    return [RunRequest(run_key=key, run_config=batch_config(batch, plan.why, deadline),
                       tags={BATCH_TAG: str(len(batch))}) for key, batch in zip(keys, batches, strict=True)]


def new_keys(plan: Plan, instance: DagsterInstance) -> list[str]:
    """SKUs of the catalogue that are no partitions yet; none where partitions are buckets."""
    if BUCKETS:
        return []
    assert BY_SKU.name is not None
    known = set(instance.get_dynamic_partitions(BY_SKU.name))
    return [sku for sku, state in plan.states.items() if sku not in known and not state.missing]


def add_keys(plan: Plan, instance: DagsterInstance) -> None:
    """Make a partition of every new SKU at once, where no sensor result can carry the request."""
    assert BY_SKU.name is not None
    keys = new_keys(plan, instance)
    for start in range(0, len(keys), KEYS_PER_CALL):
        instance.add_dynamic_partitions(BY_SKU.name, keys[start : start + KEYS_PER_CALL])
