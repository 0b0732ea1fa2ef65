"""A photorealistic image of every shot, guided by its control passes, and guarded where the catalogue says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from dagster import MetadataValue

from assets import control_passes, guarding, product_regions
from assets.sku import Ready, Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage
from pipeline.catalogue import Shot
from pipeline.refine import VERSION, in_photo
from pipeline.refine.gpu_clock import gpu_clock
from pipeline.refine.types import Refiner
from pipeline.refining import Batch, record_for, request_for, save_refined
from pipeline.scores import write_scores
from pipeline.shots import prompt_for
from pipeline.store import Artifact, ArtifactWriter

ATTEMPT = 0                                    # the first one; a guard may make others

spec = sku_spec("refined_images", deps=[product_regions.spec, control_passes.spec], group="refine",
                kinds={"pytorch", "huggingface"}, version=VERSION,
                description="Photorealistic image of every shot, guided by its control passes, with provenance. "
                            "Preset `none` hands on the renderer's own picture and says so. With `guard` in "
                            "catalogue.yaml an image that Sentinel fails is refined again with what was flagged.")


def inputs(sku: Sku) -> dict[str, Any]:
    """Limits are among them only while a guard uses them: without one, a changed limit never touches pixels."""
    identity = sku.bench.refiner.identity()
    return {
        "passes": sku.artifact("control_passes").data_version,
        "regions": [asdict(region) for region in sku.regions],  # what the identity lock holds to the letter
        "refiner": asdict(identity),
        "prompts": {shot.name: prompt_for(sku.product, shot, sku.settings) for shot in sku.shots},
        "negative_prompt": sku.settings.negative_prompt,
        "attempt": ATTEMPT,
        **({"photo": in_photo.VERSION} if sku.photo_shots else {}),
        **({"guard": guarding.judged_by(sku)} if guarding.attempts_for(sku, identity.preset) > 1 else {}),
    }


def attempt_of(artifact: Artifact, shot: str) -> int:
    """Which attempt at a shot was kept; its seed follows from it."""
    return int(artifact.metadata.get("attempts", {}).get(shot, {}).get("kept", ATTEMPT))


def produce(sku: Sku, out: ArtifactWriter) -> None:
    """Write every shot, refined here unless a batch shared with other SKUs has made it already."""
    refiner, settings = sku.bench.refiner.get(), sku.bench.refiner.settings()
    attempts = guarding.attempts_for(sku, refiner.identity.preset)
    seconds: dict[str, float] = {}
    locking: dict[str, float] = {}
    on_gpu: dict[str, float | None] = {}
    written: dict[str, float] = {}
    guarded: dict[str, guarding.Kept] = {}

    def write(shot: str, ready: Ready) -> None:
        if attempts > 1:
            guarded[shot] = guarding.guarded(sku, refiner, shot, ready, attempts, stage.version_of(inputs(sku)))
            ready = guarded[shot].ready
        told, number = (guarded[shot].told, guarded[shot].attempt) if shot in guarded else ([], ATTEMPT)
        started = time.perf_counter()
        record = record_for(sku, shot, ready.image, settings, attempt=number, batch=ready.batch, attempts=told)
        save_refined(ready.image, record, out.path)
        written[shot] = round(time.perf_counter() - started, 3)
        seconds[shot] = round(ready.seconds, 3)
        locking[shot] = round(guarded[shot].lock_seconds if shot in guarded else ready.image.lock_seconds, 3)
        on_gpu[shot] = ready.gpu_seconds

    for name in list(sku.ready):
        write(name, sku.ready.pop(name))
    for batch in batches(refiner, [(sku, shot) for shot in sku.shots if shot.name not in seconds]):
        for (_, shot), ready in zip(batch, refine_batch(refiner, batch), strict=True):
            write(shot.name, ready)
    out.metadata["shots"] = [shot.name for shot in sku.shots]
    for name, found in (("seconds", seconds), ("lock_seconds", locking), ("write_seconds", written),
                        ("gpu_seconds", on_gpu)):
        out.metadata[name] = {shot.name: found[shot.name] for shot in sku.shots}
    out.metadata["refiner"] = asdict(refiner.identity)
    if guarded:
        write_scores(pa.concat_tables([guarded[shot.name].scores for shot in sku.shots]), out.path(guarding.FILE))
        out.metadata["attempts"] = {shot.name: guarded[shot.name].summary for shot in sku.shots}


def batches(refiner: Refiner, wanted: Sequence[tuple[Sku, Shot]]) -> list[list[tuple[Sku, Shot]]]:
    """Shots that go through the model together: of one size, and as many as the preset likes, of whichever SKU."""
    limit = refiner.preferred_batch
    if limit == 1:
        return [[each] for each in wanted]
    by_size: dict[tuple[int, int], list[tuple[Sku, Shot]]] = {}
    for sku, shot in wanted:
        by_size.setdefault((shot.width, shot.height), []).append((sku, shot))
    return [group[first:first + limit] for group in by_size.values() for first in range(0, len(group), limit)]


def refine_batch(refiner: Refiner, batch: Sequence[tuple[Sku, Shot]]) -> list[Ready]:
    """One image per shot, in order. The passes of a whole batch are in memory while it is made."""
    requests = [request_for(sku, shot.name, ATTEMPT) for sku, shot in batch]
    started = time.perf_counter()
    with gpu_clock() as clock:
        images = refiner.refine(requests)
    seconds = (time.perf_counter() - started) / len(batch)
    on_gpu = None if clock.seconds is None else round(clock.seconds / len(batch), 4)
    return [Ready(image, Batch(len(batch), position), seconds, on_gpu) for position, image in enumerate(images)]


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    preset = artifact.metadata["refiner"]["preset"]
    shots = artifact.metadata["shots"]
    attempts = {shot: entry["verdicts"] for shot, entry in artifact.metadata.get("attempts", {}).items()}
    note = " — the renderer's picture, not refined" if preset == "none" else ""
    return {
        "images": montage([artifact.path(f"{shot}.png") for shot in shots]),
        "preset": MetadataValue.text(preset + note),
        "model": MetadataValue.text(artifact.metadata["refiner"]["model"] or "–"),
        **({"attempts": MetadataValue.json(attempts)} if attempts else {}),
        "seconds_per_shot": MetadataValue.json(artifact.metadata["seconds"]),
        "folder": MetadataValue.path(str(artifact.folder)),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
