"""What a sensor takes a run for, at any moment of its end: a run that Dagster will try again is not over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, job, op

from assets.process import RUN_KEY_TAG
from sensors import runs
from sensors.runs import run_state

KEY = "sku+1:key"


@pytest.fixture(params=[True, False], ids=["retries", "no retries"])
def instance(request: pytest.FixtureRequest) -> Iterator[DagsterInstance]:
    overrides = {"run_retries": {"enabled": request.param, "max_retries": 1}}
    with DagsterInstance.local_temp(overrides=overrides) as found:
        yield found


def started(instance: DagsterInstance, **tags: str) -> DagsterRun:
    @op
    def nothing() -> None:
        """Never runs."""

    @job
    def batch() -> None:
        nothing()

    return instance.create_run_for_job(batch, status=DagsterRunStatus.STARTED, tags={RUN_KEY_TAG: KEY, **tags})


def failed_and_not_decided(instance: DagsterInstance) -> DagsterRun:
    """The moment between both of Dagster's writings."""
    run = started(instance)
    with patch.object(DagsterInstance, "add_run_tags"):
        instance.report_run_failed(run)
    return run


def test_a_run_is_in_flight_until_it_ends(instance: DagsterInstance) -> None:
    assert run_state(instance, KEY) == "absent"
    started(instance)
    assert run_state(instance, KEY) == "in_flight"


def test_a_failed_run_is_over_once_it_is_decided_that_nobody_tries_again(instance: DagsterInstance) -> None:
    run = failed_and_not_decided(instance)
    assert run_state(instance, KEY) == ("in_flight" if instance.run_retries_enabled else "failed")
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})
    assert run_state(instance, KEY) == "failed"


def test_a_failed_run_that_is_tried_again_is_in_flight_until_it_was(instance: DagsterInstance) -> None:
    run = failed_and_not_decided(instance)
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    assert run_state(instance, KEY) == "in_flight"
    instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    assert run_state(instance, KEY) == "failed"


def test_what_was_never_decided_is_over_after_a_while(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
                                                      ) -> None:
    failed_and_not_decided(instance)
    later = time.time() + 2 * runs.UNDECIDED_S
    monkeypatch.setattr("sensors.runs.time.time", lambda: later)
    assert run_state(instance, KEY) == "failed"
