"""Before the run queue starts: ``python -m sensors.prepare``, with DAGSTER_HOME set.

The pool gets its limit, because Dagster applies a default limit only from the second look at its queue on, so
that two batches found by the first look would both start. And runs whose process died while nobody watched are
ended, because a run that is never ended holds its place in the pool for ever.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from assets.process import ended
from assets.sku_graph import GPU_POOL

UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def limit_pool(instance: DagsterInstance) -> None:
    """Give the GPU pool the instance's default limit, where nobody has given it one."""
    records = instance.event_log_storage
    if GPU_POOL not in {pool.name for pool in records.get_pool_limits()}:
        records.initialize_concurrency_limit_to_default(GPU_POOL)


def prepare(instance: DagsterInstance) -> list[str]:
    """Limit the pool and end what is dead; returns the ids of the runs it ended."""
    limit_pool(instance)
    return [run.run_id for run in instance.get_runs(RunsFilter(statuses=UNDER_WAY)) if ended(instance, run)]


@contextmanager
def opened(home: Path) -> Iterator[DagsterInstance]:
    """The instance of a folder of records. Two processes that make its tables at once would trip over each other."""
    with ExitStack() as stack:
        with (home / "packshot.lock").open("a") as lock:  # let go of with the file, also by a process that is killed
            fcntl.flock(lock, fcntl.LOCK_EX)
            instance = stack.enter_context(DagsterInstance.from_config(str(home)))
            instance.get_run_records(limit=1)
            instance.all_asset_keys()
            instance.all_instigator_state()
        yield instance


def prepare_home(home: Path) -> list[str]:
    """The same for a folder of records."""
    with opened(home) as instance:
        return prepare(instance)


if __name__ == "__main__":
    with DagsterInstance.get() as found:
        for run_id in prepare(found):
            print(f"ended run {run_id}: its process is gone")
