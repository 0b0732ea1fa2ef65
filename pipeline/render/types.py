"""What the renderer hands on: one shot's control passes. The meanings are a contract.

Arrays are float32 in memory whatever their width on disk, row-major with a top-left origin,
pixel centres at +0.5, scene-linear Rec. 709.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Shot
from pipeline.colour import displayed, laid_over, over_photo, to_display
from pipeline.lens import missing_blur, softened

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CameraMatrices:
    """Column vectors, OpenGL clip space: clip = projection @ view @ world."""

    view: NDArray[np.float64]              # 4×4 world → camera, camera looks down -Z
    projection: NDArray[np.float64]        # 4×4


@dataclass(frozen=True, slots=True, eq=False)
class Replaced:
    """The photo that a shot is taken in, and what stood there."""

    photo: NDArray[np.uint8]               # (H, W, 3) sRGB codes, of the shot's size
    mask: NDArray[np.bool_]                # (H, W) the product that ours takes the place of
    plate: NDArray[np.uint8]               # (H, W, 3) sRGB codes of the photo without it


@dataclass(frozen=True, slots=True)
class ControlPasses:
    """Everything later stages know about the true picture of one shot (H × W pixels)."""

    shot: Shot
    camera: CameraMatrices
    stage_hash: str                        # of the stage's full definition
    white_backdrop: bool                   # composite in display space over 255 × ``plate``
    key_chromaticity: tuple[float, float, float]  # linear rgb of the key light, sum 1
    toe_direction: tuple[float, float] | None  # unit (x right, y down) image direction of the product's front

    beauty: F32                            # (H, W, 4) premultiplied, before the view transform; product + stage
    product: F32                           # (H, W, 4) premultiplied, product only
    plate: F32                             # (H, W, 3) stage with the product's shadow; the shadow ratio on white
    alpha: F32                             # (H, W) filtered coverage, ≥ 16 samples
    base_color: F32                        # (H, W, 3) filtered like beauty
    diffuse_albedo: F32                    # (H, W, 3) base × (1 − metallic)
    diffuse: F32                           # (H, W, 3) (beauty − specular − emissive) / max(diffuse_albedo, 1e-3)
    specular: F32                          # (H, W, 3)
    emissive: F32                          # (H, W, 3)
    visibility: F32                        # (H, W) of the key light; informative
    ao: F32                                # (H, W) of the surroundings; informative
    normal: F32                            # (H, W, 3) camera space; point-sampled
    normal_geometric: F32                  # (H, W, 3)
    depth: F32                             # (H, W) metres along the view axis; background +inf
    uv: F32                                # (H, W, 2) set 0 after wrap and transform; NaN outside
    instance_id: U32                       # (H, W) 0 = none
    material_id: U32                       # (H, W) 0 = none, else 1 + index into Mesh.materials
    chart_id: U32                          # (H, W) 0 = none, else 1 + chart
    material_names: tuple[str, ...] = ()
    material_kinds: tuple[str, ...] = ()
    traced: bool = False                   # the product's light is the path tracer's, not the rasteriser's
    replaced: Replaced | None = None       # only of a shot in a photo, which ``display`` alone shows exactly

    @property
    def display(self) -> NDArray[np.uint8]:
        """(H, W, 3) sRGB codes of the picture these passes describe, as it would be delivered."""
        if self.replaced is not None:
            return over_photo(self.product, self.replaced.plate)
        return to_display(self.product, self.plate, self.white_backdrop)

    @property
    def faithful(self) -> NDArray[np.uint8]:
        """(H, W, 3) sRGB codes of what a faithful image shows: :attr:`display`, as soft as the photo it stands in."""
        blur = missing_blur(self.shot.light)
        if self.replaced is None or blur == 0.0:
            return self.display
        return laid_over(softened(displayed(self.product), blur), self.replaced.plate)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) where the product covers more than half of the pixel."""
        return self.alpha > 0.5
