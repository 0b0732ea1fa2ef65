"""The report: one HTML page that opens from disk, with every picture, score and reason in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from pipeline.report.images import crop, crop_window, data_uri, fitted, opened
from pipeline.report.types import ReportData, ReportRefusal, ReportScore, ReportShot, ReportSku, ReportTotals

MAX_EMBEDDED_SHOTS = 200   # above it the page links to the store's files; 200 shots are about 50 MB, 60 with the lock's
THUMBNAIL = 480            # px, longest side; twice what the contact sheet shows, for dense screens
VIEWER = 1080              # px, longest side in the slider
VIEWER_QUALITY = 80

# Worst first: how findings are ordered, and shots where a reader asks for it.
RANK = {"fail": 0, "unmeasured": 1, "warn": 2, "pass": 3, "not_applicable": 4}
WORDS = {"pass": "Pass", "warn": "Warning", "fail": "Fail", "unmeasured": "Unmeasured",
         "not_applicable": "Not applicable", "unscored": "Not scored", "error": "Error"}
ACTIONS = {"deliver": "", "retry": "Refine it again: another attempt may pass.",
           "repair": "Repair it: hold what is flagged more firmly to the render.",
           "review": "Have somebody look at it."}
UNITS = {"fraction": "%", "percent": "%", "ratio": "×", "dE00": "ΔE₀₀", "ΔE00": "ΔE₀₀", "deg": "°",
         "share": "%", "correlation": ""}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in percent of the picture it lies on."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check as the page words it."""

    number: int                            # ties a finding to its frame on the picture; 0 without one
    title: str
    region: str
    verdict: str
    value: str
    limit: str
    score: float | None
    required: bool
    sentence: str
    detail: str
    box: Box | None
    crop_after: str
    crop_before: str
    crop_box: Box | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Side:
    """A picture that can stand on either side of the slider."""

    key: str
    label: str
    source: str                            # data URI or link


@dataclass(frozen=True, slots=True)
class ShotView:
    """One shot as the page draws it; pictures are data URIs, links or empty."""

    shot: ReportShot
    status: str                            # verdict, or "unscored"
    statuses: str                          # what the verdict filter looks for
    thumbnail: str
    sides: tuple[Side, ...]                # in the order they were made; the last is the final image
    full_size: str
    full_size_unlocked: str
    findings: tuple[CheckView, ...]
    passed: tuple[CheckView, ...]
    not_applicable: tuple[CheckView, ...]
    search: str


@dataclass(frozen=True, slots=True)
class SkuView:
    sku: ReportSku
    status: str                            # worst of its shots, or "error"
    rank: int
    shots: tuple[ShotView, ...]
    refused: tuple[tuple[ReportRefusal, str], ...] = ()  # with the picture of its candidates, "" for none


@dataclass(frozen=True, slots=True)
class Tile:
    """A number of the summary; one with a ``status`` filters by it."""

    label: str
    count: int
    status: str
    hint: str


def build_report(data: ReportData, max_embedded_shots: int = MAX_EMBEDDED_SHOTS) -> str:
    """Draw the page. Equal data gives an equal page.

    Pictures are embedded up to ``max_embedded_shots``; a larger catalogue's page shows the store's
    own files through relative links and belongs beside them, in ``<store>/report/``.
    """
    embed = sum(len(sku.shots) for sku in data.skus) <= max_embedded_shots
    skus = tuple(_sku_view(sku, embed) for sku in data.skus)
    templates = files("pipeline.report") / "templates"
    page = _environment().get_template("report.html.j2")
    return page.render(
        data=data, skus=skus, embed=embed, tiles=summary(data), words=WORDS, actions=ACTIONS,
        categories=sorted({sku.category for sku in data.skus}),
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),
        script=Markup((templates / "report.js").read_text(encoding="utf-8")))


