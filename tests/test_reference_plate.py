"""The photo without its product: around it every pixel is the photo's, inside nothing of the old one is left."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import PhotoLight
from pipeline.colour import srgb_encode
from pipeline.reference.backplate import Backplate, backplate
from pipeline.reference.fill import filled
from pipeline.reference.horizon import floor_and_wall
from pipeline.reference.light import lens_and_grain, lit_like, read_light
from tests.photographed import Staged, ellipse, planks, staged

SIDE = 384
OLD, SMALLER = ellipse(SIDE, 0.16, 0.32), ellipse(SIDE, 0.12, 0.27)
NO_SHADOW = np.ones((SIDE, SIDE), np.float32)
EXTENT = 0.64 * SIDE


def psnr(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    error = (one[where].astype(float) - other[where].astype(float)) / 255.0
    return float(-10 * np.log10((error ** 2).mean()))


@pytest.fixture(scope="module")
def scene() -> Staged:
    return staged(OLD)


@pytest.fixture(scope="module")
def plate(scene: Staged) -> Backplate:
    return backplate(scene.photo, OLD, SMALLER, NO_SHADOW, EXTENT)


def test_away_from_the_products_every_pixel_is_the_photos(scene: Staged, plate: Backplate) -> None:
    beside = cv2.distanceTransform((~(OLD | SMALLER)).astype(np.uint8), cv2.DIST_L2, 5)
    assert np.array_equal(plate.pixels[beside > plate.reach_px], scene.photo[beside > plate.reach_px])
    assert plate.reach_px < 0.05 * SIDE


def test_nothing_of_the_old_product_is_left_beside_ours(scene: Staged, plate: Backplate) -> None:
    free = OLD & ~cv2.dilate(SMALLER.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    old, seen = (picture[free].astype(float).mean(axis=0) for picture in (scene.photo, plate.pixels))
    ground = scene.clean[~OLD].astype(float).mean(axis=0)
    # Chromaticity tells brown leather from boards in shadow.
    assert np.abs(seen / seen.sum() - ground / ground.sum()).max() < 0.02
    assert np.abs(old / old.sum() - ground / ground.sum()).max() > 0.1


def test_boards_go_on_where_the_product_stood(scene: Staged) -> None:
    """Without shadows the truth is known: the clean ground."""
    lit = Staged(np.where(OLD[..., None], scene.photo, scene.clean), scene.clean, OLD)
    made = backplate(lit.photo, OLD, np.zeros_like(OLD), NO_SHADOW, EXTENT).pixels
    flat = np.where(OLD[..., None], scene.clean[~OLD].mean(axis=0), scene.clean).astype(np.uint8)
    blurred = psnr(flat, scene.clean, OLD)
    assert psnr(made, scene.clean, OLD) > 20.0
    assert made[OLD].astype(float).std() == pytest.approx(scene.clean[OLD].astype(float).std(), rel=0.35)
    gaps = scene.clean.astype(float).mean(axis=(0, 2)) < scene.clean.mean() - 20
    rows = slice(int(0.3 * SIDE), int(0.7 * SIDE))
    inside = gaps & OLD[SIDE // 2]
    assert made[rows][:, inside].mean() < made[rows][:, OLD[SIDE // 2] & ~gaps].mean() - 15
    assert blurred < 40.0  # a flat fill is what it has to be better than


@pytest.mark.parametrize("side", [384, 640, 1000, 1080])
def test_a_hole_is_filled_with_ground_in_a_photo_of_any_size(side: int) -> None:
    """Pieces are looked for in a smaller picture, whose pixels the hole's blocks need not meet: once, at three pixels
    to one, none was found and the hole stayed flat."""
    ground = planks(side, 3)
    hole = ellipse(side, 0.17, 0.25)
    made = filled(ground, hole, ~hole)
    assert made[hole].std() > 0.6 * ground[~hole].std()
    assert np.array_equal(made[~hole], ground[~hole])


def floor_before_wall(side: int, row: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) sRGB 0..1, boards before a plain wall; and (H, W) where the wall is."""
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    wall = rows < row * side + slope * (columns - side / 2)
    return np.where(wall[..., None], np.array([0.62, 0.66, 0.68]), planks(side)).astype(np.float32), wall


