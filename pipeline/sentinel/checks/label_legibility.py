"""Can every label be read, does it say what it should, and is it as sharp as the rest of the product?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.sentinel.evidence import side_by_side
from pipeline.sentinel.glyphs import glyph_side, swap_glyphs, weakest_window
from pipeline.sentinel.injectors import blur_regions
from pipeline.sentinel.lettering import CAPITALS, Line, lines_of, share_right
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.prints import (
    RECOGNISED,
    SMALLEST_TEXT_PX,
    Print,
    excess,
    printed,
    shown_prints,
    softness_elsewhere,
    unfit,
)
from pipeline.sentinel.rectify import Rectified, rectified
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

ESTIMATORS: Mapping[str, Estimator] = {
    # Faithful labels read 1.0, one wrong letter of nine 0.89. What the faithful picture is misread at is not charged.
    "text_match": Estimator(Limit(fail=0.95, direction="min", perfect=1.0),
                            "cannot be read as it should:{detail} ({value:.0%} of its letters are right)", "repair"),
    # Faithful labels stay above 0.93, most of them at 0.99, half a pixel of warp and JPEG included; a swapped letter
    # reads about 0.5, one that is hardly visible at a steep angle up to 0.89, which reading it then catches.
    "glyph_correlation_min": Estimator(Limit(fail=0.8, warn=0.88, direction="min", perfect=1.0),
                                       "does not show the design in one place (correlation {value:.2f})",
                                       "repair"),
    # Letters 0.8 px softer than the product around them are seen at normal size; faithful labels stay below 0.45.
    "excess_blur_sigma": Estimator(Limit(fail=0.8, warn=0.6),
                                   "is blurred: {value:.1f} px softer than the rest of the product", "repair"),
}


def blur_labels(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma_px: float = 1.8) -> U8:
    """Blur every label by a Gaussian of ``sigma_px``, inside its own outline only."""
    return blur_regions(expected, image, _labels(regions), sigma_px=sigma_px)


def swap_one_glyph(expected: Expected, image: U8, regions: Sequence[Region] = (), *, place: float = 0.5) -> U8:
    """Put another letter of the same label where one stands, ``place`` along its line (0..1), on every label."""
    result = image.copy()
    for occurrence in occurrences(expected, _labels(regions)):
        flat = rectified(expected, occurrence)
        if flat is not None and not unfit(expected, occurrence):
            result = swap_glyphs(expected, result, flat, _lines(expected, flat), place)
    return result


@check("label_legibility", needs=("alpha", "display"), unit="share", estimators=ESTIMATORS, about="lettering",
       injectors=(blur_labels, swap_one_glyph))
def label_legibility(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """What each label says, how well its letters follow the design, and its blur beyond the product's own.

    Looks at labels and at logos that say something. A label without text is judged by its looks only, and so is
    one that cannot be read even in the faithful picture.
    """
    everything, found, hidden = shown_prints(expected, regions, _labels(regions))
    measurements = [_without_value(estimator, name, "it does not show in this shot")
                    for name in hidden for estimator in ESTIMATORS]
    if not found:
        return measurements
    elsewhere = softness_elsewhere(expected, observed, everything)
    for occurrence in found:
        flat = None
        reason = unfit(expected, occurrence)
        if not reason:
            flat = rectified(expected, occurrence)
            reason = "" if flat is not None else "too little of it shows"
        if flat is None:
            measurements += [_without_value(estimator, occurrence.name, reason) for estimator in ESTIMATORS]
            continue
        label = printed(expected, observed, occurrence)
        lines = _lines(expected, flat)
        measurements += [_text(expected, observed, label, flat, lines), _glyphs(expected, observed, label, flat, lines),
                         _softness(expected, observed, label, elsewhere)]
    return measurements


def _text(expected: Expected, observed: U8, label: Print, flat: Rectified, lines: Sequence[Line]) -> Measurement:
    """The share of characters that the worst line shows."""
    name = label.occurrence.name
    if not label.occurrence.region.text:
        return _without_value("text_match", name, "it has no text that is known")
    if not lines:
        return _without_value("text_match", name, "it cannot be read even in the faithful picture")
    heights = [_cap_height_px(flat, line) for line in lines]
    legible = [line for line, height in zip(lines, heights, strict=True) if height >= SMALLEST_TEXT_PX]
    if not legible:
        return _without_value("text_match", name, f"its capitals are {max(heights):.0f} px high, under "
                              f"{SMALLEST_TEXT_PX:.0f}")
    seen = _as_codes(flat.sample(observed))
    shares = [(*share_right(line, seen), line) for line in legible]
    share, said, line = min(shares, key=lambda one: one[0])
    reason = label.size if share == 1.0 else f"“{line.text}” reads as “{said}”" if said else f"“{line.text}” is gone"
    box = _line_box(flat, line)
    return Measurement("label_legibility", "text_match", name, share, "share", label.coverage, box,
                       side_by_side(expected, observed, box), reason=reason)


def _glyphs(expected: Expected, observed: U8, label: Print, flat: Rectified, lines: Sequence[Line]) -> Measurement:
    """The lowest correlation between image and design over windows of a letter's size."""
    softness = 0.0 if label.blur is None else label.blur.sigma
    side = glyph_side(flat, [line.height * CAPITALS for line in lines])
    found = weakest_window(expected, observed, flat, softness, side)
    if found is None:
        return _without_value("glyph_correlation_min", label.occurrence.name,
                              "nothing is printed there that could change")
    return Measurement("label_legibility", "glyph_correlation_min", label.occurrence.name, found.correlation,
                       "correlation", label.coverage, found.box, side_by_side(expected, observed, found.box),
                       reason=label.size)


