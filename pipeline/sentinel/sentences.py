"""What a score means, in a merchandiser's words."""

from __future__ import annotations

from pipeline.sentinel.registry import check_named
from pipeline.sentinel.types import Limit, Measurement, Verdict

# Up to so many times the way from a perfect reading to the failing limit.
SEVERITIES = ((1.25, "slightly"), (2.0, "clearly"))
WORST = "badly"
SHARES, COUNTS = ("share", "fraction"), ("rows",)
# Words in a region's own name that say what kind it is, so that "The label tongue label" needs no second one.
SPEAKING = {"label": ("label",), "logo": ("logo", "mark"), "stitching": ("stitching", "seam", "stitches"),
            "material": ("material",)}


def sentence(measurement: Measurement, limit: Limit, verdict: Verdict, words: str | None = None) -> str:
    """One plain sentence about one score.

    ``words``, else the estimator's own, complete "<Where> …"; they may hold {value}, {detail} and {severity}.
    """
    where = place(measurement.region)
    check = check_named(measurement.check)
    about = check.about if check else f"{measurement.check} {measurement.estimator}".replace("_", " ")
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
    estimator = check.estimators.get(measurement.estimator) if check else None
    template = words or (estimator.defect if estimator else f"is off in {about} ({{value:.3g}} {measurement.unit})")
    detail = f" {measurement.reason}" if measurement.reason else ""
    text = template.format(value=measurement.value, detail=detail, severity=severity(measurement.value, limit))
    bound = limit.fail if verdict == "fail" or limit.warn is None else limit.warn
    closing = "." if verdict == "fail" else ": worth a look."
    return f"{where} {text}; {allowed(bound, measurement.unit, limit)}{closing}".replace("  ", " ")


def allowed(bound: float, unit: str, limit: Limit) -> str:
    """A limit in words: "at most 10% is allowed"."""
    if unit in COUNTS and limit.direction == "max" and bound < 1:
        return "none may be missing"
    if unit in SHARES:
        amount = f"{bound:.0%}" if bound == 0 or bound >= 0.01 else f"{bound:.1%}"
    else:
        amount = f"{unit} {bound:.3g}" if unit.startswith("Δ") else f"{bound:.4g} {unit}".strip()
    return f"at most {amount} is allowed" if limit.direction == "max" else f"at least {amount} is needed"


def accepts(words: str) -> bool:
    """Whether a template holds nothing but {value}, {detail} and {severity}."""
    try:
        words.format(value=1.0, detail="", severity="")
    except (KeyError, IndexError, ValueError, AttributeError):
        return False
    return True


def severity(value: float | None, limit: Limit) -> str:
    """How much a reading is beyond what is allowed, in a word that stands before an adjective."""
    way, reach = abs((value or 0.0) - limit.perfect), abs(limit.fail - limit.perfect)
    times = way / reach if reach > 0 else float("inf")
    return next((word for most, word in SEVERITIES if times <= most), WORST)


def place(region: str) -> str:
    """``material:upper`` → ``The material upper``; ``label:tongue#1`` → ``The label tongue``."""
    kind, _, name = region.partition(":")
    name, _, copy = name.partition("~")[0].partition("#")
    if kind == "toe":
        return "The front (toe)"  # bottles have a front too
    if not name:
        return f"The {kind}"
    name = name.replace("_", " ")
    spoken = any(word in SPEAKING.get(kind, ()) for word in name.replace("-", " ").lower().split())
    return f"The {name if spoken else f'{kind} {name}'}" + (f" (copy {copy})" if copy not in ("", "1") else "")
