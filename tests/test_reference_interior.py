"""What is seen within an outline says which end is the front where the outline does not."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mesh.types import Front, Mesh
from pipeline.reference import Figure, Hints, Photo, front_angle
from pipeline.reference.interior import SIDE as SQUARE
from pipeline.reference.interior import Interior
from pipeline.reference.outline import Outline
from tests.test_reference_pose import PHOTO, SIDE, Seen, photo_of, placed, placed_in, solid, turned_by, view_of


def stepped_block() -> Mesh:
    """From above a plain rectangle, 30 × 10 cm, with a step on it nearer to its back than to its front, which is +x."""
    block, step = trimesh.creation.box((0.30, 0.05, 0.10)), trimesh.creation.box((0.11, 0.015, 0.07))
    step.apply_translation((-0.07, 0.0325, 0.0))
    return replace(solid(block, step), front=Front("+x", 1.0, "manifest"))


@cache
def known_block() -> Seen:
    return Seen(stepped_block(), partners=True)


@pytest.fixture(scope="module")
def block() -> Seen:
    return known_block()


def flat(photo: Photo, figure: Figure) -> Photo:
    """The same photo with nothing to be seen inside."""
    return Photo(np.where(figure.mask[..., None], np.uint8(120), photo.pixels))


@pytest.mark.parametrize("azimuth", [15, 100, 195, 280])
def test_what_is_inside_tells_the_front_of_what_looks_alike_from_both_ends(block: Seen, azimuth: float) -> None:
    view = view_of(block.mesh, azimuth, 84)
    depth = block.depth(view)
    figure, photo = Figure(np.isfinite(depth)), photo_of(depth)
    found = placed_in(block, photo, figure)
    assert found.problem is None
    assert turned_by(found, 0, view) < 12
    assert found.answer.inside > 0.6
    blind = placed_in(block, flat(photo, figure), figure)
    assert blind.margin < found.margin - 2.0
    assert blind.problem is not None       # nothing that was seen says which way round it is


def test_lines_that_the_photo_does_not_show_are_a_reason_to_refuse(block: Seen) -> None:
    """An outline that fits like no other, and another product's inside: of four bars across."""
    view = view_of(block.mesh, 30, 40)
    figure = block.figure(view)
    assert placed(block, view).problem is None
    down, right = np.mgrid[:SIDE, :SIDE]
    stripes = np.where(np.sin((down + 2.0 * right) / 9.0) > 0.0, 90, 160).astype(np.uint8)
    pixels = np.where(figure.mask, stripes, np.uint8(255))
    found = placed_in(block, Photo(np.repeat(pixels[..., None], 3, axis=2)), figure)
    assert found.problem is not None
    assert found.problem.code == "pose_unsure"
    assert "edges" in found.problem.message


def test_from_where_a_photo_was_taken_does_not_say_which_end_is_which(block: Seen) -> None:
    view = view_of(block.mesh, 30, 40)
    figure = block.figure(view)
    down, right = np.mgrid[:SIDE, :SIDE]
    stripes = np.where(np.sin((down + 2.0 * right) / 9.0) > 0.0, 90, 160).astype(np.uint8)
    photo = Photo(np.repeat(np.where(figure.mask, stripes, np.uint8(255))[..., None], 3, axis=2))
    from_above, told = (placed_in(block, photo, figure, hints=hints) for hints in (
        Hints(view="three-quarter"), Hints(toe_direction=front_angle(placed(block, view).chosen[0], block.mesh))))
    assert from_above.problem is not None
    assert told.problem is None or told.problem.code == "pose_ambiguous"


@settings(deadline=None, max_examples=20)
@given(st.floats(-math.pi, math.pi), st.floats(0.4, 1.5))
def test_agreement_is_a_correlation_and_knows_no_colours(azimuth: float, elevation: float) -> None:
    block = known_block()
    view = view_of(block.mesh, math.degrees(azimuth), math.degrees(elevation))
    depth = block.depth(view)
    photo = photo_of(depth)
    place = Outline.of(Figure(np.isfinite(depth)))
    seen = in_square(block, view, place)
    agreement = Interior(photo.pixels, place, PHOTO.focal_px).agreement(seen)
    inverted = Interior(np.uint8(255) - photo.pixels, place, PHOTO.focal_px).agreement(seen)
    assert 0.3 < agreement <= 1.0
    assert inverted == pytest.approx(agreement, abs=0.03)


def test_nothing_agrees_with_nothing() -> None:
    view = view_of(known_block().mesh, 20, 80)
    figure = known_block().figure(view)
    place = Outline.of(figure)
    blank = Interior(np.full((SIDE, SIDE, 3), 128, np.uint8), place, PHOTO.focal_px)
    assert blank.agreement(in_square(known_block(), view, place)) == 0.0
    assert blank.agreement(np.full((SQUARE, SQUARE), np.inf, np.float32)) == 0.0


def in_square(seen: Seen, view: np.ndarray, place: Outline) -> np.ndarray:
    """Depth in the square around a figure."""
    scale = 1.0 / (place.unit * place.reach)
    lens = np.diag([PHOTO.focal_px * scale, PHOTO.focal_px * scale, 1.0, 0.0])
    lens[0, 2], lens[1, 2] = -(SIDE / 2 - place.centre[0]) * scale, (SIDE / 2 - place.centre[1]) * scale
    return seen.draw(view, lens, SQUARE)


