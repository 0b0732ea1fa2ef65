"""The code location: everything Dagster loads, named in one page."""

from __future__ import annotations

from dagster import Definitions, in_process_executor

from assets.catalogue_report import catalogue_report
from assets.night_runs import night_runs
from assets.score_table import score_table
from assets.sku_graph import refresh_batch, sku_graph
from resources import configured
from sensors.catalogue_sensor import catalogue_changes
from sensors.nightly import nightly_refresh
from sensors.publish import publish, publish_after_failure, publish_after_success

defs = Definitions(
    assets=[sku_graph, score_table, night_runs, catalogue_report],
    jobs=[refresh_batch, publish],
    schedules=[nightly_refresh],
    sensors=[catalogue_changes, publish_after_success, publish_after_failure],
    resources=configured().by_key(),
    executor=in_process_executor,  # a process per step would import torch again for every one
)
