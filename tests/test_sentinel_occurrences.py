"""A region is found on every instance and chart that shows it, with its size, angle and handedness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from pipeline.regions import in_polygon, near_path
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.types import Expected
from tests.sentinel_scene import LABEL, LOGO, SEAM, shoe_scene


def mirrored_pair() -> Expected:
    """The scene with its left half showing the right half's uv, mirrored, on a chart of its own."""
    expected = shoe_scene().expected
    uv, chart = expected.uv.copy(), expected.chart_id.copy()
    half = expected.size[0] // 2
    uv[:, :half] = uv[:, ::-1][:, :half]
    chart[:, :half] = np.where(chart[:, :half] > 0, chart[:, :half] + 10, 0)
    return replace(expected, uv=uv, chart_id=chart)


def test_one_occurrence_has_the_regions_size_and_place() -> None:
    found = occurrences(shoe_scene().expected, [LABEL, LOGO, SEAM])
    assert [o.name for o in found] == ["label:tongue#1", "logo:side#1", "stitching:quarter#1"]
    label = found[0]
    assert label.size_px == pytest.approx((0.22 * 0.84 * 480, 0.18 * 0.60 * 400), rel=0.02)
    assert label.bbox == pytest.approx((0.08 * 480 + 0.40 * 403.2, 0.18 * 400 + 0.20 * 240,
                                        0.08 * 480 + 0.62 * 403.2, 0.18 * 400 + 0.38 * 240), abs=1.5)
    assert label.mask.all()
    assert not label.mirrored
    assert label.view_angle_deg < 20


def test_mirrored_charts_make_two_occurrences() -> None:
    found = occurrences(mirrored_pair(), [LOGO])
    assert {o.chart: o.mirrored for o in found} == {1: False, 11: True}
    assert {o.name for o in found} == {"logo:side#1", "logo:side#2"}
    boxes = sorted(o.bbox for o in found)
    assert boxes[0][2] < 240 < boxes[1][0]


def test_instances_are_apart() -> None:
    expected = mirrored_pair()
    instance = expected.instance_id.copy()
    instance[:, :240] *= 2
    found = occurrences(replace(expected, instance_id=instance), [LOGO])
    assert sorted(o.instance for o in found) == [1, 2]


def test_another_materials_uv_is_not_the_regions() -> None:
    expected = shoe_scene().expected
    assert occurrences(expected, [replace(LABEL, material="sole")]) == []
    assert len(occurrences(expected, [replace(LABEL, material="*")])) == 1


def test_nothing_without_uv() -> None:
    expected = shoe_scene().expected
    assert occurrences(replace(expected, uv=np.full_like(expected.uv, np.nan)), [LABEL]) == []


def test_letters_get_smaller_with_more_lines() -> None:
    one, two = (occurrences(shoe_scene().expected, [replace(LABEL, text=text)])[0] for text in ("NORTH", "NORTH\n42"))
    assert one.cap_height_px == pytest.approx(2 * two.cap_height_px)


corner = st.tuples(st.floats(0, 1, width=16), st.floats(0, 1, width=16))


@given(st.lists(corner, min_size=3, max_size=7), st.integers(0, 2**31))
def test_polygons_agree_with_scikit_image(polygon: list[tuple[float, float]], seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-0.2, 1.2, (50, 2))
    oracle = points_in_poly(points, polygon)  # type: ignore[no-untyped-call]
    assert (in_polygon(points, polygon) == oracle).all()


def test_a_path_has_round_ends() -> None:
    points = np.array([[0.5, 0.05], [0.5, 0.15], [-0.05, 0.0], [-0.15, 0.0]])
    assert near_path(points, ((0.0, 0.0), (1.0, 0.0)), 0.1).tolist() == [True, False, True, False]
