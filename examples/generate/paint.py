"""Painting a pattern: panels, contact shadows, stitches, perforations and grain, in sRGB code values.

A canvas covers one pattern at a fixed scale. Shapes come in pattern mm and are drawn at three times
the canvas' resolution, so edges and threads are antialiased.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from scipy.spatial import cKDTree

from examples.generate.panels import resampled

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Rgb = tuple[int, int, int]
OVERSAMPLING = 3
LIT_SIDE_MM = np.array([0.05, 0.07])           # a thread's bright side lies this much up and left


@dataclass
class Canvas:
    """A picture of ``width`` × ``height`` mm at ``scale`` pixels per mm."""

    width: float
    height: float
    scale: float
    ground: Rgb
    border: F64 | None = None                  # (N, 2) outline of the pattern; shading knows no edge across it
    pixels: F32 = field(init=False)            # (H, W, 3) sRGB code values 0..255
    origin: tuple[int, int] = field(init=False, default=(0, 0))  # row and column of ``pixels`` in the whole canvas
    _inner: NDArray[np.int32] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        shape = (round(self.height * self.scale), round(self.width * self.scale))
        self.pixels = np.empty((*shape, 3), np.float32)
        self.pixels[:] = self.ground
        if self.border is not None:
            outside = self.mask([self.border]) < 0.999  # half-covered texels belong to the outside
            self._inner = distance_transform_edt(outside, return_distances=False, return_indices=True)

    def near(self, points: F64, margin: float = 7.0) -> Canvas:
        """The part of the canvas around some points; painting on it paints on the whole."""
        low = np.floor((points.min(axis=0) - margin) * self.scale).astype(int)[::-1]
        high = np.ceil((points.max(axis=0) + margin) * self.scale).astype(int)[::-1]
        low, high = np.maximum(low, 0), np.minimum(high, self.pixels.shape[:2])
        window = (slice(low[0], high[0]), slice(low[1], high[1]))
        part = copy(self)
        part.pixels, part.origin = self.pixels[window], (int(low[0]), int(low[1]))
        if self._inner is not None:
            limit = (high - low - 1)[:, None, None]
            part._inner = np.clip(self._inner[(slice(None), *window)] - low[:, None, None], 0, limit)
        return part

    def mask(self, polygons: list[F64]) -> F32:
        """(H, W) coverage 0..1 of polygons in mm."""
        image, draw = self._sheet()
        for polygon in polygons:
            draw.polygon(self._points(polygon), fill=255)
        return self._reduced(image)

    def strokes(self, lines: list[F64], width: float) -> F32:
        """(H, W) coverage of round-ended polylines ``width`` mm wide."""
        image, draw = self._sheet()
        thickness = width * self.scale * OVERSAMPLING
        for points in lines:
            scaled = self._points(points)
            draw.line(scaled, fill=255, width=max(1, round(thickness)), joint="curve")
            for x, y in (scaled[0], scaled[-1]):
                r = thickness / 2 - 0.5
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        return self._reduced(image)

    def dots(self, centres: F64, radius: float) -> F32:
        """(H, W) coverage of discs."""
        image, draw = self._sheet()
        r = radius * self.scale * OVERSAMPLING
        for x, y in self._points(centres):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        return self._reduced(image)

    def fill(self, mask: F32, colour: Rgb, strength: float = 1.0) -> None:
        amount = (mask * strength)[..., None]
        self.pixels += (np.asarray(colour, np.float32) - self.pixels) * amount

    def shade(self, amount: F32) -> None:
        """Multiply by 1 − ``amount``; negative amounts lighten."""
        self.pixels *= 1.0 - amount[..., None]

    def blurred(self, mask: F32, sigma_mm: float) -> F32:
        result: F32 = gaussian_filter(mask, sigma_mm * self.scale)
        return result

    def continued(self, mask: F32) -> F32:
        """The mask carried on beyond the pattern's outline, where the other side's pattern goes on."""
        return mask if self._inner is None else mask[tuple(self._inner)]

    def panel(self, loop: F64, colour: Rgb) -> None:
        """A piece of leather on top: the shadow it throws on what lies below, its fill, its cut edge."""
        part = self.near(loop)
        mask = part.continued(part.mask([loop]))
        wide = part.blurred(mask, 0.9)
        part.shade((0.34 * part.blurred(mask, 0.7) + 0.16 * part.blurred(mask, 2.0)) * (1 - mask))
        part.fill(mask, colour)
        rim = mask * (1 - part.blurred(mask, 0.25))
        crown = mask * np.clip(wide * (1 - wide) * 4, 0, 1)
        part.shade(0.25 * rim - 0.05 * crown * (1 - rim))

    def stitches(self, path: F64, thread: Rgb, pitch: float = 2.6, length: float = 1.7, width: float = 0.72) -> None:
        """One row of lockstitch along ``path``: pulled slightly into the leather, a hole at each end."""
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        count = max(1, int(along[-1] / pitch))
        starts = (np.arange(count) + 0.5) * along[-1] / count - length / 2
        at = starts[:, None] + np.linspace(0, length, 4)
        pieces = list(np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=-1))
        ends = np.concatenate([[p[0], p[-1]] for p in pieces])
        part = self.near(path, 2.0)
        bed = part.strokes([resampled(path, 0.8)], width + 0.5)
        part.shade(0.07 * part.blurred(bed, 0.25))
        part.shade(0.38 * part.dots(ends, 0.30))
        part.shade(0.22 * part.blurred(part.strokes(pieces, width + 0.15), 0.12))
        dark: Rgb = (int(thread[0] * 0.80), int(thread[1] * 0.80), int(thread[2] * 0.80))
        part.fill(part.strokes(pieces, width), dark)
        part.fill(part.strokes([p - LIT_SIDE_MM for p in pieces], width * 0.62), thread)

    def perforations(self, centres: F64, radius: float = 0.75) -> None:
        """Punched holes: dark, with a lit lower lip."""
        part = self.near(centres)
        part.shade(-0.06 * part.dots(centres + np.array([0.0, 0.22]), radius + 0.12))
        part.fill(part.dots(centres, radius), (38, 36, 34), 0.88)

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) sRGB code values."""
        coded: NDArray[np.uint8] = np.clip(self.pixels + 0.5, 0, 255).astype(np.uint8)
        return coded

    def _sheet(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        height, width = self.pixels.shape[:2]
        image = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
        return image, ImageDraw.Draw(image)

    def _points(self, points: F64) -> list[tuple[float, float]]:
        moved = (np.asarray(points) * self.scale - self.origin[::-1]) * OVERSAMPLING
        return [(float(x), float(y)) for x, y in moved]

    def _reduced(self, image: Image.Image) -> F32:
        return np.asarray(image.reduce(OVERSAMPLING), np.float32) / 255.0


def leather_grain(places: F32, seeds: F64) -> F32:
    """Pebbled grain at points in space: creases where two cells meet, plus their slight differences in tone.

    Cellular texture after Worley, "A Cellular Texture Basis Function", SIGGRAPH 1996: F2 − F1 of random
    feature points. Evaluated in space, so that it runs on across seams of the pattern.

    ``places`` (N, 3) and ``seeds`` (M, 3) in mm. Returns (N,) relative tone, mean about 0, within ±1.
    """
    found = cKDTree(seeds).query(places, k=2)
    distance, nearest = np.asarray(found[0]), np.asarray(found[1])
    crease = np.clip(1.0 - (distance[:, 1] - distance[:, 0]) / 0.28, 0.0, 1.0)
    tone = np.random.default_rng(7).uniform(-1.0, 1.0, len(seeds))[nearest[:, 0]]
    result: F32 = (0.30 - 0.75 * crease**1.5 + 0.22 * tone).astype(np.float32)
    return result


def mottle(shape: tuple[int, int], sigma: float, seed: int) -> F32:
    """(H, W) smooth noise, standard deviation 1: unevenness of dye. ``sigma`` in texels."""
    step = max(1, int(sigma / 3))              # broad noise needs no fine grid
    coarse = (shape[0] // step + 2, shape[1] // step + 2)
    noise = np.random.default_rng(seed).standard_normal(coarse).astype(np.float32)
    smooth = zoom(gaussian_filter(noise, sigma / step, mode="wrap"), step, order=1)[:shape[0], :shape[1]]
    result: F32 = smooth / max(float(smooth.std()), 1e-9)
    return result