@given(st.floats(0.25, 0.7), st.floats(-0.06, 0.06))
@settings(max_examples=15, deadline=None)
def test_where_floor_and_wall_meet_behind_a_product_is_found(row: float, slope: float) -> None:
    ground, wall = floor_before_wall(SIDE, row, slope)
    scene = staged(OLD, ground=ground)
    floor, found = floor_and_wall(scene.photo, ~OLD)
    assert floor + found == pytest.approx(1.0)
    assert np.abs((found > 0.5).sum(axis=0) - wall.sum(axis=0)).max() < 3


@pytest.mark.parametrize("shape", [(400, 900), (900, 400), (384, 384)])
def test_nothing_of_the_old_product_is_left_where_floor_and_wall_meet(shape: tuple[int, int]) -> None:
    """A level edge between two rows of a clean photo lies in the middle of both grounds: once, in neither."""
    height, width = shape
    wall = np.arange(height)[:, None] < height // 2
    clean = np.broadcast_to(np.where(wall[..., None], np.array([150, 170, 180]), np.array([190, 150, 110])),
                            (height, width, 3)).astype(np.uint8)
    old = np.zeros(shape, np.bool_)
    old[height // 4 : height * 3 // 4, width // 3 : width * 2 // 3] = True
    photo = np.where(old[..., None], np.array([60, 20, 10]), clean).astype(np.uint8)
    made = backplate(photo, old, np.zeros_like(old), np.ones(shape, np.float32), 0.4 * max(shape)).pixels
    apart = np.abs(made.astype(int) - clean).max(axis=-1)
    assert apart[old].max() < 60           # of the old product it is 130; the edge is drawn over four pixels
    away = np.abs(np.arange(height) - height // 2) > 4
    assert apart[away][old[away]].max() < 12


@pytest.mark.parametrize("strip", [0.06, 0.1, 0.94])
def test_a_strip_of_a_second_ground_spoils_nothing(strip: float) -> None:
    """What is fitted to a strip says nothing of the rest, and a quadratic of logarithms would go anywhere there."""
    side = 600
    rows = np.linspace(0.0, 1.0, side)[:, None, None]
    bright = np.where(rows < strip, 0.6 + 0.4 * (rows / strip) ** 2, 0.5 + 0.1 * rows)
    ground = np.broadcast_to(bright * np.array([0.9, 0.8, 0.7]), (side, side, 3))
    clean = np.round(255.0 * ground).astype(np.uint8)
    old = ellipse(side, 0.2, 0.3)
    photo = np.where(old[..., None], np.array([30, 60, 20]), clean).astype(np.uint8)
    made = backplate(photo, old, np.zeros_like(old), np.ones(old.shape, np.float32), 0.6 * side).pixels
    assert np.abs(made.astype(int) - clean)[old].mean() < 12


def test_a_faint_line_on_the_wall_is_no_horizon() -> None:
    ground, wall = floor_before_wall(SIDE, 0.6, 0.0)
    ground = ground.copy()
    ground[: SIDE // 4] -= 0.05
    scene = staged(OLD, ground=ground)
    _, found = floor_and_wall(scene.photo, ~OLD)
    assert np.abs((found > 0.5).sum(axis=0) - wall.sum(axis=0)).max() < 3


def test_a_ground_that_is_not_known_is_no_black_one() -> None:
    texture, hole = np.full((60, 80, 3), 1.1, np.float32), np.zeros((60, 80), np.bool_)
    hole[:, 20:60] = True
    top = np.arange(60)[:, None] < np.full(80, 10)
    made = filled(texture, hole, ~hole & ~top, [top, ~top])
    assert made[hole & top] == pytest.approx(1.0)
    assert made[hole & ~top] == pytest.approx(1.1, abs=1e-3)


def test_a_floor_alone_is_one_ground(scene: Staged) -> None:
    assert len(floor_and_wall(scene.photo, ~OLD)) == 1


def test_floor_and_wall_go_on_behind_the_old_product() -> None:
    ground, wall = floor_before_wall(SIDE, 0.45, 0.03)
    scene = staged(OLD, ground=ground)
    photo = np.where(OLD[..., None], scene.photo, scene.clean)
    made = backplate(photo, OLD, np.zeros_like(OLD), NO_SHADOW, EXTENT).pixels.astype(float)
    well_inside = cv2.erode(OLD.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    for part in (wall, ~wall):
        away = cv2.erode(part.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
        seen, true = (picture[away & well_inside] for picture in (made, scene.clean.astype(float)))
        assert seen.mean(axis=0) == pytest.approx(true.mean(axis=0), abs=6.0)
        assert 0.6 * true.std() - 1.0 < seen.std() < 1.4 * true.std() + 2.0


def test_a_shadow_of_ours_meets_the_photos_at_the_rim(scene: Staged) -> None:
    shadow = 1.0 - 0.4 * cv2.GaussianBlur(SMALLER.astype(np.float32), (0, 0), 10.0)
    made = backplate(scene.photo, OLD, SMALLER, shadow, EXTENT)
    rim = cv2.dilate(made.hole.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~made.hole
    inner = made.hole & ~cv2.erode(made.hole.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert made.pixels[inner].mean() == pytest.approx(made.pixels[rim].mean(), abs=4.0)


def test_where_ours_stands_out_its_contact_shadow_reaches_the_photo(scene: Staged) -> None:
    longer = ellipse(SIDE, 0.12, 0.44)
    shadow = 1.0 - 0.5 * cv2.GaussianBlur(longer.astype(np.float32), (0, 0), 6.0)
    made = backplate(scene.photo, OLD, longer, shadow, EXTENT)
    beyond = cv2.dilate(longer.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~longer
    beyond[int(0.12 * SIDE):] = False
    assert made.pixels[beyond].mean() < scene.photo[beyond].mean() - 5


@given(st.floats(0, 360), st.floats(0.10, 0.2), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_the_light_is_where_the_shadow_is_not(clock: float, across: float, seed: int) -> None:
    toward = np.sin(np.radians(clock)), -np.cos(np.radians(clock))
    mask = ellipse(SIDE, across, across * 1.3, 20.0 * seed)
    found = staged(mask, light_from=toward, ground=planks(SIDE, seed))
    read = read_light(found.photo, found.found)
    assert read.clock_deg is not None
    assert abs((read.clock_deg - clock + 180) % 360 - 180) < 30


@pytest.mark.parametrize(("white", "warm"), [("#f6e7d0", True), ("d0e0f6", False), ("#F0F0F0", None),
                                             ("#908070", True)])
def test_a_named_white_tints_the_light(white: str, *, warm: bool | None) -> None:
    light = lit_like(PhotoLight(), white)
    red, _, blue = light.tint
    assert sum(light.tint) == pytest.approx(3.0)
    assert (red == pytest.approx(blue)) if warm is None else ((red > blue) is warm)
    # A sheet of paper in this light is seen in the named colour.
    code = 255.0 * srgb_encode(np.asarray(light.tint, np.float32) * light.exposure * 0.9)
    assert code == pytest.approx(list(bytes.fromhex(white.removeprefix("#"))), abs=1.5)


def test_a_shadow_on_all_sides_names_no_direction() -> None:
    mask = ellipse(SIDE, 0.2, 0.2)
    ground = planks(SIDE, contrast=0.0)
    halo = 1.0 - 0.4 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 12.0)[..., None]
    photo = np.where(mask[..., None], [90, 40, 20], ground * halo * 255.0).astype(np.uint8)
    assert read_light(photo, Staged(photo, photo, mask).found).clock_deg is None


@pytest.mark.parametrize("noise", [0.8, 2.0, 3.5])
def test_grain_is_read_from_the_calm_ground(noise: float) -> None:
    scene = staged(OLD, ground=planks(SIDE, contrast=0.02), noise=noise)
    assert lens_and_grain(scene.photo, scene.found)[1] == pytest.approx(noise, rel=0.45)


def test_what_is_not_known_fills_nothing() -> None:
    texture = np.ones((64, 64, 3), np.float32)
    everywhere = np.ones((64, 64), bool)
    assert np.isfinite(filled(texture, everywhere, np.zeros_like(everywhere))).all()
