"""Does the picture look made? Dirt in the background, halos, second edges, bands, grain, burnt places, no footing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from pipeline.catalogue import Region
from pipeline.colour import PURE_BACKGROUND_RATIO
from pipeline.sentinel.artefact_damage import (
    add_noise,
    draw_ghost,
    draw_halo,
    lift_off,
    overexpose,
    posterise,
    tint_background,
)
from pipeline.sentinel.contact import SHADOW_CODES, contact
from pipeline.sentinel.contours import contour_profiles
from pipeline.sentinel.evidence import bbox_of, side_by_side
from pipeline.sentinel.fringes import fringes
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.smooth_areas import FEWEST_PIXELS, highest, lowest, luminance, smooth_areas
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

F32 = NDArray[np.float32]

_RIM = 16                  # px; JPEG blocks of 8 or 16 px that hold a piece of product ring this far
_FEWEST_PIXELS = 64
_BURNT, _CRUSHED = 254, 1  # codes at or beyond which a pixel holds no texture


ESTIMATORS: Mapping[str, Estimator] = {
    # Shops ask for exactly 255,255,255; one pixel in a thousand is dirt that a buyer does not see.
    "impure_share": Estimator(Limit(fail=0.001, warn=0.0), "is not pure white: {value:.2%} of it is off 255"),
    # Averaged over 40 px of outline, relit, warped, noisy and JPEG-coded pictures read up to 2 codes; on even
    # ground 8 are seen as a fringe. An outline before a busy scene may show little of its ground.
    "halo": Estimator(Limit(fail=8.0, warn=5.0, min_coverage=0.0),
                      "has a {severity} visible fringe along its outline ({value:.0f} codes {detail})"),
    # Same pictures: up to 2.7 codes. A halo has such an edge too, where it ends.
    "second_edge": Estimator(Limit(fail=10.0, warn=6.0, min_coverage=0.0),
                             "has a second, ghostly outline ({value:.0f} codes{detail})"),
    # Share of a gradient's codes that are skipped. Same pictures: up to 0.11; steps of 4 codes read 0.43 or more,
    # steps of 8 behind JPEG 85, which fills some in, 0.30.
    "banding": Estimator(Limit(fail=0.25, warn=0.18), "breaks smooth shading into visible bands{detail}"),
    # The embedded refiner's relief reads up to 4.1 where the render was smooth, over 77 products of the calibration
    # split; noise of 6 codes reads 6.1 or more.
    "noise": Estimator(Limit(fail=5.0, warn=4.2), "is grainy: noise of {value:.1f} codes where it should be smooth"),
    # Burnt or crushed pixels beyond those of the faithful picture have lost their texture for good.
    "clipped_share": Estimator(Limit(fail=0.05, warn=0.02),
                               "has lost detail: {value:.1%} of it is burnt out or pure black"),
    # Softer light takes some of a contact shadow; with half of it gone the product floats.
    "missing_contact": Estimator(Limit(fail=0.5, warn=0.35),
                                 "floats: {value:.0%} of the shadow it should throw where it stands is missing"),
}
UNITS: Mapping[str, str] = {"halo": "codes", "second_edge": "codes", "noise": "codes"}


@check("artefacts", needs=("alpha", "display"), unit="share", layer="quality", estimators=ESTIMATORS,
       about="picture quality", injectors=(tint_background, draw_halo, draw_ghost, posterise, add_noise, overexpose,
                                           lift_off))
def artefacts(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Seven readings of what image models and cut-outs leave behind, each against the faithful picture.

    What the faithful picture cannot show (a shadow on a stage that throws none, bands without a gradient) does
    not apply.
    """
    wanted, seen = luminance(expected.display), luminance(observed)
    return [_impure(expected, observed), *_fringes(expected, observed, wanted, seen),
            *_smooth(expected, observed, wanted, seen), _clipped_share(expected, observed),
            _contact(expected, observed, wanted, seen)]


