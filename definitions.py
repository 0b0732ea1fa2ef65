"""The code location: everything Dagster loads, named in one page."""

from __future__ import annotations

import os

from dagster import Definitions, in_process_executor
from dagster_aws.s3 import S3Resource

from assets.catalogue_report import catalogue_report
from assets.score_table import score_table
from assets.sku_graph import refresh_batch, sku_graph
from resources import CatalogueResource, RefinerResource, RendererResource, SentinelResource, StoreResource
from sensors.catalogue_sensor import catalogue_changes
from sensors.nightly import nightly_refresh
from sensors.publish import publish, publish_after_failure, publish_after_success

S3 = S3Resource(endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), region_name=os.environ.get("AWS_REGION"))
CATALOGUE = CatalogueResource(s3=S3, location=os.environ.get("PACKSHOT_CATALOGUE", "examples/catalogue"))
STORE = StoreResource(s3=S3, location=os.environ.get("PACKSHOT_STORE", "store"))
REFINER = RefinerResource(preset=os.environ.get("PACKSHOT_REFINER", "none"))

defs = Definitions(
    assets=[sku_graph, score_table, catalogue_report],
    jobs=[refresh_batch, publish],
    schedules=[nightly_refresh],
    sensors=[catalogue_changes, publish_after_success, publish_after_failure],
    resources={"catalogue": CATALOGUE, "store": STORE, "renderer": RendererResource(), "refiner": REFINER,
               "sentinel": SentinelResource()},
    executor=in_process_executor,  # a process per step would import torch again for every one
)
