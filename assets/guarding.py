"""Guarded images inside ``refined_images``: made until Sentinel passes them, every attempt on the record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from assets.sku import Ready, Sku
from pipeline import sentinel
from pipeline.guard import Attempt, Guarded, guard
from pipeline.refine import array_sha256, seed_for
from pipeline.refine.gpu_clock import gpu_clock
from pipeline.refine.types import Refined, Refiner
from pipeline.refining import Batch, request_for
from pipeline.scores import ScoreContext, score_rows
from pipeline.sentinel.types import U8, Score

FILE = "attempts.parquet"                      # every attempt's scores, in the schema of all scores


def attempts_for(sku: Sku, preset: str) -> int:
    """How many pictures of a shot may be made. Preset none would make the same one again."""
    return 1 if preset == "none" else sku.settings.guard.attempts


def judged_by(sku: Sku) -> dict[str, Any]:
    """All that a guard's decisions depend on; part of the images' inputs while it is on, and only then."""
    judging = sku.bench.judging
    return {"attempts": sku.settings.guard.attempts, "sentinel": sentinel.VERSION, **judging.inputs,
            "checks": dict(judging.sources), "category": sku.product.category}


@dataclass(frozen=True)
class Kept:
    """What is kept of all attempts at one shot."""

    ready: Ready
    attempt: int
    told: list[dict[str, Any]]                 # every attempt, for the record
    scores: pa.Table                           # of every attempt; ``image_sha256`` is of the pixels
    lock_seconds: float                        # of every attempt

    @property
    def summary(self) -> Mapping[str, Any]:
        """Small enough for metadata."""
        return {"kept": self.attempt, "verdicts": [each["verdict"] for each in self.told]}


def guarded(sku: Sku, refiner: Refiner, shot: str, first: Ready, attempts: int, version: str) -> Kept:
    """Guard one shot whose first picture has been made, maybe in a batch; further ones are made alone."""
    started = time.perf_counter()
    on_gpu = [first.gpu_seconds]
    judged_as = sentinel.refiner_id(refiner.identity.preset, refiner.identity.scored_as(sku.light))

    def refine_once(attempt: Attempt) -> Refined:
        if attempt.number == 0:
            return first.image
        with gpu_clock() as clock:
            image = refiner.refine([request_for(sku, shot, attempt.number, attempt.restraints)])[0]
        on_gpu.append(clock.seconds)
        return image

    def measure(image: U8) -> list[Score]:
        judging, passes = sku.bench.judging, sku.passes(shot)
        return judging.judge(sku.bench.sentinel.measure(passes, image, sku.regions, judging.checks), shot=shot,
                             category=sku.product.category, size=(passes.shot.width, passes.shot.height),
                             refiner=judged_as)

    found = guard(refine_once, measure, attempts)
    number, image = found.kept.attempt.number, found.kept.refined
    assert image is not None                   # a refiner's first failure is raised
    seconds = first.seconds + time.perf_counter() - started
    known = [each for each in on_gpu if each is not None]
    ready = Ready(image, Batch() if number else first.batch, seconds, sum(known) if len(known) == len(on_gpu) else None)
    locking = sum(tried.refined.lock_seconds for tried in found.tries if tried.refined is not None)
    return Kept(ready, number, found.told(), _rows(sku, refiner, shot, found, version), locking)


def _rows(sku: Sku, refiner: Refiner, shot: str, found: Guarded, version: str) -> pa.Table:
    now = datetime.now(UTC)
    tables = []
    for tried in found.tries:
        if tried.refined is None:
            continue
        number = tried.attempt.number
        context = ScoreContext(
            sku=sku.name, shot=shot, attempt=number, selected=tried is found.kept,
            image_sha256=array_sha256(tried.refined.pixels), calibration_id=sku.bench.judging.calibration_id,
            category=sku.product.category, data_version=version, sentinel_version=str(sentinel.VERSION),
            refiner=refiner.identity.preset, refiner_version=refiner.identity.scored_as(sku.light),
            seed=seed_for(sku.name, shot, number), run_id=sku.bench.run_id, scored_at=now)
        # Crops of attempts that are not kept are not kept either.
        scores = [replace(score, measurement=replace(score.measurement, evidence=None)) for score in tried.scores]
        tables.append(score_rows(scores, context))
    return pa.concat_tables(tables)
