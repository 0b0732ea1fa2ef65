"""Only what passed, encoded for the shop."""

from __future__ import annotations

from typing import Any

from dagster import MetadataValue

from assets import sentinel_scores
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage
from pipeline import delivery
from pipeline.refine import srgb_profile, xmp_packet
from pipeline.scores import read_scores
from pipeline.sentinel.types import Verdict
from pipeline.store import Artifact, ArtifactWriter

VERSION = 2

spec = sku_spec("delivered_images", deps=[sentinel_scores.spec], group="delivery", kinds={"python"}, version=VERSION,
                description="Images that Sentinel passed, as WebP and JPEG with embedded profile and provenance, and a "
                            "manifest a shop system can read. A new fail withdraws the old image.")


def inputs(sku: Sku) -> dict[str, Any]:
    return {
        "image": sku.artifact("refined_images").data_version,
        "scores": sku.artifact("sentinel_scores").data_version,
        "delivery": sku.settings.delivery.model_dump(mode="json"),
        "name": sku.product.name, "category": sku.product.category,
        "channels": sku.bench.judging.inputs["channels"],
    }


def produce(sku: Sku, out: ArtifactWriter) -> None:
    settings, chosen = sku.settings.delivery, sku.bench.judging.channels
    scored, refined = sku.artifact("sentinel_scores"), sku.artifact("refined_images")
    verdicts: dict[str, Verdict] = scored.metadata["verdicts"]
    preset = refined.metadata["refiner"]["preset"]
    previous = sku.store.current("delivered_images", sku.name)
    previous_manifest = previous.json("manifest.json") if previous else None
    rows = read_scores(scored.path("scores.parquet")).to_pylist()
    decisions = delivery.select(verdicts, preset, settings, previous_manifest)
    delivered = []
    for decision in decisions:
        if not decision.deliver:
            continue
        provenance = refined.json(f"{decision.shot}.json")
        pixels = sku.image(decision.shot)
        channels = chosen.get(decision.shot, ())
        encodings = delivery.encode(pixels, settings, xmp_packet(provenance), srgb_profile(), channels)
        for suffix, data in encodings.items():
            out.path(f"{decision.shot}.{suffix}").write_bytes(data)
        judged = [row["score"] for row in rows
                  if row["shot"] == decision.shot and row["required"] and row["score"] is not None]
        delivered.append(delivery.DeliveredShot(
            decision.shot, pixels.shape[1], pixels.shape[0], encodings, verdicts[decision.shot],
            round(min(judged), 1) if judged else None, preset, provenance["digital_source_type"],
            delivery.files_for(encodings, channels)))
    findings = {shot: sorted({row["check"] for row in rows if row["shot"] == shot and row["required"]
                              and row["verdict"] in ("warn", "fail", "unmeasured")}) for shot in verdicts}
    manifest = delivery.delivery_manifest(sku.name, sku.product.name, sku.product.category, delivered, decisions,
                                          findings, previous_manifest)
    out.json("manifest.json", manifest)
    out.metadata.update(delivered=[shot.shot for shot in delivered],
                        withheld={entry["shot"]: entry["reason"] for entry in manifest["withheld"]},
                        withdrawn={entry["shot"]: entry["reason"] for entry in manifest["withdrawn"]})


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    meta = artifact.metadata
    held = [f"- **{shot}** {kind}: {why}" for kind in ("withheld", "withdrawn") for shot, why in meta[kind].items()]
    return {
        "images": montage([artifact.path(f"{shot}.jpg") for shot in meta["delivered"]]),
        "delivered": MetadataValue.text(", ".join(meta["delivered"]) or "none"),
        "held_back": MetadataValue.md("\n".join(held) or "nothing"),
        "manifest": MetadataValue.path(artifact.url("manifest.json")),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
