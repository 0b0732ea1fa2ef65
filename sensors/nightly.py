"""Every night: failed SKUs first, then whatever changed or was lost."""

from dagster import RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from assets.sku_graph import refresh_batch
from resources import CatalogueResource, RefinerResource, StoreResource
from sensors.decide import assign_batches, decide, save_states
from sensors.runs import add_keys, batch_request, batch_size, run_state


@schedule(job=refresh_batch, cron_schedule="0 2 * * *", execution_timezone="UTC",
          description="02:00 UTC: failed SKUs are tried again first, then everything stale or lost.")
def nightly_refresh(context: ScheduleEvaluationContext, catalogue: CatalogueResource, store: StoreResource,
                    refiner: RefinerResource) -> list[RunRequest] | SkipReason:
    opened = store.open()
    plan = decide(catalogue.open(), opened, refiner.identity(), lambda key: run_state(context.instance, key),
                  retry="everything")
    batches = plan.batches(batch_size(len(plan.requests)))
    keys = assign_batches(plan, batches)
    add_keys(plan, context.instance)
    save_states(opened, plan.states)
    if not batches:
        return SkipReason(f"{plan.unchanged} SKUs, none failed, changed or lost.")
    return [batch_request(key, batch) for key, batch in zip(keys, batches, strict=True)]
