"""What a catalogue's score tables say over time: pass rates, the commonest defects, the worst images, drift.

>>> found = insights(read_current(store), read_history(store), since=date(2026, 11, 1))
>>> print(told(found))

Rates and defects are of each image's latest scores; refiners and drift are read from all that was ever scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StoreError

IMAGE = ["sku", "shot", "image_sha256"]
BAD = ("fail", "unmeasured")
TOP = 10                       # defects and images that are told
DRIFT = 5.0                    # points of the median score that count as drift
COLUMNS = ["sku", "shot", "image_sha256", "category", "check", "estimator", "region", "value", "unit", "limit", "score",
           "verdict", "required", "selected", "sentence", "refiner", "refiner_version", "calibration_id", "scored_at",
           "data_version", "run_id"]


@dataclass(frozen=True, slots=True)
class Rate:
    """Verdicts of a group of images."""

    name: str
    images: int
    passed: int
    warned: int
    failed: int                            # an unmeasured required reading fails too

    @property
    def share(self) -> float:
        """0..1 of images that pass or warn."""
        return (self.passed + self.warned) / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True)
class CheckRate:
    """Readings of one check that apply."""

    check: str
    readings: int
    passed: int
    warned: int
    failed: int
    unmeasured: int
    worst_category: str                    # with the lowest share of passed readings; "" where all pass
    worst_share: float                     # 0..1 there


@dataclass(frozen=True, slots=True)
class Defect:
    """One kind of finding that fails images."""

    check: str
    estimator: str
    region: str                            # kind
    images: int
    products: int
    example: str                           # SKU and shot of the gravest
    sentence: str


@dataclass(frozen=True, slots=True)
class WorstImage:
    sku: str
    shot: str
    verdict: str
    score: float                           # 0..100, of the worst required reading; 0 where one is missing
    findings: int
    sentence: str                          # of the gravest finding


@dataclass(frozen=True, slots=True)
class Week:
    """One week's readings of one estimator."""

    monday: str                            # ISO date
    readings: int
    median: float                          # in ``unit``
    limit: float
    score: float                           # median


@dataclass(frozen=True, slots=True)
class Drift:
    """One estimator over the weeks, the earliest first."""

    check: str
    estimator: str
    unit: str
    change: float                          # of the median score, last week against the first, points
    weeks: tuple[Week, ...]

    @property
    def worsens(self) -> bool:
        return self.change <= -DRIFT


@dataclass(frozen=True, slots=True)
class Insights:
    since: str                             # ISO date of the earliest scores that count
    until: str
    products: int
    total: Rate
    categories: tuple[Rate, ...]           # lowest share first
    shots: tuple[Rate, ...]                # by shot name, lowest share first
    checks: tuple[CheckRate, ...]
    refiners: tuple[Rate, ...]             # in order of appearance
    defects: tuple[Defect, ...]            # commonest first
    worst: tuple[WorstImage, ...]          # only those that do not pass
    drift: tuple[Drift, ...]               # most worsening first; estimators with at least two weeks


def insights(current: pa.Table, history: pa.Table, since: date | None = None) -> Insights:
    """Sum up score tables (schema ``pipeline.scores.SCORES``) of scores given at or after ``since`` (UTC).

    Raises StoreError ``nothing_scored`` where there are none.
    """
    now, ever = _frame(current, since), _frame(history, since)
    if now.empty:
        raise StoreError("nothing_scored", "The score tables hold no scores" + (f" since {since}." if since else "."),
                         "Run `make run`, or materialize score_table in Dagster.")
    if ever.empty:
        ever = now
    images = _images(now)
    seen = pd.concat([now["scored_at"], ever["scored_at"]])
    return Insights(
        seen.min().date().isoformat(), seen.max().date().isoformat(), int(now["sku"].nunique()),
        _rate("all", images), _rates(images, "category"), _rates(images, "shot"), _checks(now),
        _rates(_images(_latest(ever)), "made_by", by_share=False), _defects(now), _worst(now, images), _drift(ever))


def as_dict(found: Insights) -> dict[str, Any]:
    """JSON-able."""
    told = asdict(found)
    for name, rates in (("categories", found.categories), ("shots", found.shots), ("refiners", found.refiners)):
        told[name] = [{**asdict(rate), "share": rate.share} for rate in rates]
    told["total"]["share"] = found.total.share
    told["drift"] = [{**asdict(each), "worsens": each.worsens} for each in found.drift]
    return told


def told(found: Insights) -> str:
    """As tables for people."""
    return "\n".join(_lines(found))


