"""Which way a product faces: the manifest, else a heuristic by category, else unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.types import Axis, Front

# Categories whose models are usually built to glTF's convention, front = +Z. No more than a convention.
_CONVENTIONAL = frozenset({"box", "bottle", "mug", "appliance", "furniture", "toy", "jar"})
_CONVENTION_CONFIDENCE = 0.3
_END_SHARE = 0.25          # length of toe and heel that is compared
_FOOT_SHARE = 0.03         # of the height
_HANDLE = (0.15, 0.5)      # of the foot's radius: from where a bulge is a handle, and from where it is surely one
_LEFTOVER = 0.5            # of the handle: what another side may stick out at most
_HANDLE_CONFIDENCE = 0.7   # that the print faces a viewer who has the handle at the right
_CERTAIN_DIFFERENCE = 0.35  # of the product's height: from here on the toe is certain


def find_front(positions: NDArray[Any], category: str, manifest: Axis | None) -> Front:
    """``positions`` (V, 3) in metres, +Y up."""
    if manifest is not None:
        return Front(manifest, 1.0, "manifest")
    if category == "footwear":
        return _toe(positions)
    if category == "mug" and (handle := _handle(positions)) is not None:
        return handle
    if category in _CONVENTIONAL:
        return Front("+z", _CONVENTION_CONFIDENCE, "heuristic")
    return Front()


def _toe(positions: NDArray[Any]) -> Front:
    """A shoe is long, and its toe is lower than its heel and collar.

    Compares the height that the two end quarters of the longer horizontal axis reach.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    extent = high - low
    long_axis = 0 if extent[0] >= extent[2] else 2
    if extent[long_axis] <= 0 or extent[1] <= 0:
        return Front()
    along = (positions[:, long_axis] - low[long_axis]) / extent[long_axis]
    height = (positions[:, 1] - low[1]) / extent[1]
    # A high percentile rather than the maximum: a heel loop or a lace end must not decide.
    near = np.percentile(height[along <= _END_SHARE], 95)
    far = np.percentile(height[along >= 1 - _END_SHARE], 95)
    difference = float(near - far)  # positive: the far end is lower
    elongation = float(extent[long_axis] / max(extent[2 - long_axis], 1e-9))
    confidence = min(abs(difference) / _CERTAIN_DIFFERENCE, 1.0) * min(max(elongation - 1.0, 0.0), 1.0)
    if confidence < 0.05:
        return Front()
    axes: tuple[Axis, Axis] = ("+x", "-x") if long_axis == 0 else ("+z", "-z")
    return Front(axes[0] if difference > 0 else axes[1], round(confidence, 3), "heuristic")


def _handle(positions: NDArray[Any]) -> Front | None:
    """A mug is shown with its handle at the right, so its front is a quarter turn from the handle.

    The handle is the one side that sticks out beyond the foot, which is round.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    foot = positions[positions[:, 1] <= low[1] + _FOOT_SHARE * (high[1] - low[1])]
    centre = (foot.min(axis=0) + foot.max(axis=0)) / 2
    radius = float(np.ptp(foot[:, [0, 2]], axis=0).mean()) / 2
    if radius <= 0:
        return None
    reach = {"+x": high[0] - centre[0], "-x": centre[0] - low[0], "+z": high[2] - centre[2], "-z": centre[2] - low[2]}
    # Walls that widen upwards reach out on every side alike.
    wall = min(reach.values())
    bulges = sorted(((float(value - wall) / radius, axis) for axis, value in reach.items()), reverse=True)
    (handle, side), (next_most, _) = bulges[0], bulges[1]
    if handle < _HANDLE[0] or next_most > _LEFTOVER * handle:
        return None
    fronts: dict[str, Axis] = {"+x": "+z", "-x": "-z", "+z": "-x", "-z": "+x"}
    return Front(fronts[side], round(_HANDLE_CONFIDENCE * min(handle / _HANDLE[1], 1.0), 3), "heuristic")
