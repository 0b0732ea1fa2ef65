"""The canonical mesh: what every format becomes, and all that other rooms know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Wrap = Literal["repeat", "mirror", "clamp"]
Slot = Literal["base_color", "normal", "metallic_roughness", "occlusion", "emissive",
               "roughness", "metallic", "opacity"]  # the last three: one channel, beside or instead of packed maps
AlphaMode = Literal["opaque", "mask", "blend"]
Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]


@dataclass(frozen=True, slots=True)
class TextureRef:
    """Where a texture's bytes are; never its pixels."""

    source: Literal["catalogue", "store"]  # a file of the SKU folder | <store>/textures/<sha256>
    path: str                              # path relative to the SKU folder | sha256
    uv_set: int = 0
    wrap_u: Wrap = "repeat"
    wrap_v: Wrap = "repeat"
    nearest: bool = False                  # magnification filter
    offset: tuple[float, float] = (0.0, 0.0)   # KHR_texture_transform: uv' = offset + R(rotation)·(scale·uv)
    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0                  # radians, counter-clockwise as in KHR_texture_transform
    strength: float = 1.0                  # of a normal map's slope, or of an occlusion map


@dataclass(frozen=True, slots=True)
class Material:
    """Metallic-roughness material. Values multiply their textures, as in glTF."""

    name: str
    base_color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # linear Rec. 709 + alpha
    metallic: float = 0.0
    roughness: float = 0.7
    emissive: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sheen: float = 0.0                     # 0..1 strength of a grazing cloth lobe
    relief_mm: float = 0.0                 # peak height of the micro relief that the material is known for
    clearcoat: float = 0.0
    transmission: float = 0.0
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    unlit: bool = False                    # shown as it is in the file's own viewer: it mirrors nothing
    textures: Mapping[Slot, TextureRef] = field(default_factory=dict)
    kind: str = "unknown"                  # leather, knit, canvas, rubber, ceramic, glass, metal, cardboard, …
    kind_source: Literal["file", "manifest", "guess", "default"] = "default"
    guessed: tuple[str, ...] = ()          # fields above that the file did not give
    guess_reason: str = ""                 # the words that led to them, such as "material name: leather"


@dataclass(frozen=True, slots=True)
class Front:
    """Which way the product faces. ``axis`` None means unknown: toe checks do not apply."""

    axis: Axis | None = None
    confidence: float = 0.0                # 0..1
    source: Literal["manifest", "heuristic", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class EmbeddedCamera:
    """A perspective camera found in the file (glTF convention: looks down its -Z)."""

    name: str
    world: tuple[tuple[float, ...], ...]   # 4×4 camera-to-world, row-major, metres
    yfov: float                            # radians
    aspect: float | None = None


@dataclass(frozen=True, slots=True)
class Mesh:
    """Metres, right-handed, +Y up. Triangles wind counter-clockwise seen from outside.

    Vertices are split wherever a normal or uv differs, as a GPU draws them. The arrays are
    read-only.
    """

    positions: NDArray[np.float32]         # (V, 3)
    normals: NDArray[np.float32]           # (V, 3) unit length
    uv_sets: tuple[NDArray[np.float32], ...]  # each (V, 2), origin top-left; () where the file has none
    triangles: NDArray[np.uint32]          # (T, 3)
    triangle_material: NDArray[np.uint16]  # (T,) index into ``materials``
    triangle_chart: NDArray[np.uint32]     # (T,) connected uv island, from 0; all 0 without uv
    materials: tuple[Material, ...]
    front: Front = Front()
    cameras: tuple[EmbeddedCamera, ...] = ()
    colors: NDArray[np.float32] | None = None  # (V, 4) linear vertex colour, multiplies base colour
    tangents: NDArray[np.float32] | None = None  # (V, 4) xyz + handedness, where a normal map needs them
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for array in (self.positions, self.normals, *self.uv_sets, self.triangles, self.triangle_material,
                      self.triangle_chart, self.colors, self.tangents):
            if array is not None:
                array.setflags(write=False)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """(2, 3): lowest and highest corner in metres."""
        columns = [self.positions[:, k] for k in range(3)]
        return np.array([[c.min() for c in columns], [c.max() for c in columns]], np.float64)

    @property
    def diagonal(self) -> float:
        """Length of the bounding box's diagonal in metres."""
        low, high = self.bounds
        return float(np.linalg.norm(high - low))
