"""Seams that the stitching check can read in the faithful picture: what other checks leave to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.catalogue import Region
from pipeline.sentinel.occurrences import Occurrence
from pipeline.sentinel.seams import band_width, strips
from pipeline.sentinel.stitches import read_stitches, thread_of
from pipeline.sentinel.types import Expected

FEWEST_STITCHES = 6      # of a row; a share of fewer means nothing


def legible_seams(expected: Expected, regions: Sequence[Region]) -> list[Occurrence]:
    """Occurrences of stitching with enough legible stitches in a row of the faithful picture."""
    found = []
    for occurrence, strip in strips(expected, regions):
        if strip is None:
            continue
        wanted = strip.sample(expected.display)
        thread = thread_of(strip, wanted, occurrence.region.rows, band_width(occurrence.region))
        if thread is None or not thread.stands_out:
            continue
        legible = read_stitches(strip, thread, wanted, wanted).legible
        if int(np.max(legible.sum(axis=1))) >= FEWEST_STITCHES:
            found.append(occurrence)
    return found