def summary(data: ReportData) -> tuple[Tile, ...]:
    """The numbers at the top of the page, in reading order."""
    if data.totals is not None:
        return _summary_of(data.totals)
    shots = [shot for sku in data.skus for shot in sku.shots]

    def verdict(name: str) -> int:
        return sum(status_of(shot) == name for shot in shots)

    return (
        Tile("Products", len(data.skus), "", "SKUs of this catalogue"),
        Tile("Shots", len(shots), "", "pictures made"),
        Tile("Pass", verdict("pass"), "pass", "every required check passed"),
        Tile("Warning", verdict("warn"), "warn", "worth a look, within the failing limits"),
        Tile("Fail", verdict("fail"), "fail", "a required check failed or could not be measured"),
        Tile("Unmeasured", sum(_has_unmeasured(shot) for shot in shots), "unmeasured",
             "shots with a required check that could not be measured; they count as failed"),
        Tile("Delivered", sum(shot.delivered is True for shot in shots), "delivered", "images that left the house"),
        Tile("Errors", sum(sku.error is not None for sku in data.skus), "error",
             "products that could not be processed"),
    )


def _summary_of(totals: ReportTotals) -> tuple[Tile, ...]:
    """A whole catalogue's numbers; its tiles filter what the page shows of it."""
    return (
        Tile("Products", totals.products, "", "SKUs of this catalogue"),
        Tile("Shots", totals.shots, "", "pictures scored"),
        Tile("Pass", totals.passed, "pass", "every required check passed"),
        Tile("Warning", totals.warned, "warn", "worth a look, within the failing limits"),
        Tile("Fail", totals.failed, "fail", "a required check failed or could not be measured"),
        Tile("Unmeasured", totals.unmeasured, "unmeasured", "shots whose gravest finding is a missing measurement"),
        Tile("Errors", totals.errors, "error", "products that could not be processed"),
    )


def status_of(shot: ReportShot) -> str:
    """The shot's verdict; ``unscored`` before Sentinel has seen it."""
    return shot.verdict or "unscored"


def _has_unmeasured(shot: ReportShot) -> bool:
    return any(score.required and score.verdict == "unmeasured" for score in shot.scores)


def _sku_view(sku: ReportSku, embed: bool) -> SkuView:
    shots = tuple(_shot_view(sku, shot, embed) for shot in sku.shots)
    worst = min((shot.status for shot in shots), key=lambda status: RANK.get(status, 5), default="unscored")
    status = "error" if sku.error else worst
    refused = tuple((each, _candidates(each, embed)) for each in sku.refused)
    return SkuView(sku, status, -1 if sku.error else RANK.get(worst, 5), shots, refused)


def _candidates(refusal: ReportRefusal, embed: bool) -> str:
    if refusal.candidates is None or not embed:
        return refusal.candidates.link if refusal.candidates else ""
    picture = opened(refusal.candidates)
    return data_uri(fitted(picture, VIEWER), 78) if picture else ""


