"""Is every print and texture as sharp as it should be, and still the design's?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import blur_regions
from pipeline.sentinel.occurrences import Occurrence, occurrences
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.sharpness import Blur, fit_blur, luma_of
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

SMALLEST_TEXT_PX = 10.0      # cap height; smaller letters cannot be told from texture
SMALLEST_MARK_PX = 12.0      # a logo's shorter side
STEEPEST_DEG = 70.0          # beyond it a print is a sliver
_RECOGNISED = 0.3            # correlation; below it the image shows something else, and σ means nothing


ESTIMATORS: Mapping[str, Estimator] = {
    # A print 0.8 px softer than its surroundings is seen at normal size; faithful prints stay below 0.5.
    "region_blur_sigma": Estimator(Limit(fail=0.8, warn=0.6),
                                   "is blurred: {value:.1f} px softer than the rest of the product"),
}


@check("detail", needs=("alpha", "display"), unit="px", injectors=(blur_regions,),
       estimators=ESTIMATORS, about="sharpness")
def detail(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Blur of each label and logo beyond that of the whole product.

    A label's σ alone would confuse a soft picture with a soft label; variances subtract.
    """
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return [_without_value("region_blur_sigma", f"{region.kind}:{region.name}", "the product is not in the picture")
                for region in regions if region.kind != "stitching"]
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
    visible = {occurrence.region.name for occurrence in found}
    hidden = [f"{region.kind}:{region.name}" for region in marks if region.name not in visible]
    unseen = [_without_value("region_blur_sigma", name, "it does not show in this shot") for name in hidden]
    return unseen + [_region(expected, observed, wanted, seen, box, occurrence, overall) for occurrence in found]


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


def _moved(bbox: BBox, origin: BBox) -> BBox:
    """A box in the coordinates of another's corner; region pixels always lie within the product's box."""
    return bbox[0] - origin[0], bbox[1] - origin[1], bbox[2] - origin[0], bbox[3] - origin[1]


def _without_value(estimator: str, region: str, reason: str, applicable: bool = False) -> Measurement:
    return Measurement("detail", estimator, region, None, "px", 0.0, applicable=applicable, reason=reason)
