"""Labels, logos and stitching in texture space."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dagster import MetadataValue

from assets import product_mesh
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from pipeline.store import Artifact, ArtifactWriter

VERSION = 1

spec = sku_spec("product_regions", deps=[product_mesh.spec], group="ingest", kinds={"python"}, version=VERSION,
                description="The parts of the texture that a customer will check: labels, logos, stitching. "
                            "Named by product.yaml.")


def inputs(sku: Sku) -> dict[str, Any]:
    return {"mesh": sku.artifact("product_mesh").data_version,
            "manifest": [asdict(region) for region in sku.product.regions]}


def produce(sku: Sku, out: ArtifactWriter) -> None:
    regions = [asdict(region) for region in sku.product.regions]
    out.json("regions.json", regions)
    out.metadata["regions"] = [{key: region[key] for key in ("name", "kind", "material", "text")} for region in regions]


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    rows = "\n".join(f"| {r['name']} | {r['kind']} | {r['material']} | {r['text']} |"
                     for r in artifact.metadata["regions"])
    return {"regions": MetadataValue.md(f"| name | kind | material | text |\n|---|---|---|---|\n{rows}" if rows
                                        else "None named in product.yaml.")}


stage = Stage(spec, VERSION, inputs, produce, describe)
