"""One shot's control passes as arrays: the frame that tiles are written into, and its meanings.

Averages of ``base_color``, ``diffuse_albedo``, ``diffuse``, ``specular`` and ``emissive`` are over
the covered samples of a pixel, so they do not darken towards the silhouette, and

    product.rgb = alpha · (diffuse_albedo · diffuse + specular + emissive)
    beauty.rgb  = product.rgb + (1 − alpha) · plate

hold in every pixel to half precision. All five are 0 where alpha is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Shot
from pipeline.render.camera import project, toe_direction
from pipeline.render.scene import Scene
from pipeline.render.types import CameraMatrices, ControlPasses

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
MAX_TILE = 1536            # pixels; bounds memory and stays within what software GL can render to


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the frame in whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def crop(self, shot: Shot) -> F64:
        """4×4: full-frame ndc → the tile's ndc with y down."""
        scale = np.array([shot.width / self.width, -shot.height / self.height])
        middle = np.array([2 * self.left + self.width, 2 * self.top + self.height]) / [shot.width, shot.height] - 1.0
        matrix = np.diag([scale[0], scale[1], 1.0, 1.0])
        matrix[0, 3] = -middle[0] * scale[0]
        matrix[1, 3] = -middle[1] * -scale[1]
        return matrix


def tiles_of(camera: CameraMatrices, shot: Shot, points: F64) -> Iterator[Tile]:
    """The rectangle of the frame that the product may touch, cut so that no tile is too large."""
    pixels = project(camera, points, shot.width, shot.height)
    if np.isnan(pixels).any():
        low, high = np.zeros(2, int), np.array([shot.width, shot.height])
    else:
        # The outermost points enclose the product to 0.4 % of its size.
        margin = 2.0 + 0.005 * np.ptp(pixels, axis=0).max()
        low = np.clip(np.floor(pixels.min(axis=0) - margin).astype(int), 0, [shot.width, shot.height])
        high = np.clip(np.ceil(pixels.max(axis=0) + margin).astype(int), 0, [shot.width, shot.height])
    for top in range(int(low[1]), int(high[1]), MAX_TILE):
        for left in range(int(low[0]), int(high[0]), MAX_TILE):
            yield Tile(left, top, min(MAX_TILE, int(high[0]) - left), min(MAX_TILE, int(high[1]) - top))


@dataclass(frozen=True, slots=True)
class Frame:
    """Full-size arrays that tiles are written into; untouched memory costs nothing."""

    width: int
    height: int
    product: F32                           # (H, W, 4) rgb · alpha, alpha
    base: F32                              # (H, W, 4) rgb, key light's visibility
    albedo: F32                            # (H, W, 4) rgb, ambient occlusion
    specular: F32                          # (H, W, 3), like the rest
    emissive: F32
    diffuse: F32
    plate: F32
    normal: F32
    face: F32
    depth: F32                             # (H, W)
    uv: F32                                # (H, W, 2)
    ids: NDArray[np.uint32]                # (H, W, 3) instance, material, chart

    @classmethod
    def of(cls, shot: Shot) -> Self:
        def zeros(channels: int) -> F32:
            return np.zeros((shot.height, shot.width, channels), np.float32)

        return cls(
            shot.width, shot.height, product=zeros(4), base=zeros(4), albedo=zeros(4), specular=zeros(3),
            emissive=zeros(3), diffuse=zeros(3), plate=zeros(3), normal=zeros(3), face=zeros(3),
            depth=np.full((shot.height, shot.width), np.inf, np.float32),
            uv=np.full((shot.height, shot.width, 2), np.nan, np.float32),
            ids=np.zeros((shot.height, shot.width, 3), np.uint32))


def assemble(frame: Frame, scene: Scene, key_chromaticity: tuple[float, float, float]) -> ControlPasses:
    alpha = np.ascontiguousarray(frame.product[..., 3])
    beauty = np.empty_like(frame.product)
    beauty[..., :3] = frame.product[..., :3] + (1.0 - alpha[..., None]) * frame.plate
    beauty[..., 3] = 1.0
    # Every pass is what a file can hold, so rendering and loading give the same numbers.
    beauty = beauty.astype(np.float16).astype(np.float32)
    mesh, stage = scene.mesh, scene.stage
    names = [material.name for material in mesh.materials]
    return ControlPasses(
        shot=scene.shot, camera=scene.camera, stage_hash=stage.sha256, white_backdrop=stage.white_backdrop,
        key_chromaticity=key_chromaticity,
        toe_direction=toe_direction(mesh, scene.shot, scene.camera),
        beauty=beauty, product=frame.product, plate=frame.plate, alpha=alpha,
        base_color=np.ascontiguousarray(frame.base[..., :3]),
        diffuse_albedo=np.ascontiguousarray(frame.albedo[..., :3]),
        diffuse=frame.diffuse, specular=frame.specular, emissive=frame.emissive,
        visibility=np.ascontiguousarray(frame.base[..., 3]), ao=np.ascontiguousarray(frame.albedo[..., 3]),
        normal=frame.normal, normal_geometric=frame.face, depth=frame.depth, uv=frame.uv,
        instance_id=np.ascontiguousarray(frame.ids[..., 0]), material_id=np.ascontiguousarray(frame.ids[..., 1]),
        chart_id=np.ascontiguousarray(frame.ids[..., 2]),
        material_names=tuple(names), material_kinds=tuple(material.kind for material in mesh.materials))
