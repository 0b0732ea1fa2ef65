"""One asset of one SKU: kept where its exact inputs are unchanged, made where they are not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from assets import (
    control_passes,
    delivered_images,
    product_mesh,
    product_regions,
    reference_shots,
    refined_images,
    sentinel_scores,
)
from assets.sku import Sku
from assets.stage import Stage
from pipeline.store import Artifact
from pipeline.timings import MADE_IN

STAGES: tuple[Stage, ...] = (product_mesh.stage, product_regions.stage, reference_shots.stage, control_passes.stage,
                             refined_images.stage, sentinel_scores.stage, delivered_images.stage)
REFINE = STAGES.index(refined_images.stage)
SCORE = STAGES.index(sentinel_scores.stage)


@dataclass(frozen=True)
class Made:
    """What became of one asset of one SKU."""

    artifact: Artifact
    kept: bool
    seconds: float                             # all of it: looking, making, writing
    looking: float                             # of them, inputs hashed and compared with what is stored
    publishing: float = 0.0                    # of them, after it was made: checksums, upload, manifest


def make(stage: Stage, sku: Sku) -> Made:
    """Bring one asset of one SKU up to date; a version whose exact inputs are unchanged is kept."""
    started = time.perf_counter()
    inputs = stage.inputs(sku)
    version = stage.version_of(inputs)
    current = kept_version(stage, sku, version)
    looked = time.perf_counter() - started
    if current is not None:
        sku.note(current)
        return Made(current, True, looked, looked)
    with sku.store.writing(stage.name, sku.name, version, inputs) as pending:
        stage.produce(sku, pending.writer)
        pending.writer.metadata["total_seconds"] = round(time.perf_counter() - started - looked, 3)
        pending.writer.metadata[MADE_IN] = sku.bench.run_id
        produced = time.perf_counter()
    assert pending.artifact is not None
    if stage.name in ("product_mesh", "product_regions", "reference_shots"):
        sku.forget()
    sku.note(pending.artifact)
    ended = time.perf_counter()
    return Made(pending.artifact, False, ended - started, looked, ended - produced)


def kept_version(stage: Stage, sku: Sku, version: str) -> Artifact | None:
    """The stored artefact of exactly this version, whole; None where it has to be made."""
    current = sku.store.current(stage.name, sku.name)
    if (current is not None and current.data_version == version and sku.store.intact(current)
            and stage.complete(sku, current)):
        return current
    return None
