"""Per shot: beauty, its light, albedo, normal, depth, uv, ids and alpha, exact from geometry."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from dagster import MetadataValue

from assets import product_mesh, product_regions, reference_shots
from assets.background import Background
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.texture_hashes import texture_hashes
from assets.thumbnails import montage, write_png
from pipeline.catalogue import Shot
from pipeline.render import VERSION, preview_images, save_passes, stage_hash
from pipeline.render.camera import LEGIBLE
from pipeline.render.types import ControlPasses
from pipeline.store import Artifact, ArtifactWriter

spec = sku_spec("control_passes", deps=[product_mesh.spec, product_regions.spec, reference_shots.spec], group="render",
                kinds={"opengl", "openexr"}, version=VERSION,
                description="One EXR per shot with every control pass, and PNG previews. Rendered by headless OpenGL, "
                            "light on the product path-traced where that works; the first asset that reads textures.")


def inputs(sku: Sku) -> dict[str, Any]:
    mesh = sku.artifact("product_mesh")
    framed = {shot.framed_region for shot in sku.shots}
    return {
        "mesh": mesh.data_version,
        "light": sku.bench.renderer.light_here(),
        "textures": texture_hashes(sku, mesh),
        "shots": [_told(shot) for shot in sku.shots],
        "environments": {shot.environment: hashlib.sha256(sku.product.environment(shot.environment)).hexdigest()
                         for shot in sku.shots if shot.environment},
        "stages": {shot.stage: stage_hash(shot) for shot in sku.shots},
        "regions": [asdict(region) for region in sku.regions
                    if region.name in framed or (sku.turns_prints and region.text)],
        **({"partner_prints": "readable"} if sku.turns_prints else {}),
    }


def _told(shot: Shot) -> dict[str, Any]:
    """A shot as its passes depend on it; what only a shot in a photo has is left out of the others."""
    told = {**asdict(shot), "prompt": "", **({"legible": LEGIBLE} if shot.framed_region else {})}
    return told if shot.backplate else {key: value for key, value in told.items() if key not in ("backplate", "light")}


def produce(sku: Sku, out: ArtifactWriter) -> None:
    """Render shot by shot; each is written while the next is rendered, and all are before this returns."""
    keep = sku.settings.keep_passes != "none"
    rendered: dict[str, float] = {}
    written: dict[str, float] = {}
    with Background() as background:
        for shot in sku.shots:
            started = time.perf_counter()
            passes = sku.render(shot)
            rendered[shot.name] = round(time.perf_counter() - started, 3)
            background.do(partial(_write, passes, out, keep, written))
    out.json("shots.json", [asdict(shot) for shot in sku.shots])
    out.metadata["shots"] = [shot.name for shot in sku.shots]
    out.metadata["seconds"] = rendered
    out.metadata["light"] = sku.bench.renderer.light_here()
    out.metadata["write_seconds"] = written


def _write(passes: ControlPasses, out: ArtifactWriter, keep: bool, seconds: dict[str, float]) -> None:
    """The files of one shot."""
    started = time.perf_counter()
    name = passes.shot.name
    if keep:
        save_passes(passes, out.path(f"{name}.exr"))
    for preview, picture in preview_images(passes).items():
        write_png(picture, out.path(f"previews/{name}/{preview}.png"))
    seconds[name] = round(time.perf_counter() - started, 3)


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    shots = artifact.metadata["shots"]
    megabytes = {shot: artifact.files[f"{shot}.exr"].size / 1e6 for shot in shots if f"{shot}.exr" in artifact.files}
    names = ("beauty", "albedo", "normal", "depth")
    pictures = [artifact.path(f"previews/{shots[0]}/{name}.png") for name in names
                if f"previews/{shots[0]}/{name}.png" in artifact.files] if shots else []
    return {
        "preview": montage(pictures),
        "shots": MetadataValue.text(", ".join(shots)),
        "light": MetadataValue.text(artifact.metadata["light"]),
        "megabytes_per_shot": MetadataValue.json({shot: round(size, 2) for shot, size in megabytes.items()}),
        "seconds_per_shot": MetadataValue.json(artifact.metadata["seconds"]),
        "write_seconds_per_shot": MetadataValue.json(artifact.metadata["write_seconds"]),
        "folder": MetadataValue.path(str(artifact.folder)),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
