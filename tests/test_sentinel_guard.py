"""The guard's benchmark: its damaging refiner, its ground truth, and that a run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import sentinel_guard
from benchmarks.sentinel_guard import MODES, Rate, graded, guard_miss_rate, summary, table
from pipeline.catalogue import Region
from pipeline.render import save_passes
from pipeline.sentinel import all_checks
from pipeline.sentinel.types import U8, Expected
from tests.sentinel_scene import shoe_scene

SCENE = shoe_scene(240, 200)


def darkened(expected: Expected, image: U8, regions: Sequence[Region] = (), *, share: float = 0.4) -> U8:
    """Take light off the whole product."""
    result = image.copy()
    result[expected.alpha > 0] = (image[expected.alpha > 0] * (1.0 - share)).astype(np.uint8)
    return result


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One product with one upstream defect, and one injector."""
    folder = tmp_path / "shoe-000"
    folder.mkdir()
    save_passes(SCENE.passes, folder / "whole.exr")
    toned = SCENE.expected.display.copy()
    toned[SCENE.expected.alpha > 0] = (220, 30, 30)
    for name, pixels in (("whole.traced.png", SCENE.expected.display), ("whole.red-4.png", toned)):
        Image.fromarray(pixels).save(folder / name)
    kinds: list[dict[str, Any]] = [
        {"file": "whole.traced.png", "source": "traced", "defect": "", "nominal": 0.0},
        {"file": "whole.traced.png", "source": "traced", "defect": "material hue", "nominal": 1.0},
        {"file": "whole.red-4.png", "source": "traced", "defect": "material hue", "nominal": 4.0}]
    (folder / "pictures.json").write_text(json.dumps({
        "product": "shoe-000", "family": "shoe", "split": "test", "shots": ["whole"],
        "regions": [asdict(region) for region in SCENE.regions],
        "pictures": [{**kind, "shot": "whole"} for kind in kinds]}))
    only = [type("Only", (), {"injectors": (darkened,)})]
    monkeypatch.setattr(sentinel_guard, "all_checks", lambda: only)
    return tmp_path


def test_every_draw_is_told_and_a_second_run_measures_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = guard_miss_rate(pictures, 1)
    assert len(lines) == 2 * sentinel_guard.DRAWS
    seen = [(line["source"], mode, line["tries"][mode]) for line in lines for mode in MODES]
    for source, mode, tries in seen:
        assert 1 <= len(tries) <= 3
        assert sum(each["kept"] for each in tries) == 1
        assert not any(each["passed"] for each in tries[:-1]), "it ends with the first that passes"
        for each in tries:
            assert each["size"] is not None or mode == "half"
            least = 4.0 if source == "upstream" else 1.0
            assert each["visible"] == (each["size"] is not None and each["size"] >= least)
    red = [each for source, _, tries in seen if source == "upstream" for each in tries if each["visible"]]
    assert red
    assert not any(each["passed"] for each in red), "a red shoe is no green one"
    monkeypatch.setattr(sentinel_guard, "measure", None)
    assert guard_miss_rate(pictures, 1) == lines
    assert guard_miss_rate(pictures, 1, splits=("calibration",)) == []
    assert "| always | material hue, upstream | 2 | 1 |" in table(lines)


def line_of(product: str, *tries: tuple[float | None, bool, bool, bool]) -> dict[str, Any]:
    names = ("size", "visible", "passed", "kept")
    return {"product": product, "tries": {"half": [dict(zip(names, each, strict=True)) for each in tries]}}


def test_a_miss_is_a_kept_picture_that_shows_the_defect_and_passes() -> None:
    found = summary([
        line_of("a", (2.0, True, False, False), (2.0, True, True, True)),     # overlooked at the second attempt
        line_of("a", (2.0, True, True, True)),                                # and at the first
        line_of("b", (2.0, True, False, False), (0.5, False, True, True)),    # milder: may be delivered
        line_of("b", (2.0, True, False, True), (2.0, True, False, False)),    # withheld
        line_of("c", (None, False, False, False), (None, False, True, True)),
        line_of("c", (0.5, False, True, True))], "half")
    assert (found.draws, found.products) == (6, 3)
    counts = [(rate.hits, rate.of) for rate in (found.missed_once, found.shown_after, found.missed_after,
                                                found.honest_failed, found.honest_withheld)]
    assert counts == [(1, 4), (3, 4), (2, 4), (1, 1), (0, 1)]


def test_an_interval_is_over_products() -> None:
    alike = Rate.over([("a", True)] * 50 + [("b", False)] * 50)
    apart = Rate.over([(f"p{number}", number % 2 == 0) for number in range(100)])
    assert (alike.low, alike.high) == (0.0, 1.0), "two products say little, however many draws"
    assert 0.3 < apart.low < 0.5 < apart.high < 0.7
    assert str(Rate.over([])) == "–"
    never = Rate.over([(f"p{number}", False) for number in range(8)] * 4)
    assert (never.low, round(never.high, 3)) == (0.0, 0.369), "eight products without a miss leave a third open"


def test_every_injector_can_be_graded_and_its_default_is_the_first_that_must_not_pass() -> None:
    for injector in {injector for check in all_checks() for injector in check.injectors}:
        grades = graded(injector)
        assert 1.0 in grades, injector.__name__
        usual = injector(SCENE.expected, SCENE.expected.display, SCENE.regions)
        again = injector(SCENE.expected, SCENE.expected.display, SCENE.regions, **grades[1.0])
        np.testing.assert_array_equal(again, usual)
