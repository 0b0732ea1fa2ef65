"""Seams are pulled straight along their path; rows, gaps and single stitches are read in true units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from pipeline.catalogue import Region
from pipeline.sentinel import judge
from pipeline.sentinel.checks.stitching import ESTIMATORS, stitching
from pipeline.sentinel.injectors import blurred
from pipeline.sentinel.seams import path_coordinates, strips
from pipeline.sentinel.stitch_damage import erase_row, merge_rows, narrow_gap, targets
from pipeline.sentinel.stitches import thread_of
from pipeline.sentinel.types import U8, Measurement, Score
from tests.sentinel_scene import NUISANCES, REGIONS, ROW_GAP, SEAM, Nuisance, Scene, jpeg_coded, shoe_scene

NAME = "stitching:quarter#1"


def readings(scene: Scene, image: U8, regions: tuple[Region, ...] = REGIONS) -> dict[str, Measurement]:
    return {m.estimator: m for m in stitching(scene.expected, image, regions)}


def scored(scene: Scene, image: U8) -> dict[str, Score]:
    return {score.measurement.estimator: score for score in judge(stitching(scene.expected, image, REGIONS))}


def value(reading: Measurement) -> float:
    assert reading.value is not None
    return reading.value


def test_places_along_and_across_a_bent_path() -> None:
    path = np.array([(0.2, 0.5), (0.6, 0.5), (0.6, 0.9)])
    uv = np.array([[(0.3, 0.48), (0.3, 0.53), (0.62, 0.8), (0.1, 0.5), (0.3, 0.7)]])
    along, across = path_coordinates(uv, np.ones((1, 5), bool), path, 0.1)
    np.testing.assert_allclose(along[0, :3], [0.1, 0.1, 0.7])
    np.testing.assert_allclose(across[0, :3], [0.02, -0.03, 0.02])  # left of the way, v down
    assert np.isnan(along[0, 3:]).all()  # before its start, and beyond reach


def test_a_strip_shows_the_path_straight(scene: Scene) -> None:
    [(_, strip)] = strips(scene.expected, REGIONS)
    assert strip is not None
    uv = strip.sample(scene.expected.uv)
    middle = len(strip.across) // 2
    path = np.array(SEAM.path)
    way = (path[1] - path[0]) / np.linalg.norm(path[1] - path[0])
    wanted = path[0] + strip.along[:, None] * way
    shown = strip.shown[middle]
    assert shown.mean() > 0.9
    np.testing.assert_allclose(uv[middle][shown], wanted[shown], atol=1e-4)  # a twentieth of a pixel


def test_the_rows_and_the_rhythm_are_found(scene: Scene) -> None:
    [(_, strip)] = strips(scene.expected, REGIONS)
    assert strip is not None
    thread = thread_of(strip, strip.sample(scene.expected.display), 2, SEAM.width)
    assert thread is not None
    step = strip.across[1] - strip.across[0]
    assert thread.gap * step == pytest.approx(ROW_GAP, rel=0.05)
    length = float(np.linalg.norm(np.subtract(SEAM.path[0], SEAM.path[1])))
    assert thread.pitch * (strip.along[1] - strip.along[0]) == pytest.approx(length / 17, rel=0.03)


@pytest.mark.parametrize("white", [True, False], ids=["white", "grey"])
@pytest.mark.parametrize("nuisance", NUISANCES, ids=str)
def test_a_faithful_seam_is_whole(nuisance: Nuisance, white: bool) -> None:
    scene = shoe_scene(white=white)
    read = readings(scene, scene.observed(**nuisance))
    assert set(read) == set(ESTIMATORS)
    assert value(read["missing_fraction"]) == 0.0
    assert value(read["rows_missing"]) == 0.0
    assert value(read["row_gap_change"]) < 0.03
    assert value(read["pitch_change"]) < 0.01
    assert value(read["stitch_contrast"]) > 0.75
    assert {score.verdict for score in judge(read.values())} == {"pass"}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_missing_stitches_are_counted(scene: Scene, share: float) -> None:
    image = erase_row(scene.expected, scene.observed(jpeg=92, noise=1.0), REGIONS, share=share)
    score = scored(scene, image)["missing_fraction"]
    assert value(score.measurement) == pytest.approx(share, rel=0.2)
    assert score.verdict == "fail"
    assert "of its left row, on the left side" in score.sentence
    reading = score.measurement
    assert reading.bbox is not None
    assert reading.evidence is not None
    changed = (image != scene.observed(jpeg=92, noise=1.0)).any(axis=-1)
    x0, y0, x1, y1 = reading.bbox
    assert changed[y0:y1, x0:x1].sum() > 0.8 * changed.sum()  # the evidence lies on the gap


def test_a_double_row_made_single_is_told_in_plain_words(scene: Scene) -> None:
    scores = scored(scene, merge_rows(scene.expected, scene.observed(jpeg=92), REGIONS))
    assert value(scores["rows_missing"].measurement) == 1.0
    assert "double stitching on the left side reads as one row" in scores["rows_missing"].sentence
    assert scores["missing_fraction"].verdict == "fail"
    assert scores["row_gap_change"].verdict == "unmeasured"


def test_one_row_wiped_reads_as_one_row_too(scene: Scene) -> None:
    scores = scored(scene, erase_row(scene.expected, scene.expected.display, REGIONS, share=1.0, row=1))
    assert value(scores["rows_missing"].measurement) == 1.0
    assert scores["rows_missing"].verdict == "fail"
    assert value(scores["missing_fraction"].measurement) == 1.0
    assert "right row" in scores["missing_fraction"].sentence


@pytest.mark.parametrize("factor", [0.75, 0.85, 0.9])
def test_a_narrower_gap_reads_its_size(scene: Scene, factor: float) -> None:
    image = narrow_gap(scene.expected, scene.observed(jpeg=92, blur=0.3), REGIONS, factor=factor)
    score = scored(scene, image)["row_gap_change"]
    assert value(score.measurement) == pytest.approx(1 - factor, rel=0.2)
    assert score.verdict == "fail"
    assert "closer together" in score.sentence


def test_rows_that_move_together_as_one_are_no_defect(scene: Scene) -> None:
    """A refiner may warp by half a pixel."""
    shifted = np.roll(scene.expected.display, 1, axis=1)
    image = ((scene.expected.display.astype(np.float32) + shifted) / 2).astype(np.uint8)
    assert {score.verdict for score in scored(scene, image).values()} <= {"pass", "warn"}
    assert value(readings(scene, image)["missing_fraction"]) == 0.0


def test_faded_thread_is_faint_not_missing(scene: Scene) -> None:
    scores = scored(scene, faded(scene, 0.48))
    assert value(scores["stitch_contrast"].measurement) == pytest.approx(0.48, abs=0.08)
    assert scores["stitch_contrast"].verdict == "fail"
    assert scores["missing_fraction"].verdict == "pass"


def test_a_longer_pitch_reads_its_size(scene: Scene) -> None:
    """Every row's stitches stretched along the seam by 8 %."""
    [target] = targets(scene.expected, REGIONS, rows=2)
    strip = target.strip
    columns = np.arange(len(strip.along)) / 1.08
    image = scene.expected.display.copy()
    picture = strip.sample(image)
    where = np.meshgrid(np.arange(len(strip.across)), columns, indexing="ij")
    stretched = np.stack([map_coordinates(picture[..., c], where, order=1) for c in range(3)], axis=-1)
    column, row = np.rint(strip.x).astype(int), np.rint(strip.y).astype(int)
    image[row[strip.shown], column[strip.shown]] = stretched[strip.shown].astype(np.uint8)
    assert value(readings(scene, image)["pitch_change"]) == pytest.approx(0.08, rel=0.25)


