"""Sentinel: which limits judge a catalogue's images."""

from collections.abc import Mapping, Sequence

import numpy as np
from dagster import ConfigurableResource
from numpy.typing import NDArray

from pipeline import sentinel
from pipeline.catalogue import LimitEntry, Region
from pipeline.render.types import ControlPasses
from pipeline.sentinel.types import Measurement, Score


class SentinelResource(ConfigurableResource["SentinelResource"]):
    """Measures every image against its control passes, and judges the measurements."""

    def measure(self, passes: ControlPasses, image: NDArray[np.uint8], regions: Sequence[Region]) -> list[Measurement]:
        return sentinel.measure(sentinel.expected_from(passes), image, regions)

    def judge(self, measurements: Sequence[Measurement], overrides: Mapping[str, LimitEntry]) -> list[Score]:
        return sentinel.judge(measurements, overrides)
