"""What runs with PACKSHOT_PARTITIONS set, which is read once a process: ``python -m tests.bucketed_house FOLDER``.

Prints one JSON object of what Dagster holds after a batch, a second one, and a run of buckets from the UI.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from assets.partitions import BUCKETS, SKUS, bucket_key, partition_of
from assets.sku_graph import STAGES
from sensors.refresh import main
from tests.house import house_of
from tests.small_catalogue import checks, small_catalogue

NAMES = [f"sku-{number}" for number in range(5)]
BAD = "sku-2"


def partitions(instance: DagsterInstance, asset: str) -> dict[str, str]:
    """Every bucket that is not absent, as the UI shows it."""
    cached = get_and_update_asset_status_cache_value(instance, AssetKey(asset), SKUS)
    assert cached is not None
    with partition_loading_context(dynamic_partitions_store=instance):
        failed = cached.deserialize_failed_partition_subsets(SKUS).get_partition_keys()
        made = cached.deserialize_materialized_partition_subsets(SKUS).get_partition_keys()
    return {key: "failed" if key in failed else "materialized" for key in sorted({*made, *failed})}


def told(instance: DagsterInstance) -> dict[str, object]:
    observed = instance.fetch_observations(AssetRecordsFilter(asset_key=AssetKey("control_passes")), limit=1).records
    scores = instance.fetch_materializations(AssetKey("sentinel_scores"), limit=50).records
    return {
        "status": {stage.name: partitions(instance, stage.name) for stage in STAGES},
        "observed": [{"partition": record.partition_key, **{
            name: value.value for name, value in record.asset_observation.metadata.items()}}  # type: ignore[union-attr]
            for record in observed],
        "materialized": [{"partition": record.partition_key, **{
            name: value.value
            for name, value in record.asset_materialization.metadata.items()}}  # type: ignore[union-attr]
            for record in scores],
        "versions": {record.partition_key: record.asset_materialization.tags["dagster/data_version"]  # type: ignore
                     for record in reversed(scores)},
    }


def run(folder: Path) -> dict[str, object]:
    catalogue, store = small_catalogue(folder / "catalogue", *NAMES), folder / "store"
    (catalogue / BAD / "diffuse.png").write_bytes(b"not an image")
    arguments = ["--catalogue", str(catalogue), "--store", str(store), "--json"]
    found: dict[str, object] = {"buckets": BUCKETS, "of": {name: partition_of(name) for name in NAMES},
                                "status": main(arguments)}
    with DagsterInstance.from_config(str(store / ".dagster")) as instance:
        found["keys"] = instance.get_dynamic_partitions("sku")
        found["first"] = told(instance)
    checks((90, 20, 20)).save(catalogue / BAD / "diffuse.png")
    found["repaired"] = main(arguments)
    with DagsterInstance.from_config(str(store / ".dagster")) as instance:
        found["second"] = told(instance)
    with house_of(catalogue, folder / "ui") as house:
        tags = {"dagster/asset_partition_range_start": bucket_key(0),
                "dagster/asset_partition_range_end": bucket_key(BUCKETS - 1)}
        result = house.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=house.instance, tags=tags, asset_selection=[stage.spec.key for stage in STAGES],
            raise_on_error=False)
        found["ui"] = {"success": result.success, **told(house.instance)}
        found["ui_skus"] = house.store.skus("delivered_images")
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(run(Path(sys.argv[1]))))
