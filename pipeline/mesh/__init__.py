"""Any mesh format to one canonical mesh. Third-party loaders run in a child process.

    ingested = ingest(folder, "shoe.fbx", files=files, manifest=manifest, description="court sneaker",
                      category="footwear", limits=IngestLimits(), put_texture=store.put_texture)
    save_mesh(ingested.mesh, path)
"""

from __future__ import annotations

from pipeline.mesh.export import to_glb
from pipeline.mesh.geometry_files import geometry_files
from pipeline.mesh.ingest import VERSION, Ingested, ingest, ingest_file
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.report import IngestReport
from pipeline.mesh.storage import load_mesh, save_mesh

__all__ = ["VERSION", "IngestLimits", "IngestReport", "Ingested", "geometry_files", "ingest", "ingest_file",
           "load_mesh", "save_mesh", "to_glb"]
