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
from sensors.decide import Limits, Plan, assign_batches, decide, deciding
from sensors.runs import KEYS_PER_CALL, LAUNCH_S, batch_requests, batch_size, new_keys, run_state

# Between two looks at the catalogue.
SECONDS = int(os.environ.get("PACKSHOT_SENSOR_SECONDS", "60"))

# A tick has 60 s.
MOST_SKUS, READING_S = 2000, 20.0


@sensor(job=refresh_batch, minimum_interval_seconds=SECONDS, default_status=DefaultSensorStatus.STOPPED,
        description="New SKU folders become partitions; a changed mesh, texture, manifest or setting reruns what it "
                    "touches.")
def catalogue_changes(context: SensorEvaluationContext, catalogue: CatalogueResource, store: StoreResource,
                      refiner: RefinerResource) -> SensorResult | SkipReason:
    opened = store.open()
    with deciding(opened):
        plan = decide(catalogue.open(), opened, refiner.identity(), lambda key: run_state(context.instance, key),
                      limits=Limits(MOST_SKUS, READING_S, settle_s(), LAUNCH_S))
        batches = plan.batches(batch_size(len(plan.requests)))
        keys = assign_batches(plan, batches)
        # Saved before the requests leave: what a tick that dies here has asked for is found lost by a later one.
        plan.state.save(opened)
    for name, message in plan.illegal.items():
        context.log.warning(f"{name}: {message}")
    for new, old in plan.renamed.items():
        context.log.info(f"{new}: renamed from {old}, whose history stays under its name.")
    if not plan.requests and not plan.new_skus:
        return SkipReason(f"{plan.unchanged} SKUs, none changed." + _waiting(plan))
    return SensorResult(run_requests=batch_requests(plan, keys, batches),
                        dynamic_partitions_requests=_partition_requests(new_keys(plan, context.instance)))


def settle_s() -> float:
    """A folder whose files changed within so many seconds may still be copied."""
    return float(os.environ.get("PACKSHOT_SETTLE_SECONDS", "5"))


def _waiting(plan: Plan) -> str:
    settling = f" Still being written: {', '.join(plan.settling[:5])}." if plan.settling else ""
    return settling + (f" {plan.left} are left for the next look." if plan.left else "")


def _partition_requests(skus: list[str]) -> list[AddDynamicPartitionsRequest]:
    return [BY_SKU.build_add_request(skus[start : start + KEYS_PER_CALL])
            for start in range(0, len(skus), KEYS_PER_CALL)]
