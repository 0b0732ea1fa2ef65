"""Labels and logos as they show in one shot: which can be judged, and how much softer than the rest they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter, minimum_filter, uniform_filter
from skimage.filters import threshold_otsu

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.occurrences import Occurrence, occurrences, uv_jacobian
from pipeline.sentinel.sharpness import PRINT_GAIN, Blur, fit_blur, luma_of
from pipeline.sentinel.types import U8, Expected

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

SMALLEST_TEXT_PX = 10.0      # cap height; smaller letters cannot be told from texture
SMALLEST_MARK_PX = 12.0      # a print's shorter side
STEEPEST_DEG = 70.0          # beyond it a print is a sliver
LEAST_SHOWN = 0.15           # share of a print that must show
RECOGNISED = 0.3             # correlation; below it the image shows something else, and σ means nothing
AROUND = 10                  # px of ground around a print that are looked at with it
VEIL = 0.15                  # code values; keeps a highlight on black ground from reading as strong light
_LEAST_CONTRAST = 0.06       # code values 0..1 between ink and ground; a fainter print is texture
_FEWEST_PIXELS = 40          # of ink and of ground
_LIGHT_SCALE = 12.0          # px over which the light on the ground is carried under the ink
_CELL = 3                    # px
_INSETS = (9, 5, 3)           # px, windows by which the ground is cut back from the ink
_CUT_OFF = (0.005, 0.995)    # luma at which an image has lost what was printed
_DESIGNED = (0.01, 0.99)     # luma at which the faithful picture has nothing to lose


@dataclass(frozen=True, slots=True)
class Print:
    """One visible copy of a label or logo, cut out with its surroundings."""

    occurrence: Occurrence
    window: tuple[slice, slice]
    wanted: F32                            # (h, w) luma of the faithful picture, code values 0..1
    seen: F32                              # (h, w) luma of the image
    mask: Bools                            # (h, w) the print
    solid: Bools                           # (h, w) the product, without its edge
    blur: Blur | None                      # None: nothing is printed there that could blur

    @property
    def coverage(self) -> float:
        """Share of the print that the image has not cut off."""
        there = self.mask & (self.wanted > _DESIGNED[0]) & (self.wanted < _DESIGNED[1])
        lost = there & ((self.seen < _CUT_OFF[0]) | (self.seen > _CUT_OFF[1]))
        return 1.0 - int(np.count_nonzero(lost)) / max(int(np.count_nonzero(there)), 1)

    @property
    def size(self) -> str:
        """Its size and angle in words."""
        width, height = (round(size) for size in self.occurrence.size_px)
        return f"{width} × {height} px, seen at {self.occurrence.view_angle_deg:.0f}°"


def printed(expected: Expected, observed: U8, occurrence: Occurrence) -> Print:
    """An occurrence cut out of both pictures."""
    x0, y0, x1, y1 = occurrence.bbox
    width, height = expected.size
    margin = 3 * AROUND
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    window = (slice(top, min(height, y1 + margin)), slice(left, min(width, x1 + margin)))
    wanted, seen = luma_of(expected.display[window]), luma_of(observed[window])
    mask = np.zeros(wanted.shape, bool)
    mask[y0 - top:y1 - top, x0 - left:x1 - left] = occurrence.mask
    solid = minimum_filter(expected.alpha[window] > 0.99, 3)
    sheet = solid & (expected.instance_id[window] == occurrence.instance)
    # A logo's polygon often follows its outline: the edge to tell its sharpness by then lies on the border.
    # A label's own border is sewn or cut, and stays sharp when the print does not.
    judged = mask | (maximum_filter(mask, 5) & sheet) if occurrence.region.kind == "logo" else minimum_filter(mask, 5)
    found = Print(occurrence, window, wanted, seen, mask, solid, None)
    tones = tones_of(found)
    # A pale print lets local means pass for light: that of the ground alone tells pale from soft.
    light = None if tones is None else light_on(found, tones)
    blur = fit_blur(wanted, seen, judged, PRINT_GAIN, light) or fit_blur(wanted, seen, mask, PRINT_GAIN, light)
    return replace(found, blur=blur)


class Tones(NamedTuple):
    ink: Bools                             # (h, w)
    ground: Bools                          # (h, w)


def tones_of(print_: Print) -> Tones | None:
    """What is print and what is ground by design; None where they hardly differ in brightness.

    The ground is the one of the two tones that surrounds the print; a label brings its own.
    """
    label = print_.occurrence.region.kind == "label"
    area = print_.mask if label else maximum_filter(print_.mask, 2 * AROUND + 1) & print_.solid
    tones = print_.wanted[area]
    if tones.size < 2 * _FEWEST_PIXELS:
        return None
    bright = area & (print_.wanted > threshold_otsu(tones))  # type: ignore[no-untyped-call]
    dark = area & ~bright
    ring = area & ~minimum_filter(print_.mask, 9 if label else 3)
    ground, ink = (bright, dark) if 2 * np.count_nonzero(ring & bright) > np.count_nonzero(ring) else (dark, bright)
    ink &= maximum_filter(print_.mask, 5)
    if min(np.count_nonzero(ground), np.count_nonzero(ink)) < _FEWEST_PIXELS:
        return None
    if abs(float(np.median(print_.wanted[ink])) - float(np.median(print_.wanted[ground]))) < _LEAST_CONTRAST:
        return None
    # Beside the ink the ground takes part in its blur.
    for inset in _INSETS:
        inner = minimum_filter(ground, inset)
        if np.count_nonzero(inner) >= _FEWEST_PIXELS:
            return Tones(ink, inner)
    return Tones(ink, ground)


def spread(values: F32, known: Bools) -> F32:
    """(h, w) the values of the known pixels, carried smoothly over all others."""
    # Means of cells first: what varies over a dozen pixels needs no finer grid.
    cells = tuple(slice(0, size, _CELL) for size in known.shape)
    mean_size = (_CELL, _CELL)
    weight = gaussian_filter(uniform_filter(known.astype(np.float32), mean_size)[cells], _LIGHT_SCALE / _CELL)
    total = gaussian_filter(uniform_filter(np.where(known, values, 0.0).astype(np.float32), mean_size)[cells],
                            _LIGHT_SCALE / _CELL)
    far = 1e-3
    coarse = (total + far * float(values[known].mean())) / (weight + far)
    rows, columns = (np.arange(size, dtype=np.float32) / _CELL for size in known.shape)
    return np.asarray(map_coordinates(coarse, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest"))


def light_on(print_: Print, tones: Tones) -> F32:
    """(h, w) by how much brighter the image is than the faithful picture, from the ground."""
    light = spread(print_.seen + VEIL, tones.ground) / np.maximum(spread(print_.wanted + VEIL, tones.ground), 1e-3)
    return np.asarray(np.maximum(light, 1e-3), np.float32)


def softness_elsewhere(expected: Expected, observed: U8, found: Sequence[Occurrence]) -> float:
    """σ in px by which the product is softer than it should be where nothing is printed; 0 where none can tell."""
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return 0.0
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    plain = minimum_filter(expected.alpha[window] > 0.99, 5) & clear_of(found, expected.alpha.shape)[window]
    overall = fit_blur(luma_of(expected.display[window]), luma_of(observed[window]), plain)
    return overall.sigma if overall is not None and overall.correlation >= RECOGNISED else 0.0


def clear_of(found: Iterable[Occurrence], size: tuple[int, ...]) -> Bools:
    """(H, W) of a frame where none of what was found is. A print at the rim may reach beyond the product's box."""
    clear = np.ones(size, np.bool_)
    for occurrence in found:
        x0, y0, x1, y1 = occurrence.bbox
        clear[y0:y1, x0:x1] &= ~occurrence.mask
    return clear


