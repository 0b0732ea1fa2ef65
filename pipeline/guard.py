"""Guard: an image that Sentinel fails is refined again with what was flagged; the best of all attempts is kept.

>>> guarded = guard(refine_once, measure, attempts=3)
>>> guarded.kept.refined.pixels, guarded.kept.attempt.number, guarded.told()

Every further attempt has another seed and all that was flagged before it: less strength and a stronger lock
around each finding. It sits above refiner and Sentinel and knows neither: both are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import PackshotError
from pipeline.refine.types import Refined, Restraint
from pipeline.sentinel import image_score, image_verdict
from pipeline.sentinel.registry import check_named
from pipeline.sentinel.types import U8, BBox, Remedy, Score, Verdict
from pipeline.sentinel.verdicts import BAD

# What is left of a refiner's freedom around a finding, by what helps against it; each further finding multiplies.
FREEDOM: Mapping[Remedy, float] = {"retry": 0.3, "repair": 0.0, "review": 1.0}


@dataclass(frozen=True, slots=True)
class Flag:
    """One required reading that failed or is missing, and what helps against it."""

    check: str
    estimator: str
    region: str
    bbox: BBox | None                          # px of the finding; None: somewhere in the picture
    remedy: Remedy

    @property
    def restraint(self) -> Restraint:
        """What the next attempt may do there."""
        return Restraint(self.bbox, FREEDOM[self.remedy])


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one picture of a shot is made with, besides what never changes."""

    number: int                                # 0 is the first; another number is another seed
    flagged: tuple[Flag, ...] = ()             # in all attempts before it, oldest first

    @property
    def restraints(self) -> tuple[Restraint, ...]:
        """Where the refiner may do less. What a person has to look at restrains nothing."""
        return tuple(flag.restraint for flag in self.flagged if flag.remedy != "review")


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt and what became of it."""

    attempt: Attempt
    refined: Refined | None                    # None where the refiner failed
    scores: tuple[Score, ...] = ()
    error: PackshotError | None = None

    @property
    def verdict(self) -> Verdict | None:
        return None if self.refined is None else image_verdict(self.scores)

    @property
    def standing(self) -> tuple[bool, bool, int, float]:
        """Less is better: no picture, a bad verdict, the number of failing required scores, then the worst score."""
        worst = image_score(self.scores) or 0.0
        return self.refined is None, self.verdict in BAD, len(flags_of(self.scores)), -worst


@dataclass(frozen=True, slots=True)
class Guarded:
    """All attempts at one shot, in order, and which of them is kept."""

    tries: tuple[Tried, ...]

    @property
    def kept(self) -> Tried:
        """The best one; of equals the earlier."""
        return min(self.tries, key=lambda tried: tried.standing)

    def told(self) -> list[dict[str, Any]]:
        """JSON-able, for the kept image's record: every attempt with its seed, verdict, findings and changes."""
        return [{
            "attempt": tried.attempt.number, "kept": tried is self.kept, "verdict": tried.verdict,
            "seed": None if tried.refined is None else tried.refined.provenance.get("seed"),
            "changed": list(changes(tried)),
            "restraints": [asdict(restraint) for restraint in tried.attempt.restraints],
            "findings": [asdict(flag) for flag in flags_of(tried.scores)],
            **({} if tried.error is None else {"error": tried.error.as_dict()}),
        } for tried in self.tries]


def guard(refine_once: Callable[[Attempt], Refined], measure: Callable[[U8], Sequence[Score]],
          attempts: int) -> Guarded:
    """Make a picture, at most ``attempts`` times, until Sentinel passes it.

    It ends sooner where nothing that was flagged can be helped by another attempt, where the picture is not refined
    at all, and where the refiner fails: what there is by then is kept. Only the first attempt's failure is raised.
    """
    tries: list[Tried] = []
    attempt = Attempt(0)
    while True:
        try:
            refined = refine_once(attempt)
        except PackshotError as error:
            if not tries:
                raise
            return Guarded((*tries, Tried(attempt, None, (), error)))
        tries.append(Tried(attempt, refined, tuple(measure(refined.pixels))))
        found = flags_of(tries[-1].scores)
        if (tries[-1].verdict not in BAD or len(tries) >= attempts or not refined.provenance.get("refined", True)
                or all(flag.remedy == "review" for flag in found)):
            return Guarded(tuple(tries))
        attempt = Attempt(attempt.number + 1, (*attempt.flagged, *found))


def flags_of(scores: Sequence[Score]) -> list[Flag]:
    """Required readings that failed or are missing, in order."""
    return [_flag(score) for score in scores
            if score.verdict in BAD and (score.limit is None or score.limit.required)]


def _flag(score: Score) -> Flag:
    reading = score.measurement
    check = check_named(reading.check)
    known = check.estimators.get(reading.estimator) if check else None
    box: BBox | None = None
    if reading.bbox is not None:
        x0, y0, x1, y1 = map(int, reading.bbox)  # plain numbers: a record has to be JSON
        box = x0, y0, x1, y1
    return Flag(reading.check, reading.estimator, reading.region, box, known.remedy if known else "retry")


def changes(tried: Tried) -> Iterator[str]:
    """What was done differently from a first attempt, as the refiner's own record says; not every preset can."""
    if tried.refined is None or tried.attempt.number == 0:
        return
    yield "another seed"
    record: Mapping[str, Any] = tried.refined.provenance
    if record.get("parameters", {}).get("strength_lowered"):
        yield "lower strength near the findings"
    if record.get("lock", {}).get("restrained_share"):
        yield "stronger lock near the findings"
