"""How much of the design's fine texture an image shows, tile by tile, whatever light it is seen in.

Light differs between faithful images: a path tracer, a rasteriser and a refiner draw other highlights, shadows and
relief. What they share is the diffuse albedo. So the texture that must be there is the albedo's, in smooth light; an
image is regressed on it tile by tile, and so is the faithful picture: the ratio of the two is the share that was kept.
Relief that a refiner adds is not correlated with it and drops out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from pipeline.colour import srgb_encode
from pipeline.sentinel.faithful import LUMINANCE
from pipeline.sentinel.sharpness import luma_of
from pipeline.sentinel.types import U8, BBox, Expected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BAND = 3.0                # px; coarser structure belongs to light
_TILES = 20                # per larger extent of the product
_SMALLEST_TILE = 26        # px
_FILLED = 0.5              # share of a tile that must be readable
_OUTLINE = 9               # px box: as close to the outline texture is the silhouette's business
_CREASE = 7                # px box around edges of form and material, where light may change at once
_STEEP = 8.0               # pixels of depth per pixel: there one part hides another
_STRONG = 4.0              # codes; a stronger edge weighs less, or one print would outweigh the weave beside it
_BURNT = 250               # code from which texture is lost in light
_GAIN = (0.4, 2.5)         # of local brightness
_CORRELATED = 6.0          # pixels that share one value of relief or compression noise
_SURE = 1.5                # standard errors that speak for the image
_FAINT = 0.8               # codes; what JPEG at quality 85 may take off a fainter texture


@dataclass(frozen=True, slots=True)
class Reference:
    """What is needed of the expected picture, cut to the product's box (h × w pixels)."""

    box: BBox
    plain: Bools           # (h, w) inside one material, away from outline, creases and prints
    wanted: F32            # (h, w) luma of the faithful picture, codes
    brightest: U8          # (h, w) its largest channel
    design: F32            # (h, w) the albedo alone in smooth light, codes