def excess(sigma: float, elsewhere: float) -> float:
    """What a print's σ has beyond the whole picture's; variances subtract."""
    return float(np.sqrt(max(sigma**2 - elsewhere**2, 0.0)))


def shown_prints(expected: Expected, regions: Sequence[Region], wanted: Sequence[Region]
                 ) -> tuple[list[Occurrence], list[Occurrence], list[str]]:
    """Occurrences of all labels and logos, of the wanted ones, and the names of wanted ones that do not show."""
    everything = occurrences(expected, [region for region in regions if region.kind != "stitching"])
    found = [occurrence for occurrence in everything if any(occurrence.region is region for region in wanted)]
    visible = {occurrence.region.name for occurrence in found}
    return everything, found, [f"{region.kind}:{region.name}" for region in wanted if region.name not in visible]


def unfit(expected: Expected, occurrence: Occurrence) -> str:
    """Why an occurrence cannot be judged, or nothing."""
    if occurrence.view_angle_deg > STEEPEST_DEG:
        return f"it is seen at {occurrence.view_angle_deg:.0f}°, beyond {STEEPEST_DEG:.0f}°"
    if occurrence.region.text and occurrence.cap_height_px < SMALLEST_TEXT_PX:
        return f"its capitals are about {occurrence.cap_height_px:.0f} px high, under {SMALLEST_TEXT_PX:.0f}"
    if min(occurrence.size_px) < SMALLEST_MARK_PX:
        return f"it is {min(occurrence.size_px):.0f} px small, under {SMALLEST_MARK_PX:.0f}"
    share = _share_shown(expected, occurrence)
    return f"only {share:.0%} of it shows" if share < LEAST_SHOWN else ""


def _share_shown(expected: Expected, occurrence: Occurrence) -> float:
    """How much of the region's area in uv its visible pixels cover."""
    x0, y0, x1, y1 = occurrence.bbox
    slope = uv_jacobian(expected, (slice(y0, y1), slice(x0, x1)))[occurrence.mask]
    area = np.abs(slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0])
    known = area[np.isfinite(area)]
    if not known.size:
        return 0.0
    x, y = np.asarray(occurrence.region.polygon, np.float64).T
    whole = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    # Pixels beside an edge have no slope of their own.
    return float(known.mean()) * len(area) / max(whole, 1e-12)