def _frame(table: pa.Table, since: date | None) -> pd.DataFrame:
    """The rows of delivered attempts, with what groups them."""
    table = table.select(COLUMNS).filter(pc.field("selected"))
    if since is not None:
        start = datetime.combine(since, time(), UTC)
        table = table.filter(pc.field("scored_at") >= pa.scalar(start, pa.timestamp("us", tz="UTC")))
    frame: pd.DataFrame = table.to_pandas()
    frame["bad"] = frame["required"] & frame["verdict"].isin(BAD)
    frame["made_by"] = (frame["refiner"] + " " + frame["refiner_version"]).str.strip()
    frame["kind"] = frame["region"].str.split("[:~]", regex=True).str[0]
    return frame


def _latest(frame: pd.DataFrame) -> pd.DataFrame:
    """Of several judgements of one image the newest: changed limits judge again without a new image."""
    newest = frame.groupby(IMAGE)["scored_at"].transform("max")
    frame = frame[frame["scored_at"] == newest]
    last = frame.groupby(IMAGE)[["data_version", "run_id"]].transform("last")
    return frame[(frame["data_version"] == last["data_version"]) & (frame["run_id"] == last["run_id"])]


def _images(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per image with its verdict, as ``image_verdict`` gives it, and its worst required score."""
    required = frame["required"] & (frame["verdict"] != "not_applicable")
    worst = frame["score"].where(frame["verdict"] != "unmeasured", 0.0).where(required)
    marked = frame.assign(worst=worst, warns=frame["verdict"].isin(("warn", *BAD)), passes=frame["verdict"] == "pass")
    images = marked.groupby(IMAGE, as_index=False).agg(
        category=("category", "first"), made_by=("made_by", "first"), scored_at=("scored_at", "max"),
        bad=("bad", "any"), findings=("bad", "sum"), warns=("warns", "any"), passes=("passes", "any"),
        score=("worst", "min"))
    images["verdict"] = "unmeasured"
    images.loc[images["passes"], "verdict"] = "pass"
    images.loc[images["warns"], "verdict"] = "warn"
    images.loc[images["bad"], "verdict"] = "fail"
    return images


def _rate(name: str, images: pd.DataFrame) -> Rate:
    verdict = images["verdict"]
    return Rate(name, len(images), int((verdict == "pass").sum()), int((verdict == "warn").sum()),
                int(verdict.isin(BAD).sum()))


def _rates(images: pd.DataFrame, by: str, by_share: bool = True) -> tuple[Rate, ...]:
    rates = [(group["scored_at"].min(), _rate(str(name), group)) for name, group in images.groupby(by)]
    if by_share:
        return tuple(sorted((rate for _, rate in rates), key=lambda rate: (rate.share, -rate.images, rate.name)))
    return tuple(rate for _, rate in sorted(rates, key=lambda each: (each[0], each[1].name)))


def _checks(frame: pd.DataFrame) -> tuple[CheckRate, ...]:
    rates = []
    for check, group in frame[frame["verdict"] != "not_applicable"].groupby("check"):
        counts = group["verdict"].value_counts()
        passing = (group["verdict"] == "pass").groupby(group["category"]).mean().sort_values(kind="stable")
        name, share = (str(passing.index[0]), float(passing.iloc[0]))
        number = {verdict: int(counts.get(verdict, 0)) for verdict in ("pass", "warn", *BAD)}
        rates.append(CheckRate(str(check), len(group), number["pass"], number["warn"], number["fail"],
                               number["unmeasured"], name if share < 1 else "", share))
    return tuple(sorted(rates, key=lambda rate: (rate.passed / rate.readings, rate.check)))


def _defects(frame: pd.DataFrame) -> tuple[Defect, ...]:
    found = []
    for (check, estimator, kind), group in frame[frame["bad"]].groupby(["check", "estimator", "kind"]):
        gravest = group.assign(order=group["score"].fillna(0.0)).sort_values(["order", "sku", "shot"]).iloc[0]
        found.append(Defect(str(check), str(estimator), str(kind), len(group[IMAGE].drop_duplicates()),
                            int(group["sku"].nunique()), f"{gravest['sku']} {gravest['shot']}",
                            str(gravest["sentence"])))
    return tuple(sorted(found, key=lambda each: (-each.images, each.check, each.estimator, each.region))[:TOP])


def _worst(frame: pd.DataFrame, images: pd.DataFrame) -> tuple[WorstImage, ...]:
    poor = images[images["verdict"] != "pass"].fillna({"score": 0.0})
    ordered = poor.sort_values(["bad", "score", "sku", "shot"], ascending=[False, True, True, True])
    return tuple(WorstImage(row["sku"], row["shot"], row["verdict"], round(float(row["score"]), 1),
                            int(row["findings"]), _gravest(frame, row)) for row in ordered.head(TOP).to_dict("records"))


def _gravest(frame: pd.DataFrame, image: Mapping[Any, Any]) -> str:
    rows = frame[(frame["sku"] == image["sku"]) & (frame["shot"] == image["shot"])
                 & (frame["image_sha256"] == image["image_sha256"]) & frame["verdict"].isin(("warn", *BAD))]
    ordered = rows.assign(order=rows["score"].fillna(0.0)).sort_values(["bad", "order"], ascending=[False, True])
    return str(ordered["sentence"].iloc[0]) if len(ordered) else "Nothing was measured."


def _drift(frame: pd.DataFrame) -> tuple[Drift, ...]:
    measured = frame[frame["value"].notna() & frame["limit"].notna() & frame["score"].notna()]
    day = measured["scored_at"].dt.tz_convert("UTC").dt.normalize()
    measured = measured.assign(monday=day - pd.to_timedelta(day.dt.day_of_week, unit="D"))
    found = []
    for (check, estimator, unit), group in measured.groupby(["check", "estimator", "unit"]):
        by_week = group.groupby("monday").agg(readings=("value", "size"), median=("value", "median"),
                                              limit=("limit", "median"), score=("score", "median"))
        if len(by_week) < 2:
            continue
        weeks = tuple(Week(row["monday"].date().isoformat(), int(row["readings"]), float(row["median"]),
                           float(row["limit"]), round(float(row["score"]), 2))
                      for row in by_week.reset_index().to_dict("records"))
        found.append(Drift(str(check), str(estimator), str(unit), round(weeks[-1].score - weeks[0].score, 2), weeks))
    return tuple(sorted(found, key=lambda each: (each.change, each.check, each.estimator)))


def _lines(found: Insights) -> Iterator[str]:
    total = found.total
    yield (f"{found.products} products, {total.images} images, {found.since} to {found.until}: "
           f"{total.passed} pass, {total.warned} warn, {total.failed} fail ({total.share:.0%} can be delivered)")
    yield from _rate_lines("category", found.categories)
    yield from _rate_lines("shot", found.shots)
    yield ""
    yield f"{'check':<20} {'readings':>8} {'pass':>6} {'warn':>5} {'fail':>5} {'unmeasured':>10}  worst category"
    for each in found.checks:
        worst = f"{each.worst_category} ({each.worst_share:.0%} pass)" if each.worst_category else "–"
        yield (f"{each.check:<20} {each.readings:>8} {each.passed / each.readings:>6.0%} {each.warned:>5} "
               f"{each.failed:>5} {each.unmeasured:>10}  {worst}")
    yield from _rate_lines("refiner", found.refiners)
    if found.defects:
        yield ""
        yield f"{'defect':<52} {'images':>6} {'products':>8}  gravest"
        for defect in found.defects:
            name = f"{defect.check}.{defect.estimator} of {defect.region}"
            yield f"{name:<52} {defect.images:>6} {defect.products:>8}  {defect.example}: {defect.sentence}"
    if found.worst:
        yield ""
        yield f"{'score':>5} {'verdict':<7} {'findings':>8}  worst images"
        for image in found.worst:
            yield (f"{image.score:>5.0f} {image.verdict:<7} {image.findings:>8}  {image.sku} {image.shot}: "
                   f"{image.sentence}")
    yield from _drift_lines(found.drift)


def _rate_lines(title: str, rates: Sequence[Rate]) -> Iterable[str]:
    yield ""
    yield f"{title:<28} {'images':>6} {'pass':>5} {'warn':>5} {'fail':>5} {'good':>5}"
    for rate in rates:
        yield (f"{rate.name:<28} {rate.images:>6} {rate.passed:>5} {rate.warned:>5} {rate.failed:>5} "
               f"{rate.share:>5.0%}")


def _drift_lines(drift: Sequence[Drift]) -> Iterable[str]:
    yield ""
    if not drift:
        yield "drift: one week of scores so far; there is nothing to compare it with"
        return
    moved = [each for each in drift if abs(each.change) >= DRIFT]
    if not moved:
        yield f"drift: no reading's median score has moved by {DRIFT:g} points over {len(drift[0].weeks)} weeks"
        return
    yield f"{'drift':<44} {'points':>6}  weekly median, limit"
    for each in moved:
        values = " ".join(f"{week.median:.3g}" for week in each.weeks[-8:])
        sign = "worse" if each.worsens else "better"
        yield (f"{each.check + '.' + each.estimator:<44} {each.change:>+6.1f}  {values} {each.unit}, "
               f"{each.weeks[-1].limit:.3g} ({sign})")
