"""Is the product's texture sharp as a whole, is the design's texture there everywhere, and nothing else?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter

from pipeline.catalogue import Region
from pipeline.colour import quantise
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import defocus
from pipeline.sentinel.legible_seams import legible_seams
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.prints import clear_of
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.sharpness import Blur, fit_blur, luma_of
from pipeline.sentinel.tiles import Reference, Tiles, compare, reference
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RECOGNISED = 0.3            # correlation; below it the image shows something else, and σ means nothing
_SAME_LIGHT = 0.93           # correlation; above it the faithful picture, blurred, explains the image
_LEAST_CONTRAST = 1.5        # codes rms; what a smear takes off fainter texture is not seen
_LEAST_COHERENCE = 0.82      # below it light draws a third of the faithful picture's own texture there
_FEWEST_TILES = 3            # of texture, and blocks; fewer say nothing of a whole product

ESTIMATORS: Mapping[str, Estimator] = {
    # Beyond one pixel the whole product looks out of focus.
    "global_blur_sigma": Estimator(Limit(fail=1.0, warn=0.7), "is out of focus as a whole (blur {value:.1f} px)"),
    # Refined and traced pictures of 24 products keep 0.88 or more, 0.76 after the worst of JPEG, blur and warp; drawn
    # light against traced 0.51. Visible smears read 0.04 to 0.55. Required: none of 195 clean pictures came near.
    # What is burnt out is another check's finding, so half of the texture may be.
    "texture_kept_min": Estimator(Limit(fail=0.45, warn=0.6, direction="min", perfect=1.0, min_coverage=0.3),
                                  "has lost its texture in one place: {value:.0%} of the design's is left there",
                                  remedy="repair"),
    # A refiner's honest relief reads up to 8, other reflections on glaze and rubber up to 12; a net of cracks 45 codes
    # strong 16. Required for the same reason.
    "invented_contrast_max": Estimator(Limit(fail=14.0, warn=12.5),
                                       "shows detail in one place that the product does not have "
                                       "({value:.0f} codes strong)", remedy="repair"),
}
_UNITS = {"global_blur_sigma": "px", "texture_kept_min": "share", "invented_contrast_max": "codes"}


def smear_patch(expected: Expected, image: U8, regions: Sequence[Region] = (), *, length_px: float = 10.0,
                radius_px: float = 30.0) -> U8:
    """Smear the most textured patch of the product along the horizontal, σ ``length_px``, and 2 px across."""
    softer = gaussian_filter(image.astype(np.float32), (2.0, length_px, 0.0))
    return _mixed(image, softer, _patch(expected, regions, radius_px, most=True))


def lose_weave(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma_px: float = 4.0,
               radius_px: float = 30.0) -> U8:
    """Blur the most textured patch of the product until its weave is gone."""
    softer = gaussian_filter(image.astype(np.float32), (sigma_px, sigma_px, 0.0))
    return _mixed(image, softer, _patch(expected, regions, radius_px, most=True))


def invent_cracks(expected: Expected, image: U8, regions: Sequence[Region] = (), *, codes: float = 45.0,
                  radius_px: float = 24.0) -> U8:
    """Draw a net of cracks 2 px wide, ``codes`` darker or lighter, on the plainest patch of the product."""
    patch = _patch(expected, regions, radius_px, most=False)
    y, x = np.indices(patch.shape)
    wavy = [x + 3.0 * np.sin(y / 5.0), y + 3.0 * np.sin(x / 7.0), x + y]
    lines = np.max([np.mod(axis, pitch) < 2.0 for axis, pitch in zip(wavy, (13.0, 17.0, 29.0), strict=True)], axis=0)
    where = patch > 0.5
    sign = -1.0 if not where.any() or image[where].mean() > 128 else 1.0
    return quantise((image + sign * codes * (lines * patch)[..., None]) / 255.0)


@check("texture", needs=("alpha", "display"), unit="px", estimators=ESTIMATORS, about="texture",
       injectors=(defocus, smear_patch, lose_weave, invent_cracks))
def texture(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Blur of the product as a whole, the tile that keeps least of the design, and the one that invents most.

    Prints are other checks' business and left out. Coverage is the share of textured tiles that the image has not
    burnt out.
    """
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return [_without_value(name, "the product is not in the picture") for name in ESTIMATORS]
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    free = _free_of_prints(expected, regions, box)
    solid = free & minimum_filter(expected.alpha[window] > 0.99, 5)
    known = reference(expected, box, free)
    overall = _softness(known, luma_of(expected.display[window]), luma_of(observed[window]), solid)
    tiles = compare(known, observed, overall.sigma if overall and overall.correlation >= _RECOGNISED else 0.0)
    return [_global(overall), _kept(expected, observed, known, tiles), _invented(expected, observed, tiles)]


