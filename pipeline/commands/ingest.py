"""packshot ingest: one mesh file, read and reported on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.opening import existing
from pipeline.commands.options import Json, OutFolder, answer


def ingest(file: Path, out: OutFolder,
           variant: Annotated[str | None, typer.Option("--variant", help="Colourway of a glTF file, by name.")] = None,
           as_json: Json = False) -> None:
    """Read one mesh file into the canonical mesh and report what was found; mesh.glb shows it in any viewer."""
    from pipeline.mesh import ingest_file, save_mesh, to_glb
    from pipeline.settings import Manifest

    out.mkdir(parents=True, exist_ok=True)
    result = ingest_file(existing(file), manifest=Manifest(variant=variant))
    save_mesh(result.mesh, out / "mesh.npz")
    (out / "mesh.glb").write_bytes(to_glb(result.mesh))
    report = result.report.as_dict()
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    answer({"mesh": str(out / "mesh.npz"), "glb": str(out / "mesh.glb"), "report": report}, as_json,
            lambda: _report_text(report))


def _report_text(report: dict[str, Any]) -> str:
    extents = " × ".join(f"{value:.1f}" for value in report["extents_mm"])
    front = report["front"]
    lines = [f"{report['format']}: {report['triangles']} triangles, {extents} mm, "
             f"front {front['axis'] or 'unknown'} ({front['confidence']:.0%})"]
    if report["variants"]:
        lines.append(f"  variants {', '.join(report['variants'])}; read: {report['variant'] or 'the default'}")
    lines += [f"  material {m['name']}: {m['kind']} ({m['kind_source']})" for m in report["materials"]]
    return "\n".join(lines + [f"  warning: {warning}" for warning in report["warnings"]])
