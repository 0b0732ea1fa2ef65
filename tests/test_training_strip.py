"""What is left of a product when only its mesh, diffuse map and a hint are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.mesh.materials import KINDS
from pipeline.mesh.types import Material, Mesh, Slot, TextureRef
from pipeline.render.textures import Textures
from tests.render_meshes import sphere
from training.strip import stripped

DIFFUSE, NORMAL = TextureRef("store", "diffuse"), TextureRef("store", "normal")
MAPS: dict[Slot, TextureRef] = {"base_color": DIFFUSE, "normal": NORMAL}
PIXELS = Textures({("store", name): np.full((2, 2, 4), 128, np.uint8) for name in ("diffuse", "normal")})


def product(material: Material) -> Mesh:
    return replace(sphere(), materials=(material,))


def test_only_colour_and_diffuse_map_are_left() -> None:
    rich = Material("upper", (0.2, 0.3, 0.4, 1.0), metallic=0.3, roughness=0.11, emissive=(1.0, 1.0, 1.0), sheen=0.9,
                    relief_mm=1.7, clearcoat=0.9, double_sided=True, textures=MAPS)
    mesh, textures = stripped(product(rich), PIXELS, {"upper": "canvas"}, "sneaker", "footwear")
    left, canvas = mesh.materials[0], KINDS["canvas"]
    assert dict(left.textures) == {"base_color": DIFFUSE}
    assert list(textures.images) == [("store", "diffuse")]
    assert (left.base_color, left.kind, left.double_sided) == (rich.base_color, "canvas", True)
    assert (left.roughness, left.metallic, left.sheen, left.relief_mm, left.clearcoat) == (
        canvas.roughness, 0.0, canvas.sheen, canvas.relief_mm, 0.0)
    assert left.emissive == (0.0, 0.0, 0.0)


def test_without_a_hint_the_kind_is_guessed_from_words() -> None:
    mesh, _ = stripped(product(Material("full_grain_leather", roughness=0.9)), Textures(), {}, "bag", "bag")
    assert mesh.materials[0].kind == "leather"
    assert mesh.materials[0].roughness == KINDS["leather"].roughness


def test_geometry_is_shared_not_copied() -> None:
    whole = product(Material("m"))
    mesh, _ = stripped(whole, Textures(), {}, "mug", "mug")
    assert mesh.positions is whole.positions
    assert mesh.triangles is whole.triangles
