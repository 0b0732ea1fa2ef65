"""What best of three costs: how often a guarded image that is kept still shows a defect.

``python -m benchmarks.sentinel_guard --pictures bench-sentinel --products 12``, on the pictures that
``benchmarks.sentinel_pictures`` has made. A refiner that damages stands in for a bad one: each attempt shows the
product with one kind of defect at random severity, in one mode always, in the other half of the time, with other
nuisances; restraints it heeds not. Its pictures go through the guard as production runs it. A defect is visible from
the severity on that must not pass, a smear where the table counts it too; milder ones may be delivered. Results are
appended to ``guard.jsonl`` case by case: a run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import sentinel_nuisances
from benchmarks.lock_scenes import ROOT
from benchmarks.sentinel_nuisances import draw as draw_nuisance
from benchmarks.sentinel_nuisances import seen_through
from benchmarks.sentinel_table import VISIBLE as VISIBLE_SMEAR
from pipeline.catalogue import Region
from pipeline.guard import Attempt, guard
from pipeline.refine.types import Refined
from pipeline.render import load_passes
from pipeline.sentinel import all_checks, expected_from, image_verdict, judge, measure
from pipeline.sentinel.registry import Injector
from pipeline.sentinel.types import Expected, Score
from pipeline.sentinel.verdicts import BAD
from pipeline.workpiece import regions_from_json

U8 = NDArray[np.uint8]

ATTEMPTS = 3
DRAWS = 2                              # runs of the guard over one case, each with its own chances
MODES: Mapping[str, float] = {"always": 0.0, "half": 0.5}      # share of attempts without any damage
# Severities from which a defect of the upstream rows must not pass; of all other rows every one of them.
VISIBLE: Mapping[str, float] = {"toe dent": 2.0, "outline dent": 4.0, "material hue": 4.0, "left-side hue": 4.0,
                                "logo blur": 1.2, "label blur": 1.8}
FACTORS = (0.5, 1.0, 1.5, 2.0)         # of an injector's default, which is the smallest defect that must not pass
CHANGED = 3                            # code values; an injector that changes no pixel so far found nothing to damage
RESULTS = "guard.jsonl"


@dataclass(frozen=True, slots=True)
class Grade:
    """One severity of one defect in one shot."""

    size: float
    visible: bool                      # it must not pass
    image: Callable[[], U8]


@dataclass(frozen=True, slots=True)
class Case:
    """One shot of one product, honest and damaged."""

    product: str
    shot: str
    defect: str
    source: str                        # upstream: textures and meshes edited; injected: pixels
    honest: U8
    grades: tuple[Grade, ...]

    @property
    def key(self) -> str:
        return f"{self.product}/{self.shot}/{self.source}/{self.defect}"


def guard_miss_rate(pictures: Path, products: int, attempts: int = ATTEMPTS, splits: Sequence[str] = ("test",),
                    results: Path | None = None) -> list[dict[str, Any]]:
    """Every case's attempts, of the first products of these splits; those already in ``results`` are read."""
    file = results or pictures / RESULTS
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    stamp = _stamp()
    done = {(line["key"], line["draw"], line["attempts"]): line for line in lines
            if line["stamp"] == stamp}
    found = []
    with file.open("a") as out:
        for folder in _folders(pictures, products, splits):
            for case, expected, regions in cases_of(folder):
                for draw in range(DRAWS):
                    line = done.get((case.key, draw, attempts))
                    if line is None:
                        line = {"key": case.key, "product": case.product, "defect": case.defect, "source": case.source,
                                "draw": draw, "attempts": attempts, "stamp": stamp,
                                "tries": guarded(case, expected, regions, draw, attempts)}
                        out.write(json.dumps(line) + "\n")
                        out.flush()
                    found.append(line)
    return found


@cache
def _stamp() -> str:
    """A hash of all sources that decide: results of other ones are measured anew."""
    own = [ROOT / "pipeline" / "guard.py", Path(__file__), Path(sentinel_nuisances.__file__)]
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "pipeline" / "sentinel").rglob("*.py"), *own]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _folders(pictures: Path, products: int, splits: Sequence[str]) -> list[Path]:
    """Products that have damaged pictures, families in turn."""
    by_family: dict[str, list[Path]] = {}
    for index in sorted(pictures.glob("*/pictures.json")):
        about = json.loads(index.read_text())
        if about["split"] in splits and any(picture["defect"] for picture in about["pictures"]):
            by_family.setdefault(about["family"], []).append(index.parent)
    turns = zip_longest(*by_family.values())
    return [folder for turn in turns for folder in turn if folder is not None][:products]


