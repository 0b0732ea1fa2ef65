"""Regions drawn where they lie: on a diffuse map, and on a shot by every occurrence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, binary_erosion

from pipeline.catalogue import Region
from pipeline.regions import DEFAULT_STITCH_WIDTH
from pipeline.sentinel.occurrences import Occurrence

U8 = NDArray[np.uint8]
Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"label": (230, 40, 40), "logo": (20, 110, 235), "stitching": (200, 0, 200)}
_HALO = (255, 255, 255)


def on_map(image: U8, regions: Sequence[Region], side: int = 1600) -> U8:
    """A diffuse map (H, W, 3) reduced to ``side`` px at most, with polygons and bands outlined and named."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., :3]))
    picture.thumbnail((side, side), Image.Resampling.BOX)
    pen = ImageDraw.Draw(picture)
    size = np.array(picture.size, np.float64)
    line = max(1, round(max(picture.size) / 700))
    names = []
    for region in regions:
        colour = COLOURS[region.kind]
        loops = [np.asarray(region.polygon) * size] if region.polygon else _band(region, size)
        for loop in loops:
            points = [(float(x), float(y)) for x, y in loop]
            pen.line([*points, *(points[:1] if region.polygon else [])], fill=colour, width=line)
        low = np.concatenate(loops).min(axis=0)
        names.append((float(low[0]), float(low[1]), region.name, colour))
    for x, y, name, colour in names:
        _write(pen, (x, y), name, colour, picture.size)
    return np.asarray(picture)


def on_shot(image: U8, occurrences: Sequence[Occurrence]) -> U8:
    """A picture (H, W, 3) with every occurrence outlined; its name, size in px and view angle beside it."""
    drawn = image.copy()
    for occurrence in occurrences:
        x0, y0, x1, y1 = occurrence.bbox
        mask = np.pad(occurrence.mask, 2)
        rim = binary_dilation(mask, iterations=1) & ~binary_erosion(mask, iterations=1)
        part = rim[2:-2, 2:-2]
        drawn[y0:y1, x0:x1][part] = COLOURS[occurrence.region.kind]
    picture = Image.fromarray(drawn)
    pen = ImageDraw.Draw(picture)
    for occurrence in occurrences:
        wide, high = occurrence.size_px
        said = f"{occurrence.name} {wide:.0f} x {high:.0f} px, {occurrence.view_angle_deg:.0f}°"
        _write(pen, (occurrence.bbox[0], occurrence.bbox[1]), said, COLOURS[occurrence.region.kind], picture.size)
    return np.asarray(picture)


def file_name(number: int, material: str) -> str:
    """Of a material's drawn map: its place in the mesh keeps names apart that differ in odd signs only."""
    return f"{number:02d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', material)[:60]}.png"


def _band(region: Region, size: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Both edges of a seam's band in px."""
    path = np.asarray(region.path, np.float64)
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1) * (region.width or DEFAULT_STITCH_WIDTH) / 2
    return [(path + aside) * size, (path - aside) * size]


def _write(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour, size: tuple[int, int]
           ) -> None:
    """Above a place where there is room, with a halo that keeps it legible on any ground."""
    font = ImageFont.load_default(size=max(11, max(size) // 90))
    wide, high = pen.textbbox((0, 0), text, font)[2:]
    x = float(np.clip(place[0], 2, max(2.0, size[0] - wide - 2)))
    y = float(np.clip(place[1] - high - 4, 2, max(2.0, size[1] - high - 2)))
    pen.text((x, y), text, colour, font, stroke_width=2, stroke_fill=_HALO)
