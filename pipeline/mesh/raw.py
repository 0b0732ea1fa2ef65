"""What a loader hands over: plain arrays and names, still in the file's own units and axes.

It crosses from the loader's child process to the parent as one ``.npz`` and one ``.json``, so
that nothing a native parser may have damaged is ever unpickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import AlphaMode, EmbeddedCamera, Slot, Wrap

F64 = NDArray[np.float64]
ARRAYS, RECORD = "arrays.npz", "record.json"


@dataclass(frozen=True, slots=True)
class RawTexture:
    """A texture as the file names it."""

    name: str                               # URI, path or image name in the file
    blob: str | None = None                 # embedded bytes: a file in the exchange folder
    uv_set: int = 0
    wrap_u: Wrap = "repeat"
    wrap_v: Wrap = "repeat"
    nearest: bool = False
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    strength: float = 1.0                   # of a normal map's xy, or of occlusion


@dataclass(frozen=True, slots=True)
class RawMaterial:
    """None means: the file does not say."""

    name: str
    base_color: tuple[float, float, float, float] | None = None  # linear
    metallic: float | None = None
    roughness: float | None = None
    emissive: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sheen: float | None = None
    clearcoat: float | None = None
    transmission: float | None = None
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    textures: dict[Slot, RawTexture] = field(default_factory=dict)
    unlit: bool = False                     # the file wants its colour shown as it is, without light


@dataclass(slots=True)
class RawPart:
    """Triangles of one material. ``indexed``: vertices are already split as a GPU wants them."""

    positions: F64                          # (V, 3)
    triangles: NDArray[np.int64]            # (T, 3)
    material: int                           # index into materials, -1 none
    normals: F64 | None = None              # (V, 3), any length
    uv_sets: tuple[F64, ...] = ()           # each (V, 2), origin top-left
    colors: F64 | None = None               # (V, 4) linear
    tangents: F64 | None = None             # (V, 4)
    indexed: bool = False
    flat: bool = False                      # where normals are missing: faceted, else smooth up to a crease


@dataclass(slots=True)
class RawMesh:
    format: str                             # glb, gltf, fbx, obj, stl
    loader: str                             # who read it
    parts: list[RawPart]
    materials: list[RawMaterial]
    metres_per_unit: float | None = None    # of ``parts``; None: the format has no units
    source_units: str = "unknown"           # as the file says, for the report
    up: str | None = None                   # of ``parts``; None: the format does not say
    source_up: str = "unknown"
    cameras: list[EmbeddedCamera] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)  # colourways the file offers
    variant: str | None = None              # the one that was read; None: the file's default


def write_raw(raw: RawMesh, folder: Path) -> None:
    """Write ``raw`` into ``folder``; texture blobs are there already."""
    arrays: dict[str, NDArray[Any]] = {}
    parts = []
    for index, part in enumerate(raw.parts):
        named = {"positions": part.positions, "triangles": part.triangles, "normals": part.normals,
                 "colors": part.colors, "tangents": part.tangents}
        named.update({f"uv{i}": uv for i, uv in enumerate(part.uv_sets)})
        arrays.update({f"{index}.{name}": array for name, array in named.items() if array is not None})
        parts.append({"material": part.material, "indexed": part.indexed, "flat": part.flat,
                      "uv_sets": len(part.uv_sets)})
    record = {"format": raw.format, "loader": raw.loader, "metres_per_unit": raw.metres_per_unit,
              "source_units": raw.source_units, "up": raw.up, "source_up": raw.source_up, "warnings": raw.warnings,
              "parts": parts, "materials": [asdict(m) for m in raw.materials],
              "cameras": [asdict(c) for c in raw.cameras], "variants": raw.variants, "variant": raw.variant}
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    (folder / RECORD).write_text(json.dumps(record))


def read_raw(folder: Path) -> RawMesh:
    """The inverse of :func:`write_raw`."""
    record = json.loads((folder / RECORD).read_text())
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    parts = [RawPart(stored[f"{i}.positions"], stored[f"{i}.triangles"], entry["material"],
                     stored.get(f"{i}.normals"), tuple(stored[f"{i}.uv{k}"] for k in range(entry["uv_sets"])),
                     stored.get(f"{i}.colors"), stored.get(f"{i}.tangents"), entry["indexed"], entry["flat"])
             for i, entry in enumerate(record["parts"])]
    cameras = [EmbeddedCamera(c["name"], tuple(tuple(row) for row in c["world"]), c["yfov"], c["aspect"])
               for c in record["cameras"]]
    return RawMesh(record["format"], record["loader"], parts, [_material(m) for m in record["materials"]],
                   record["metres_per_unit"], record["source_units"], record["up"], record["source_up"], cameras,
                   record["warnings"], record["variants"], record["variant"])


def _material(entry: dict[str, Any]) -> RawMaterial:
    textures = {slot: RawTexture(**{**texture, "offset": tuple(texture["offset"]), "scale": tuple(texture["scale"])})
                for slot, texture in entry.pop("textures").items()}
    color = entry.pop("base_color")
    return RawMaterial(**{**entry, "emissive": tuple(entry["emissive"])},
                       base_color=None if color is None else tuple(color), textures=textures)
