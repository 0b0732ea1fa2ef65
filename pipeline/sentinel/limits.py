"""When a reading is too much: the engineering limits, and a catalogue's own.

They are fixed by hand from what is visible in a delivered image and from what faithful images
read; a calibrated limit may only be stricter.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace

from pipeline.catalogue import LimitEntry
from pipeline.errors import SentinelError
from pipeline.sentinel.types import Limit

CALIBRATION_ID = "engineering-1"

ENGINEERING: Mapping[str, Limit] = {
    # Relit, softened and slightly warped renders of 20 products read up to 1.1 px, one candle holder 1.7.
    "silhouette.contour_deviation_max": Limit(fail=2.0, warn=1.4),
    # One hundredth of the outline off by a pixel and a half is a changed shape, not one bad profile.
    "silhouette.contour_deviation_p99": Limit(fail=1.5, warn=1.0),
    # Buyers look at the toe; faithful ones read up to 0.97 px, and a 2 px dent (it reads 2.0 to 2.4) must not pass.
    "silhouette.toe_deviation_max": Limit(fail=1.5, warn=1.0),
    # ΔE00 2.3 is the just noticeable difference of two patches side by side; faithful materials read up to 2.2.
    "colour_drift.material_delta_e": Limit(fail=3.0, warn=2.3),
    # A tile holds fewer pixels than a material: faithful ones read up to 2.7, of laces and strings; ΔE00 4 must fail.
    # Losing a third of the tiles to clipping hides what this check is for.
    "colour_drift.tile_delta_e": Limit(fail=3.3, warn=2.5, min_coverage=0.7),
    # Both sides share one material and one light: a difference is seen without a reference.
    "colour_drift.left_right_delta_e": Limit(fail=2.5, warn=1.8),
    # The cast of a backdrop is the photographer's choice within reason; the product is judged after taking it off.
    "colour_drift.backdrop_delta_e": Limit(fail=6.0, warn=3.0, required=False),
    # A print 0.8 px softer than its surroundings is seen at normal size; faithful prints stay below 0.5.
    "detail.region_blur_sigma": Limit(fail=0.8, warn=0.6),
    # Beyond one pixel the whole product looks out of focus.
    "detail.global_blur_sigma": Limit(fail=1.0, warn=0.7),
    # Texture that no longer follows the map was smeared or reinvented; catches 7 of 10, so it only advises.
    "detail.tile_correlation_min": Limit(fail=0.35, warn=0.5, direction="min", perfect=1.0, required=False),
    # Shops ask for exactly 255,255,255; one pixel in a thousand is dirt that a buyer does not see.
    "background.impure_share": Limit(fail=0.001, warn=0.0),
    # JPEG ringing is at most a dozen codes; what is darker beside the outline is a visible halo.
    "background.halo_share": Limit(fail=0.03, warn=0.015),
    # Below a third of the frame the product is a thumbnail in its own picture.
    "framing.fill_share": Limit(fail=0.33, warn=0.5, direction="min", perfect=0.85),
    # A product that touches the border is cut off; two hundredths of the frame is the usual least margin.
    "framing.margin_share": Limit(fail=0.001, warn=0.02, direction="min", perfect=0.05),
    # Google Shopping asks for 500 px, zoom on Amazon for 1000; previews are smaller on purpose, so it only advises.
    "delivery.short_side": Limit(fail=500.0, warn=1000.0, direction="min", perfect=1080.0, required=False),
    # Burnt or crushed pixels beyond those of the faithful picture have lost their texture for good.
    "delivery.clipped_share": Limit(fail=0.05, warn=0.02),
    # Named so that the tables say what no check looks at yet; never measured.
    "stitching.missing_fraction": Limit(fail=0.10, warn=0.05),
    "label_legibility.text_match": Limit(fail=0.99, direction="min", perfect=1.0),
}


def limits_with(overrides: Mapping[str, LimitEntry]) -> dict[str, Limit]:
    """The engineering limits with a catalogue's own fields put in.

    Raises SentinelError for a name no estimator has, or a warning limit beyond the failing one.
    """
    limits = dict(ENGINEERING)
    for key, entry in overrides.items():
        if key not in limits:
            near = difflib.get_close_matches(key, limits, n=1, cutoff=0.4)
            raise SentinelError("limit_unknown", f"There is no limit {key!r}.",
                                f"Did you mean `{near[0]}`?" if near else f"Known limits: {', '.join(sorted(limits))}.")
        limits[key] = _overridden(key, limits[key], entry)
    return limits


def _overridden(key: str, limit: Limit, entry: LimitEntry) -> Limit:
    fail = limit.fail if entry.fail is None else entry.fail
    stricter = min if limit.direction == "max" else max
    if entry.warn is not None:
        warn: float | None = entry.warn
        if stricter(entry.warn, fail) != entry.warn:
            raise SentinelError("limit_order", f"`{key}` warns at {entry.warn:g} only after failing at {fail:g}.",
                                "Let `warn` be the stricter of the two, or leave it out.")
    else:
        warn = None if limit.warn is None else stricter(limit.warn, fail)
    return replace(limit, fail=fail, warn=warn,
                   min_coverage=limit.min_coverage if entry.min_coverage is None else entry.min_coverage,
                   required=limit.required if entry.required is None else entry.required)
