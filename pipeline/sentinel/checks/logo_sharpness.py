"""Is every logo as sharp as the rest of the product, and printed as strongly as it should be?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from pipeline.catalogue import Region
from pipeline.colour import quantise
from pipeline.sentinel.evidence import side_by_side
from pipeline.sentinel.injectors import blur_regions
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.prints import (
    RECOGNISED,
    VEIL,
    Print,
    excess,
    light_on,
    printed,
    shown_prints,
    softness_elsewhere,
    spread,
    tones_of,
    unfit,
)
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Limit, Measurement

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


ESTIMATORS: Mapping[str, Estimator] = {
    # A logo 0.8 px softer than its surroundings is seen at normal size; faithful ones stay below 0.5.
    "excess_blur_sigma": Estimator(Limit(fail=0.8, warn=0.6),
                                   "is blurred: {value:.1f} px softer than the rest of the product", "repair"),
    # Half the contrast must fail; light, highlights and a stronger lock leave faithful logos above 0.8.
    "contrast_ratio": Estimator(Limit(fail=0.7, warn=0.8, direction="min", perfect=1.0),
                                "is washed out: it has {value:.0%} of its contrast", "repair"),
}


def blur_logos(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma_px: float = 1.2) -> U8:
    """Blur every logo by a Gaussian of ``sigma_px``, inside its own outline only."""
    return blur_regions(expected, image, _logos(regions), sigma_px=sigma_px)


def wash_out_logos(expected: Expected, image: U8, regions: Sequence[Region] = (), *, keep: float = 0.5) -> U8:
    """Mix every logo with the ground around it until ``keep`` of its contrast is left."""
    ground, weight = image.astype(np.float32), np.zeros(image.shape[:2], np.float32)
    for occurrence in occurrences(expected, _logos(regions)):
        logo = printed(expected, image, occurrence)
        tones = tones_of(logo)
        if tones is None:
            continue
        part = image[logo.window].astype(np.float32)
        under = np.stack([spread(part[..., c], tones.ground) for c in range(3)], axis=-1)
        # A raised logo lies on a chart of its own, within a ring of the one below: no pixel is washed twice.
        here = gaussian_filter((maximum_filter(logo.mask, 9) & logo.solid).astype(np.float32), 0.7)
        more = here > weight[logo.window]
        ground[logo.window][more], weight[logo.window][more] = under[more], here[more]
    mixed = image + (1.0 - keep) * weight[..., None] * (ground - image)
    return quantise(mixed / 255.0)


@check("logo_sharpness", needs=("alpha", "display"), unit="px", estimators=ESTIMATORS, about="logo",
       injectors=(blur_logos, wash_out_logos))
def logo_sharpness(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Fitted blur of each logo beyond the product's own softness, and its contrast against its ground.

    A logo's σ alone would confuse a soft picture with a soft logo; variances subtract.
    """
    everything, found, hidden = shown_prints(expected, regions, _logos(regions))
    measurements = [_without_value(estimator, name, "it does not show in this shot")
                    for name in hidden for estimator in ESTIMATORS]
    if not found:
        return measurements
    elsewhere = softness_elsewhere(expected, observed, everything)
    for occurrence in found:
        reason = unfit(expected, occurrence)
        if reason:
            measurements += [_without_value(estimator, occurrence.name, reason) for estimator in ESTIMATORS]
            continue
        logo = printed(expected, observed, occurrence)
        measurements += [_softness(expected, observed, logo, elsewhere), _contrast(expected, observed, logo)]
    return measurements


def _softness(expected: Expected, observed: U8, logo: Print, elsewhere: float) -> Measurement:
    """σ of one logo in excess of the whole picture's, in quadrature."""
    occurrence = logo.occurrence
    if logo.blur is None:
        return _without_value("excess_blur_sigma", occurrence.name, "nothing is printed there that could blur")
    if logo.blur.correlation < RECOGNISED:
        return _without_value("excess_blur_sigma", occurrence.name,
                              f"the logo is not recognised (correlation {logo.blur.correlation:.2f})", True)
    return _at(expected, observed, logo, "excess_blur_sigma", excess(logo.blur.sigma, elsewhere), "px")


def _contrast(expected: Expected, observed: U8, logo: Print) -> Measurement:
    """How far the print still stands off its ground, as a share of how far it should."""
    tones = tones_of(logo)
    if tones is None:
        return _without_value("contrast_ratio", logo.occurrence.name, "it hardly differs from its ground by design")
    softened = logo.wanted if logo.blur is None else gaussian_filter(logo.wanted, logo.blur.sigma)
    ground = spread(softened, tones.ground)
    stands_off = (softened - ground)[tones.ink]
    seen = ((logo.seen + VEIL) / light_on(logo, tones) - VEIL - ground)[tones.ink]
    ratio = float((seen * stands_off).sum() / max(float((stands_off**2).sum()), 1e-9))
    return _at(expected, observed, logo, "contrast_ratio", max(ratio, 0.0), "share")


def _logos(regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if region.kind == "logo"]


def _at(expected: Expected, observed: U8, logo: Print, estimator: str, value: float, unit: str) -> Measurement:
    return Measurement("logo_sharpness", estimator, logo.occurrence.name, value, unit, logo.coverage,
                       logo.occurrence.bbox, side_by_side(expected, observed, logo.occurrence.bbox), reason=logo.size)


def _without_value(estimator: str, region: str, reason: str, applicable: bool = False) -> Measurement:
    unit = "share" if estimator == "contrast_ratio" else "px"
    return Measurement("logo_sharpness", estimator, region, None, unit, 0.0, applicable=applicable, reason=reason)
