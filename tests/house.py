"""A Dagster instance over a small catalogue, for tests of the asset graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    in_process_executor,
)
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from assets.catalogue_report import catalogue_report
from assets.night_runs import night_runs
from assets.partitions import SKUS
from assets.score_table import score_table
from assets.sku_graph import STAGES, refresh_batch, sku_graph
from pipeline.store import ArtifactStore
from resources import Resources, configured
from sensors.publish import publish

NAMES = tuple(stage.name for stage in STAGES)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class House:
    """What a data engineer has: a catalogue, a store, an instance."""

    catalogue: Path
    store: ArtifactStore
    instance: DagsterInstance
    resources: Resources
    definitions: Definitions

    def add_partitions(self) -> None:
        names = sorted(p.name for p in self.catalogue.iterdir() if p.is_dir())
        self.instance.add_dynamic_partitions("sku", names)

    def batch(self, *skus: str, assets: tuple[str, ...] = NAMES) -> ExecuteInProcessResult:
        """The scattered batch that sensor, night and `make run` start."""
        self.add_partitions()
        config = {"ops": {"work_through": {"config": {"skus": list(skus), "assets": list(assets)}}}}
        return self.definitions.resolve_job_def("refresh_batch").execute_in_process(
            run_config={**config, **QUIET}, instance=self.instance, raise_on_error=False)

    def materialize(self, sku: str, *, until: str | None = None,
                    assets: tuple[str, ...] = NAMES) -> ExecuteInProcessResult:
        """What the UI starts: some assets of one SKU, or of a range of them."""
        self.add_partitions()
        tags = {"dagster/asset_partition_range_start": sku, "dagster/asset_partition_range_end": until} if until else {}
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, partition_key=None if until else sku, tags=tags, raise_on_error=False,
            run_config=QUIET, asset_selection=[AssetKey(name) for name in assets])

    def publish(self) -> ExecuteInProcessResult:
        return self.definitions.resolve_job_def("publish").execute_in_process(
            instance=self.instance, run_config=QUIET, raise_on_error=False)

    def status(self, sku: str) -> dict[str, str]:
        """materialized, failed or absent, for every SKU asset, as the UI shows it."""
        return {name: self._status(AssetKey(name), sku) for name in NAMES}

    def _status(self, key: AssetKey, sku: str) -> str:
        cached = get_and_update_asset_status_cache_value(self.instance, key, SKUS)
        if cached is None:
            return "absent"
        with partition_loading_context(dynamic_partitions_store=self.instance):
            if sku in cached.deserialize_failed_partition_subsets(SKUS).get_partition_keys():
                return "failed"
            if sku in cached.deserialize_in_progress_partition_subsets(SKUS).get_partition_keys():
                return "in_progress"
            known = cached.deserialize_materialized_partition_subsets(SKUS).get_partition_keys()
        return "materialized" if sku in known else "absent"

    def stale(self, sku: str) -> list[str]:
        """SKU assets that Dagster would call stale for one partition."""
        graph = self.definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        return [name for name in NAMES if resolver.get_status(AssetKey(name), sku) != StaleStatus.FRESH]

    def last(self, asset: str, sku: str) -> AssetMaterialization:
        """The newest materialization of one partition."""
        found = self.instance.fetch_materializations(
            AssetRecordsFilter(asset_key=AssetKey(asset), asset_partitions=[sku]), limit=1)
        materialization = found.records[0].event_log_entry.asset_materialization
        assert materialization is not None
        return materialization

    def kept(self, sku: str) -> dict[str, bool]:
        """Whether the newest materialization of each asset was a kept artefact."""
        return {name: bool(self.last(name, sku).metadata["kept"].value) for name in NAMES}

    def versions(self, sku: str) -> Mapping[str, str]:
        return {name: self.store.require(name, sku).data_version for name in NAMES}


@contextmanager
def house_of(catalogue: Path | str, store: Path | str, environment: dict[str, str] | None = None) -> Iterator[House]:
    """Everything on one folder or prefix each."""
    import os

    before = dict(os.environ)
    os.environ.update({"PACKSHOT_CATALOGUE": str(catalogue), "PACKSHOT_STORE": str(store), **(environment or {})})
    try:
        resources = configured()
        definitions = Definitions(assets=[sku_graph, score_table, night_runs, catalogue_report],
                                  jobs=[refresh_batch, publish], resources=resources.by_key(),
                                  executor=in_process_executor)
        with DagsterInstance.local_temp() as instance:
            yield House(Path(catalogue), resources.store.open(), instance, resources, definitions)
    finally:
        os.environ.clear()
        os.environ.update(before)
