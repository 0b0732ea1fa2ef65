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
