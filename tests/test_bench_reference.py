"""The benchmark of reference photos: what it makes is what it says, and it knows right from wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import reference_placement as bench
from benchmarks.reference_photos import Studio
from benchmarks.reference_specs import Kind, Spec, Synthetic, Truth, load, save, spec_of
from pipeline.errors import RenderError
from pipeline.reference import Pose
from pipeline.render.pathtrace import probe

F64 = NDArray[np.float64]
# World x, y and z in the picture of a camera that looks straight down: z points at its lower edge.
FROM_ABOVE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
MIRROR = np.diag([1.0, 1.0, -1.0])


def turned(degrees: float) -> F64:
    """(3, 3) about world y."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def truth(*, left: bool = True, mask: NDArray[np.bool_] | None = None) -> Truth:
    """A shoe seen from above whose toe points to the right."""
    return Truth(np.ones((4, 4), np.bool_) if mask is None else mask, np.eye(4), FROM_ABOVE @ [1.0, 0.0, 0.0],
                 FROM_ABOVE @ [0.0, 1.0, 0.0], not left, left)


def pose(degrees: float, *, mirrored: bool = False) -> Pose:
    view = np.eye(4)
    view[:3, :3] = FROM_ABOVE @ turned(degrees) @ (MIRROR if mirrored else np.eye(3))
    return Pose(0.0, 90.0, 0.0, mirrored, 0.95, tuple(tuple(float(value) for value in row) for row in view))


@pytest.mark.parametrize(("degrees", "mirrored", "kind", "wrong"), [
    (8.0, False, "shoe", ""), (20.0, False, "shoe", "turned"), (175.0, False, "shoe", "flip"),
    (0.0, True, "shoe", "foot"), (0.0, True, "mug", ""), (20.0, False, "mug", "turned"), (170.0, False, "bottle", "")])
def test_an_answer_is_judged(degrees: float, mirrored: bool, kind: Kind, wrong: str) -> None:
    figure = bench.figure_errors(kind, truth(), pose(degrees, mirrored=mirrored), pair=True)
    assert bench.why_wrong([figure], 1, 1) == wrong
    if kind != "bottle":
        assert figure["error_deg"] == pytest.approx(degrees, abs=0.01)
        assert figure["yaw_deg"] == pytest.approx(degrees, abs=0.01)
    assert figure["lean_deg"] == pytest.approx(0.0, abs=0.01)


def test_a_lean_is_no_turn() -> None:
    """Our shoe is seen from 30° lower: its toe points where the true one does, as its floor has it."""
    c, s = math.cos(math.radians(30.0)), math.sin(math.radians(30.0))
    view = np.eye(4)
    view[:3, :3] = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]) @ FROM_ABOVE @ turned(40.0)
    tilted = Pose(0.0, 60.0, 0.0, False, 0.95, tuple(tuple(float(value) for value in row) for row in view))
    true = Truth(np.ones((4, 4), np.bool_), np.eye(4), FROM_ABOVE @ turned(40.0) @ [1.0, 0.0, 0.0],
                 FROM_ABOVE @ [0.0, 1.0, 0.0], False, True)
    figure = bench.figure_errors("shoe", true, tilted, pair=False)
    assert figure["lean_deg"] == pytest.approx(30.0, abs=0.01)
    assert figure["yaw_deg"] == pytest.approx(0.0, abs=0.01)
    assert figure["error_deg"] > 15.0
    assert bench.why_wrong([figure], 1, 1) == ""


def test_a_shoe_alone_is_for_either_foot() -> None:
    assert bench.figure_errors("shoe", truth(), pose(0.0, mirrored=True), pair=False)["foot_right"]


def test_the_right_shoe_is_the_mirrored_one() -> None:
    assert bench.figure_errors("shoe", truth(left=False), pose(0.0, mirrored=True), pair=True)["foot_right"]


def test_two_products_in_one_figure_are_wrong() -> None:
    assert bench.why_wrong([bench.figure_errors("shoe", truth(), pose(0.0), pair=True)], 1, 2) == "count"


def test_figures_are_matched_by_overlap() -> None:
    left, right = np.zeros((4, 8), np.bool_), np.zeros((4, 8), np.bool_)
    left[:, :3], right[:, 5:] = True, True
    truths = [truth(mask=left), truth(mask=right)]
    assert bench.matched(truths, [right, left]) == [(1, 1.0), (0, 1.0)]
    assert bench.matched(truths, [right]) == [(-1, 0.0), (0, 1.0)]
    assert bench.matched(truths, []) == [(-1, 0.0), (-1, 0.0)]


