"""A procedural product before it is painted: parts, what they are made of, and what is on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.families.shapes import F64, Part
from training.materials import Tile

Colour = tuple[float, float, float]                    # linear Rec. 709
PatternKind = Literal["plain", "stripes", "bands", "checks", "dots", "camouflage", "fade", "blotches"]


@dataclass(frozen=True, slots=True)
class Finish:
    """One material of a product."""

    name: str                                          # in the mesh; holds a word that names the kind
    kind: str                                          # entry of pipeline.mesh.materials.KINDS
    tile: Tile
    colour: Colour
    accents: tuple[Colour, ...] = ()                   # of the pattern
    pattern: PatternKind = "plain"
    pitch: float = 0.03                                # metres of the pattern


@dataclass(frozen=True, slots=True)
class Print:
    """A label or logo on a sheet, in the chart's metres."""

    part: str
    sheet: int
    centre: tuple[float, float]                        # 0..1 of the sheet's chart
    size: tuple[float, float]                          # metres
    text: str
    kind: Literal["label", "logo"] = "label"


@dataclass(frozen=True, slots=True)
class Stitch:
    """Raised thread along a path on a sheet."""

    part: str
    sheet: int
    path: F64                                          # (N, 2) metres in the chart
    colour: Colour
    rows: int = 1
    gap: float = 0.003                                 # metres between rows
    pitch: float = 0.0035                              # metres from stitch to stitch


@dataclass(frozen=True, slots=True)
class Product:
    category: str
    parts: tuple[Part, ...]
    finishes: Mapping[str, Finish]                     # by the material that parts name
    prints: tuple[Print, ...] = ()
    stitches: tuple[Stitch, ...] = ()


Builder = Callable[[np.random.Generator], Product]
