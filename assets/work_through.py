"""Bring SKUs up to date, each to its own end: one bad SKU of a batch fails alone.

Two SKUs are in work at once. While one is ingested, rendered and refined here, where OpenGL and torch live, the one
before is scored, delivered and told of in a thread (``Backroom``): most of that keeps one core at most.

A refiner that likes batches gets them from several SKUs at once. Each SKU is first brought up to its control
passes; those whose images have to be made wait until there are enough of them; then their shots go through
the model together, those of one size in one forward pass, and every SKU is finished by itself. A SKU with
nothing to refine waits for nobody, and with a refiner that takes one image at a time nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from assets import control_passes, refined_images
from assets.backroom import Backroom
from assets.bucket_events import events_of
from assets.connections import hold_connections
from assets.events import Context
from assets.job import Job, Workload
from assets.making import REFINE, SCORE, STAGES, kept_version
from assets.process import RUN_KEY_TAG, process_tags
from assets.sku import Bench
from assets.stopping import Stopping
from pipeline.errors import PackshotError
from pipeline.outcomes import OutcomeLog
from pipeline.refine.types import Refiner
from pipeline.sentinel import clip

# What may wait at once. Passes do not: they are put down and opened again, batch by batch. An image and the one
# before its lock take 6 bytes a pixel, so this is 0.6 GB.
WAITING_MEGAPIXELS = 100.0
# Of two SKUs together, whose passes are all in memory: 160 MB a megapixel. Larger ones are rendered one at a time.
TOGETHER_MEGAPIXELS = 16.0


def work_through(context: Context, bench: Bench, skus: Sequence[str], selected: Collection[str], *,
                 plans: bool = False, why: Mapping[str, str] | None = None, deadline: float | None = None) -> Workload:
    """Make the selected assets of every SKU, in order; returns what became of them.

    A first interrupt ends the loop after the stage in hand, as DagsterExecutionInterruptedError.

    Args:
        plans: whether to say which partitions are worked on; Dagster says it itself where it chose them.
        why: reasons by SKU, in words.
        deadline: seconds since 1970 after which no SKU is begun.
    """
    hold_connections(context.instance)
    context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
    run_key = context.run.tags.get(RUN_KEY_TAG, "")  # a run started by hand answers no request
    stages = [stage for stage in STAGES if stage.name in selected]
    work = Workload(bench, events_of(context, why, bench, skus, stages), stages, len(skus),
                    OutcomeLog(bench.store, run_key, context.run.run_id) if run_key else None, plans)
    with Stopping() as stopping, Backroom() as backroom:
        _Loop(work, stopping, backroom).run(skus, deadline)
    stopping.raise_if_asked()
    return work


class _Loop:
    """The way of all SKUs through one run."""

    def __init__(self, work: Workload, stopping: Stopping, backroom: Backroom) -> None:
        self.work, self.stopping, self.backroom = work, stopping, backroom
        self.refiner = _sharing_refiner(work)
        self.waiting: list[Job] = []
        self.before = 0.0                      # megapixels of the SKU in the back room

    def run(self, skus: Sequence[str], deadline: float | None) -> None:
        for number, name in enumerate(skus):
            if self.stopping.asked or self.work.ended is not None:
                break
            if deadline is not None and time.time() >= deadline:
                self.work.postpone(skus[number:])
                break
            self.start(Job(name))
        if self.work.ended is None:
            self.finish_together()
        self.backroom.wait()
        for job in self.waiting:
            self.work.close(job, unfinished=True)

    def start(self, job: Job) -> None:
        """Bring one SKU up to its images, and hand it on."""
        work = self.work
        work.begin(job)
        waits = False
        with work.alone(job):
            job.piece = work.patiently(job, lambda: work.bench.sku(job.name))
            job.earlier_error = work.patiently(job, lambda: work.bench.store.error(job.name))
            self.advance(job, 0, REFINE)
            waits = self.refiner is not None and not self.stopping.asked and _has_to_refine(job)
            if not waits:
                self.advance(job, REFINE, SCORE)
        if not waits:
            self.hand_on(job)
            return
        job.sku.put_down_passes()
        self.waiting.append(job)
        assert self.refiner is not None
        if (len(self.waiting) >= self.refiner.preferred_batch
                or sum(each.megapixels for each in self.waiting) >= WAITING_MEGAPIXELS):
            self.finish_together()

    def advance(self, job: Job, first: int, end: int) -> None:
        """Make some stages of one SKU and tell of each."""
        for stage in STAGES[first:end]:
            if stage in self.work.selected and not self.stopping.asked:
                if stage is control_passes.stage and self.before + job.megapixels > TOGETHER_MEGAPIXELS:
                    self.backroom.wait()
                self.work.tell(job, stage, self.work.make(job, stage))

    def hand_on(self, job: Job) -> None:
        """Score, deliver and close a SKU in the back room; here where its passes would have to be rendered again."""
        work, here = self.work, not _for_the_back_room(job)
        if here:
            self.backroom.wait()

        # A run that is asked to stop still finishes what has its images: seconds, and none of them lost.
        unfinished = job.error is None and any(stage in work.selected and stage.name not in job.made
                                               for stage in STAGES[:SCORE])

        def finish() -> None:
            for stage in STAGES[SCORE:]:
                if stage in work.selected and job.error is None and not unfinished:
                    with work.alone(job):
                        work.tell(job, stage, work.make(job, stage))
            work.close(job, unfinished)

        if here:
            finish()
        else:
            self.backroom.do(finish)
        self.before = job.megapixels

    def finish_together(self) -> None:
        """Refine the shots of all SKUs that wait in common batches, then take each through what remains."""
        jobs, self.waiting = self.waiting, []
        if self.refiner is None or not jobs:
            return
        wanted = [(job.sku, shot) for job in jobs for shot in job.sku.shots]
        by_name = {job.name: job for job in jobs}
        for together in refined_images.batches(self.refiner, wanted) if len(jobs) > 1 else ():
            if self.stopping.asked:
                break
            try:
                made = refined_images.refine_batch(self.refiner, together)
            except Exception as error:  # noqa: BLE001  one image may spoil a batch: then each SKU is refined alone
                self.work.warn(f"A batch of {len(together)} images failed, its SKUs are refined one by one: "
                               f"{type(error).__name__}: {error}", error)
                continue
            finally:
                for sku, _ in together:
                    sku.put_down_passes()
            for (sku, shot), ready in zip(together, made, strict=True):
                sku.ready[shot.name] = ready
                by_name[sku.name].seconds += ready.seconds
                by_name[sku.name].shared += ready.seconds
        for job in jobs:
            with self.work.alone(job):
                self.advance(job, REFINE, SCORE)
            self.hand_on(job)


def _sharing_refiner(work: Workload) -> Refiner | None:
    """The refiner, where SKUs should share its batches. One that cannot be had fails each SKU at its own images."""
    if work.total < 2 or refined_images.stage not in work.selected:
        return None
    try:
        refiner = work.bench.refiner.get()
    except PackshotError:
        return None
    return refiner if refiner.preferred_batch > 1 else None


def _has_to_refine(job: Job) -> bool:
    stage = refined_images.stage
    job.stage = stage.name
    return kept_version(stage, job.sku, stage.version_of(stage.inputs(job.sku))) is None


def _for_the_back_room(job: Job) -> bool:
    """OpenGL stays in its thread, and torch's results depend on its threads: both work here alone."""
    if job.error is not None or job.piece is None:
        return True
    try:
        return not clip.configured() and job.sku.passes_at_hand()
    except PackshotError:
        return True                            # nothing there to render from: its stage will say so
