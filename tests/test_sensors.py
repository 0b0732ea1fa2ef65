"""Ticks: the catalogue sensor, the nightly schedule, and publishing after a batch."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterRunStatus,
    RunRequest,
    SensorResult,
    SkipReason,
    build_run_status_sensor_context,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.test_utils import create_run_for_test

from assets.process import HOST_TAG, PID_TAG, ended
from sensors.catalogue_sensor import catalogue_changes
from sensors.nightly import nightly_refresh
from sensors.publish import publish_after_failure, publish_after_success
from tests.house import House, house_of
from tests.small_catalogue import add_box, checks, small_catalogue


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_of(small_catalogue(tmp_path / "catalogue", "a", "b"), tmp_path / "store",
                  {"PACKSHOT_SETTLE_SECONDS": "0", "PACKSHOT_LIGHT": "raster", "PACKSHOT_REFINER": "none"}) as opened:
        yield opened


def tick(house: House) -> SensorResult | SkipReason:
    with build_sensor_context(instance=house.instance, resources=house.resources.by_key()) as context:
        result = catalogue_changes(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def skus_of(request: RunRequest) -> list[str]:
    skus: list[str] = request.run_config["ops"]["work_through"]["config"]["skus"]
    return skus


def carry_out(house: House, result: SensorResult) -> None:
    """What the daemon does with a tick: add keys, run, under the run key."""
    for addition in result.dynamic_partitions_requests or []:
        house.instance.add_dynamic_partitions("sku", list(addition.partition_keys))
    for request in result.run_requests or []:
        assert request.run_key
        house.definitions.resolve_job_def("refresh_batch").execute_in_process(
            run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=house.instance, tags={"dagster/run_key": request.run_key}, raise_on_error=False)


def test_new_skus_become_partitions_and_share_one_run(house: House) -> None:
    result = tick(house)
    assert isinstance(result, SensorResult)
    assert result.dynamic_partitions_requests is not None
    assert list(result.dynamic_partitions_requests[0].partition_keys) == ["a", "b"]
    [request] = result.run_requests or []
    assert skus_of(request) == ["a", "b"]


def test_a_quiet_catalogue_is_skipped_with_a_count(house: House) -> None:
    first = tick(house)
    assert isinstance(first, SensorResult)
    carry_out(house, first)
    second = tick(house)
    assert isinstance(second, SkipReason)
    assert "2 SKUs" in str(second.skip_message)


def test_a_changed_texture_and_a_new_folder_are_asked_for_together(house: House) -> None:
    first = tick(house)
    assert isinstance(first, SensorResult)
    carry_out(house, first)
    checks((10, 20, 200)).save(house.catalogue / "b" / "diffuse.png")
    add_box(house.catalogue, "c")
    result = tick(house)
    assert isinstance(result, SensorResult)
    assert [skus_of(request) for request in result.run_requests or []] == [["b", "c"]]


def test_what_is_being_copied_waits_for_the_next_tick(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_SETTLE_SECONDS", "600")
    result = tick(house)
    assert isinstance(result, SensorResult)
    assert result.run_requests == []
    again = tick(house)
    assert isinstance(again, SkipReason)
    assert "Still being written: a, b" in str(again.skip_message)
    monkeypatch.setenv("PACKSHOT_SETTLE_SECONDS", "0")
    later = tick(house)
    assert isinstance(later, SensorResult)
    assert [skus_of(request) for request in later.run_requests or []] == [["a", "b"]]


def test_a_tick_that_died_before_its_requests_became_runs_is_made_good(house: House, monkeypatch: pytest.MonkeyPatch
                                                                       ) -> None:
    lost = tick(house)
    assert isinstance(lost, SensorResult)
    early = tick(house)
    assert not isinstance(early, SensorResult) or not early.run_requests, "they may still become runs"
    monkeypatch.setattr("sensors.catalogue_sensor.LAUNCH_S", 0.0)
    second = tick(house)
    assert isinstance(second, SensorResult)
    [first_request], [request] = lost.run_requests or [], second.run_requests or []
    assert skus_of(request) == ["a", "b"]
    assert request.run_key != first_request.run_key
    carry_out(house, second)
    assert isinstance(tick(house), SkipReason)


def test_a_tick_that_died_while_its_requests_became_runs_loses_and_doubles_nothing(
        house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs were asked for; the daemon died after it had started the first."""
    monkeypatch.setattr("sensors.runs.MIN_SKUS_PER_RUN", 1)
    result = tick(house)
    assert isinstance(result, SensorResult)
    requests = result.run_requests or []
    assert [skus_of(request) for request in requests] == [["a"], ["b"]]
    carry_out(house, SensorResult(run_requests=requests[:1],
                                  dynamic_partitions_requests=result.dynamic_partitions_requests))
    monkeypatch.setattr("sensors.catalogue_sensor.LAUNCH_S", 0.0)
    second = tick(house)
    assert isinstance(second, SensorResult)
    assert [skus_of(request) for request in second.run_requests or []] == [["b"]]


