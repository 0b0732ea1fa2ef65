"""What a product generator hands to the format writers: geometry, materials, pictures and regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import Region


@dataclass(frozen=True)
class Part:
    """One mesh piece with one material, in metres, +Y up, front towards +X."""

    name: str
    positions: NDArray[np.float32]             # (V, 3)
    uvs: NDArray[np.float32]                   # (V, 2), origin top-left
    triangles: NDArray[np.uint32]              # (T, 3) counter-clockwise seen from outside
    material: str                              # name of a MaterialSpec of the same model
    normals: NDArray[np.float32] | None = None  # (V, 3) unit length; None: smooth, from the triangles


@dataclass(frozen=True)
class Texture:
    """A diffuse map. ``name`` is the file name without its suffix."""

    name: str
    image: Image.Image                         # RGB, sRGB coded


@dataclass(frozen=True)
class MaterialSpec:
    """A material as its file will say it; None where the file is to stay silent."""

    name: str
    texture: Texture | None = None
    base_color: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear Rec. 709; multiplies the texture
    roughness: float | None = None
    metallic: float | None = None


@dataclass(frozen=True)
class Model:
    """One product, before a file format is chosen."""

    name: str
    parts: tuple[Part, ...]
    materials: tuple[MaterialSpec, ...]
    regions: tuple[Region, ...] = ()           # for product.yaml, in uv of the named material

    @property
    def triangle_count(self) -> int:
        return sum(len(part.triangles) for part in self.parts)
