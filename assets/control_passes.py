"""Per shot: beauty, its light, albedo, normal, depth, uv, ids and alpha, exact from geometry."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import Any

from dagster import MetadataValue

from assets import product_mesh, product_regions
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage, write_png
from pipeline.mesh.types import TextureRef
from pipeline.render import VERSION, preview_images, save_passes, stage_hash
from pipeline.store import Artifact, ArtifactWriter

spec = sku_spec("control_passes", deps=[product_mesh.spec, product_regions.spec], group="render",
                kinds={"opengl", "openexr"}, version=VERSION,
                description="One EXR per shot with every control pass, and PNG previews. Rendered by headless OpenGL; "
                            "the first asset that reads texture pixels.")


def inputs(sku: Sku) -> dict[str, Any]:
    mesh = sku.artifact("product_mesh")
    textures = [TextureRef(**{**ref, "offset": tuple(ref["offset"]), "scale": tuple(ref["scale"])})
                for ref in mesh.metadata["textures"]]
    framed = {shot.framed_region for shot in sku.shots}
    return {
        "mesh": mesh.data_version,
        "textures": {ref.path: _texture_hash(sku, ref) for ref in textures},
        "shots": [{**asdict(shot), "prompt": ""} for shot in sku.shots],
        "environments": {shot.environment: hashlib.sha256(sku.product.environment(shot.environment)).hexdigest()
                         for shot in sku.shots if shot.environment},
        "stages": {shot.stage: stage_hash(shot.stage) for shot in sku.shots},
        "regions": [asdict(region) for region in sku.regions if region.name in framed],
    }


def _texture_hash(sku: Sku, ref: TextureRef) -> str | None:
    """Content hash of a texture; None where it is missing, which ``produce`` reports as the error it is."""
    if ref.source == "store":
        return ref.path
    return sku.product.sha256(ref.path) if ref.path in sku.product.files else None


def produce(sku: Sku, out: ArtifactWriter) -> None:
    keep = sku.settings.keep_passes != "none"
    seconds: dict[str, float] = {}
    for shot in sku.shots:
        started = time.perf_counter()
        passes = sku.render(shot)
        if keep:
            save_passes(passes, out.path(f"{shot.name}.exr"))
        for name, preview in preview_images(passes).items():
            write_png(preview, out.path(f"previews/{shot.name}/{name}.png"))
        seconds[shot.name] = round(time.perf_counter() - started, 3)
    out.json("shots.json", [asdict(shot) for shot in sku.shots])
    out.metadata["shots"] = [shot.name for shot in sku.shots]
    out.metadata["seconds"] = seconds


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    shots = artifact.metadata["shots"]
    megabytes = {shot: artifact.files[f"{shot}.exr"].size / 1e6 for shot in shots if f"{shot}.exr" in artifact.files}
    names = ("beauty", "albedo", "normal", "depth")
    pictures = [artifact.path(f"previews/{shots[0]}/{name}.png") for name in names
                if f"previews/{shots[0]}/{name}.png" in artifact.files] if shots else []
    return {
        "preview": montage(pictures),
        "shots": MetadataValue.text(", ".join(shots)),
        "megabytes_per_shot": MetadataValue.json({shot: round(size, 2) for shot, size in megabytes.items()}),
        "seconds_per_shot": MetadataValue.json(artifact.metadata["seconds"]),
        "folder": MetadataValue.path(str(artifact.folder)),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
