"""Stitching is found as dashed rows, with their number, centre line and band."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.catalogue import Region
from pipeline.regions import near_path
from tests.test_finding_text import SIDE, cloth, found_on

THREAD = (245, 240, 225)


def sew(picture: Image.Image, start: tuple[float, float], end: tuple[float, float], *, pitch: float = 12.0,
        sagitta: float = 0.0, width: int = 4, share: float = 0.65, thread: tuple[int, int, int] = THREAD) -> None:
    """Stitches along an arc, drawn finely enough that their ends are soft."""
    a, b = np.array(start), np.array(end)
    across = np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
    large = picture.resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(large)
    count = int(np.linalg.norm(b - a) / pitch)

    def at(t: float) -> tuple[float, float]:
        point = 2 * (a + (b - a) * t + across * sagitta * 4 * t * (1 - t))
        return float(point[0]), float(point[1])

    for k in range(count):
        pen.line([at(k / count), at((k + share) / count)], thread, 2 * width)
    picture.paste(large.resize((SIDE, SIDE), Image.Resampling.BOX))


def seams(picture: Image.Image) -> list[Region]:
    return [region for region in found_on(picture) if region.kind == "stitching"]


@pytest.mark.parametrize("sagitta", [0.0, 60.0])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_parallel_rows_are_one_seam(rows: int, sagitta: float) -> None:
    picture = cloth()
    for k in range(rows):
        sew(picture, (120, 300 + 12 * k), (650, 340 + 12 * k), sagitta=sagitta)
    [seam] = seams(picture)
    assert (seam.rows, seam.name, seam.source) == (rows, "stitching 1", "found")
    t = np.linspace(0.05, 0.95, 40)
    across = np.array([-40.0, 530.0]) / np.hypot(40, 530)
    middle = np.array([120, 300 + 6 * (rows - 1)]) + t[:, None] * [530, 40]
    middle += across * sagitta * (4 * t * (1 - t))[:, None]
    assert near_path(middle / SIDE, seam.path, 3.0 / SIDE).all(), "the path runs in the rows' middle"
    assert 12 * (rows - 1) + 4 < seam.width * SIDE < 12 * (rows - 1) + 20, "the band holds them, and little else"


def test_two_seams_apart_are_two() -> None:
    picture = cloth()
    sew(picture, (120, 200), (650, 200))
    sew(picture, (120, 300), (650, 300))
    assert [seam.rows for seam in seams(picture)] == [1, 1]


def test_dark_thread_is_found_once() -> None:
    picture = cloth()
    sew(picture, (120, 200), (650, 260), thread=(40, 30, 30))
    assert [seam.rows for seam in seams(picture)] == [1]


def test_a_line_and_a_hatching_are_no_stitching() -> None:
    picture = cloth()
    sew(picture, (120, 200), (650, 200), share=1.2)
    for k in range(30):
        sew(picture, (120, 300 + 12 * k), (650, 300 + 12 * k))
    assert seams(picture) == []


def test_dashes_at_random_are_no_stitching() -> None:
    picture, rng = cloth(), np.random.default_rng(3)
    pen = ImageDraw.Draw(picture)
    for x, y, turn in zip(rng.uniform(40, 720, 400), rng.uniform(40, 720, 400), rng.uniform(0, 3.14, 400), strict=True):
        dx, dy = 5 * np.cos(turn), 5 * np.sin(turn)
        pen.line([(x - dx, y - dy), (x + dx, y + dy)], THREAD, 4)
    assert seams(picture) == []
