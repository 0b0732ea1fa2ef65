"""Rows, bars and the verdict, with methods whose faults are known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.passes_factory import sphere_passes
from training.evaluate import main, measured, report, table
from training.judging import (
    METRICS,
    PATHTRACE,
    RASTER,
    Measured,
    Method,
    Metric,
    Picture,
    bars_of,
    measure,
    pathtrace,
    raster,
    rows_of,
    truth,
)
from training.pairs import Pair, save

F32 = NDArray[np.float32]
SIDE = 160


def grained(product: F32, seed: int, contrast: float) -> F32:
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(product.shape[:2]), 0.8)
    factor = np.exp(contrast * grain / grain.std())[..., None]
    return np.concatenate([product[..., :3] * factor, product[..., 3:]], axis=-1).astype(np.float32)


def pair(seed: int = 1, family: str = "ball", view: str = "full") -> Pair:
    """The truth has grain and a darker shadow; the default material's path trace has the shadow alone."""
    passes = sphere_passes(SIDE)
    ring = np.zeros((SIDE, SIDE), np.bool_)
    ring[-30:] = passes.alpha[-30:] == 0.0
    plate = np.where(passes.plate < 0.999, passes.plate * 0.9, 1.0).astype(np.float32)
    return Pair(family, seed, view, passes, grained(passes.product, seed, 0.15), plate, ring,
                traced_product=passes.product, traced_plate=plate)


def good(one: Pair) -> Picture:
    """Grain of the right strength in other places, the right shadow."""
    return grained(one.passes.product, one.seed + 1000, 0.15), truth(one)[1]


def perfect(one: Pair) -> Picture:
    return truth(one)


def haloed(one: Pair) -> Picture:
    """Perfect, but a bright seam runs along the silhouette."""
    edge = np.abs(one.passes.alpha - 0.5)[..., None] < 0.49
    return np.where(edge, 0.5 + one.truth_product, one.truth_product).astype(np.float32), truth(one)[1]


METHODS: Mapping[str, Method] = {RASTER: raster, PATHTRACE: pathtrace, "good": good, "perfect": perfect,
                                 "haloed": haloed}


@pytest.fixture(scope="module")
def found() -> list[Measured]:
    return measured([pair(seed) for seed in range(1, 4)], 3, METHODS, say=lambda line: None)


def test_each_fault_shows_in_its_own_column(found: list[Measured]) -> None:
    rows = {row.method: row for row in rows_of(found)}
    value = {name: {metric: row.means[metric].value for metric in METRICS}  # type: ignore[union-attr]
             for name, row in rows.items()}
    assert value["perfect"] == {"product": 99.0, "ring": 99.0, "band": 99.0, "texture": 0.0}
    assert value["haloed"]["band"] < value[RASTER]["band"] - 3.0
    assert value["haloed"]["product"] == 99.0
    assert value[PATHTRACE]["ring"] == 99.0
    assert value[RASTER]["ring"] < 35.0
    # Grain in the wrong places costs PSNR and gains texture: the reason for two columns.
    assert value["good"]["product"] < value[PATHTRACE]["product"]
    assert value["good"]["texture"] < 0.4 * value[PATHTRACE]["texture"]
    share = rows["good"].texture_share
    assert share is not None
    assert share.low < share.value < share.high < 0.5


def test_a_method_without_a_picture_has_no_row() -> None:
    alone = replace(pair(), traced_product=None)
    assert {one.method for one in measure(alone, METHODS)} == set(METHODS) - {PATHTRACE}
    rows = rows_of(measure(alone, METHODS))
    texture = next(bar for bar in bars_of("perfect", rows, {}) if bar.name.startswith("texture"))
    assert (texture.found, texture.cleared) == (None, False)


def scores(family: str, method: str, *, product: float, texture: float, band: float = 25.0, ring: float = 32.0,
           count: int = 100) -> list[Measured]:
    values: dict[Metric, float] = {"product": product, "ring": ring, "band": band, "texture": texture}
    return [Measured(f"{family}-{seed:06d}", "full", method, values) for seed in range(count)]


HELD_OUT = [*scores("bag", RASTER, product=24, texture=9), *scores("bag", PATHTRACE, product=25, texture=8),
            *scores("bag", "a", product=31, texture=3.9), *scores("bag", "b", product=33, texture=3.9, band=24.9)]
REAL = [*scores("racquet", RASTER, product=24, texture=9, count=3),
        *scores("racquet", PATHTRACE, product=25, texture=8, count=3),
        *scores("racquet", "a", product=26, texture=5, count=3),
        *scores("racquet", "b", product=26, texture=9, count=3)]


def test_every_bar_can_be_missed_and_the_best_row_is_judged() -> None:
    answer = report(HELD_OUT, REAL, ["a", "b"])
    assert answer["best"] == "a"
    assert answer["passed"]
    missed = [bar["name"] for bar in answer["bars"]["b"] if not bar["cleared"]]
    assert missed == ["silhouette band − raster, dB", "racquet: texture distance − default path trace, dB"]
    for changed in ({"product": 29.9}, {"ring": 29.9}, {"band": 24.9}, {"texture": 4.1}, {"count": 99}):
        kept = [one for one in HELD_OUT if one.method in (RASTER, PATHTRACE)]
        row = scores("bag", "a", **({"product": 31.0, "texture": 3.9} | changed))
        assert not report([*kept, *row], REAL, ["a"])["passed"], changed
    assert not report(HELD_OUT, [], ["a"])["passed"]  # real products that nobody measured clear nothing
    assert not report(HELD_OUT, REAL, [])["passed"]


def test_views_are_averaged_within_a_product() -> None:
    values: dict[Metric, float] = dict.fromkeys(METRICS, 20.0)
    two = [Measured("bag-000001", view, RASTER, values) for view in ("full", "close0")]
    other = Measured("bag-000002", "full", RASTER, dict.fromkeys(METRICS, 30.0))
    gap = Measured("bag-000002", "close0", RASTER, {**values, "product": math.nan})
    row = rows_of([*two, other, gap])[0]
    assert row.products == 2
    assert row.means["product"] is not None
    assert row.means["product"].value == 25.0


def test_progress_says_how_much_is_left() -> None:
    said: list[str] = []
    measured([pair(1), pair(2)], 2, {RASTER: raster}, said.append)
    assert said
    assert said[-1].startswith("2 of 2 views")


def test_the_command_reads_pairs_and_fails_where_bars_are_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]
                                                                 ) -> None:
    for folder, family in (("held-out", "ball"), ("real", "racquet")):
        (tmp_path / folder).mkdir()
        for seed in (1, 2):
            save(pair(seed, family), tmp_path / folder)
        (tmp_path / folder / f"{family}-000001-full.example.npz").touch()  # training's own files are no pairs
    out = tmp_path / "found.json"
    arguments = ["--data", str(tmp_path), "--json", str(out)]
    assert main([*arguments, "--learned", f"{__name__}:learned"]) == 1  # two products are not a hundred
    answer = json.loads(out.read_text())
    assert [bar["name"] for bar in answer["bars"]["good"] if not bar["cleared"]] == [
        "held-out products", "product, dB", "racquet: product − default path trace, dB"]
    printed = capsys.readouterr().out
    assert "| raster | 2 |" in printed
    assert "**missed**" in printed
    assert main(arguments) == 1
    assert main(["--data", str(tmp_path / "nothing")]) == 2


def learned() -> Mapping[str, Method]:
    return {"good": good}


def test_the_table_is_markdown_of_even_width(found: list[Measured]) -> None:
    lines = table(rows_of(found)).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(METHODS)