def _impure(expected: Expected, observed: U8) -> Measurement:
    """Share of the background that should be pure white and is not.

    Background is where the product covers nothing and its shadow ratio exceeds 0.995. The rim
    within 16 px of product or shadow is left to the halo: there JPEG rings.
    """
    if not expected.white_backdrop:
        return _not_applicable("impure_share", "background", "the stage is not white")
    white = (expected.alpha <= 0) & (expected.plate > PURE_BACKGROUND_RATIO).all(axis=-1)
    white &= ~maximum_filter(~white, 2 * _RIM + 1)
    count = int(np.count_nonzero(white))
    if count < _FEWEST_PIXELS:
        return _not_applicable("impure_share", "background", "no white background is in the frame")
    found = white & (lowest(observed) < 255)
    return _read(expected, observed, "impure_share", "background", np.count_nonzero(found) / count, 1.0,
                 bbox_of(found))


def _fringes(expected: Expected, observed: U8, wanted: F32, seen: F32) -> list[Measurement]:
    profiles = contour_profiles(expected)
    found = None if profiles is None else fringes(expected, profiles, wanted, seen)
    if found is None:
        return [_not_applicable(name, "product", "no calm ground lies beside the outline, even in the faithful picture")
                for name in ("halo", "second_edge")]
    side = "lighter" if found.halo > 0 else "darker"
    return [_read(expected, observed, "halo", "product", abs(found.halo), found.coverage, found.halo_box, side),
            _read(expected, observed, "second_edge", "product", found.second_edge, found.coverage,
                  found.second_edge_box, f", {found.second_edge_at:.0f} px beside the true one")]


def _smooth(expected: Expected, observed: U8, wanted: F32, seen: F32) -> list[Measurement]:
    found = smooth_areas(expected, observed, wanted, seen)
    if found.pixels < FEWEST_PIXELS:
        return [_not_applicable(name, "image", "no smooth area is in the faithful picture")
                for name in ("banding", "noise")]
    if found.coverage == 0.0:
        return [Measurement("artefacts", name, "image", None, UNITS.get(name, "share"), 0.0,
                            reason="all smooth areas are burnt out or pure black") for name in ("banding", "noise")]
    where = f" in the {found.banding_place}" if found.banding_place else ""
    return [_not_applicable("banding", "image", "the faithful picture has no smooth gradient") if found.banding is None
            else _read(expected, observed, "banding", "image", found.banding, found.coverage, None, where),
            _read(expected, observed, "noise", "image", found.noise, found.coverage, found.noise_box)]


def _clipped_share(expected: Expected, observed: U8) -> Measurement:
    """A pixel counts when all channels are at one end and the faithful picture's are not."""
    solid = expected.alpha > 0.99
    count = int(np.count_nonzero(solid))
    if count == 0:
        return Measurement("artefacts", "clipped_share", "product", None, "share", 0.0,
                           reason="no pixel is wholly covered by the product")
    lost = solid & _clipped(observed) & ~_clipped(expected.display)
    return _read(expected, observed, "clipped_share", "product", np.count_nonzero(lost) / count, 1.0, bbox_of(lost))


def _contact(expected: Expected, observed: U8, wanted: F32, seen: F32) -> Measurement:
    if expected.shot.framed_region is not None:
        return _not_applicable("missing_contact", "product", "the shot frames a detail")
    found = contact(expected, wanted, seen)
    if found is None:
        return _not_applicable("missing_contact", "product", "the frame shows no ground under it")
    if found.expected < SHADOW_CODES:
        return _not_applicable("missing_contact", "product", "the faithful picture shows no contact shadow either")
    return _read(expected, observed, "missing_contact", "product", found.missing, 1.0, found.box)


def _clipped(image: U8) -> NDArray[np.bool_]:
    return np.asarray((lowest(image) >= _BURNT) | (highest(image) <= _CRUSHED))


def _read(expected: Expected, observed: U8, estimator: str, region: str, value: float, coverage: float,
          box: BBox | None, detail: str = "") -> Measurement:
    limit = ESTIMATORS[estimator].limit
    # A crop for each finding, not for each reading.
    picture = side_by_side(expected, observed, box) if box and value > (limit.warn or 0.0) else None
    return Measurement("artefacts", estimator, region, float(value), UNITS.get(estimator, "share"), float(coverage),
                       box, picture, reason=detail)


def _not_applicable(estimator: str, region: str, reason: str) -> Measurement:
    return Measurement("artefacts", estimator, region, None, UNITS.get(estimator, "share"), 0.0, applicable=False,
                       reason=reason)
