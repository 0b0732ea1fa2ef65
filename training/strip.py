"""As much of a product as a customer's file would tell: its mesh, one diffuse map per material, and what it is made of.

    known, known_textures = stripped(truth, truth_textures, {"upper": "canvas"}, "court sneaker", "footwear")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.mesh.materials import complete
from pipeline.mesh.raw import RawMaterial
from pipeline.mesh.types import Material, Mesh, Slot
from pipeline.render.textures import Textures, key_of
from pipeline.settings import MaterialOverride

# The diffuse map, and the holes of the shape: a strap's edge is not a question of material.
KEPT: tuple[Slot, ...] = ("base_color", "opacity")


def stripped(mesh: Mesh, textures: Textures, kinds: Mapping[str, str], description: str, category: str
             ) -> tuple[Mesh, Textures]:
    """The same geometry arrays with stripped materials, and the maps those still name.

    ``kinds``: material name → kind, as ``product.yaml`` would say; for names it does not hold the kind is guessed
    from words, as ingestion does.
    """
    materials = tuple(stripped_material(material, kinds.get(material.name), description, category)
                      for material in mesh.materials)
    held = {key_of(ref) for material in materials for ref in material.textures.values()}
    return (replace(mesh, materials=materials),
            Textures({key: image for key, image in textures.images.items() if key in held}))


def stripped_material(material: Material, kind: str | None, description: str, category: str) -> Material:
    """Colour and holes kept; every other field is what ingestion makes of a file that does not give it."""
    raw = RawMaterial(material.name, base_color=material.base_color, alpha_mode=material.alpha_mode,
                      alpha_cutoff=material.alpha_cutoff, double_sided=material.double_sided)
    overrides = [] if kind is None else [MaterialOverride(kind=kind)]
    maps = {slot: material.textures[slot] for slot in KEPT if slot in material.textures}
    return replace(complete(raw, description, category, overrides), textures=maps)
