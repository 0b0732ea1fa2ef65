"""Which process carries out a run, so that a run whose process has died is not waited for."""

from __future__ import annotations

import os
import socket

from dagster import DagsterInstance, DagsterRun

RUN_KEY_TAG = "dagster/run_key"
HOST_TAG = "packshot/host"
PID_TAG = "packshot/pid"


def process_tags() -> dict[str, str]:
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}


def ended(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether a run is over. One whose process was killed on this host never says so itself: it is ended here."""
    if run.is_finished:
        return True
    if run.tags.get(HOST_TAG) != socket.gethostname() or _alive(int(run.tags[PID_TAG])):
        return False
    instance.report_run_failed(run, f"Its process {run.tags[PID_TAG]} on {run.tags[HOST_TAG]} is gone.")
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