def _softness(known: Reference, wanted: F32, seen: F32, solid: Bools) -> Blur | None:
    """The whole product's blur. Relief that other light does not show would read as one, so a picture
    in which more than blur differs is compared with the design alone as well."""
    overall = fit_blur(wanted, seen, solid)
    if overall is None or overall.correlation >= _SAME_LIGHT:
        return overall
    by_design = fit_blur(known.design / np.float32(255.0), seen, known.plain)
    if by_design is None or by_design.correlation < _RECOGNISED:
        return overall
    return min(overall, by_design, key=lambda blur: blur.sigma)


def _global(overall: Blur | None) -> Measurement:
    if overall is None or overall.blocks < _FEWEST_TILES:
        return _without_value("global_blur_sigma", "the product has no texture to judge sharpness by")
    if overall.correlation < _RECOGNISED:
        return _without_value("global_blur_sigma", "the image does not show the product's texture", True)
    return Measurement("texture", "global_blur_sigma", "product", overall.sigma, "px", 1.0,
                       reason=f"correlation {overall.correlation:.2f}")


def _textured(tiles: Tiles) -> Bools:
    """Tiles whose design shows texture, and shows it by its colour rather than by light."""
    return (tiles.contrast >= _LEAST_CONTRAST) & (tiles.coherence >= _LEAST_COHERENCE)


def _kept(expected: Expected, observed: U8, known: Reference, tiles: Tiles) -> Measurement:
    read = tiles.readable & _textured(tiles)
    shown = read
    if tiles.burnt.any():
        shown = read | (tiles.burnt & _textured(compare(known, expected.display, 0.0)))
    if np.count_nonzero(shown) < _FEWEST_TILES:
        return _without_value("texture_kept_min", "the design has no visible texture that could be lost")
    if not read.any():
        return _without_value("texture_kept_min", "the image is burnt out where the design has texture", True)
    coverage = np.count_nonzero(read) / np.count_nonzero(shown)
    return _at(expected, observed, tiles, "texture_kept_min", np.where(read, -tiles.kept, -np.inf), -1.0, coverage)


def _invented(expected: Expected, observed: U8, tiles: Tiles) -> Measurement:
    if not tiles.readable.any():
        return _without_value("invented_contrast_max", "no patch of the product is free of prints and edges")
    return _at(expected, observed, tiles, "invented_contrast_max", np.where(tiles.readable, tiles.unexplained, -np.inf),
               1.0, 1.0)


def _at(expected: Expected, observed: U8, tiles: Tiles, estimator: str, badness: F64, sign: float,
        coverage: float) -> Measurement:
    """The worst tile's reading, with the tile as its evidence."""
    row, column = np.unravel_index(int(badness.argmax()), badness.shape)
    where = tiles.bbox((int(row), int(column)))
    return Measurement("texture", estimator, "product", sign * float(badness[row, column]), _UNITS[estimator],
                       float(coverage), where, side_by_side(expected, observed, where))


def _free_of_prints(expected: Expected, regions: Sequence[Region], box: BBox) -> Bools:
    """(h, w) of the product's box, without labels, logos and seams that checks of their own read."""
    prints = occurrences(expected, [region for region in regions if region.kind != "stitching"])
    return clear_of((*prints, *legible_seams(expected, regions)), expected.alpha.shape)[box[1]:box[3], box[0]:box[2]]


def _patch(expected: Expected, regions: Sequence[Region], radius_px: float, most: bool) -> F32:
    """(H, W) 0..1 a round patch where the design's texture is strongest, or faintest, within one material."""
    weight = np.zeros(expected.alpha.shape, np.float32)
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return weight
    known = reference(expected, box, _free_of_prints(expected, regions, box))
    tiles = compare(known, expected.display, 0.0)
    found = tiles.readable & ((tiles.coherence >= _LEAST_COHERENCE) | (not most))
    if not found.any():
        return weight
    score = np.where(found, tiles.contrast if most else -tiles.contrast, -np.inf)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    x0, y0, x1, y1 = tiles.bbox((int(row), int(column)))
    y, x = np.indices(weight.shape)
    distance = np.hypot(x - (x0 + x1) / 2, y - (y0 + y1) / 2)
    return np.asarray(np.clip(radius_px - distance, 0.0, 2.0) / 2.0 * (expected.alpha > 0.99), np.float32)


def _mixed(image: U8, other: F32, weight: F32) -> U8:
    return quantise((image + weight[..., None] * (other - image)) / 255.0)


def _without_value(estimator: str, reason: str, applicable: bool = False) -> Measurement:
    return Measurement("texture", estimator, "product", None, _UNITS[estimator], 0.0, applicable=applicable,
                       reason=reason)
