"""What a run that somebody starts by hand in the UI does: some assets of one SKU, in a process of its own."""

from __future__ import annotations

import os

from dagster import AssetKey, Definitions, in_process_executor

from assets.sku_graph import sku_graph
from resources import configured
from sensors.home import dagster_home
from sensors.prepare import opened


def main(arguments: list[str]) -> int:
    """``catalogue store sku asset…``; exit status 1 where the run failed."""
    catalogue, store, sku, *assets = arguments
    home = dagster_home(store)
    os.environ.update(PACKSHOT_CATALOGUE=catalogue, PACKSHOT_STORE=store, DAGSTER_HOME=str(home))
    definitions = Definitions(assets=[sku_graph], resources=configured().by_key(), executor=in_process_executor)
    with opened(home) as instance:
        instance.add_dynamic_partitions("sku", [sku])
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, partition_key=sku, raise_on_error=False,
            asset_selection=[AssetKey(name) for name in assets])
    return 0 if result.success else 1
