"""A batch whose catalogue and store are on S3: what it asks for, and an outage in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import ExecuteInProcessResult
from upath import UPath

from pipeline.store import ArtifactStore
from pipeline.verify import verify
from tests.house import NAMES, QUIET, House, house_of
from tests.s3_faults import Proxy, Weather, faulty_s3
from tests.small_catalogue import small_catalogue

SKUS = ("a", "b", "c")
LIGHT = {"PACKSHOT_LIGHT": "raster", "PACKSHOT_REFINER": "none", "PACKSHOT_S3_PATIENCE_S": "1"}


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    local = small_catalogue(tmp_path / "catalogue", *SKUS)
    with faulty_s3("shop") as proxy:
        for file in local.rglob("*"):
            if file.is_file():
                (UPath("s3://shop/catalogue") / file.relative_to(local).as_posix()).write_bytes(file.read_bytes())
        yield proxy


@pytest.fixture
def house(proxy: Proxy) -> Iterator[House]:
    with house_of("s3://shop/catalogue", "s3://shop/store", LIGHT) as house:
        house.instance.add_dynamic_partitions("sku", list(SKUS))
        yield house


def run(house: House, *skus: str) -> ExecuteInProcessResult:
    return house.definitions.resolve_job_def("refresh_batch").execute_in_process(
        run_config={"ops": {"work_through": {"config": {"skus": list(skus)}}}, **QUIET}, instance=house.instance,
        raise_on_error=False)


def test_requests_per_sku(house: House, proxy: Proxy) -> None:
    """docs/store.md states them: with one shot 26 files, 6 manifests and timings are written, nothing is read back."""
    proxy.requests.clear()
    assert run(house, *SKUS).success
    made = {kind: count / len(SKUS) for kind, count in proxy.requests.items()}
    proxy.requests.clear()
    assert run(house, *SKUS).success
    kept = {kind: count / len(SKUS) for kind, count in proxy.requests.items()}
    assert made.pop("PUT") <= 36
    assert sum(made.values()) <= 22, made
    assert "PUT" not in kept
    assert sum(kept.values()) <= 24, kept


def test_an_outage_in_the_middle_of_a_batch_fails_those_it_met_and_no_others(house: House, proxy: Proxy) -> None:
    proxy.weather = Weather(down_from="control_passes/b/")
    assert not run(house, *SKUS).success
    proxy.weather = Weather()
    store = ArtifactStore("s3://shop/store")
    assert verify(store).findings == ()
    assert store.current("product_mesh", "b") is not None
    assert store.current("control_passes", "b") is None
    assert store.current("product_mesh", "c") is None
    before = {name: artifact.folder.name for name in NAMES if (artifact := store.current(name, "a")) is not None}
    assert run(house, *SKUS).success
    assert all(store.current(name, sku) is not None for name in NAMES for sku in SKUS)
    assert {name: store.require(name, "a").folder.name for name in before} == before, "what was done is kept"
    assert verify(store).findings == ()
