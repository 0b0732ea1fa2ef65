"""Labels, logos and stitching in texture space."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from dagster import MetadataValue
from PIL import Image

from assets import product_mesh
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.texture_hashes import texture_hashes
from assets.thumbnails import montage
from pipeline.catalogue import Region
from pipeline.finding import beside_manifest, find_regions, ocr_version
from pipeline.region_pictures import on_map
from pipeline.render import Textures
from pipeline.store import Artifact, ArtifactWriter

VERSION = 2
PICTURE_PX = 900       # long side of a drawn map

spec = sku_spec("product_regions", deps=[product_mesh.spec], group="ingest", kinds={"python"}, version=VERSION,
                description="The parts of the texture that a customer will check: labels, logos, stitching. "
                            "Named by product.yaml, and found on the diffuse maps.")


def inputs(sku: Sku) -> dict[str, Any]:
    mesh = sku.artifact("product_mesh")
    named = {"mesh": mesh.data_version, "manifest": [asdict(region) for region in sku.product.regions]}
    if not sku.finds_regions:
        return named
    return {**named, "textures": texture_hashes(sku, mesh), "ignored": sorted(sku.product.manifest.ignore_regions),
            "max_megapixels": sku.settings.max_texture_megapixels, "ocr": ocr_version()}


def produce(sku: Sku, out: ArtifactWriter) -> None:
    """Find them where finding is on; a map that cannot be decoded is passed over, control_passes will fail on it."""
    regions, unread = sku.product.regions, {}
    if sku.finds_regions:
        maps, unread = sku.diffuse_maps()
        found = find_regions(sku.mesh, maps)
        regions = beside_manifest(regions, found, sku.product.manifest.ignore_regions)
        _draw(sku, out, maps, regions)
    out.json("regions.json", [asdict(region) for region in regions])
    out.metadata["regions"] = [{"name": region.name, "kind": region.kind, "material": region.material,
                                "text": region.text, "source": region.source} for region in regions]
    out.metadata["unread"] = unread


def _draw(sku: Sku, out: ArtifactWriter, maps: Textures, regions: tuple[Region, ...]) -> None:
    """Every diffuse map that holds a region, as maps/NN-material.png."""
    drawn = []
    for number, material in enumerate(sku.mesh.materials):
        ref = material.textures.get("base_color")
        own = [region for region in regions if region.material in ("*", material.name)]
        if ref is None or not own or (ref.source, ref.path) not in maps.images:
            continue
        name = f"maps/{number:02d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', material.name)[:60]}.png"
        Image.fromarray(on_map(maps.of(ref), own, PICTURE_PX)).save(out.path(name))
        drawn.append(name)
    out.metadata["maps"] = drawn


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    rows = "\n".join(f"| {r['name']} | {r['kind']} | {r['material']} | {r['text'].replace(chr(10), ' / ')} | "
                     f"{r['source']} |" for r in artifact.metadata["regions"])
    pictures = [artifact.path(name) for name in artifact.metadata.get("maps", ())]
    shown: dict[str, MetadataValue] = {
        "regions": MetadataValue.md(f"| name | kind | material | text | source |\n|---|---|---|---|---|\n{rows}" if rows
                                    else "None named in product.yaml, none found.")}
    if pictures:
        shown["maps"] = montage(pictures)
    if artifact.metadata.get("unread"):
        shown["unread"] = MetadataValue.json(artifact.metadata["unread"])
    return shown


stage = Stage(spec, VERSION, inputs, produce, describe)
