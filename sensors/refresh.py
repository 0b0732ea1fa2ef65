"""`make run`: bring a catalogue up to date in this process, then publish. ``python -m sensors.refresh``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sqlite3
import sys
import time
import uuid
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from dagster import (
    Definitions,
    ExecuteInProcessResult,
    InitLoggerContext,
    in_process_executor,
    logger,
)

from assets.catalogue_report import catalogue_report
from assets.night_runs import night_runs
from assets.process import RUN_KEY_TAG, process_tags
from assets.score_table import score_table
from assets.sku_graph import refresh_batch
from pipeline.errors import PackshotError, StoreError
from pipeline.night_runs import plan_night
from pipeline.outcomes import read_outcomes
from pipeline.storage_errors import failed_writing
from pipeline.store import ArtifactStore
from pipeline.transient import ENDING, ending
from resources import configured
from sensors.decide import Plan, assign_batches, decide, deciding
from sensors.home import dagster_home
from sensors.nightly import night_of
from sensors.prepare import opened
from sensors.publish import publish
from sensors.runs import BATCH_TAG, add_keys, batch_config, run_state

PUBLISH_PENDING = "state/publish_pending"
LOGGING: dict[str, object] = {"loggers": {"progress": {}}}


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 SKUs failed, 2 the catalogue or store cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m sensors.refresh", description=__doc__)
    parser.add_argument("--catalogue", default=os.environ.get("PACKSHOT_CATALOGUE", "examples/catalogue"))
    parser.add_argument("--store", default=os.environ.get("PACKSHOT_STORE", "store"))
    parser.add_argument("--night", action="store_true", help="try failed SKUs again, as the nightly schedule does")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end instead of lines")
    options = parser.parse_args(arguments)
    os.environ.update(PACKSHOT_CATALOGUE=options.catalogue, PACKSHOT_STORE=options.store)
    home = None
    try:
        home = dagster_home(options.store)
        os.environ["DAGSTER_HOME"] = str(home)
        outcome = refresh(home, night=options.night, quiet=options.json)
    except Exception as error:
        told = _told(error, home)
        if told is None:
            raise
        print(json.dumps({"error": told.as_dict()}) if options.json else f"error: {told}",
              file=sys.stdout if options.json else sys.stderr)
        return 2
    if options.json:
        print(json.dumps(outcome, indent=1))
    return 1 if outcome["failed"] or outcome["illegal"] else 0


def refresh(home: Path, *, night: bool, quiet: bool) -> dict[str, object]:
    """Decide, run what has to run as one batch, publish. Returns counts and errors by SKU."""
    resources = configured()
    jobs = Definitions(assets=[score_table, night_runs, catalogue_report], jobs=[refresh_batch, publish],
                       resources=resources.by_key(), executor=in_process_executor,
                       loggers={"progress": progress})
    started = time.perf_counter()
    say = _silent if quiet else print
    store, catalogue = resources.store.open(), resources.catalogue.open()
    with opened(home) as instance:
        settings = catalogue.settings.night if night else None
        deadline = None
        with deciding(store):
            plan = decide(catalogue, store, resources.refiner.identity(), lambda key: run_state(instance, key),
                          retry="everything" if settings else "machine", visits=settings.visits if settings else 0)
            batches = plan.batches(settings.batch if settings else max(1, len(plan.requests)))
            keys = assign_batches(plan, batches)
            if settings:
                planned = night_of(plan, keys, batches, settings.hours)
                deadline = planned.deadline
                plan_night(store, planned)
            if batches or plan.removed_skus:
                _mark(store)  # before the states: once they are saved, nobody asks again for what was removed
            plan.state.save(store)
        say(_summary(plan))
        for name, message in plan.illegal.items():
            say(f"  {name}: {message}")
        for new, old in plan.renamed.items():
            say(f"  {new}: renamed from {old}, whose history stays under its name.")
        if plan.settling:
            say(f"  still being written, for the next run: {', '.join(plan.settling)}")
        add_keys(plan, instance)
        for key, batch in zip(keys, batches, strict=True):
            run_id = str(uuid.uuid4())
            # Whose run it is stands on it from the first moment: one that is killed before it can say so itself
            # would be waited for for ever.
            tags = {RUN_KEY_TAG: key, BATCH_TAG: str(len(batch)), **process_tags(run_id)}
            _raise_if_ended(jobs.resolve_job_def("refresh_batch").execute_in_process(
                run_config={**batch_config(batch, plan.why, deadline), **LOGGING}, instance=instance, run_id=run_id,
                raise_on_error=False, tags=tags))
        if batches:
            _mark(store)  # another run may have published, and taken the mark, before all of this was made
        pending = store.read_bytes(PUBLISH_PENDING)
        published = bool(batches) or pending is not None or store.read_bytes("report/index.html") is None
        if published:
            try:
                jobs.resolve_job_def("publish").execute_in_process(run_config=LOGGING, instance=instance)
            except Exception as broken:
                raise ending(broken) or PackshotError(
                    "publish_failed", f"Score tables or report could not be written: {broken}",
                    "See the publish run in the Dagster UI (make ui).") from broken
            if store.read_bytes(PUBLISH_PENDING) == pending:  # else marked by another run since: it will publish too
                (store.root / PUBLISH_PENDING).unlink(missing_ok=True)
    outcomes = {key: read_outcomes(store, key).ended for key in keys}
    unfinished = [sku for key, batch in zip(keys, batches, strict=True) for sku in batch if sku not in outcomes[key]]
    if unfinished:
        raise PackshotError("run_interrupted", f"{len(unfinished)} SKUs were not reached: "
                            f"{', '.join(unfinished[:5])}.", "Run again; what is done is kept.")
    errors = {sku: error for sku, error in store.errors().items() if sku in plan.states}
    report = store.root / "report" / "index.html"
    failed = {sku: error for sku, error in errors.items() if not plan.states[sku].missing}
    for sku, error in failed.items():
        say(f"  {sku}: {error['message']} [{error['code']}] {error['hint']}")
    say(f"{len(plan.requests)} run, {plan.unchanged} unchanged, {len(failed)} failed "
        f"in {time.perf_counter() - started:.0f} s. Report: {report}")
    postponed = sorted(sku for told in outcomes.values() for sku, each in told.items() if each.result == "postponed")
    if postponed:
        say(f"The time was up before {len(postponed)} SKUs; they come first in the next run.")
    return {"run": [request.sku for request in plan.requests], "why": plan.why, "unchanged": plan.unchanged,
            "failed": failed, "postponed": postponed, "renamed": plan.renamed, "illegal": plan.illegal,
            "removed": plan.removed_skus, "published": published, "report": str(report),
            "seconds": round(time.perf_counter() - started, 2)}


def _mark(store: ArtifactStore) -> None:
    """Say that tables and report are behind, so that an interrupted run is published by the next."""
    store.write_bytes(PUBLISH_PENDING, secrets.token_bytes(8))


def _told(error: Exception, home: Path | None) -> PackshotError | None:
    """What to say of an error that ends everything; None for a defect of ours. ``home``: of Dagster's records."""
    if isinstance(error, PackshotError):
        return error
    if isinstance(error, BotoCoreError | ClientError):
        return PackshotError("storage", str(error), "Check credentials, region and AWS_ENDPOINT_URL.")
    told = ending(error)
    if told is None and home is not None and isinstance(error.__cause__, sqlite3.Error):
        return failed_writing(error, home)     # SQLite does not always say that the disk is full or read-only
    return told


