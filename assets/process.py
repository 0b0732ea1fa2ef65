"""Which process carries out a run, so that a run whose process has died is not waited for."""

from __future__ import annotations

import os
import socket

from dagster import DagsterInstance, DagsterRun

RUN_KEY_TAG = "dagster/run_key"
# Tags of this prefix are kept and not shown.
HOST_TAG = ".dagster/packshot_host"
PID_TAG = ".dagster/packshot_pid"


def process_tags(run_id: str) -> dict[str, str]:
    """Names the run as well: a re-execution inherits its parent's tags, and not its process."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: f"{run_id}:{os.getpid()}"}


def ended(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether a run is over. One whose process was killed on this host never says so itself: it is ended here."""
    if run.is_finished:
        return True
    owner, _, pid = run.tags.get(PID_TAG, "").rpartition(":")
    if owner != run.run_id or run.tags.get(HOST_TAG) != socket.gethostname() or _alive(int(pid)):
        return False
    instance.report_run_failed(run, f"Its process {pid} on {run.tags[HOST_TAG]} is gone.")
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
