"""Every night: failed SKUs whose input changed first, then whatever is stale, then failures, then the oldest."""

import time
from datetime import UTC, datetime

from dagster import RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from assets.sku_graph import refresh_batch
from pipeline.night_runs import Night, plan_night
from resources import CatalogueResource, RefinerResource, StoreResource
from sensors.decide import Limits, Plan, assign_batches, decide, deciding
from sensors.runs import LAUNCH_S, add_keys, batch_requests, run_state


@schedule(job=refresh_batch, cron_schedule="0 2 * * *", execution_timezone="UTC",
          description="02:00 UTC: failed SKUs with a changed input, then everything stale or lost, then failures once "
                      "more, then the SKUs longest not looked at, in batches and within the hours that catalogue.yaml "
                      "gives the night.")
def nightly_refresh(context: ScheduleEvaluationContext, catalogue: CatalogueResource, store: StoreResource,
                    refiner: RefinerResource) -> list[RunRequest] | SkipReason:
    opened, products = store.open(), catalogue.open()
    settings = products.settings.night
    with deciding(opened):
        plan = decide(products, opened, refiner.identity(), lambda key: run_state(context.instance, key),
                      retry="everything", visits=settings.visits, limits=Limits(launch_s=LAUNCH_S))
        batches = plan.batches(settings.batch)
        keys = assign_batches(plan, batches)
        add_keys(plan, context.instance)
        night = night_of(plan, keys, batches, settings.hours)
        plan_night(opened, night)
        plan.state.save(opened)
    if not batches:
        return SkipReason(f"{plan.unchanged} SKUs, none failed, changed or lost.")
    return batch_requests(plan, keys, batches, night.deadline)


def night_of(plan: Plan, keys: list[str], batches: list[list[str]], hours: float) -> Night:
    """What a night that starts now asks for."""
    started = time.time()
    return Night(datetime.fromtimestamp(started, UTC).date().isoformat(), started, started + hours * 3600.0,
                 {key: {sku: plan.why[sku] for sku in batch} for key, batch in zip(keys, batches, strict=True)})
