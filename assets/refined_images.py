"""A photorealistic image of every shot, guided by its control passes."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from dagster import MetadataValue

from assets import control_passes
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage
from pipeline.refine import VERSION, save_png, seed_for
from pipeline.refine.types import RefineRequest
from pipeline.shots import prompt_for
from pipeline.store import Artifact, ArtifactWriter

ATTEMPT = 0

spec = sku_spec("refined_images", deps=[control_passes.spec], group="refine", kinds={"pytorch", "huggingface"},
                version=VERSION,
                description="Photorealistic image of every shot, guided by its control passes, with provenance. "
                            "Preset `none` hands on the renderer's own picture and says so.")


def inputs(sku: Sku) -> dict[str, Any]:
    return {
        "passes": sku.artifact("control_passes").data_version,
        "refiner": asdict(sku.bench.refiner.identity()),
        "prompts": {shot.name: prompt_for(sku.product, shot, sku.settings) for shot in sku.shots},
        "negative_prompt": sku.settings.negative_prompt,
        "attempt": ATTEMPT,
    }


def produce(sku: Sku, out: ArtifactWriter) -> None:
    refiner = sku.bench.refiner.get()
    passes_version = sku.artifact("control_passes").data_version
    shots, seconds = sku.shots, {}
    for start in range(0, len(shots), refiner.preferred_batch):
        batch = shots[start : start + refiner.preferred_batch]
        requests = [RefineRequest(sku.passes(shot.name), prompt_for(sku.product, shot, sku.settings),
                                  seed_for(sku.name, shot.name, ATTEMPT), sku.settings.negative_prompt)
                    for shot in batch]
        started = time.perf_counter()
        for shot, refined in zip(batch, refiner.refine(requests), strict=True):
            provenance = {**refined.provenance, "sku": sku.name, "shot": shot.name, "passes_version": passes_version}
            save_png(refined.pixels, out.path(f"{shot.name}.png"), provenance)
            out.json(f"{shot.name}.json", provenance)
            seconds[shot.name] = round((time.perf_counter() - started) / len(batch), 3)
    out.metadata["shots"] = [shot.name for shot in shots]
    out.metadata["seconds"] = seconds
    out.metadata["refiner"] = asdict(refiner.identity)


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    preset = artifact.metadata["refiner"]["preset"]
    shots = artifact.metadata["shots"]
    note = " — the renderer's picture, not refined" if preset == "none" else ""
    return {
        "images": montage([artifact.path(f"{shot}.png") for shot in shots]),
        "preset": MetadataValue.text(preset + note),
        "model": MetadataValue.text(artifact.metadata["refiner"]["model"] or "–"),
        "seconds_per_shot": MetadataValue.json(artifact.metadata["seconds"]),
        "folder": MetadataValue.path(str(artifact.folder)),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
