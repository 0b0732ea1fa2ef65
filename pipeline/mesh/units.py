"""Units and axes of a file to metres and +Y up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
PLAUSIBLE_M = (0.001, 10.0)     # longest extent of a product
LIKELY_M = (0.005, 5.0)         # narrower: a chair in metres must not become one of 2 mm
# Which unit a format without one most likely means. STL comes from CAD and printing, OBJ from modelling.
GUESS_ORDER = {"stl": ("mm", "m", "cm", "in"), "obj": ("m", "cm", "mm", "in")}
# STL is +Z up by the convention of CAD, slicers and Blender's exporter; everything else is +Y.
DEFAULT_UP = {"stl": "+z"}
# Longest extent of a usual product, metres. Decides between units where it can, and flags a stated size that is odd.
TYPICAL_M = {"footwear": 0.3, "mug": 0.12, "bottle": 0.25, "box": 0.3, "furniture": 1.0, "sport": 0.5,
             "appliance": 0.35, "bag": 0.4, "toy": 0.2, "jar": 0.2}
_NEAR_TYPICAL = 4.0
# What a file that states its unit was probably meant in, where its size is absurd.
_MISREAD = (0.01, 0.001, 0.0254, 100.0, 1000.0)


@dataclass(frozen=True)
class UnitChoice:
    """Metres per unit of the loaded numbers, and how that was decided."""

    metres: float
    name: str
    source: str               # file, manifest, guess
    warning: str | None = None


def choose_units(longest: float, file_format: str, from_file: float | None, manifest: str | None,
                 category: str = "product") -> UnitChoice:
    """Decide the unit of numbers whose longest extent is ``longest``.

    The file's own unit, else the manifest's, else the one that comes nearest to the category's usual
    size (within a factor of four), else the first of the format's order that gives a likely size.
    """
    if from_file is not None:
        size = longest * from_file
        if PLAUSIBLE_M[0] <= size <= PLAUSIBLE_M[1]:
            usual = TYPICAL_M.get(category, size)
            odd = not usual / 8 <= size <= usual * 8
            return UnitChoice(from_file, "m" if from_file == 1.0 else f"{from_file:g} m", "file",
                              f"{_size(size)} is an unusual size for the category {category}" if odd else None)
        for factor in _MISREAD:
            if PLAUSIBLE_M[0] <= size * factor <= PLAUSIBLE_M[1]:
                return UnitChoice(from_file * factor, f"{from_file * factor:g} m", "guess",
                                  f"{_size(size)} is no product's size; scaled by {factor:g} to {_size(size * factor)}")
        return UnitChoice(from_file, "m", "file", f"the model is {_size(size)} long, which is not plausible")
    if manifest is not None:
        size = longest * METRES[manifest]
        plausible = PLAUSIBLE_M[0] <= size <= PLAUSIBLE_M[1]
        return UnitChoice(METRES[manifest], manifest, "manifest",
                          None if plausible else f"in {manifest} the model is {_size(size)} long: check `units:`")
    order = GUESS_ORDER.get(file_format, ("m", "cm", "mm", "in"))
    if category in TYPICAL_M and longest > 0:
        nearest = min(order, key=lambda name: abs(math.log(longest * METRES[name] / TYPICAL_M[category])))
        if abs(math.log(longest * METRES[nearest] / TYPICAL_M[category])) <= math.log(_NEAR_TYPICAL):
            return _guessed(nearest, longest, file_format)
    for low, high in (LIKELY_M, PLAUSIBLE_M):
        for name in order:
            size = longest * METRES[name]
            if low <= size <= high:
                return _guessed(name, longest, file_format)
    return UnitChoice(METRES[order[0]], order[0], "guess", "no unit makes the size of the model plausible")


def _guessed(name: str, longest: float, file_format: str) -> UnitChoice:
    return UnitChoice(METRES[name], name, "guess", f"{file_format.upper()} has no units: read as {name}, which makes "
                      f"the product {_size(longest * METRES[name])} long; `units:` in product.yaml corrects it")


def up_rotation(up: str) -> F64:
    """3×3 proper rotation that turns the axis ``up`` to +Y, keeping X where it can."""
    rotations = {
        "+y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
        "+z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        "+x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
        "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    }
    return np.array(rotations[up], np.float64)


def _size(metres: float) -> str:
    return f"{metres:.3g} m" if metres >= 1 else f"{metres * 1000:.3g} mm"