@dataclass(frozen=True, slots=True)
class Tiles:
    """Overlapping tiles (rows × columns), half a side apart."""

    side: int              # px
    box: BBox              # of the product
    readable: Bools        # filled enough by what can be read
    burnt: Bools           # would be readable, were it not overexposed
    contrast: F64          # rms of the design's texture as the faithful picture shows it, codes
    coherence: F64         # 0..1 how much of the faithful picture's texture is the design's
    kept: F64              # share of that texture which the image shows, in favour of the image where it is unsure
    unexplained: F64       # rms of fine detail that is not in the faithful picture, codes

    def bbox(self, place: tuple[int, int]) -> BBox:
        """Pixels of the tile at (row, column)."""
        x, y = (self.box[axis] + place[1 - axis] * (self.side // 2) for axis in (0, 1))
        return x, y, min(x + self.side, self.box[2]), min(y + self.side, self.box[3])


def reference(expected: Expected, box: BBox, free: Bools) -> Reference:
    """The texture that must be there within the product's ``box``; ``free`` (h, w) of prints."""
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    plain = free & minimum_filter(expected.alpha[window] > 0.99, _OUTLINE)
    plain &= ~maximum_filter(_creases(expected, window), _CREASE)
    albedo = expected.diffuse_albedo[window] @ LUMINANCE
    lit = (expected.diffuse_albedo[window] * expected.diffuse[window]) @ LUMINANCE
    gloss = (expected.specular[window] + expected.emissive[window]) @ LUMINANCE
    smooth = _Smoothing(plain)
    even = albedo * smooth(lit) / np.maximum(smooth(albedo), 1e-4) + smooth(gloss)
    return Reference(box, plain, 255.0 * luma_of(expected.display[window]), expected.display[window].max(axis=-1),
                     np.asarray(255.0 * srgb_encode(np.clip(even, 0.0, 1.0)), np.float32))


def compare(known: Reference, observed: U8, softness: float) -> Tiles:
    """Both pictures' texture against the design's. ``softness`` is σ in px of the whole image's own blur."""
    window = (slice(known.box[1], known.box[3]), slice(known.box[0], known.box[2]))
    burnt = known.plain & (observed[window].max(axis=-1) >= _BURNT) & (known.brightest < _BURNT)
    plain = known.plain & ~burnt
    wanted, design = (gaussian_filter(a, softness) if softness else a for a in (known.wanted, known.design))
    seen = 255.0 * luma_of(observed[window])
    smooth = _Smoothing(plain)
    level, light = smooth(wanted), smooth(seen)
    gain = np.clip((light + 2.0) / (level + 2.0), *_GAIN)
    pattern = smooth.rest(design, smooth(design))
    before, after = gain * smooth.rest(wanted, level), smooth.rest(seen, light)
    weight = plain / (1.0 + (pattern / _STRONG) ** 2)

    side = max(_SMALLEST_TILE, max(wanted.shape) // _TILES)
    area, lost = (_sums(a.astype(np.float32), side) for a in (plain, burnt))
    own, in_wanted, in_seen = (_sums(weight * pattern * other, side) for other in (pattern, before, after))
    share, power, noise = _sums(weight, side), _sums(weight * before**2, side), _sums(weight * after**2, side)
    contrast = in_wanted / np.sqrt(np.maximum(own * share, 1e-9))
    left = np.sqrt(np.maximum(noise - in_seen**2 / np.maximum(own, 1e-9), 0.0) / np.maximum(share, 1e-9))
    error = left / np.maximum(contrast, 1e-3) / np.sqrt(np.maximum(area / _CORRELATED, 1.0))
    kept = in_seen / np.maximum(in_wanted, 1e-9) + _SURE * error + (_FAINT / np.maximum(contrast, 1e-3)) ** 2
    enough = _FILLED * side * side
    return Tiles(side, known.box, area >= enough, (area < enough) & (area + lost >= enough), contrast,
                 in_wanted / np.sqrt(np.maximum(own * power, 1e-9)), kept,
                 _unexplained(before, after, area, side))


def _unexplained(before: F32, after: F32, area: F64, side: int) -> F64:
    """(rows, columns) rms of what the image shows beyond a gain of the faithful picture, which a shift by half a pixel
    or so explains in part: as much as the picture's own contrast, by 0.45."""
    own, cross, seen = (_sums(a, side) for a in (before**2, before * after, after**2))
    gain = np.clip(cross / np.maximum(own, 1e-9), 0.0, 1.3)
    rest = seen - 2 * gain * cross + gain**2 * own
    return np.asarray(np.sqrt(np.maximum(rest - 0.2 * own, 0.0) / np.maximum(area, 1.0)))


class _Smoothing:
    """Local means of what is plain; the rest lends nothing."""

    def __init__(self, plain: Bools) -> None:
        self._plain = plain.astype(np.float32)
        self._share = np.maximum(gaussian_filter(self._plain, _BAND, truncate=3.0), 1e-3)

    def __call__(self, values: NDArray[np.floating]) -> F32:
        return np.asarray(gaussian_filter(values * self._plain, _BAND, truncate=3.0) / self._share, np.float32)

    def rest(self, values: F32, mean: F32) -> F32:
        """Fine structure: what is left of the values, 0 where nothing is plain."""
        return np.asarray((values - mean) * self._plain, np.float32)


def _creases(expected: Expected, window: tuple[slice, slice]) -> Bools:
    """(h, w) where two materials meet or one part hides another."""
    material = expected.material_id[window]
    depth = np.where(np.isfinite(expected.depth[window]), expected.depth[window], 0.0).astype(np.float32)
    pixel = 2.0 * depth / (abs(float(expected.camera.projection[1, 1])) * expected.size[1])  # metres a pixel covers
    step = maximum_filter(depth, 3) - minimum_filter(depth, 3)
    return np.asarray((maximum_filter(material, 3) != minimum_filter(material, 3)) | (step > _STEEP * pixel))


def _sums(values: NDArray[np.floating], side: int) -> F64:
    """Sums over side × side tiles, half a side apart; those at the lower and right border may be partial."""
    for axis in (0, 1):
        blocks = np.add.reduceat(values, np.arange(0, values.shape[axis], side // 2), axis=axis, dtype=np.float64)
        whole = len(blocks) if axis == 0 else blocks.shape[1]
        first, second = (np.take(blocks, np.arange(start, max(whole - 1, 1) + start), axis=axis, mode="clip")
                         for start in (0, 1))
        values = first + second if whole > 1 else first
    return np.asarray(values, np.float64)
