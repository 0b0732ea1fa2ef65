"""Logos that are no words are found as compact shapes on an even ground, and patterns are not."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from pipeline.catalogue import Region
from tests.test_finding_text import INK, cloth, found_on, write

STAR = [(0.0, -1.0), (0.24, -0.32), (0.95, -0.31), (0.38, 0.12), (0.59, 0.81), (0.0, 0.4), (-0.59, 0.81), (-0.38, 0.12),
        (-0.95, -0.31), (-0.24, -0.32)]


def star(picture: Image.Image, x: float, y: float, radius: float) -> None:
    ImageDraw.Draw(picture).polygon([(x + radius * dx, y + radius * dy) for dx, dy in STAR], fill=INK)


def marks(picture: Image.Image) -> list[Region]:
    return [region for region in found_on(picture) if region.kind == "logo" and not region.text]


def box(region: Region) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    corners = np.array(region.polygon) * 768
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def test_an_emblem_is_a_logo_around_its_shape() -> None:
    picture = cloth()
    star(picture, 300, 260, 60)
    [mark] = marks(picture)
    assert (mark.name, mark.source) == ("logo 1", "found")
    assert np.abs(box(mark) - [243, 200, 357, 309]).max() < 5


def test_parts_that_nearly_touch_are_one_mark() -> None:
    picture = cloth()
    pen = ImageDraw.Draw(picture)
    for k in range(3):
        pen.polygon([(240 + 10 * k, 240 + 26 * k), (330 + 10 * k, 220 + 26 * k), (330 + 10 * k, 240 + 26 * k),
                     (240 + 10 * k, 260 + 26 * k)], fill=INK)
    [mark] = marks(picture)
    assert np.abs(box(mark) - [240, 220, 350, 312]).max() < 6


def test_what_repeats_is_a_pattern() -> None:
    picture = cloth()
    for k in range(12):
        star(picture, 120 + 160 * (k % 4), 120 + 200 * (k // 4), 40)
    assert marks(picture) == []


def test_discs_bars_and_soft_shades_are_no_marks() -> None:
    picture = cloth()
    pen = ImageDraw.Draw(picture)
    pen.ellipse((100, 100, 180, 180), fill=INK)
    pen.rectangle((300, 100, 400, 140), fill=INK)
    y, x = np.mgrid[:768, :768]
    shade = np.exp(-((x - 500) ** 2 + (y - 500) ** 2) / (2 * 40.0**2)) * np.where((x - 500) * (y - 500) > 0, 1.0, 0.4)
    soft = Image.fromarray((np.asarray(picture) * (1 - 0.7 * shade[..., None])).astype(np.uint8))
    assert marks(soft) == []


def test_a_mark_on_a_busy_ground_is_left_alone() -> None:
    picture = cloth()
    rng = np.random.default_rng(2)
    pen = ImageDraw.Draw(picture)
    for x, y in rng.uniform(0, 768, (300, 2)):
        pen.ellipse((x, y, x + 40, y + 25), fill=tuple(int(v) for v in rng.integers(30, 220, 3)))
    star(picture, 300, 260, 60)
    assert marks(picture) == []


def test_letters_are_words_and_no_marks() -> None:
    picture = cloth()
    write(picture, (380, 300), "KAYAK", 120)
    assert [(region.kind, region.text) for region in found_on(picture)] == [("logo", "KAYAK")]
