"""Is every print and texture as sharp as it should be, and still the design's?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import blur_regions, defocus
from pipeline.sentinel.occurrences import Occurrence, occurrences
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.sharpness import Blur, fit_blur, high_pass, luma_of
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

SMALLEST_TEXT_PX = 10.0      # cap height; smaller letters cannot be told from texture
SMALLEST_MARK_PX = 12.0      # a logo's shorter side
STEEPEST_DEG = 70.0          # beyond it a print is a sliver
_RECOGNISED = 0.3            # correlation; below it the image shows something else, and σ means nothing
_TILES = 12                  # per larger extent of the product, for the correlation map
_SMALLEST_TILE = 24          # px
_TILE_CONTRAST = 0.016       # rms of high-passed code values 0..1; smears over fainter texture are invisible
_TILE_FILLED = 0.5           # share of a tile that the product must fill


ESTIMATORS: Mapping[str, Estimator] = {
    # A print 0.8 px softer than its surroundings is seen at normal size; faithful prints stay below 0.5.
    "region_blur_sigma": Estimator(Limit(fail=0.8, warn=0.6),
                                   "is blurred: {value:.1f} px softer than the rest of the product"),
    # Beyond one pixel the whole product looks out of focus.
    "global_blur_sigma": Estimator(Limit(fail=1.0, warn=0.7), "is out of focus as a whole (blur {value:.1f} px)"),
    # Texture that no longer follows the map was smeared or reinvented; catches 7 of 10, so it only advises.
    "tile_correlation_min": Estimator(Limit(fail=0.35, warn=0.5, direction="min", perfect=1.0, required=False),
                                      "shows texture that does not follow the design in one place "
                                      "(correlation {value:.2f})"),
}


@check("detail", needs=("alpha", "display"), unit="px", injectors=(blur_regions, defocus),
       estimators=ESTIMATORS, about="sharpness")
def detail(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Blur of the whole product, blur of each label and logo beyond it, and the worst texture tile.

    A label's σ alone would confuse a soft picture with a soft label; variances subtract.
    """
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return [_without_value("global_blur_sigma", "product", "the product is not in the picture")]
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    wanted, seen = luma_of(expected.display[window]), luma_of(observed[window])
    solid = minimum_filter(expected.alpha[window] > 0.99, 5)
    marks = [region for region in regions if region.kind != "stitching"]
    found = occurrences(expected, marks)
    plain = solid.copy()
    for occurrence in found:
        x0, y0, x1, y1 = _moved(occurrence.bbox, box)
        plain[y0:y1, x0:x1] &= ~occurrence.mask
    overall = fit_blur(wanted, seen, plain)
    measurements = [_global(overall), _tiles(expected, observed, wanted, seen, solid, box, overall)]
    visible = {occurrence.region.name for occurrence in found}
    hidden = [f"{region.kind}:{region.name}" for region in marks if region.name not in visible]
    measurements += [_without_value("region_blur_sigma", name, "it does not show in this shot") for name in hidden]
    return measurements + [_region(expected, observed, wanted, seen, box, occurrence, overall) for occurrence in found]


def _global(overall: Blur | None) -> Measurement:
    if overall is None:
        return _without_value("global_blur_sigma", "product", "the product has no texture to judge sharpness by")
    if overall.correlation < _RECOGNISED:
        return _without_value("global_blur_sigma", "product", "the image does not show the product's texture", True)
    return Measurement("detail", "global_blur_sigma", "product", overall.sigma, "px", 1.0,
                       reason=f"correlation {overall.correlation:.2f}")


