"""Any mesh format to one canonical mesh, with an ingest report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dagster import MetadataValue

from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from pipeline.mesh import VERSION, IngestLimits, geometry_files, ingest, save_mesh
from pipeline.store import Artifact, ArtifactWriter

spec = sku_spec("product_mesh", deps=[], group="ingest", kinds={"python", "numpy"}, version=VERSION,
                description="Canonical mesh of the product: metres, +Y up, material guesses, front, ingest report. "
                            "Reads FBX, glTF, GLB, OBJ and STL in a child process; never depends on texture pixels.")


def inputs(sku: Sku) -> dict[str, Any]:
    product, manifest = sku.product, sku.product.manifest
    others = geometry_files(product.folder, product.mesh_file, product.files)
    return {
        "mesh": {name: product.sha256(name) for name in (product.mesh_file, *others) if name in product.files},
        "texture_names": list(product.texture_files),
        "manifest": manifest.model_dump(mode="json", include={"mesh", "front", "up", "units", "material", "variant"}),
        "description": product.description, "category": product.category,
        "max_triangles": sku.settings.max_triangles,
    }


def produce(sku: Sku, out: ArtifactWriter) -> None:
    product = sku.product
    limits = IngestLimits(max_triangles=sku.settings.max_triangles)
    with product.local_folder() as folder:
        result = ingest(folder, product.mesh_file, files=product.files, manifest=product.manifest,
                        description=product.description, category=product.category, limits=limits,
                        put_texture=sku.store.put_texture)
    save_mesh(result.mesh, out.path("mesh.npz"))
    report = result.report.as_dict()
    # Timings stay out of the files: equal inputs give equal bytes.
    out.metadata["seconds"] = {name: report.pop(name) for name in ("seconds", "loader_seconds")}
    out.json("report.json", report)
    out.metadata["report"] = report
    out.metadata["textures"] = [asdict(texture) for material in result.mesh.materials
                                for texture in material.textures.values()]


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    report = artifact.metadata["report"]
    front = report["front"]
    materials = "\n".join(f"| {m['name']} | {m['kind']} ({m['kind_source']}) | {', '.join(m['guessed']) or '–'} |"
                          for m in report["materials"])
    return {
        "format": MetadataValue.text(report["format"]),
        "triangles": MetadataValue.int(report["triangles"]),
        "extents_mm": MetadataValue.text(" × ".join(f"{value:.1f}" for value in report["extents_mm"])),
        "solid": MetadataValue.text(("closed" if report["solid"]["watertight"] else "open")
                                    + f", {report['solid']['bodies']} bodies, {report['solid']['surface_cm2']} cm²"),
        "front": MetadataValue.text(f"{front['axis'] or 'unknown'} ({front['source']}, {front['confidence']:.0%})"),
        "materials": MetadataValue.md(f"| material | kind | guessed |\n|---|---|---|\n{materials}"),
        "warnings": MetadataValue.md("\n".join(f"- {warning}" for warning in report["warnings"]) or "none"),
        "mesh_file": MetadataValue.path(artifact.url("mesh.npz")),
    }


def complete(sku: Sku, artifact: Artifact) -> bool:
    """Embedded textures lie beside the artefact, kept by content."""
    return all(sku.store.has_texture(ref["path"]) for ref in artifact.metadata["textures"] if ref["source"] == "store")


stage = Stage(spec, VERSION, inputs, produce, describe, complete)
