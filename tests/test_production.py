"""The configuration of deploy/production, in force: PostgreSQL for records, S3 for logs, store and catalogue."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import yaml
from dagster import DagsterInstance

from assets.process import PID_TAG, RUN_KEY_TAG
from assets.sku_graph import GPU_POOL
from pipeline.store import ArtifactStore
from resources import configured
from sensors.runs import run_state
from tests import s3
from tests.conftest import ROOT
from tests.dagster_stack import Stack, running, until
from tests.postgres import PASSWORD, PROGRAMS, free_port, postgres_server
from tests.small_catalogue import small_catalogue

PRODUCTION = ROOT / "deploy" / "production"
BUCKET, LOGS = "production", "production-logs"
SKUS = ("a", "b", "c")
needs_postgres = pytest.mark.skipif(not PROGRAMS, reason="no /usr/lib/postgresql; install the package postgresql")
# On an S3 server that answers from this process a secret of its own, not to be found in any log.
SECRET = "secret-key-not-in-any-log-91c4"


@dataclass(frozen=True)
class Production:
    """A running site."""

    stack: Stack
    store: ArtifactStore
    instance: DagsterInstance

    def tag(self, run_id: str, name: str) -> str | None:
        """A run's tag; the UI's server keeps some to itself."""
        run = self.instance.get_run_by_id(run_id)
        return run.tags.get(name) if run else None


def commands(port: int, code_port: int, workspace: Path) -> list[list[str]]:
    """What the systemd units start, on other ports."""
    started = []
    for unit in ("code", "webserver", "daemon"):
        text = (PRODUCTION / f"packshot-{unit}.service").read_text()
        for line in re.findall(r"^ExecStart(?:Pre)?=/opt/packshot/\.venv/bin/(.*)$", text, re.M):
            line = line.replace("4266", str(code_port)).replace("3000", str(port))
            program, *arguments = shlex.split(line.replace("deploy/production/workspace.yaml", str(workspace)))
            started.append([str(Path(sys.executable).parent / program), *arguments])
    return started


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """The site: three processes, PostgreSQL, S3 with a catalogue of three SKUs, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("production")
    home = folder / "home"
    home.mkdir()
    shutil.copy(PRODUCTION / "dagster.yaml", home)
    port, code_port = free_port(), free_port()
    workspace = folder / "workspace.yaml"
    workspace.write_text((PRODUCTION / "workspace.yaml").read_text().replace("4266", str(code_port)))
    with pytest.MonkeyPatch.context() as patch, postgres_server() as postgres, s3.s3_server(BUCKET):
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        boto3.client("s3").create_bucket(Bucket=LOGS)
        catalogue = small_catalogue(folder / "catalogue", *SKUS)
        (catalogue / "c" / "box.obj").write_text("no mesh\n")
        for path in catalogue.rglob("*.*"):
            boto3.client("s3").upload_file(str(path), BUCKET, f"catalogue/{path.relative_to(catalogue)}")
        for name, value in {**postgres.environment(), "DAGSTER_HOME": str(home), "PACKSHOT_LOG_BUCKET": LOGS,
                            "PACKSHOT_LOG_PREFIX": "compute", "PACKSHOT_CATALOGUE": f"s3://{BUCKET}/catalogue",
                            "PACKSHOT_STORE": f"s3://{BUCKET}/store", "PACKSHOT_LIGHT": "raster",
                            "PACKSHOT_REFINER": "none"}.items():
            patch.setenv(name, value)
        prepare, *services = commands(port, code_port, workspace)
        subprocess.run(prepare, cwd=ROOT, check=True, timeout=60)
        with running(services, {}, port, folder / "logs") as stack, DagsterInstance.get() as instance:
            yield Production(stack, configured().store.open(), instance)
            stack_log = stack.log_text()
        for secret in (PASSWORD, SECRET):
            assert secret not in stack_log
            assert secret not in postgres.dump()


