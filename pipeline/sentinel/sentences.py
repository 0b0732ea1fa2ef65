"""What a score means, in a merchandiser's words."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.sentinel.types import Limit, Measurement, Verdict

# Each completes "<Where> …": what a buyer would notice, then the number.
DEFECTS: Mapping[str, str] = {
    "silhouette.contour_deviation_max": "has an outline that leaves the true shape by {value:.1f} px{detail}",
    "silhouette.contour_deviation_p99": "has an outline that is off by {value:.1f} px along part of the contour",
    "silhouette.toe_deviation_max": "is out of shape by {value:.1f} px{detail}",
    "colour_drift.material_delta_e": "has the wrong colour (ΔE00 {value:.1f})",
    "colour_drift.tile_delta_e": "changes colour in one place (ΔE00 {value:.1f}{detail})",
    "colour_drift.left_right_delta_e": "has two colours: left and right differ by ΔE00 {value:.1f}",
    "colour_drift.backdrop_delta_e": "has a colour cast (ΔE00 {value:.1f})",
    "detail.region_blur_sigma": "is blurred: {value:.1f} px softer than the rest of the product",
    "detail.global_blur_sigma": "is out of focus as a whole (blur {value:.1f} px)",
    "detail.tile_correlation_min": "shows texture that does not follow the design in one place "
                                   "(correlation {value:.2f})",
    "background.impure_share": "is not pure white: {value:.2%} of it is off 255",
    "background.halo_share": "has a dark fringe along the product ({value:.1%} of its rim)",
    "framing.fill_share": "fills only {value:.0%} of the frame",
    "framing.margin_share": "comes within {value:.1%} of the frame's border",
    "delivery.short_side": "is only {value:.0f} px on its short side",
    "delivery.clipped_share": "has lost detail: {value:.1%} of it is burnt out or pure black",
}
ABOUT: Mapping[str, str] = {
    "silhouette": "outline", "colour_drift": "colour", "detail": "sharpness", "background": "background",
    "framing": "framing", "delivery": "delivery rule", "stitching": "stitching", "label_legibility": "lettering",
}


def sentence(measurement: Measurement, limit: Limit, verdict: Verdict) -> str:
    """One plain sentence about one score."""
    where = place(measurement.region)
    about = ABOUT.get(measurement.check, measurement.check.replace("_", " "))
    reason = measurement.reason or "no reason given"
    if verdict == "not_applicable":
        return f"{where}: {about} not checked: {reason}."
    if verdict == "unmeasured":
        if measurement.value is not None:
            return (f"{where}: {about} could not be judged, because only {measurement.coverage:.0%} of it could be "
                    f"compared ({limit.min_coverage:.0%} needed).")
        return f"{where}: {about} could not be measured: {reason}."
    if verdict == "pass":
        return f"{where}: {about} as expected."
    key = f"{measurement.check}.{measurement.estimator}"
    template = DEFECTS.get(key, f"is off in {about} ({{value:.3g}} {measurement.unit})")
    detail = f" {measurement.reason}" if measurement.reason else ""
    text = template.format(value=measurement.value, detail=detail)
    comparison = "at most" if limit.direction == "max" else "at least"
    bound = limit.fail if verdict == "fail" or limit.warn is None else limit.warn
    closing = "." if verdict == "fail" else ": worth a look."
    return f"{where} {text}; {comparison} {bound:g} {measurement.unit} is allowed{closing}".replace("  ", " ")


def place(region: str) -> str:
    """``material:upper`` → ``The material upper``; ``label:tongue#1`` → ``The label tongue``."""
    kind, _, name = region.partition(":")
    name, _, copy = name.partition("~")[0].partition("#")
    if kind == "toe":
        return "The front (toe)"  # bottles have a front too
    if not name:
        return f"The {kind}"
    return f"The {kind} {name.replace('_', ' ')}" + (f" (copy {copy})" if copy not in ("", "1") else "")