def test_a_burnt_seam_is_never_a_pass(scene: Scene) -> None:
    image = scene.expected.display.copy()
    image[100:260, 60:210] = 255
    scores = scored(scene, image)
    assert {score.verdict for score in scores.values()} == {"unmeasured"}
    half = scene.expected.display.copy()
    half[100:180, 60:210] = 255
    reading = readings(scene, half)["missing_fraction"]
    assert 0.3 < reading.coverage < 0.8


def test_a_wiped_seam_fails(scene: Scene) -> None:
    image = scene.expected.display.copy()
    x0, y0, x1, y1 = targets(scene.expected, REGIONS)[0].occurrence.bbox
    image[y0:y1, x0:x1] = blurred(image, 12.0)[y0:y1, x0:x1]
    scores = scored(scene, image)
    assert scores["missing_fraction"].verdict == "fail"
    assert "pass" not in {score.verdict for score in scores.values()}


def test_what_the_faithful_picture_cannot_show_does_not_apply_and_says_why(scene: Scene) -> None:
    absent = replace(SEAM, name="absent", material="no such material")
    plain = replace(SEAM, name="plain", path=((0.4, 0.62), (0.6, 0.66)))
    short = replace(SEAM, name="short", path=((0.2, 0.478), (0.22, 0.522)))
    by_name = {m.region.partition(":")[2]: m for m in stitching(scene.expected, scene.expected.display,
                                                                (absent, plain, short))}
    assert "does not show" in by_name["absent"].reason
    assert {score.verdict for score in judge(by_name.values())} == {"not_applicable"}
    for name in ("plain#1", "short#1"):
        assert "faithful picture" in by_name[name].reason
        assert "px" in by_name[name].reason


