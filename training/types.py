"""What the rooms of the recipe hand each other."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalogue import Region
from pipeline.mesh.types import Mesh
from pipeline.refine.nets.guide import Tile
from pipeline.render.textures import Textures


@dataclass(frozen=True, slots=True)
class Sample:
    """A product twice: as it is, and as much of it as a customer's file would tell.

    Both meshes share their geometry arrays. ``known`` has per material one diffuse map and a kind (the hint); every
    other field is what ingestion guesses from that kind. ``truth`` has the maps and values the product really has.
    """

    family: str
    seed: int
    category: str                          # as in product.yaml
    truth: Mesh
    truth_textures: Textures
    known: Mesh
    known_textures: Textures
    tiles: tuple[tuple[Tile, float], ...] = ()  # of each material, and its repeats per unit of uv
    regions: tuple[Region, ...] = ()       # printed labels and logos, rows of stitches