def test_bounds_are_exact() -> None:
    assert bench.upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert bench.upper_bound(2, 2) == 1.0


def test_the_report_tells_refusals_from_wrong_answers() -> None:
    figure = bench.figure_errors("shoe", truth(), pose(175.0), pair=True)
    spec = {"kind": "shoe", "view": "top", "ground": "wood", "count": 1}
    rows: list[bench.Row] = [
        {"spec": spec, "name": "a", "accepted": True, "code": "", "wrong": "flip", "figures": [figure], "iou": [0.97],
         "cpu_s": 2.0, "plate": {"plate dB": 31.0}},
        {"spec": spec, "name": "b", "accepted": False, "code": "no_product", "wrong": "", "figures": [], "iou": [],
         "cpu_s": 1.0}]
    text = bench.report(rows)
    assert "1 of 1" in text
    assert "no_product 1" in text
    assert "a (flip: 175°)" in text
    assert "plate dB" in text


def test_a_half_written_line_is_no_row(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text('{"key": "one", "name": "a"}\n{"key": "two", "na')
    assert list(bench.read_rows(file)) == ["one"]


def test_the_series_holds_everything() -> None:
    specs = [spec_of(number) for number in range(60)]
    assert len({spec.name for spec in specs}) == 60
    assert {spec.ground for spec in specs} == {"plain", "wood", "stone", "fabric"}
    assert {(spec.kind, spec.view) for spec in specs} == {(kind, view) for kind in ("shoe", "mug", "bottle")
                                                          for view in ("top", "three-quarter", "side")}
    assert {spec.count for spec in specs if spec.view == "top" and spec.kind == "shoe"} == {1, 2}


def test_pairs_are_of_shoes() -> None:
    with pytest.raises(ValueError, match="pairs"):
        Spec("mug", 2, "top", "plain", 1)


@pytest.fixture(scope="module")
def pair() -> Synthetic:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    with Studio() as studio:
        return studio.photo(Spec("shoe", 2, "top", "plain", 3, 256, 256), plate=True)


def test_a_photo_of_a_pair_is_what_it_says(pair: Synthetic) -> None:
    assert pair.pixels.shape == (256, 256, 3)
    left, right = (np.nonzero(figure.mask)[1].mean() for figure in pair.figures)
    assert left < right
    assert [figure.mirrored for figure in pair.figures].count(True) == 1
    for figure in pair.figures:
        assert 0.02 < figure.mask.mean() < 0.4
        assert np.linalg.det(figure.view[:3, :3]) == pytest.approx(-1.0 if figure.mirrored else 1.0)
        assert figure.up[2] > 0.9                      # towards a camera that looks down
        assert abs(float(figure.front @ figure.up)) < 1e-6
    # Seen along the toes, the left shoe is on the left.
    one, other = sorted(pair.figures, key=lambda figure: not figure.left)
    ahead = (one.front + other.front)[:2]
    centres = [np.array([columns.mean(), -rows.mean()]) for rows, columns in map(np.nonzero, (one.mask, other.mask))]
    across = centres[1] - centres[0]
    assert ahead[0] * across[1] - ahead[1] * across[0] < 0


def test_the_empty_ground_is_the_photo_s_own(pair: Synthetic) -> None:
    assert pair.plate is not None
    away = ~np.logical_or.reduce([figure.mask for figure in pair.figures])
    difference = pair.pixels[away].astype(float) - pair.plate[away]
    assert -12 < np.median(difference) <= 2            # of the noise half, of the shadow the rest
    assert np.percentile(difference, 5) < np.median(difference) - 2


def test_a_kept_photo_is_the_same(pair: Synthetic, tmp_path: Path) -> None:
    save(pair, tmp_path / "photo.npz")
    again = load(tmp_path / "photo.npz")
    assert again.spec == pair.spec
    assert again.data == pair.data
    assert (again.pixels == pair.pixels).all()
    for one, other in zip(again.figures, pair.figures, strict=True):
        assert (one.mask == other.mask).all()
        assert (one.view == other.view).all()
        assert one.left == other.left