def cases_of(folder: Path) -> Iterator[tuple[Case, Expected, tuple[Region, ...]]]:
    """Every defect of a product, in the first shot that shows it; pictures come from disk as they are wanted."""
    about = json.loads((folder / "pictures.json").read_text())
    regions = regions_from_json(about["regions"])
    seen: set[tuple[str, str]] = set()
    for shot in about["shots"]:
        mine = [picture for picture in about["pictures"] if picture["shot"] == shot]
        honest = next((picture["file"] for source in ("embedded", "traced") for picture in mine
                       if picture["source"] == source and not picture["defect"]), None)
        if honest is None:
            continue
        expected, image = expected_from(load_passes(folder / f"{shot}.exr")), _opened(folder / honest)
        for source, grades_by_defect in (("upstream", _upstream(folder, mine)),
                                         ("injected", _injected(expected, image, regions))):
            for defect, grades in grades_by_defect.items():
                if (source, defect) not in seen:
                    seen.add((source, defect))
                    yield Case(about["product"], shot, defect, source, image, grades), expected, regions


def _upstream(folder: Path, pictures: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Grade, ...]]:
    """Pictures of the product with its texture edited or its mesh deformed, by row of the table."""
    return {defect: tuple(Grade(picture["nominal"], picture["nominal"] >= VISIBLE.get(defect, -np.inf)
                                and (defect != "smear" or picture["visible"] >= VISIBLE_SMEAR),
                                partial(_opened, folder / picture["file"]))
                          for picture in pictures if picture["defect"] == defect)
            for defect in dict.fromkeys(picture["defect"] for picture in pictures) if defect}


def _injected(expected: Expected, image: U8, regions: Sequence[Region]) -> dict[str, tuple[Grade, ...]]:
    """Every check's injectors on the honest picture, by name; those that find nothing to damage are left out."""
    found = {}
    for injector in dict.fromkeys(injector for check in all_checks() for injector in check.injectors):
        usual = injector(expected, image, regions)
        if usual.shape == image.shape and (np.abs(image.astype(np.int16) - usual) >= CHANGED).any():
            found[injector.__name__.replace("_", " ")] = tuple(
                Grade(factor, factor >= 1.0, partial(injector, expected, image, regions, **sizes))
                for factor, sizes in graded(injector).items())
    return found


def graded(injector: Injector) -> dict[float, dict[str, float]]:
    """An injector's first size at several times its default, as far as it can be more or less."""
    named = [(parameter.name, parameter.default) for parameter in inspect.signature(injector).parameters.values()
             if parameter.kind is parameter.KEYWORD_ONLY]
    if not named:
        return {1.0: {}}
    name, usual = named[0]
    if name == "code":                 # an almost white
        return {factor: {name: round(255 - (255 - usual) * factor)} for factor in (1.0, 1.5, 2.0)}
    if not isinstance(usual, float):
        return {1.0: {}}
    if name == "factor":               # of a distance
        return {factor: {name: 1.0 - (1.0 - usual) * factor} for factor in FACTORS}
    return {factor: {name: factor * usual} for factor in FACTORS if name != "share" or factor * usual < 1.0}


def guarded(case: Case, expected: Expected, regions: Sequence[Region], draw: int, attempts: int
            ) -> dict[str, list[dict[str, Any]]]:
    """Every attempt of one draw, by mode: what was shown, what was said of it, and whether it was kept.

    An attempt that is damaged in both modes is the same picture in both, and is measured once.
    """
    white = expected.white_backdrop

    def chances(number: int) -> np.random.Generator:
        return np.random.default_rng([zlib.crc32(case.key.encode()), draw, number])

    @cache
    def shown(number: int, damaged: bool) -> tuple[Grade | None, U8]:
        rng = chances(number)
        _, grade = rng.random(), case.grades[int(rng.integers(len(case.grades)))]
        image = grade.image() if damaged else case.honest
        return grade if damaged else None, seen_through(draw_nuisance(rng, white), image, expected.alpha, white, rng)

    @cache
    def scored(number: int, damaged: bool) -> list[Score]:
        return judge(measure(expected, shown(number, damaged)[1], regions))

    def told(spared: float) -> list[dict[str, Any]]:
        made: list[tuple[int, bool]] = []

        def refine_once(attempt: Attempt) -> Refined:
            made.append((attempt.number, bool(chances(attempt.number).random() >= spared)))
            return Refined(shown(*made[-1])[1], {"refined": True, "seed": attempt.number})

        found = guard(refine_once, lambda _: scored(*made[-1]), attempts)
        return [{"size": grade.size if grade else None, "visible": bool(grade and grade.visible),
                 "passed": image_verdict(tried.scores) not in BAD, "kept": tried is found.kept}
                for tried, (grade, _) in zip(found.tries, (shown(*key) for key in made), strict=True)]

    return {mode: told(spared) for mode, spared in MODES.items()}


