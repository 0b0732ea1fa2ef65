"""Dagster's records for local use: the configuration is in force, and what died is ended before the queue starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, job

from assets.process import HOST_TAG, PID_TAG
from assets.sku_graph import GPU_POOL
from sensors.home import CONFIGURATION, UNMARKED, dagster_home
from sensors.prepare import prepare


@job
def nothing_much() -> None:
    """A run to record."""


def test_the_configuration_is_in_force(tmp_path: Path) -> None:
    with DagsterInstance.from_config(str(dagster_home(str(tmp_path)))) as instance:
        prepare(instance)
        assert [(pool.name, pool.limit) for pool in instance.event_log_storage.get_pool_limits()] == [(GPU_POOL, 1)]
        assert str(instance.get_concurrency_config().pool_config.pool_granularity).endswith("RUN")
        assert instance.run_monitoring_enabled
        assert not instance.run_retries_enabled
        assert not instance.telemetry_enabled
        instance.event_log_storage.set_concurrency_slots(GPU_POOL, 2)
        prepare(instance)
        assert [pool.limit for pool in instance.event_log_storage.get_pool_limits()] == [2]  # two GPUs stay two


def test_an_older_configuration_is_replaced_and_ones_own_is_not(tmp_path: Path) -> None:
    file = dagster_home(str(tmp_path)) / "dagster.yaml"
    for found, kept in ((UNMARKED, CONFIGURATION), (CONFIGURATION.replace("172800", "1"), CONFIGURATION),
                        ("telemetry:\n  enabled: true\n", "telemetry:\n  enabled: true\n")):
        file.write_text(found)
        dagster_home(str(tmp_path))
        assert file.read_text() == kept
    assert [path.name for path in file.parent.iterdir()] == ["dagster.yaml"]


def test_a_run_whose_process_is_gone_gives_the_pool_back(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with DagsterInstance.from_config(str(dagster_home(str(tmp_path)))) as instance:
        runs = {pid: instance.create_run_for_job(nothing_much, status=DagsterRunStatus.STARTED)
                for pid in (gone.pid, os.getpid())}
        for pid, run in runs.items():
            instance.add_run_tags(run.run_id, {HOST_TAG: socket.gethostname(), PID_TAG: f"{run.run_id}:{pid}"})
        assert prepare(instance) == [runs[gone.pid].run_id]
        dead = instance.get_run_by_id(runs[gone.pid].run_id)
        assert dead is not None
        assert dead.status == DagsterRunStatus.FAILURE


def test_the_command_makes_the_place_ready(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sensors.home", str(tmp_path)]
    home = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert home == str(tmp_path / ".dagster")  # nothing else: `make ui` takes it as DAGSTER_HOME
    with DagsterInstance.from_config(home) as instance:
        assert instance.event_log_storage.get_concurrency_keys() == {GPU_POOL}
