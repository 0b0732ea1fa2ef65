"""Is the product's texture sharp as a whole, and does it follow the design everywhere?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.injectors import defocus
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.sharpness import Blur, fit_blur, high_pass, luma_of
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_RECOGNISED = 0.3            # correlation; below it the image shows something else, and σ means nothing
_TILES = 12                  # per larger extent of the product, for the correlation map
_SMALLEST_TILE = 24          # px
_TILE_CONTRAST = 0.016       # rms of high-passed code values 0..1; smears over fainter texture are invisible
_TILE_FILLED = 0.5           # share of a tile that the product must fill


ESTIMATORS: Mapping[str, Estimator] = {
    # Beyond one pixel the whole product looks out of focus.
    "global_blur_sigma": Estimator(Limit(fail=1.0, warn=0.7), "is out of focus as a whole (blur {value:.1f} px)"),
    # Texture that no longer follows the map was smeared or reinvented; catches 7 of 10, so it only advises.
    "tile_correlation_min": Estimator(Limit(fail=0.35, warn=0.5, direction="min", perfect=1.0, required=False),
                                      "shows texture that does not follow the design in one place "
                                      "(correlation {value:.2f})"),
}


@check("texture", needs=("alpha", "display"), unit="px", injectors=(defocus,), estimators=ESTIMATORS, about="texture")
def texture(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Blur of the product as a whole, and the tile of its texture that least follows the design."""
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return [_without_value(name, "the product is not in the picture") for name in ESTIMATORS]
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    wanted, seen = luma_of(expected.display[window]), luma_of(observed[window])
    solid = minimum_filter(expected.alpha[window] > 0.99, 5)
    plain = solid.copy()
    for occurrence in occurrences(expected, [region for region in regions if region.kind != "stitching"]):
        x0, y0, x1, y1 = occurrence.bbox
        plain[y0 - box[1]:y1 - box[1], x0 - box[0]:x1 - box[0]] &= ~occurrence.mask
    overall = fit_blur(wanted, seen, plain)
    return [_global(overall), _tiles(expected, observed, wanted, seen, solid, box, overall)]


def _global(overall: Blur | None) -> Measurement:
    if overall is None:
        return _without_value("global_blur_sigma", "the product has no texture to judge sharpness by")
    if overall.correlation < _RECOGNISED:
        return _without_value("global_blur_sigma", "the image does not show the product's texture", True)
    return Measurement("texture", "global_blur_sigma", "product", overall.sigma, "px", 1.0,
                       reason=f"correlation {overall.correlation:.2f}")


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
        return _without_value("tile_correlation_min", "the product has no texture that could smear")
    correlation = np.where(visible, cross / np.sqrt(np.maximum(own * other, 1e-12)), np.inf)
    row, column = np.unravel_index(int(correlation.argmin()), correlation.shape)
    where: BBox = (box[0] + int(column) * side, box[1] + int(row) * side,
                   min(box[0] + int(column + 1) * side, box[2]), min(box[1] + int(row + 1) * side, box[3]))
    return Measurement("texture", "tile_correlation_min", "product", float(correlation.min()), "correlation", 1.0,
                       where, side_by_side(expected, observed, where))


def _tile_sums(values: F32, side: int) -> F32:
    """Sums over side × side tiles; the last row and column may be partial."""
    by_row = np.add.reduceat(values, np.arange(0, values.shape[0], side), axis=0)
    return np.asarray(np.add.reduceat(by_row, np.arange(0, values.shape[1], side), axis=1))


def _without_value(estimator: str, reason: str, applicable: bool = False) -> Measurement:
    unit = "correlation" if estimator == "tile_correlation_min" else "px"
    return Measurement("texture", estimator, "product", None, unit, 0.0, applicable=applicable, reason=reason)