def batch(*skus: str) -> dict[str, object]:
    return {"ops": {"work_through": {"config": {"skus": list(skus)}}}}


def logs_in_s3() -> dict[str, str]:
    client = boto3.client("s3")
    return {entry["Key"]: client.get_object(Bucket=LOGS, Key=entry["Key"])["Body"].read().decode()
            for entry in client.list_objects_v2(Bucket=LOGS).get("Contents", ())}


@needs_postgres
def test_two_batches_wait_for_each_other_and_publishing_for_neither(production: Production) -> None:
    """Queued together, before anything has run: the very first look at the queue has to hold the second back."""
    stack = production.stack
    first, second = stack.launch("refresh_batch", batch("a", "c")), stack.launch("refresh_batch", batch("b"))
    published = stack.launch("publish")
    runs = {name: stack.wait(run_id) for name, run_id in
            {"first": first, "second": second, "published": published}.items()}
    assert {name: run["status"] for name, run in runs.items()} == {
        "first": "FAILURE", "second": "SUCCESS", "published": "SUCCESS"}
    assert runs["second"]["startTime"] > runs["first"]["endTime"]
    assert runs["published"]["startTime"] < runs["first"]["endTime"]
    assert production.store.skus("delivered_images") == ["a", "b"]


@needs_postgres
def test_a_killed_batch_is_tried_again_once_and_one_with_a_bad_sku_is_not(production: Production) -> None:
    stack = production.stack
    killed = stack.launch("refresh_batch", batch("a", "b"), **{RUN_KEY_TAG: "a+1:killed"})
    process = until(lambda: production.tag(killed, PID_TAG), 90, "the run to say its process")
    os.kill(int(process.rpartition(":")[2]), signal.SIGKILL)
    assert stack.wait(killed)["status"] == "FAILURE"
    # A sensor that looks now must not ask for the same SKUs beside Dagster.
    assert run_state(production.instance, "a+1:killed") == "in_flight"
    again = until(lambda: stack.tried_again(killed), 60, "the run to be tried again")
    assert [stack.wait(run_id)["status"] for run_id in again] == ["SUCCESS"]
    assert run_state(production.instance, "a+1:killed") == "succeeded"
    bad = [run["runId"] for run in stack.runs() if run["status"] == "FAILURE" and run["runId"] != killed]
    assert bad  # of the test before; whoever tries again has read its end before that of the killed one
    assert [stack.tried_again(run_id) for run_id in bad] == [[]]


@needs_postgres
def test_logs_of_runs_are_in_s3_and_hold_no_secret(production: Production) -> None:
    progress = until(lambda: {key: text for key, text in logs_in_s3().items() if "[1/" in text}, 60,
                     "a log with progress")
    assert all(key.startswith("compute/storage/") for key in progress)
    assert any("c: failed" in text for text in progress.values())
    for text in logs_in_s3().values():
        assert PASSWORD not in text
        assert SECRET not in text


@needs_postgres
def test_settings_are_in_force(production: Production) -> None:
    instance = production.instance
    assert type(instance.run_storage).__name__ == "PostgresRunStorage"
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 1
    assert not instance.run_retries_retry_on_asset_or_op_failure
    assert [(pool.name, pool.limit) for pool in instance.event_log_storage.get_pool_limits()] == [(GPU_POOL, 1)]
    assert not instance.telemetry_enabled


def test_every_variable_has_its_line_in_the_example() -> None:
    named = set(re.findall(r"env: (\w+)", (PRODUCTION / "dagster.yaml").read_text()))
    example = (PRODUCTION / "packshot.env.example").read_text()
    values = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", example, re.M))
    assert named <= set(values)
    assert {name for name, value in values.items() if not value} >= {"PACKSHOT_PG_PASSWORD", "AWS_SECRET_ACCESS_KEY"}
    settings = yaml.safe_load((PRODUCTION / "dagster.yaml").read_text())
    assert set(settings["storage"]["postgres"]["postgres_db"]["password"]) == {"env"}
