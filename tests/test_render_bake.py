"""Baked light can be baked again: a coarse bake of a set agrees with what is committed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import RenderError
from pipeline.render.pathtrace import probe
from pipeline.render.sets import SETS, baked
from pipeline.render.sets.bake import bake
from pipeline.render.sets.panels import charts


def test_a_coarse_bake_agrees_with_the_committed_light() -> None:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    usual = SETS["cafe"]
    coarse = replace(usual, samples=32, panels=tuple(replace(panel, texels=panel.texels / 4) for panel in usual.panels))
    found, kept = bake(coarse), baked("cafe")
    # The table is the first panel.
    ours, theirs = charts(coarse.panels)[0], charts(usual.panels)[0]
    for name, committed in (("key", kept.key), ("rest", kept.rest)):
        table = found[name][ours.top:ours.top + ours.height, ours.left:ours.left + ours.width]
        full = committed[theirs.top:theirs.top + theirs.height, theirs.left:theirs.left + theirs.width]
        assert table.astype(np.float64).mean(axis=(0, 1)) == pytest.approx(full.astype(np.float64).mean(axis=(0, 1)),
                                                                           rel=0.1)
    above = kept.probe.shape[0] // 2
    assert found["probe"][:above].astype(np.float64).mean() == pytest.approx(float(kept.probe[:above].mean()), rel=0.1)
