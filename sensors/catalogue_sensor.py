"""Watches the catalogue: new SKUs become partitions, changed ones run again."""

import os

from dagster import (
    AddDynamicPartitionsRequest,
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from assets.partitions import BY_SKU
from assets.sku_graph import refresh_batch
from resources import CatalogueResource, RefinerResource, StoreResource
from sensors.decide import assign_batches, decide, save_states
from sensors.runs import KEYS_PER_CALL, batch_request, batch_size, new_keys, run_state

# Between two looks at the catalogue.
SECONDS = int(os.environ.get("PACKSHOT_SENSOR_SECONDS", "60"))


@sensor(job=refresh_batch, minimum_interval_seconds=SECONDS, default_status=DefaultSensorStatus.STOPPED,
        description="New SKU folders become partitions; a changed mesh, texture, manifest or setting reruns what it "
                    "touches.")
def catalogue_changes(context: SensorEvaluationContext, catalogue: CatalogueResource, store: StoreResource,
                      refiner: RefinerResource) -> SensorResult | SkipReason:
    opened = store.open()
    plan = decide(catalogue.open(), opened, refiner.identity(), lambda key: run_state(context.instance, key))
    for name, message in plan.illegal.items():
        context.log.warning(f"{name}: {message}")
    batches = plan.batches(batch_size(len(plan.requests)))
    keys = assign_batches(plan, batches)
    # Saved before the requests leave: what a tick that dies here has asked for is found lost by the next.
    save_states(opened, plan.states)
    if not plan.requests and not plan.new_skus:
        return SkipReason(f"{plan.unchanged} SKUs, none changed.")
    return SensorResult(run_requests=[batch_request(key, batch) for key, batch in zip(keys, batches, strict=True)],
                        dynamic_partitions_requests=_partition_requests(new_keys(plan, context.instance)))


def _partition_requests(skus: list[str]) -> list[AddDynamicPartitionsRequest]:
    return [BY_SKU.build_add_request(skus[start : start + KEYS_PER_CALL])
            for start in range(0, len(skus), KEYS_PER_CALL)]
