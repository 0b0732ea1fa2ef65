"""What a run works with, and one SKU's way through it: begun, made, told, closed, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assets.events import Events
from assets.making import STAGES, Made, make
from assets.sku import Bench, Sku
from assets.stage import Stage
from pipeline import timings
from pipeline.errors import PackshotError, StoreError
from pipeline.outcomes import Outcome, OutcomeLog
from pipeline.transient import ending, patiently

T = TypeVar("T")


@dataclass
class Job:
    """One SKU on its way through the stages."""

    name: str
    stage: str = STAGES[0].name                # where it is, for its error
    piece: Sku | None = None
    earlier_error: dict[str, Any] | None = None
    made: dict[str, Made] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    error: PackshotError | None = None
    seconds: float = 0.0                       # spent on it, its share of common batches included
    shared: float = 0.0                        # that share

    @property
    def sku(self) -> Sku:
        assert self.piece is not None
        return self.piece

    @property
    def megapixels(self) -> float:
        """Of all shots; 0 while they are not known."""
        if self.error is not None or self.piece is None or "product_regions" not in self.made:
            return 0.0
        return sum(shot.width * shot.height for shot in self.sku.shots) / 1e6


@dataclass
class Workload:
    """What SKUs are worked through with, and what became of them. Used by the loop and by its back room."""

    bench: Bench
    events: Events
    selected: Sequence[Stage]
    total: int
    outcomes: OutcomeLog | None = None
    plans: bool = False
    started: float = field(default_factory=time.perf_counter)
    done: int = 0
    failed: dict[str, PackshotError] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    ended: StoreError | None = None            # why nothing more can be done
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, job: Job) -> None:
        """Say that a SKU is worked on from now on."""
        with self.alone(job):
            self.patiently(job, lambda: self._outcome(lambda log: log.begin([job.name])))
            if self.plans:  # but the last: it follows within a second, and is planned where the SKU fails
                self.patiently(job, lambda: self.events.plan(job.name, self.selected[:-1] or self.selected))

    def patiently(self, job: Job, work: Callable[[], T]) -> T:
        """Do something for a SKU, and again where the machine was at fault."""
        return patiently(work, lambda what, error: self.warn(f"{job.name}: {what}", error))

    def make(self, job: Job, stage: Stage) -> Made:
        """One asset of one SKU; tried again where the machine was at fault."""
        job.stage = stage.name
        made = job.made[stage.name] = self.patiently(job, lambda: make(stage, job.sku))
        return made

    def tell(self, job: Job, stage: Stage, made: Made) -> None:
        """Log the events of one asset."""
        self.patiently(job, lambda: self.events.made(stage, job.sku, made))
        job.told.add(stage.name)

    @contextmanager
    def alone(self, job: Job) -> Iterator[None]:
        """Whatever goes wrong inside is this SKU's failure and nobody else's, unless it will be everybody's."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001  a defect of ours on one SKU must not stop the others
            end = ending(error)
            if end is not None:
                self.ended = self.ended or end
            job.error = end or self._named(job, error)
        job.seconds += time.perf_counter() - started

    def _named(self, job: Job, error: Exception) -> PackshotError:
        if isinstance(error, PackshotError):
            return error
        self.warn(f"{job.name}: unexpected {type(error).__name__} in {job.stage}", error, logging.ERROR)
        return PackshotError("internal", f"Unexpected {type(error).__name__} in {job.stage}: {error}",
                             "The run's log holds the traceback; please report it.")

    def close(self, job: Job, unfinished: bool = False) -> None:
        """A SKU has reached its end: say so, and let go of its passes. ``unfinished``: the run was asked to stop."""
        with self.alone(job):
            self.patiently(job, lambda: self._leave(job, unfinished))
        if job.piece is not None:
            job.piece.put_down_passes()
        self.done += 1
        if job.error is not None:
            self.failed[job.name] = job.error
            self._anyway(lambda: self.bench.store.record_error(job.name, job.stage, _known(job.error)))
            self._anyway(lambda: self.events.failed(job.stage, job.name, _known(job.error)))
            if self.plans:
                missing = [stage for stage in self.selected if stage.name not in job.told]
                self._anyway(lambda: self.events.plan(job.name, missing[-1:] if missing == self.selected else missing))
        self._anyway(lambda: self.events.closed(job.name))
        self._anyway(lambda: self._outcome(lambda log: log.end(job.name, _outcome(job, unfinished))))
        self._anyway(lambda: self._say(job, unfinished))

    def _leave(self, job: Job, unfinished: bool) -> None:
        store = self.bench.store
        if job.error is not None or unfinished:
            return
        if not job.earlier_error or job.earlier_error["asset"] in job.made or STAGES[-1].name in job.made:
            store.clear_error(job.name)
        _drop_passes(job)
        making = sum(made.seconds - made.looking for made in job.made.values())
        publishing = {asset: made.publishing for asset, made in job.made.items() if not made.kept}
        timings.tell(store, job.name, {asset: made.artifact for asset, made in job.made.items()},
                     timings.Spent(publishing, max(0.0, job.seconds - job.shared - making)), self.bench.run_id)

    def postpone(self, skus: Sequence[str]) -> None:
        """The run's time is up before it has come to these SKUs."""
        self.postponed = list(skus)
        at = time.time()
        self._anyway(lambda: self._outcome(lambda log: log.end_all({sku: Outcome("postponed", at, run_id=log.run_id)
                                                                    for sku in skus})))
        self._anyway(lambda: self.events.say(f"The time budget is up: {len(skus)} SKUs are left for the next run."))

    def warn(self, line: str, error: BaseException | None = None, level: int = logging.WARNING) -> None:
        """A line about something that goes on; that it cannot be written must not be what ends it."""
        self._anyway(lambda: self.events.say(line, level=level, error=error))

    def _say(self, job: Job, unfinished: bool) -> None:
        kept = sum(made.kept for made in job.made.values())
        if job.error is not None:
            result = f"failed: {job.error}"
        elif unfinished:
            result = "put aside, the run was asked to stop"
        else:
            result = "kept" if kept == len(job.made) else f"made {len(job.made) - kept}, kept {kept}"
        left = self.total - self.done
        remaining = (time.perf_counter() - self.started) / self.done * left
        why = self.events.why(job.name)
        self.events.say(f"[{self.done}/{self.total}] {job.name}: {result} in {job.seconds:.1f} s"
                        + (f" ({why})" if why else "") + (f", about {remaining:.0f} s to go" if left else ""),
                        level=logging.ERROR if job.error else logging.INFO)

    def _outcome(self, write: Callable[[OutcomeLog], None]) -> None:
        if self.outcomes is not None:
            with self._writing:
                write(self.outcomes)

    def _anyway(self, write: Callable[[], None]) -> None:
        """Records about a SKU: where one cannot be written, what it would have said still counts."""
        try:
            write()
        except Exception as error:  # noqa: BLE001  neither the original error nor the other SKUs may be lost for it
            self.ended = self.ended or ending(error)
            logging.getLogger(__name__).warning("A record could not be written: %r", error)


def _known(error: PackshotError | None) -> PackshotError:
    assert error is not None
    return error


def _outcome(job: Job, unfinished: bool) -> Outcome:
    at, seconds = time.time(), round(job.seconds, 3)
    made = tuple(asset for asset, each in job.made.items() if not each.kept)
    run_id = job.piece.bench.run_id if job.piece is not None else ""
    if job.error is not None:
        return Outcome("failed", at, seconds, run_id, made, job.stage, type(job.error).__name__, job.error.code,
                       job.error.message)
    if unfinished:
        return Outcome("postponed", at, seconds, run_id, made)
    return Outcome("made" if made else "kept", at, seconds, run_id, made)


def _drop_passes(job: Job) -> None:
    """``keep_passes: failed``: EXRs stay only where somebody will want to look."""
    sku = job.sku
    if sku.settings.keep_passes != "failed" or "sentinel_scores" not in job.made:
        return
    verdicts = job.made["sentinel_scores"].artifact.metadata["verdicts"]
    sku.store.drop(sku.artifact("control_passes"),
                   [f"{shot}.exr" for shot, verdict in verdicts.items() if verdict in ("pass", "warn")])