def test_a_texture_reruns_what_it_touches_and_a_limit_judges_alone(house: House) -> None:
    first = tick(house)
    assert isinstance(first, SensorResult)
    carry_out(house, first)
    checks((10, 20, 200)).save(house.catalogue / "b" / "diffuse.png")
    texture = tick(house)
    assert isinstance(texture, SensorResult)
    [request] = texture.run_requests or []
    assert request.run_config["ops"]["work_through"]["config"]["why"] == {"b": "texture diffuse.png changed"}
    carry_out(house, texture)
    assert [name for name, kept in house.kept("b").items() if kept] == ["product_mesh", "reference_shots"]
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(settings.read_text() + "limits: {delivery.fill_share: {fail: 0.999}}\n")
    limit = tick(house)
    assert isinstance(limit, SensorResult)
    [request] = limit.run_requests or []
    assert set(request.run_config["ops"]["work_through"]["config"]["why"].values()) == {"limits changed"}
    carry_out(house, limit)
    assert {name for name, kept in house.kept("a").items() if not kept} <= {"sentinel_scores", "delivered_images"}


def test_an_outage_fails_the_tick(house: House) -> None:
    house.catalogue.rename(house.catalogue.with_name("gone"))
    with pytest.raises(Exception, match="no catalogue"):
        tick(house)


def test_the_night_tries_failed_skus_again(house: House) -> None:
    (house.catalogue / "b" / "diffuse.png").write_bytes(b"broken")
    first = tick(house)
    assert isinstance(first, SensorResult)
    carry_out(house, first)
    assert isinstance(tick(house), SkipReason)
    with build_schedule_context(instance=house.instance, resources=house.resources.by_key()) as context:
        requests = nightly_refresh(context)
    assert isinstance(requests, list)
    assert [skus_of(request) for request in requests] == [["b", "a"]], "b failed; a is looked at all the same"


def status_tick(house: House, job_name: str, status: DagsterRunStatus) -> RunRequest | SkipReason:
    run = create_run_for_test(house.instance, job_name=job_name, status=status)
    good = status == DagsterRunStatus.SUCCESS
    event = (house.instance.report_engine_event("ended", run) if good else house.instance.report_run_failed(run))
    context = build_run_status_sensor_context("publish", event, house.instance, run)
    result = (publish_after_success if good else publish_after_failure)(context)
    assert isinstance(result, RunRequest | SkipReason)
    return result


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE])
def test_publishing_follows_good_and_bad_batches(house: House, status: DagsterRunStatus) -> None:
    assert isinstance(status_tick(house, "refresh_batch", status), RunRequest)


def test_a_run_by_hand_is_no_lost_request(house: House) -> None:
    first = tick(house)
    assert isinstance(first, SensorResult)
    carry_out(house, first)
    assert house.materialize("a").success
    assert isinstance(tick(house), SkipReason)


def test_a_queued_re_execution_is_not_taken_for_its_parents_dead_process(house: House) -> None:
    dead = {HOST_TAG: socket.gethostname(), PID_TAG: "parent:999999999"}
    queued = create_run_for_test(house.instance, job_name="refresh_batch", status=DagsterRunStatus.STARTING, tags=dead)
    assert not ended(house.instance, queued)
    started = create_run_for_test(house.instance, job_name="refresh_batch", status=DagsterRunStatus.STARTED)
    house.instance.add_run_tags(started.run_id, {**dead, PID_TAG: f"{started.run_id}:999999999"})
    killed = house.instance.get_run_by_id(started.run_id)
    assert killed is not None
    assert ended(house.instance, killed)
    after = house.instance.get_run_by_id(started.run_id)
    assert after is not None
    assert after.status == DagsterRunStatus.FAILURE


def test_publishing_waits_while_another_batch_runs_and_ignores_itself(house: House) -> None:
    assert isinstance(status_tick(house, "publish", DagsterRunStatus.SUCCESS), SkipReason)
    create_run_for_test(house.instance, job_name="refresh_batch", status=DagsterRunStatus.STARTED)
    assert isinstance(status_tick(house, "refresh_batch", DagsterRunStatus.SUCCESS), SkipReason)