def _region(expected: Expected, observed: U8, wanted: F32, seen: F32, box: BBox, occurrence: Occurrence,
            overall: Blur | None) -> Measurement:
    """σ of one print in excess of the whole picture's, in quadrature."""
    reason = _too_small(occurrence)
    if reason:
        return _without_value("region_blur_sigma", occurrence.name, reason)
    x0, y0, x1, y1 = _moved(occurrence.bbox, box)
    mask = np.zeros(wanted.shape, bool)
    mask[y0:y1, x0:x1] = occurrence.mask
    blur = fit_blur(wanted, seen, mask)
    if blur is None:
        return _without_value("region_blur_sigma", occurrence.name, "nothing is printed there that could blur")
    if blur.correlation < _RECOGNISED:
        return _without_value("region_blur_sigma", occurrence.name,
                              f"the print is not recognised (correlation {blur.correlation:.2f})", True)
    usual = overall.sigma if overall is not None and overall.correlation >= _RECOGNISED else 0.0
    excess = float(np.sqrt(max(blur.sigma**2 - usual**2, 0.0)))
    there = mask & ~((wanted > 0.99) | (wanted < 0.01))
    cut_off = there & ((seen > 0.995) | (seen < 0.005))
    coverage = 1.0 - int(np.count_nonzero(cut_off)) / max(int(np.count_nonzero(there)), 1)
    width, height = (round(size) for size in occurrence.size_px)
    return Measurement("detail", "region_blur_sigma", occurrence.name, excess, "px", coverage, occurrence.bbox,
                       side_by_side(expected, observed, occurrence.bbox),
                       reason=f"{width} × {height} px, seen at {occurrence.view_angle_deg:.0f}°")


def _too_small(occurrence: Occurrence) -> str:
    """Why an occurrence cannot be judged, or nothing."""
    if occurrence.view_angle_deg > STEEPEST_DEG:
        return f"it is seen at {occurrence.view_angle_deg:.0f}°, beyond {STEEPEST_DEG:.0f}°"
    if occurrence.region.text and occurrence.cap_height_px < SMALLEST_TEXT_PX:
        return f"its capitals are about {occurrence.cap_height_px:.0f} px high, under {SMALLEST_TEXT_PX:.0f}"
    if min(occurrence.size_px) < SMALLEST_MARK_PX:
        return f"it is {min(occurrence.size_px):.0f} px small, under {SMALLEST_MARK_PX:.0f}"
    return ""


def _tiles(expected: Expected, observed: U8, wanted: F32, seen: F32, solid: Bools, box: BBox,
           overall: Blur | None) -> Measurement:
    """The lowest correlation of high-passed luma over tiles that have visible texture."""
    side = max(_SMALLEST_TILE, max(wanted.shape[0], wanted.shape[1]) // _TILES)
    if overall is not None and overall.sigma > 0:
        wanted = gaussian_filter(wanted, overall.sigma)
    first, second = (np.where(solid, high_pass(picture), 0.0) for picture in (wanted, seen))
    filled, cross, own, other = (_tile_sums(a, side) for a in (solid.astype(np.float32), first * second, first**2,
                                                               second**2))
    visible = (filled >= _TILE_FILLED * side * side) & (np.sqrt(own / np.maximum(filled, 1.0)) >= _TILE_CONTRAST)
    if not visible.any():
        return _without_value("tile_correlation_min", "product", "the product has no texture that could smear")
    correlation = np.where(visible, cross / np.sqrt(np.maximum(own * other, 1e-12)), np.inf)
    row, column = np.unravel_index(int(correlation.argmin()), correlation.shape)
    where: BBox = (box[0] + int(column) * side, box[1] + int(row) * side,
                   min(box[0] + int(column + 1) * side, box[2]), min(box[1] + int(row + 1) * side, box[3]))
    return Measurement("detail", "tile_correlation_min", "product", float(correlation.min()), "correlation", 1.0, where,
                       side_by_side(expected, observed, where))


def _tile_sums(values: F32, side: int) -> F32:
    """Sums over side × side tiles; the last row and column may be partial."""
    by_row = np.add.reduceat(values, np.arange(0, values.shape[0], side), axis=0)
    return np.asarray(np.add.reduceat(by_row, np.arange(0, values.shape[1], side), axis=1))


def _moved(bbox: BBox, origin: BBox) -> BBox:
    """A box in the coordinates of another's corner; region pixels always lie within the product's box."""
    return bbox[0] - origin[0], bbox[1] - origin[1], bbox[2] - origin[0], bbox[3] - origin[1]


def _without_value(estimator: str, region: str, reason: str, applicable: bool = False) -> Measurement:
    unit = "correlation" if estimator == "tile_correlation_min" else "px"
    return Measurement("detail", estimator, region, None, unit, 0.0, applicable=applicable, reason=reason)
