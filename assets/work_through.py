"""Bring SKUs up to date, each to its own end: one bad SKU of a batch fails alone.

A refiner that likes batches gets them from several SKUs at once. Each SKU is first brought up to its control
passes; those whose images have to be made wait until there are enough of them; then their shots go through
the model together, those of one size in one forward pass, and every SKU is finished by itself. A SKU with
nothing to refine waits for nobody, and with a refiner that takes one image at a time nobody waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, AssetObservation, MetadataValue, OpExecutionContext

from assets import control_passes, delivered_images, product_mesh, product_regions, refined_images, sentinel_scores
from assets.process import RUN_KEY_TAG, process_tags
from assets.sku import Bench, Sku
from assets.stage import Stage
from pipeline.errors import PackshotError
from pipeline.refine.types import Refiner
from pipeline.store import Artifact

STAGES: tuple[Stage, ...] = (product_mesh.stage, product_regions.stage, control_passes.stage, refined_images.stage,
                             sentinel_scores.stage, delivered_images.stage)
REFINE = STAGES.index(refined_images.stage)
# What may wait at once. Passes do not: they are put down and opened again, batch by batch. An image and the one
# before its lock take 6 bytes a pixel, so this is 0.6 GB.
WAITING_MEGAPIXELS = 100.0

Context = OpExecutionContext | AssetExecutionContext


@dataclass(frozen=True)
class Made:
    """What became of one asset of one SKU."""

    artifact: Artifact
    kept: bool
    seconds: float


def make(stage: Stage, sku: Sku) -> Made:
    """Bring one asset of one SKU up to date; a version whose exact inputs are unchanged is kept."""
    started = time.perf_counter()
    inputs = stage.inputs(sku)
    version = stage.version_of(inputs)
    current = kept_version(stage, sku, version)
    if current is not None:
        return Made(current, True, time.perf_counter() - started)
    with sku.store.writing(stage.name, sku.name, version, inputs) as pending:
        stage.produce(sku, pending.writer)
        pending.writer.metadata["total_seconds"] = round(time.perf_counter() - started, 3)
    assert pending.artifact is not None
    if stage.name in ("product_mesh", "product_regions"):
        sku.forget()
    return Made(pending.artifact, False, time.perf_counter() - started)


def kept_version(stage: Stage, sku: Sku, version: str) -> Artifact | None:
    """The stored artefact of exactly this version, whole; None where it has to be made."""
    current = sku.store.current(stage.name, sku.name)
    if (current is not None and current.data_version == version and sku.store.intact(current)
            and stage.complete(sku, current)):
        return current
    return None


@dataclass
class Workload:
    """What SKUs are worked through with, and what became of them."""

    context: Context
    bench: Bench
    selected: Collection[str]                  # names of the assets to bring up to date
    total: int
    started: float = field(default_factory=time.perf_counter)
    done: int = 0
    failed: dict[str, PackshotError] = field(default_factory=dict)


@dataclass
class Job:
    """One SKU on its way through the stages."""

    name: str
    stage: str = STAGES[0].name                # where it is, for its error
    piece: Sku | None = None
    earlier_error: dict[str, Any] | None = None
    made: dict[str, Made] = field(default_factory=dict)
    error: PackshotError | None = None
    seconds: float = 0.0                       # spent on it, its share of common batches included

    @property
    def sku(self) -> Sku:
        assert self.piece is not None
        return self.piece


def work_through(context: Context, bench: Bench, skus: Sequence[str],
                 selected: Collection[str]) -> dict[str, PackshotError]:
    """Make the selected assets of every SKU, in order; returns the SKUs that failed, each with its error."""
    context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
    work = Workload(context, bench, selected, len(skus))
    refiner = _sharing_refiner(work)
    waiting: list[Job] = []
    for name in skus:
        job, waits = Job(name), False
        with _alone(work, job):
            job.piece = bench.sku(name)
            job.earlier_error = bench.store.error(name)
            _advance(work, job, STAGES[:REFINE] if refiner else STAGES)
            waits = refiner is not None and _has_to_refine(job)
            if not waits and refiner is not None:
                _advance(work, job, STAGES[REFINE:])
        if refiner is None or not waits:
            _close(work, job)
            continue
        job.sku.put_down_passes()
        waiting.append(job)
        megapixels = sum(shot.width * shot.height for each in waiting for shot in each.sku.shots) / 1e6
        if len(waiting) >= refiner.preferred_batch or megapixels >= WAITING_MEGAPIXELS:
            _finish_together(work, refiner, waiting)
            waiting = []
    if refiner is not None:
        _finish_together(work, refiner, waiting)
    return work.failed


def _sharing_refiner(work: Workload) -> Refiner | None:
    """The refiner, where SKUs should share its batches. One that cannot be had fails each SKU at its own images."""
    if work.total < 2 or refined_images.stage.name not in work.selected:
        return None
    try:
        refiner = work.bench.refiner.get()
    except PackshotError:
        return None
    return refiner if refiner.preferred_batch > 1 else None


@contextmanager
def _alone(work: Workload, job: Job) -> Iterator[None]:
    """Whatever goes wrong inside is this SKU's failure and nobody else's."""
    started = time.perf_counter()
    try:
        yield
    except PackshotError as error:
        job.error = error
    except Exception as error:  # a defect of ours on one SKU must not stop the others
        work.context.log.error(f"{job.name}: unexpected {type(error).__name__} in {job.stage}", exc_info=error)
        job.error = PackshotError("internal", f"Unexpected {type(error).__name__} in {job.stage}: {error}",
                                  "The run's log holds the traceback; please report it.")
    job.seconds += time.perf_counter() - started


def _advance(work: Workload, job: Job, stages: Sequence[Stage]) -> None:
    for stage in stages:
        if stage.name in work.selected:
            job.stage = stage.name
            job.made[stage.name] = make(stage, job.sku)
            _log_events(work.context, stage, job.sku, job.made[stage.name])


def _has_to_refine(job: Job) -> bool:
    stage = refined_images.stage
    job.stage = stage.name
    return kept_version(stage, job.sku, stage.version_of(stage.inputs(job.sku))) is None


def _finish_together(work: Workload, refiner: Refiner, jobs: Sequence[Job]) -> None:
    """Refine the shots of all jobs in common batches, then take each through what remains."""
    wanted = [(job.sku, shot) for job in jobs for shot in job.sku.shots]
    by_name = {job.name: job for job in jobs}
    for together in refined_images.batches(refiner, wanted) if len(jobs) > 1 else ():
        try:
            made = refined_images.refine_batch(refiner, together)
        except Exception as error:  # one image may spoil a batch: its SKUs are refined alone, and one fails alone
            work.context.log.warning(f"A batch of {len(together)} images failed, its SKUs are refined one by one: "
                                      f"{type(error).__name__}: {error}", exc_info=error)
            continue
        finally:
            for sku, _ in together:
                sku.put_down_passes()
        for (sku, shot), ready in zip(together, made, strict=True):
            sku.ready[shot.name] = ready
            by_name[sku.name].seconds += ready.seconds
    for job in jobs:
        with _alone(work, job):
            _advance(work, job, STAGES[REFINE:])
        _close(work, job)


def _close(work: Workload, job: Job) -> None:
    """A SKU has reached its end: say so, and let go of its passes."""
    store, made = work.bench.store, job.made
    work.done += 1
    with _alone(work, job):
        if job.error is None:
            if not job.earlier_error or job.earlier_error["asset"] in made or STAGES[-1].name in made:
                store.clear_error(job.name)
            _drop_passes(job.sku, made)
    if job.error is None:
        kept = sum(each.kept for each in made.values())
        result = "kept" if kept == len(made) else f"made {len(made) - kept}, kept {kept}"
    else:
        work.failed[job.name] = job.error
        store.record_error(job.name, job.stage, job.error)
        work.context.log_event(_reason(job.stage, job.name, job.error))
        result = f"failed: {job.error}"
    if job.piece is not None:
        job.piece.put_down_passes()
    run_key = work.context.run.tags.get(RUN_KEY_TAG, "")
    if run_key:  # a run started by hand answers no request
        store.record_outcome(job.name, run_key, failed=job.error is not None)
    left = work.total - work.done
    remaining = (time.perf_counter() - work.started) / work.done * left
    work.context.log.log(logging.ERROR if job.error else logging.INFO,
                          f"[{work.done}/{work.total}] {job.name}: {result} in {job.seconds:.1f} s"
                          + (f", about {remaining:.0f} s to go" if left else ""))


def _reason(stage: str, sku: str, error: PackshotError) -> AssetObservation:
    """Why a SKU failed, on its partition: Dagster itself says there only that the run did."""
    return AssetObservation(stage, partition=sku, metadata={"error": MetadataValue.text(error.message),
                                                            "hint": MetadataValue.text(error.hint),
                                                            "code": MetadataValue.text(error.code)})


def _log_events(context: Context, stage: Stage, sku: Sku, made: Made) -> None:
    artifact = made.artifact
    # What Dagster compares to call a partition stale; the pointer has to be there, NULL is its word for "not kept".
    tags = {"dagster/data_version": artifact.data_version, "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": str(stage.version)}
    for upstream in stage.upstream:
        current = sku.store.current(upstream, sku.name)
        if current is not None:
            tags[f"dagster/input_data_version/{upstream}"] = current.data_version
            tags[f"dagster/input_event_pointer/{upstream}"] = "NULL"
    metadata: dict[str, Any] = {
        **stage.describe(sku, artifact), "kept": MetadataValue.bool(made.kept),
        "seconds": MetadataValue.float(round(made.seconds, 3)),
    }
    context.log_event(AssetMaterialization(stage.spec.key, partition=sku.name, tags=tags, metadata=metadata))
    if stage.name == "sentinel_scores":
        for evaluation in sentinel_scores.evaluations(sku, artifact):
            context.log_event(evaluation)  # type: ignore[arg-type]  # accepted and documented, not annotated


def _drop_passes(sku: Sku, made: dict[str, Made]) -> None:
    """``keep_passes: failed``: EXRs stay only where somebody will want to look."""
    if sku.settings.keep_passes != "failed" or "sentinel_scores" not in made:
        return
    verdicts = made["sentinel_scores"].artifact.metadata["verdicts"]
    sku.store.drop(sku.artifact("control_passes"),
                   [f"{shot}.exr" for shot, verdict in verdicts.items() if verdict in ("pass", "warn")])