def test_a_small_picture_of_the_seam_does_not_apply() -> None:
    scene = shoe_scene(width=120, height=100)
    verdicts = {score.verdict for score in judge(stitching(scene.expected, scene.expected.display, REGIONS))}
    assert verdicts == {"not_applicable"}


def test_a_single_row_has_no_gap(scene: Scene) -> None:
    direction = np.subtract(SEAM.path[1], SEAM.path[0])
    normal = np.array([direction[1], -direction[0]]) / np.linalg.norm(direction)
    path = tuple((float(u), float(v)) for u, v in np.asarray(SEAM.path) + ROW_GAP / 2 * normal)
    single = replace(SEAM, path=path, rows=1, width=0.01)
    read = readings(scene, scene.expected.display, (single,))
    assert not read["row_gap_change"].applicable
    assert value(read["missing_fraction"]) == 0.0
    wiped = erase_row(scene.expected, scene.expected.display, (single,), share=0.3)
    assert value(readings(scene, wiped, (single,))["missing_fraction"]) == pytest.approx(0.3, rel=0.25)


def test_injectors_touch_the_seam_only(scene: Scene) -> None:
    image = scene.expected.display
    band = np.zeros(image.shape[:2], bool)
    [(_, strip)] = strips(scene.expected, REGIONS)
    assert strip is not None
    band[np.rint(strip.y[strip.shown]).astype(int), np.rint(strip.x[strip.shown]).astype(int)] = True
    for damage in (erase_row, merge_rows, narrow_gap):
        changed = (damage(scene.expected, image, REGIONS) != image).any(axis=-1)
        assert changed.any()
        assert (changed & ~band).sum() <= 0.02 * changed.sum()
        assert (damage(scene.expected, image, ()) == image).all()


def test_compression_alone_loses_no_stitch(scene: Scene) -> None:
    image = jpeg_coded(scene.expected.display, 80)
    assert value(readings(scene, image)["missing_fraction"]) == 0.0


def faded(scene: Scene, keep: float) -> U8:
    """The image with the seam's thread mixed with the leather beside it."""
    wiped = scene.expected.display
    for row in (0, 1):
        wiped = erase_row(scene.expected, wiped, REGIONS, share=1.0, row=row)
    mixed = wiped + keep * (scene.expected.display.astype(np.float32) - wiped)
    return mixed.round().astype(np.uint8)


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
