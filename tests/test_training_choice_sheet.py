"""A sheet that gives nothing away, and answers counted as they were given."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_training_evaluate import good, pair
from training.choice_sheet import SheetError, drawn, key_of, main, page, shares, sheet_rows, wilson
from training.judging import PATHTRACE, RASTER, Method, pathtrace, raster
from training.pairs import save

METHODS: Mapping[str, Method] = {RASTER: raster, PATHTRACE: pathtrace, "good": good}
PAIRS = [pair(seed) for seed in range(1, 7)]


def learned() -> Mapping[str, Method]:
    return {"good": good}


def test_the_page_shows_each_row_as_its_key_says_and_names_no_method() -> None:
    rows = sheet_rows(PAIRS, METHODS, seed=1)
    html = page(rows, key_of(rows)["sheet"])
    coded = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in coded]
    wanted = [picture for row in rows for picture in row.pictures]
    assert len(shown) == 4 * len(PAIRS)
    assert all(np.array_equal(one, other) for one, other in zip(shown, wanted, strict=True))
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    for word in ("raster", "pathtrace", "good", "truth", "ball"):
        assert word not in bare
    assert not re.search(r"""(src|href)=["'](?!data:)""", bare)  # nothing is fetched


def test_orders_differ_between_rows_and_repeat_with_the_seed() -> None:
    rows = sheet_rows(PAIRS, METHODS, seed=1)
    assert len({row.methods for row in rows}) > 1
    assert key_of(rows) == key_of(sheet_rows(PAIRS, METHODS, seed=1))
    assert key_of(rows)["sheet"] != key_of(sheet_rows(PAIRS, METHODS, seed=2))["sheet"]


def test_answers_are_counted_by_what_was_behind_the_letter() -> None:
    key = key_of(sheet_rows(PAIRS, METHODS, seed=1))
    letters = {number: {method: letter for letter, method in row.items()} for number, row in key["rows"].items()}
    answer = {"sheet": key["sheet"], "choices": {number: row["good" if int(number) < 5 else "truth"]
                                                 for number, row in letters.items()}}
    part = {"sheet": key["sheet"], "choices": {"1": letters["1"]["raster"]}}
    found = {share.method: (share.chosen, share.of) for share in shares(key, [answer, part])}
    assert found == {"good": (4, 7), "truth": (2, 7), RASTER: (1, 7), PATHTRACE: (0, 7)}


def test_answers_that_do_not_belong_to_the_sheet_are_named() -> None:
    key = key_of(sheet_rows(PAIRS, METHODS, seed=1))
    with pytest.raises(SheetError, match="of sheet other") as other:
        shares(key, [{"sheet": "other", "choices": {}}])
    assert other.value.code == "answers_of_another_sheet"
    with pytest.raises(SheetError) as unknown:
        shares(key, [{"sheet": key["sheet"], "choices": {"1": "Z"}}])
    assert unknown.value.code == "answers_unreadable"


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_every_product_comes_before_any_comes_twice() -> None:
    files = [Path(f"{family}-{seed:06d}-{view}.npz") for family in ("bag", "mug") for seed in (1, 2)
             for view in ("full", "close0")]
    chosen = drawn(files, 5, seed=3)
    assert len(set(chosen)) == 5
    assert len({file.stem.rpartition("-")[0] for file in chosen[:4]}) == 4
    assert chosen == drawn(files[::-1], 5, seed=3)
    assert chosen != drawn(files, 5, seed=4)


def test_the_command_makes_a_sheet_and_scores_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "held-out").mkdir()
    for one in PAIRS[:3]:
        save(one, tmp_path / "held-out")
    out = tmp_path / "sheet"
    made = ["--out", str(out), "--data", str(tmp_path), "--count", "2"]
    assert main([*made, "--learned", f"{__name__}:learned", "--refined", "good"]) == 0
    key = json.loads((out / "key.json").read_text())
    assert len(key["rows"]) == 2
    letter = next(letter for letter, method in key["rows"]["1"].items() if method == "good")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"sheet": key["sheet"], "choices": {"1": letter}}))
    assert main(["--score", str(answers), "--out", str(out)]) == 0
    assert "| good | 1 of 1 | 100% | 21% to 100% |" in capsys.readouterr().out
    assert main([*made, "--refined", "good"]) == 2
    assert main(["--out", str(out), "--data", str(tmp_path / "nothing")]) == 2
    answers.write_text("{")
    assert main(["--score", str(answers), "--out", str(out)]) == 2
