"""A diffuse map as a finder sees it: its picture, and which of its texels a material really shows.

>>> [sheet] = sheets(mesh, textures)
>>> sheet.image[sheet.used]        # (n, 3) code values that some triangle shows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.mesh.types import Material, Mesh, TextureRef

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

LONG_SIDE = 2048       # px; a larger map is searched reduced: no shot shows more of it
_SMALLEST = 96         # px; a smaller map holds nothing that can be read
_TILE = 1.25           # uv extent of one chart, beyond which its map repeats
_TILED_SHARE = 0.05    # of a material's uv area in such charts
_STACKED = 4.0         # uv area over the texels it covers; mirrored halves and a pair of shoes make 4


class Decoded(Protocol):
    """Decoded maps, as pipeline.render.load_textures gives them."""

    def of(self, ref: TextureRef) -> U8:
        """(H, W, 4) code values; KeyError where the map could not be read."""
        ...


@dataclass(frozen=True, slots=True)
class Chart:
    """One uv island of a material."""

    box: tuple[float, float, float, float]  # u0, v0, u1, v1
    area: float                            # share of the product's surface


@dataclass(frozen=True, slots=True)
class Sheet:
    """One material's share of one diffuse map."""

    material: str
    image: U8                              # (H, W, 3) sRGB code values, long side at most LONG_SIDE
    used: Bools                            # (H, W) texels that some triangle shows
    mirrored: Bools                        # (H, W) texels that only mirrored triangles show
    charts: tuple[Chart, ...]
    extents: float                         # the product's largest extent, in texels of this map
    wraps: tuple[bool, bool]               # in u and v: what leaves the map on one side comes back on the other

    @property
    def size(self) -> F64:
        """(2,) width and height in texels."""
        return np.array([self.image.shape[1], self.image.shape[0]], np.float64)


def sheets(mesh: Mesh, textures: Decoded) -> list[Sheet]:
    """Every diffuse map by every material that shows it. Maps that tile are left out: they are a material's surface."""
    found = []
    corners = mesh.positions[mesh.triangles].astype(np.float64)
    surface = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    extent = float(np.ptp(mesh.bounds, axis=0).max())
    reduced: dict[tuple[str, str], U8] = {}
    for index, material in enumerate(mesh.materials):
        ref = material.textures.get("base_color")
        if ref is None or ref.uv_set >= len(mesh.uv_sets):
            continue
        own = mesh.triangle_material == index
        key = (ref.source, ref.path)
        if key not in reduced:
            try:
                reduced[key] = _reduced(textures.of(ref))
            except KeyError:
                continue
        sheet = _sheet(mesh, material, ref, own, surface, extent, reduced[key])
        if sheet is not None:
            found.append(sheet)
    return found


def _sheet(mesh: Mesh, material: Material, ref: TextureRef, own: Bools, surface: F64, extent: float, image: U8
           ) -> Sheet | None:
    if min(image.shape[:2]) < _SMALLEST or not own.any():
        return None
    uv = _transformed(mesh.uv_sets[ref.uv_set], ref)[mesh.triangles[own]]        # (T, 3, 2)
    finite = np.isfinite(uv).all(axis=(1, 2))
    uv, area_3d, chart = uv[finite], surface[own][finite], mesh.triangle_chart[own][finite]
    signed = _cross(uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]) / 2
    if not len(uv) or float(np.abs(signed).sum()) < 1e-9:
        return None
    charts, uv, tiled = _charts(uv, np.abs(signed), area_3d, chart, float(surface.sum()))
    if tiled > _TILED_SHARE:
        return None
    height, width = image.shape[:2]
    texels = uv * [width, height]
    plain, turned = (_drawn(texels[chosen], width, height) for chosen in (signed <= 0, signed > 0))
    used = plain | turned
    if float(np.abs(signed).sum()) > _STACKED * used.mean():
        return None
    scale = np.sqrt(np.abs(signed).sum() * width * height / max(float(area_3d.sum()), 1e-12))  # texels per metre
    edge = 1.5 / np.array([width, height])
    meets = [bool(uv[..., k].min() < edge[k] and uv[..., k].max() > 1 - edge[k]) for k in (0, 1)]
    wraps = (meets[0] and ref.wrap_u == "repeat", meets[1] and ref.wrap_v == "repeat")
    return Sheet(material.name, image, used, turned & ~plain, charts, extent * float(scale), wraps)


def _charts(uv: F64, area: F64, area_3d: F64, chart: NDArray[np.uint32], surface: float
            ) -> tuple[tuple[Chart, ...], F64, float]:
    """The islands, the triangles moved by whole tiles into 0..1, and the share of uv area in islands that tile."""
    names, which = np.unique(chart, return_inverse=True)
    low, high = np.full((len(names), 2), np.inf), np.full((len(names), 2), -np.inf)
    np.minimum.at(low, which, uv.min(axis=1))
    np.maximum.at(high, which, uv.max(axis=1))
    per_chart = np.bincount(which, area, len(names))
    tiled = float(per_chart[((high - low) > _TILE).any(axis=1)].sum() / area.sum())
    tile = np.floor((low + high) / 2)
    moved = uv - tile[which][:, None]
    shares = np.bincount(which, area_3d, len(names)) / max(surface, 1e-12)
    boxes = np.concatenate([low - tile, high - tile], axis=1)
    found = tuple(Chart((float(b[0]), float(b[1]), float(b[2]), float(b[3])), float(share))
                  for b, share in zip(boxes, shares, strict=True))
    return found, moved, tiled


def _drawn(corners: F64, width: int, height: int) -> Bools:
    """(height, width) texels under triangles (T, 3, 2)."""
    canvas = Image.new("1", (width, height))
    pen = ImageDraw.Draw(canvas)
    small = np.ptp(corners, axis=1).max(axis=1) < 2.5
    for triangle in corners[~small]:
        pen.polygon([(x - 0.5, y - 0.5) for x, y in triangle.tolist()], fill=1)
    mask = np.array(canvas)
    dots = corners[small]
    dots = np.concatenate([dots, (dots + np.roll(dots, 1, axis=1)) / 2, dots.mean(axis=1, keepdims=True)], axis=1)
    x, y = (np.clip(np.floor(dots[..., k]).astype(np.intp), 0, side - 1) for k, side in ((0, width), (1, height)))
    mask[y, x] = True
    return mask


def _reduced(image: U8) -> U8:
    """Opaque, and no longer than LONG_SIDE."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., :3]))
    shrink = LONG_SIDE / max(picture.size)
    if shrink < 1:
        picture = picture.resize((max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))),
                                 Image.Resampling.BOX)
    return np.asarray(picture)


def _transformed(uv: NDArray[np.float32], ref: TextureRef) -> F64:
    """uv (V, 2) after KHR_texture_transform: offset + R(rotation) · (scale · uv)."""
    c, s = np.cos(ref.rotation), np.sin(ref.rotation)
    return np.asarray((uv.astype(np.float64) * ref.scale) @ np.array([[c, -s], [s, c]]) + ref.offset)


def _cross(a: F64, b: F64) -> F64:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
