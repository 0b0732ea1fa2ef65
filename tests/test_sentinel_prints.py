"""Labels and logos: blur in px of σ beyond the picture's own, contrast as a share, letters as they were designed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import pipeline.ocr
from pipeline.catalogue import Region
from pipeline.sentinel import Expected, judge
from pipeline.sentinel.checks.label_legibility import blur_labels, label_legibility, swap_one_glyph
from pipeline.sentinel.checks.logo_sharpness import blur_logos, logo_sharpness, wash_out_logos
from pipeline.sentinel.checks.texture import texture
from pipeline.sentinel.injectors import defocus
from pipeline.sentinel.lettering import folded, lines_of, share_right
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.rectify import rectified
from pipeline.sentinel.types import U8, Measurement
from tests.sentinel_scene import LABEL, LOGO, NUISANCES, REGIONS, Nuisance, Scene, shoe_scene

LABEL_NAME, LOGO_NAME = "label:tongue#1", "logo:side#1"
Readings = dict[tuple[str, str], Measurement]


def readings(scene: Scene, image: U8, regions: Sequence[Region] = REGIONS) -> Readings:
    measured = [*label_legibility(scene.expected, image, regions), *logo_sharpness(scene.expected, image, regions)]
    named = {(m.estimator if m.check == "label_legibility" else f"logo {m.estimator}", m.region): m for m in measured}
    assert len(named) == len(measured)
    return named


def values(scene: Scene, image: U8) -> dict[str, float]:
    found = {name: m.value for (name, _), m in readings(scene, image).items()}
    assert set(found) == {"text_match", "glyph_correlation_min", "excess_blur_sigma", "logo excess_blur_sigma",
                          "logo contrast_ratio"}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
def test_faithful_prints_pass_with_room_to_spare(scene: Scene, nuisance: Nuisance) -> None:
    image = scene.observed(**nuisance)
    read = values(scene, image)
    assert read["text_match"] == 1.0
    assert read["glyph_correlation_min"] > 0.9
    assert max(read["excess_blur_sigma"], read["logo excess_blur_sigma"]) <= 0.4
    assert read["logo contrast_ratio"] == pytest.approx(1.0, abs=0.1)
    assert {score.verdict for score in judge(readings(scene, image).values())} == {"pass"}


@pytest.mark.parametrize("sigma", [0.8, 1.2, 1.8, 3.0])
def test_a_blurred_print_reads_its_sigma(scene: Scene, sigma: float) -> None:
    faithful = scene.observed(jpeg=92, blur=0.3)
    for blur, name in ((blur_labels, "excess_blur_sigma"), (blur_logos, "logo excess_blur_sigma")):
        assert values(scene, blur(scene.expected, faithful, REGIONS, sigma_px=sigma))[name] == pytest.approx(
            sigma, rel=0.2)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0])
def test_a_soft_picture_is_not_a_soft_print(scene: Scene, sigma: float) -> None:
    read = values(scene, defocus(scene.expected, scene.expected.display, sigma_px=sigma))
    assert max(read["excess_blur_sigma"], read["logo excess_blur_sigma"]) <= 0.55


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.7])
def test_a_washed_out_logo_reads_its_contrast(scene: Scene, keep: float) -> None:
    image = wash_out_logos(scene.expected, scene.observed(jpeg=92, exposure=0.2), REGIONS, keep=keep)
    assert values(scene, image)["logo contrast_ratio"] == pytest.approx(keep, rel=0.2)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.7, 0.9])
def test_a_swapped_letter_is_seen_and_named(scene: Scene, place: float) -> None:
    image = swap_one_glyph(scene.expected, scene.observed(jpeg=90), REGIONS, place=place)
    read = readings(scene, image)
    match, shapes = read["text_match", LABEL_NAME], read["glyph_correlation_min", LABEL_NAME]
    assert match.value is not None
    assert match.value < 0.95
    assert "“NORTH 42” reads as" in match.reason
    assert shapes.value is not None
    assert shapes.value < 0.7
    assert (read["excess_blur_sigma", LABEL_NAME].value or 0.0) < 0.5
    assert shapes.bbox is not None
    assert match.evidence is not None
    assert {score.verdict for score in judge([match, shapes])} == {"fail"}


def test_a_swap_changes_only_its_letter(scene: Scene) -> None:
    image = swap_one_glyph(scene.expected, scene.expected.display, REGIONS, place=0.1)
    [label] = occurrences(scene.expected, (LABEL,))
    x0, y0, x1, y1 = label.bbox
    changed = (image != scene.expected.display).any(axis=-1)
    assert changed[y0:y1, x0:x0 + (x1 - x0) // 3].any()
    changed[y0:y1, x0:x0 + (x1 - x0) // 3] = False
    assert not changed.any()


def test_a_wiped_print_is_never_a_pass(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[90:240, 170:400] = np.median(image[150:160, 100:120], axis=(0, 1)).astype(np.uint8)
    read = readings(scene, image)
    assert {score.verdict for score in judge(read.values())} <= {"unmeasured", "fail"}
    assert read["text_match", LABEL_NAME].value == 0.0
    assert "is gone" in read["text_match", LABEL_NAME].reason


def test_small_or_absent_prints_do_not_apply_and_say_why(scene: Scene) -> None:
    tiny = replace(LABEL, name="tiny", polygon=((0.4, 0.2), (0.5, 0.2), (0.5, 0.23), (0.4, 0.23)))
    crumb = replace(LOGO, name="crumb", polygon=((0.7, 0.5), (0.72, 0.5), (0.72, 0.52), (0.7, 0.52)))
    absent = replace(LOGO, name="absent", material="no such material")
    read = readings(scene, scene.expected.display, (tiny, crumb, absent))
    for estimator in ("text_match", "glyph_correlation_min", "excess_blur_sigma"):
        assert "px high" in read[estimator, "label:tiny#1"].reason
    for estimator in ("logo excess_blur_sigma", "logo contrast_ratio"):
        assert "px small" in read[estimator, "logo:crumb#1"].reason
        assert "does not show" in read[estimator, "logo:absent"].reason
    assert {score.verdict for score in judge(read.values())} == {"not_applicable"}


def test_a_steep_print_does_not_apply(scene: Scene) -> None:
    steep = replace(scene.expected, normal=np.where(np.isnan(scene.expected.uv[..., :1]), 0.0,
                                                    np.array([0.97, 0.0, 0.24])).astype(np.float32))
    assert {"76°" in m.reason for m in label_legibility(steep, steep.display, (LABEL,))} == {True}


def test_a_sliver_of_a_print_does_not_apply(scene: Scene) -> None:
    hidden = scene.expected.instance_id.copy()
    [label] = occurrences(scene.expected, (LABEL,))
    hidden[:, label.bbox[0] + 8:] = 0
    mostly = replace(scene.expected, instance_id=hidden)
    assert {"% of it shows" in m.reason for m in label_legibility(mostly, mostly.display, (LABEL,))} == {True}


def test_a_label_without_text_is_judged_by_its_looks(scene: Scene) -> None:
    silent = replace(LABEL, text="")
    read = readings(scene, scene.expected.display, (silent,))
    assert "no text that is known" in read["text_match", LABEL_NAME].reason
    assert read["glyph_correlation_min", LABEL_NAME].value == pytest.approx(1.0, abs=1e-3)
    swapped = swap_one_glyph(scene.expected, scene.expected.display, (silent,))
    assert (readings(scene, swapped, (silent,))["glyph_correlation_min", LABEL_NAME].value or 0.0) < 0.7


def test_what_the_faithful_picture_cannot_be_read_at_is_not_charged(scene: Scene) -> None:
    foreign = replace(LABEL, text="WHOLLY OTHER")
    read = readings(scene, scene.observed(jpeg=90), (foreign,))
    assert not read["text_match", LABEL_NAME].applicable
    assert "even in the faithful picture" in read["text_match", LABEL_NAME].reason
    assert read["glyph_correlation_min", LABEL_NAME].value is not None


def test_a_logo_that_says_something_is_read_too(scene: Scene) -> None:
    wordmark = replace(LABEL, kind="logo")
    read = readings(scene, scene.observed(jpeg=90), (wordmark,))
    assert read["text_match", "logo:tongue#1"].value == 1.0
    assert read["logo excess_blur_sigma", "logo:tongue#1"].value is not None


Turn = Callable[[Expected], tuple[Expected, tuple[Region, ...]]]


def _upside_down(expected: Expected) -> tuple[Expected, tuple[Region, ...]]:
    """The same picture, its texture turned by 180°."""
    corners = tuple((1 - u, 1 - v) for u, v in LABEL.polygon)
    return replace(expected, uv=1 - expected.uv), (replace(LABEL, polygon=corners),)


def _sideways(expected: Expected) -> tuple[Expected, tuple[Region, ...]]:
    corners = tuple((v, 1 - u) for u, v in LABEL.polygon)
    turned = np.stack([expected.uv[..., 1], 1 - expected.uv[..., 0]], axis=-1)
    return replace(expected, uv=turned), (replace(LABEL, polygon=corners),)


def _mirrored_in_the_picture(expected: Expected) -> tuple[Expected, tuple[Region, ...]]:
    """A mirrored copy of the product: text reads backwards in the picture, upright in the texture."""
    flipped: dict[str, Any] = {name: np.ascontiguousarray(getattr(expected, name)[:, ::-1]) for name in (
        "display", "plate", "alpha", "diffuse_albedo", "diffuse", "specular", "emissive", "uv", "normal", "depth",
        "instance_id", "material_id", "chart_id")}
    return replace(expected, **flipped), (LABEL,)


def _mirrored_in_the_texture(expected: Expected) -> tuple[Expected, tuple[Region, ...]]:
    """A mirrored chart whose text was drawn backwards, so that the picture reads well."""
    uv = expected.uv.copy()
    uv[..., 0] = 1 - uv[..., 0]
    return replace(expected, uv=uv), (replace(LABEL, polygon=tuple((1 - u, v) for u, v in LABEL.polygon)),)


@pytest.mark.parametrize("turn", [_upside_down, _sideways, _mirrored_in_the_picture, _mirrored_in_the_texture])
def test_text_is_read_however_it_lies_in_texture_and_picture(scene: Scene, turn: Turn) -> None:
    expected, regions = turn(scene.expected)
    read = {m.estimator: m for m in label_legibility(expected, expected.display, regions)}
    assert read["text_match"].value == 1.0
    swapped = swap_one_glyph(expected, expected.display, regions, place=0.2)
    read = {m.estimator: m for m in label_legibility(expected, swapped, regions)}
    assert min(read["text_match"].value or 0.0, read["glyph_correlation_min"].value or 0.0) < 0.7


def test_a_rectified_print_is_the_texture(scene: Scene) -> None:
    [label] = occurrences(scene.expected, (LABEL,))
    flat = rectified(scene.expected, label)
    assert flat is not None
    height, width = flat.shown.shape
    corners = np.asarray(LABEL.polygon)
    u = corners[:, 0].min() + np.ptp(corners[:, 0]) * (np.arange(width) + 0.5) / width
    v = corners[:, 1].min() + np.ptp(corners[:, 1]) * (np.arange(height) + 0.5) / height
    uv = flat.sample(np.nan_to_num(scene.expected.uv, nan=0.0))
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(uv[..., 0] - u)[inner].max() < 1e-3
    assert np.abs(uv[..., 1] - v[:, None])[inner].max() < 1e-3
    column, row = flat.place(np.array([[u[7], v[3]]], np.float32))
    assert (column[0], row[0]) == pytest.approx((7.0, 3.0), abs=1e-3)


def test_lines_are_found_read_and_kept_apart() -> None:
    picture = page("MORNING OOLONG", "NET WT 250 G")
    lines = lines_of(picture, "Morning Oolong\nNet wt 250 g")
    assert [line.text for line in lines] == ["Morning Oolong", "Net wt 250 g"]
    assert [share_right(line, picture)[0] for line in lines] == [1.0, 1.0]
    share, said = share_right(lines[1], page("MORNING OOLONG", "NET WT 350 G"))
    assert share == pytest.approx(8 / 9)
    assert "350" in said
    assert lines_of(np.full((120, 400, 3), 255, np.uint8), "NOTHING") == []


def test_a_print_at_the_rim_may_reach_beyond_the_product_s_box(scene: Scene) -> None:
    """Its upper half is hardly covered, as at the rim of a small shoe: what shows of the product begins below it."""
    expected = scene.expected
    [label] = occurrences(expected, [LABEL])
    middle = (label.bbox[1] + label.bbox[3]) // 2
    covered = expected.alpha.copy()
    covered[:middle] = np.minimum(covered[:middle], 0.4)
    faint = replace(expected, alpha=covered)
    for check in (label_legibility, logo_sharpness, texture):
        assert check(faint, faint.display, REGIONS)


def test_letters_compare_without_case_spaces_signs_and_accents() -> None:
    assert folded("  Café-No. 12 ") == folded("CAFE NO 12")
    assert folded("b") != folded("d")


def test_one_engine_reads_for_the_whole_process(scene: Scene) -> None:
    label_legibility(scene.expected, scene.expected.display, REGIONS)
    assert pipeline.ocr._engine.cache_info().currsize == 1


def page(*lines: str) -> U8:
    canvas = Image.new("RGB", (420, 40 + 70 * len(lines)), (240, 238, 230))
    pen = ImageDraw.Draw(canvas)
    for i, line in enumerate(lines):
        pen.text((210, 55 + 70 * i), line, fill=(20, 60, 40), font=ImageFont.load_default(size=40.0), anchor="mm")
    return np.asarray(canvas)


@cache
def _scene() -> Scene:
    return shoe_scene()


@pytest.fixture
def scene() -> Scene:
    return _scene()
