"""What a batch tells a PostgreSQL server: over connections that last, and all of it when they are cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from assets.job import Job, Workload
from benchmarks import loop_cost
from tests.postgres import PASSWORD, PROGRAMS, postgres_server

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="no /usr/lib/postgresql; install the package postgresql")
SCORES, SKUS = AssetKey("sentinel_scores"), 4
EVERYBODY_ELSE = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


def asked(url: str, query: str) -> int:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        answer = connection.execute(sqlalchemy.text(query)).scalar_one()
    engine.dispose()
    return int(answer)


def test_a_batch_outlives_the_connections_it_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skus = loop_cost.small_skus(tmp_path / "catalogue", SKUS, regions_found=False)
    begin, cut = Workload.begin, []
    with postgres_server() as server:
        url = f"postgresql+psycopg2://{server.user}:{PASSWORD}@{server.host}:{server.port}/{server.database}"

        def begin_cut_off(work: Workload, job: Job) -> None:
            if job.name == skus[2]:
                cut.append(asked(url, f"SELECT count(pg_terminate_backend(pid)) {EVERYBODY_ELSE}"))
            begin(work, job)

        monkeypatch.setattr(Workload, "begin", begin_cut_off)
        (tmp_path / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {url}\n")
        with DagsterInstance.from_config(str(tmp_path)) as instance, loop_cost.environment(
                PACKSHOT_CATALOGUE=str(tmp_path / "catalogue"), PACKSHOT_STORE=str(tmp_path / "store"),
                PACKSHOT_LIGHT="raster", PACKSHOT_REFINER="none") as resources:
            run = loop_cost.batch_loop(skus, resources, instance)
            told = {sku: len(instance.fetch_materializations(AssetRecordsFilter(SCORES, [sku]), 9).records)
                    for sku in skus}
            events = len(instance.all_logs(run))
            opened = asked(url, "SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
    assert cut
    assert cut[0] > 0, "the batch held no connection"
    assert told == dict.fromkeys(skus, 1)
    assert opened < 2 * events, "three an event is what Dagster opens without a pool"
