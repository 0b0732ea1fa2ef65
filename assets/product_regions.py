"""Labels, logos and stitching in texture space."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dagster import MetadataValue

from assets import product_mesh
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.texture_hashes import texture_hashes
from assets.thumbnails import montage
from pipeline.finding import ocr_version
from pipeline.looking import draw_maps, look
from pipeline.store import Artifact, ArtifactWriter

VERSION = 4
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
    """A map that cannot be decoded is passed over and named: control_passes will fail on it."""
    looked = look(sku)
    out.json("regions.json", [asdict(region) for region in looked.regions])
    out.metadata["regions"] = [{"name": region.name, "kind": region.kind, "material": region.material,
                                "text": region.text, "source": region.source} for region in looked.regions]
    out.metadata["unread"] = looked.unread
    if looked.maps.images:
        drawn = draw_maps(sku.mesh, looked, lambda name: out.path(f"maps/{name}"), PICTURE_PX)
        out.metadata["maps"] = [f"maps/{path.name}" for path in drawn]


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
