"""Slivers and lost normals of generated meshes."""

from __future__ import annotations

import numpy as np

from examples.generate.model import MaterialSpec, Model, Part
from examples.generate.tidy import tidied


def _square(extra: list[list[int]]) -> Part:
    positions = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0, 0]], np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (5, 1))
    normals[2] = 0.0
    return Part("square", positions, positions[:, :2].copy(), np.array([[0, 1, 2], [0, 2, 3], *extra], np.uint32), "m",
                normals)


def test_triangles_without_area_go_and_so_do_their_vertices() -> None:
    (part,) = tidied(Model("square", (_square([[0, 4, 1], [3, 3, 0]]),), (MaterialSpec("m"),))).parts
    assert part.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert len(part.positions) == len(part.uvs) == 4


def test_a_lost_normal_is_made_from_its_faces() -> None:
    (part,) = tidied(Model("square", (_square([]),), (MaterialSpec("m"),))).parts
    assert part.normals is not None
    np.testing.assert_allclose(part.normals, np.tile([0.0, 0.0, 1.0], (4, 1)))