def _shot_view(sku: ReportSku, shot: ReportShot, embed: bool) -> ShotView:
    after, before = (opened(image) if embed else None for image in (shot.after, shot.before))
    link_after, link_unlocked = (image.link if image else "" for image in (shot.after, shot.unlocked))
    thumbnail = data_uri(fitted(after, THUMBNAIL), 78) if after else link_after
    ordered = sorted(shot.scores, key=lambda s: (RANK[s.verdict], s.score if s.score is not None else -1.0,
                                                 s.check, s.region))
    checks: list[CheckView] = []
    for score in ordered:
        number = sum(check.number > 0 for check in checks) + 1 if _framed(score) else 0
        view = _words(score, number)
        if score.bbox is not None and shot.width and shot.height:
            window = crop_window(score.bbox, shot.width, shot.height)
            cuts = [data_uri(crop(picture, window, shot.width, shot.height), 84)
                    if picture is not None and number else ""
                    for picture in (after, None if score.evidence else before)]
            view = replace(view, box=_box(score.bbox, (0, 0, shot.width, shot.height)), crop_after=cuts[0],
                           crop_before=cuts[1], crop_box=_box(score.bbox, window))
        if score.evidence is not None and score.verdict in ("fail", "warn", "unmeasured"):
            picture = opened(score.evidence) if embed else None
            source = data_uri(fitted(picture, VIEWER // 2), 84) if picture else score.evidence.link
            view = replace(view, evidence=source)
        checks.append(view)
    groups = [tuple(c for c in checks if c.verdict in verdicts)
              for verdicts in (("fail", "unmeasured", "warn"), ("pass",), ("not_applicable",))]
    statuses = {status_of(shot), *(["unmeasured"] if _has_unmeasured(shot) else []),
                *(["delivered"] if shot.delivered else [])}
    words = (sku.sku, sku.name, sku.category, shot.name, *(check.title for check in groups[0]))
    return ShotView(
        shot, status_of(shot), " ".join(sorted(statuses)), thumbnail, _sides(shot, before, after, embed), link_after,
        link_unlocked, groups[0], groups[1], groups[2], " ".join(words).lower())


def _sides(shot: ReportShot, before: Image.Image | None, after: Image.Image | None, embed: bool) -> tuple[Side, ...]:
    """Render, before the lock, final: whatever there is. Nothing to show without a final image."""
    if shot.after is None:
        return ()
    pictures = (("before", shot.before_label, shot.before, before),
                ("unlocked", "Before the lock", shot.unlocked, opened(shot.unlocked) if embed else None),
                ("after", "Final", shot.after, after))
    return tuple(Side(key, label, data_uri(fitted(picture, VIEWER), VIEWER_QUALITY) if picture else image.link)
                 for key, label, image, picture in pictures if image is not None)


def _framed(score: ReportScore) -> bool:
    return score.bbox is not None and score.verdict in ("fail", "warn", "unmeasured")


def _words(score: ReportScore, number: int) -> CheckView:
    detail = [score.estimator.replace("_", " ").replace("delta e", "ΔE")]
    if score.coverage < 0.995 and score.verdict != "not_applicable":
        detail.append(f"{score.coverage:.0%} of it seen")
    if not score.required:
        detail.append("advisory")
    sign = "≤" if score.direction == "max" else "≥"
    return CheckView(
        number, in_words(score.check), region_in_words(score.region, score.check), score.verdict,
        quantity(score.value, score.unit) if score.value is not None else "–",
        f"{sign} {quantity(score.limit, score.unit)}" if score.limit is not None else "",
        score.score, score.required, score.sentence or score.reason, " · ".join(detail), None, "", "", None, "")


def _box(bbox: tuple[int, int, int, int], window: tuple[int, int, int, int]) -> Box:
    width, height = window[2] - window[0], window[3] - window[1]
    return Box(round(100 * (bbox[0] - window[0]) / width, 3), round(100 * (bbox[1] - window[1]) / height, 3),
               round(100 * (bbox[2] - bbox[0]) / width, 3), round(100 * (bbox[3] - bbox[1]) / height, 3))


def in_words(name: str) -> str:
    """A registry name as a title: ``white_balance`` → ``White balance``."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def region_in_words(region: str, check: str = "") -> str:
    """``label:tongue#1`` → ``label tongue #1``; what the check's name already says is left out."""
    kind, _, name = region.partition(":")
    if name and (kind == "material" or kind in check):
        region = name
    return "" if region in ("image", check) else region.replace(":", " ").replace("#", " #").replace("_", " ")


def quantity(value: float, unit: str) -> str:
    """A value with its unit, to three digits."""
    shown = value * 100 if unit in ("fraction", "share") else value
    digits = 0 if abs(shown) >= 100 else 1 if abs(shown) >= 10 else 2
    number = f"{shown:.{digits}f}"
    number = number.rstrip("0").rstrip(".") if digits else number
    number = "< 0.01" if 0 < shown < 0.005 else number
    name = UNITS.get(unit, unit)
    return f"{number}{name}" if name in ("", "×", "°") else f"{number}\u202f{name}"


def grouped(number: int) -> str:
    """12345 → 12 345 with a narrow no-break space."""
    return f"{number:,}".replace(",", "\u202f")


def extents(millimetres: Sequence[float]) -> str:
    """Width × height × depth, in millimetres or, above a metre, in metres."""
    if max(millimetres, default=0.0) >= 1000:
        return " × ".join(f"{v / 1000:.2f}" for v in millimetres) + " m"
    return " × ".join(f"{v:.0f}" if v >= 10 else f"{v:.1f}" for v in millimetres) + " mm"


def moment(iso: str) -> str:
    """``2026-11-24T07:20:31+00:00`` → ``24 November 2026, 07:20 UTC``."""
    when = datetime.fromisoformat(iso)
    zone = "UTC" if when.utcoffset() == timedelta(0) else when.strftime("%z")
    month = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
             "November", "December")[when.month - 1]
    return f"{when.day} {month} {when.year}, {when:%H:%M} {zone}".rstrip()


def _listed(words: Iterable[str]) -> str:
    return ", ".join(word.replace("_", " ") for word in words)


def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("pipeline.report", "templates"), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(grouped=grouped, extents=extents, listed=_listed, in_words=in_words, moment=moment)
    return environment
