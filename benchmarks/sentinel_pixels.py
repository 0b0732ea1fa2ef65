"""Every check against its own pixel injectors: a row of the second table, and when it holds.

>>> row = try_injector(check, injector, pictures)
>>> row.holds
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.sentinel import Expected, Measurement, engineering_limits
from pipeline.sentinel.measuring import run_check
from pipeline.sentinel.registry import Check, Injector
from pipeline.sentinel.verdicts import verdict_of

U8 = NDArray[np.uint8]
LEAST_CAUGHT = 0.9             # of the damaged pictures
MOST_ALARMS = 0.05             # of the honest ones, by the one check


@dataclass(frozen=True, slots=True)
class PixelRow:
    """How one check judges pictures with and without one injector's defect."""

    check: str
    injector: str
    damaged: int
    caught: int
    honest: int
    alarms: int

    @property
    def holds(self) -> bool:
        """Whether the check tells the defect from its absence."""
        return (self.damaged > 0 and self.honest > 0 and self.caught >= LEAST_CAUGHT * self.damaged
                and self.alarms <= MOST_ALARMS * self.honest)


def try_injector(check: Check, injector: Injector, pictures: Iterable[tuple[Expected, U8, Sequence[Region]]]
                 ) -> PixelRow:
    """The row of one injector at its default size, over honest pictures that it damages."""
    caught, alarms = [], []
    for expected, image, regions in pictures:
        alarms.append(alarm(run_check(check, expected, image, regions)))
        caught.append(alarm(run_check(check, expected, injector(expected, image, regions), regions)))
    return PixelRow(check.name, injector.__name__, len(caught), sum(caught), len(alarms), sum(alarms))


def alarm(measurements: Iterable[Measurement]) -> bool:
    """Whether one required reading fails or could not be taken."""
    limits = engineering_limits()
    return any(limits[key].required and verdict_of(one, limits[key]) in ("fail", "unmeasured")
               for one in measurements if (key := f"{one.check}.{one.estimator}") in limits)
