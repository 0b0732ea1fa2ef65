"""Facts of solids whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from pipeline.mesh.solid import solid_facts


def test_a_cube_split_at_its_edges_is_one_closed_body() -> None:
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    corners = box.vertices[box.faces].reshape(-1, 3).astype(np.float32)  # every corner stored on its own
    facts = solid_facts(corners, np.arange(len(corners)).reshape(-1, 3))
    assert (facts.watertight, facts.winding_consistent, facts.bodies) == (True, True, 1)
    assert facts.volume_cm3 == pytest.approx(6000, rel=1e-4)
    assert facts.surface_cm2 == pytest.approx(2200, rel=1e-4)


def test_a_missing_face_leaves_it_open_and_without_a_volume() -> None:
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    facts = solid_facts(box.vertices, np.asarray(box.faces[1:]))
    assert (facts.watertight, facts.volume_cm3) == (False, None)


def test_two_apart_are_two_bodies_and_a_flipped_face_is_noticed() -> None:
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    corners = np.concatenate([box.vertices, box.vertices + np.array([1.0, 0.0, 0.0])])
    both = np.concatenate([box.faces, box.faces + len(box.vertices)])
    assert solid_facts(corners, both).bodies == 2
    faces = np.asarray(box.faces).copy()
    faces[0] = faces[0][::-1]
    assert not solid_facts(box.vertices, faces).winding_consistent
