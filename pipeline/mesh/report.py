"""What ingest found and decided, for people and for metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.mesh.bindings import Binding
from pipeline.mesh.solid import SolidFacts
from pipeline.mesh.types import Front, Material


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Everything in it is JSON-able through :meth:`as_dict`."""

    format: str                            # glb, gltf, fbx, obj, stl
    loader: str
    source_units: str                      # as the file, the manifest or a guess says
    units_source: str                      # file, manifest, guess
    metres_per_unit: float
    source_up: str                         # axis of the file that points up
    up_source: str                         # file, manifest, convention
    front: Front
    triangles: int
    vertices: int
    extents_mm: tuple[float, float, float]  # x, y (up), z
    materials: tuple[Material, ...]
    bindings: tuple[Binding, ...]          # every texture and where its name came from
    uv_sets: int
    mirrored_uv_share: float               # share of the uv area wound against the larger part, 0..0.5
    charts: int                            # connected uv islands
    solid: SolidFacts
    cameras: tuple[str, ...]               # names of embedded cameras
    warnings: tuple[str, ...]
    seconds: float                         # wall clock of the whole ingest
    loader_seconds: float                  # of it, the child process
    variants: tuple[str, ...] = ()         # colourways the file offers
    variant: str | None = None             # the one that was read; None: the file's default
    overlapping_uv_share: float = 0.0      # share of the uv area whose texels another triangle uses too, 0..1

    def as_dict(self) -> dict[str, Any]:
        record = asdict(self)
        record["front"] = {"axis": self.front.axis, "confidence": self.front.confidence, "source": self.front.source}
        record["materials"] = [_material(material) for material in self.materials]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in record.items()}


def _material(material: Material) -> dict[str, Any]:
    return {"name": material.name, "kind": material.kind, "kind_source": material.kind_source,
            "guessed": list(material.guessed), "guess_reason": material.guess_reason,
            "roughness": material.roughness, "metallic": material.metallic,
            "sheen": material.sheen, "relief_mm": material.relief_mm, "clearcoat": material.clearcoat,
            "alpha_mode": material.alpha_mode, "base_color": list(material.base_color),
            "textures": {slot: texture.path for slot, texture in sorted(material.textures.items())}}