def _softness(expected: Expected, observed: U8, label: Print, elsewhere: float) -> Measurement:
    """σ of one label in excess of the whole picture's, in quadrature."""
    name = label.occurrence.name
    if label.blur is None:
        return _without_value("excess_blur_sigma", name, "nothing is printed there that could blur")
    if label.blur.correlation < RECOGNISED:
        return _without_value("excess_blur_sigma", name,
                              f"the print is not recognised (correlation {label.blur.correlation:.2f})", True)
    box = label.occurrence.bbox
    return Measurement("label_legibility", "excess_blur_sigma", name, excess(label.blur.sigma, elsewhere), "px",
                       label.coverage, box, side_by_side(expected, observed, box), reason=label.size)


def _lines(expected: Expected, flat: Rectified) -> list[Line]:
    """The lines that can be read in the faithful picture."""
    text = flat.occurrence.region.text
    if not text:
        return []
    picture = _as_codes(flat.sample(expected.display))
    return list(_lines_in(picture.tobytes(), picture.shape, text))


@lru_cache(maxsize=32)
def _lines_in(codes: bytes, shape: tuple[int, int, int], text: str) -> tuple[Line, ...]:
    """Kept, since one faithful picture is compared with every attempt at an image."""
    return tuple(lines_of(np.frombuffer(codes, np.uint8).reshape(shape), text))


def _as_codes(samples: NDArray[np.float32]) -> U8:
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8)


def _cap_height_px(flat: Rectified, line: Line) -> float:
    """Height of a line's capitals in the picture, foreshortened."""
    down = (line.corners[3] - line.corners[0] + line.corners[2] - line.corners[1]) / 2
    return CAPITALS * float(np.hypot(down[0] * flat.px_across, down[1] * flat.px_down))


def _line_box(flat: Rectified, line: Line) -> BBox:
    height, width = flat.shown.shape
    low = np.clip(np.floor(line.corners.min(axis=0)), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(np.ceil(line.corners.max(axis=0)), low + 1, (width, height)).astype(int)
    return flat.box_of((int(low[1]), int(high[1])), (int(low[0]), int(high[0])))


def _labels(regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if region.kind == "label" or (region.kind == "logo" and region.text)]


def _without_value(estimator: str, region: str, reason: str, applicable: bool = False) -> Measurement:
    unit = {"excess_blur_sigma": "px", "glyph_correlation_min": "correlation"}.get(estimator, "share")
    return Measurement("label_legibility", estimator, region, None, unit, 0.0, applicable=applicable, reason=reason)