def _opened(path: Path) -> U8:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many; products are what was drawn at random, so the interval is over them."""

    hits: int
    of: int
    low: float
    high: float

    @staticmethod
    def over(hits: Sequence[tuple[str, bool]]) -> Rate:
        """Of (product, hit) pairs, with a 95 % bootstrap interval that draws whole products."""
        names = sorted({name for name, _ in hits})
        counts = np.array([[sum(hit for other, hit in hits if other == name), sum(other == name for other, _ in hits)]
                           for name in names], np.float64).reshape(-1, 2)
        drawn = np.random.default_rng(0).integers(len(names), size=(2000, len(names))) if names else []
        shares = [float(counts[some, 0].sum() / counts[some, 1].sum()) for some in drawn]
        low, high = np.quantile(shares, [0.025, 0.975]) if shares else (0.0, 1.0)
        rare = 0.025 ** (1.0 / max(len(names), 1))     # none of so many products says no more (exact binomial)
        if not counts[:, 0].any():
            high = 1.0 - rare
        elif (counts[:, 0] == counts[:, 1]).all():
            low = rare
        return Rate(int(counts[:, 0].sum()), int(counts[:, 1].sum()), float(low), float(high))

    def __str__(self) -> str:
        if not self.of:
            return "–"
        return f"{self.hits} of {self.of}, {self.hits / self.of:.1%} ({self.low:.1%}–{self.high:.1%})"


@dataclass(frozen=True, slots=True)
class Summary:
    """One defect, or all of a source, in one mode."""

    draws: int
    products: int
    missed_once: Rate                  # of first pictures that visibly show the defect: pass all the same
    shown_after: Rate                  # of the same cases: the kept picture shows it
    missed_after: Rate                 # of the same cases: the kept picture shows it and passes
    honest_failed: Rate                # of first pictures without any damage
    honest_withheld: Rate              # of the same cases: the kept picture fails too


def summary(lines: Sequence[Mapping[str, Any]], mode: str) -> Summary:
    drawn = [(line["product"], line["tries"][mode][0], next(each for each in line["tries"][mode] if each["kept"]))
             for line in lines]
    damaged = [each for each in drawn if each[1]["visible"]]
    honest = [each for each in drawn if each[1]["size"] is None]
    return Summary(
        len(lines), len({line["product"] for line in lines}),
        Rate.over([(name, first["passed"]) for name, first, _ in damaged]),
        Rate.over([(name, kept["visible"]) for name, _, kept in damaged]),
        Rate.over([(name, kept["passed"] and kept["visible"]) for name, _, kept in damaged]),
        Rate.over([(name, not first["passed"]) for name, first, _ in honest]),
        Rate.over([(name, not kept["passed"]) for name, _, kept in honest]))


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: one row for each defect and mode, then all upstream and all injected ones together."""
    attempts = max((line["attempts"] for line in lines), default=ATTEMPTS)
    head = ("refiner damages", "defect", "draws", "products", "missed without guard", f"kept of {attempts} shows it",
            f"missed after {attempts}", "honest failed", "honest withheld")
    rows = [head, ("---",) * len(head)]
    for mode in MODES:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for line in lines:
            groups.setdefault(f"{line['defect']}, {line['source']}", []).append(line)
        for source in ("upstream", "injected"):
            groups[f"**all {source}**"] = [line for line in lines if line["source"] == source]
        for name, group in groups.items():
            found = summary(group, mode)
            rows.append(tuple(map(str, (
                mode, name, found.draws, found.products, found.missed_once, found.shown_after, found.missed_after,
                found.honest_failed, found.honest_withheld))))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=Path("bench-sentinel"))
    parser.add_argument("--products", type=int, default=12)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--split", nargs="*", default=["test"])
    parser.add_argument("--results", type=Path, help="a .jsonl file; default: guard.jsonl beside the pictures")
    given = parser.parse_args()
    print(table(guard_miss_rate(given.pictures, given.products, given.attempts, given.split, given.results)))


if __name__ == "__main__":
    main()
