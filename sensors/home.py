"""Where Dagster keeps its own records: one place per store, so that two catalogues never mix."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

WRITTEN = "# Written by Packshot at every start. Take this line out to keep what you change here.\n"
CONFIGURATION = WRITTEN + """\
# Records are SQLite files beside this one; deploy/production has PostgreSQL.

concurrency:
  pools:
    default_limit: 1          # pool gpu: one imaging run at a time, the next ones wait in the queue
    granularity: run          # held by a run from start to end: one process has OpenGL and torch loaded
  runs:
    max_concurrent_runs: 4    # publishing goes on beside imaging
run_queue:
  dequeue_interval_seconds: 2

run_monitoring:
  enabled: true
  poll_interval_seconds: 30
  max_runtime_seconds: 172800 # two days: whatever else failed to see that a run is dead, it gives the pool back
run_retries:
  enabled: false              # the catalogue sensor asks again for what a lost run did not reach

retention:
  sensor:
    purge_after_days: {skipped: 2, success: 30, failure: 30}

telemetry:
  enabled: false
nux:
  enabled: false
"""
# What was written before files carried a mark.
UNMARKED = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


def dagster_home(store: str) -> Path:
    """``<store>/.dagster`` for a local store, else a folder in the user's state named by the store's hash."""
    if "://" in store:
        digest = hashlib.sha256(store.encode()).hexdigest()[:12]
        home = Path.home() / ".local" / "state" / "packshot" / digest
    else:
        home = Path(store).resolve() / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    found = configuration.read_text() if configuration.exists() else UNMARKED
    if found != CONFIGURATION and (found == UNMARKED or found.startswith(WRITTEN)):
        partial = home / f"dagster.yaml.{os.getpid()}"
        partial.write_text(CONFIGURATION)
        partial.replace(configuration)  # another process may be reading it
    return home


if __name__ == "__main__":
    from sensors.prepare import prepare_home

    prepare_home(dagster_home(sys.argv[1]))
    print(dagster_home(sys.argv[1]))