def _raise_if_ended(result: ExecuteInProcessResult) -> None:
    """Raise the StoreError of a batch that ended because nothing can be written any more."""
    for event in result.all_events:
        told = event.step_failure_data.user_failure_data if event.is_step_failure else None
        code = told.metadata.get("code") if told is not None else None
        if told is not None and code is not None and code.value in ENDING:
            raise StoreError(str(code.value), told.description or "Nothing more can be written.",
                             "Free some space or make the store writable, then run again: what is done is kept.")


def _summary(plan: Plan) -> str:
    reasons: dict[str, int] = {}
    for request in plan.requests:
        reasons[request.reason] = reasons.get(request.reason, 0) + 1
    what = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "nothing to run"
    return f"{len(plan.states)} SKUs: {what}, {plan.unchanged} unchanged."


@logger(None, description="The line per SKU, without Dagster's own events.")
def progress(_: InitLoggerContext) -> logging.Logger:
    lines = logging.Logger("packshot", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: not record.__dict__.get("dagster_event"))
    handler.setFormatter(ProgressLine())
    lines.addHandler(handler)
    return lines


class ProgressLine(logging.Formatter):
    """Only what the asset said; Dagster puts job, run and step before it."""

    def format(self, record: logging.LogRecord) -> str:
        meta = record.__dict__.get("dagster_meta") or {}
        return str(meta.get("orig_message") or record.getMessage())


def _silent(_: str) -> None:
    """Nothing to say under --json."""


if __name__ == "__main__":
    sys.exit(main())
