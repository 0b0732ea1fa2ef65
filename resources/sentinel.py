"""Sentinel: what measures and judges a catalogue's images."""

from collections.abc import Sequence

import numpy as np
from dagster import ConfigurableResource
from numpy.typing import NDArray

from pipeline import sentinel
from pipeline.catalogue import Catalogue, Region
from pipeline.render.types import ControlPasses
from pipeline.sentinel import Judging
from pipeline.sentinel.registry import Check
from pipeline.sentinel.types import Measurement


class SentinelResource(ConfigurableResource["SentinelResource"]):
    """Measures every image against its control passes, and judges the measurements."""

    def measure(self, passes: ControlPasses, image: NDArray[np.uint8], regions: Sequence[Region],
                checks: Sequence[Check] = ()) -> list[Measurement]:
        return sentinel.measure(sentinel.expected_from(passes), image, regions, checks)

    def judging(self, catalogue: Catalogue) -> Judging:
        """How a catalogue wants its images judged; loads its own checks and its calibration."""
        return sentinel.judging_for(catalogue.settings, catalogue.root)
