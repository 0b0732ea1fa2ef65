"""Polygons become triangles of the same area, winding and corners."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.mesh.triangulate import newell_normal, triangulate

F64 = NDArray[np.float64]


def _one(polygon: F64) -> NDArray[np.int64]:
    corners, _ = triangulate(polygon, np.arange(len(polygon)), np.array([0]), np.array([len(polygon)]))
    return corners


def _areas(polygon: F64, triangles: NDArray[np.int64]) -> F64:
    a, b, c = (polygon[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a) @ (newell_normal(polygon) / np.linalg.norm(newell_normal(polygon))) / 2)


@st.composite
def star_polygons(draw: st.DrawFn) -> F64:
    """Simple polygons, mostly concave, in a random plane."""
    count = draw(st.integers(4, 12))
    radii = draw(st.lists(st.floats(0.2, 1.0), min_size=count, max_size=count))
    angles = np.arange(count) * 2 * np.pi / count
    flat = np.stack([np.cos(angles) * radii, np.sin(angles) * radii, np.zeros(count)], axis=1)
    x, y, z = draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3)))
    turn_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    turn_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(flat @ turn_x.T @ turn_z.T + y)


@settings(max_examples=150, deadline=None)
@given(star_polygons())
def test_area_and_winding_are_kept(polygon: F64) -> None:
    areas = _areas(polygon, _one(polygon))
    assert (areas >= -1e-9).all()
    np.testing.assert_allclose(areas.sum(), np.linalg.norm(newell_normal(polygon)) / 2, rtol=1e-6)


def test_a_concave_polygon_is_not_fanned() -> None:
    arrow = np.array([[0, 0, 0], [2, 1, 0], [0, 2, 0], [1, 1, 0]], float)  # the last corner is reflex
    assert (_areas(arrow, _one(arrow)) > 0).all()
    assert len(_one(arrow)) == 2


def test_faces_keep_their_order_and_owners() -> None:
    angles = np.arange(14) / 14 * 2 * np.pi  # any run of points on a circle is convex
    positions = np.stack([np.cos(angles), np.sin(angles), np.zeros(14)], axis=1)
    sizes = np.array([3, 5, 2, 4])
    starts = np.cumsum(sizes) - sizes
    corners, owner = triangulate(positions, np.arange(14), starts, sizes)
    assert owner.tolist() == [0, 1, 1, 1, 3, 3]
    for row, face in zip(corners, owner, strict=True):
        assert set(row) <= set(range(starts[face], starts[face] + sizes[face]))
