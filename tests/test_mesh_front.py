"""Which way a product faces."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.mesh.front import find_front
from pipeline.mesh.types import Axis


def _shoe(axis: Axis) -> NDArray[np.float64]:
    """A wedge: 28 cm long, 12 cm high at the heel, 5 cm at the toe, toe towards ``axis``."""
    along, across, up = np.meshgrid(np.linspace(0, 1, 30), np.linspace(-0.05, 0.05, 8), np.linspace(0, 1, 8))
    height = up * (0.12 - 0.07 * along)
    length = (along - 0.5) * 0.28 * (1 if axis[0] == "+" else -1)
    columns = (length, height, across) if axis[1] == "x" else (across, height, length)
    return np.stack([c.reshape(-1) for c in columns], axis=1)


@pytest.mark.parametrize("axis", ["+x", "-x", "+z", "-z"])
def test_toe(axis: Axis) -> None:
    front = find_front(_shoe(axis), "footwear", None)
    assert (front.axis, front.source) == (axis, "heuristic")
    assert front.confidence > 0.5


def test_a_symmetric_thing_has_no_toe() -> None:
    points = _shoe("+x")
    assert find_front(np.concatenate([points, points * [-1, 1, 1]]), "footwear", None).axis is None


def test_manifest_convention_and_unknown() -> None:
    assert find_front(_shoe("+x"), "footwear", "-z").source == "manifest"
    assert (find_front(_shoe("+x"), "mug", None).axis, find_front(_shoe("+x"), "mug", None).confidence) == ("+z", 0.3)
    assert find_front(_shoe("+x"), "product", None).source == "unknown"


def _mug(handle: tuple[float, float], widening: float = 1.2) -> NDArray[np.float64]:
    """A cup 8 cm wide that widens upwards, with points of a handle 3 cm out in a horizontal direction."""
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 64), np.linspace(0, 1, 20), indexing="ij")
    radius = 0.04 * (1 + (widening - 1) * height)
    cup = np.stack([radius * np.cos(angle), 0.1 * height, radius * np.sin(angle)], axis=-1).reshape(-1, 3)
    out = np.linspace(0.04, 0.04 * widening + 0.03, 10)[:, None]
    grip = out * np.array([handle[0], 0, handle[1]]) + [0, 0.05, 0]
    points: NDArray[np.float64] = np.concatenate([cup, grip]) + np.array([1.0, 2.0, 3.0])
    return points


@pytest.mark.parametrize(("handle", "front"), [((1, 0), "+z"), ((-1, 0), "-z"), ((0, 1), "-x"), ((0, -1), "+x")])
def test_a_mug_has_its_handle_at_the_right(handle: tuple[float, float], front: Axis) -> None:
    found = find_front(_mug(handle), "mug", None)
    assert found.axis == front
    assert 0.5 < found.confidence <= 0.7


def test_a_cup_without_a_handle_or_with_two_keeps_the_convention() -> None:
    for points in (_mug((0, 0)), np.concatenate([_mug((1, 0)), _mug((-1, 0))]), _mug((0.7, 0.7))):
        assert find_front(points, "mug", None).confidence == 0.3
