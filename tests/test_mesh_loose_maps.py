"""Maps that no file names, by their own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.mesh.loose_maps import bind_loose_maps
from pipeline.mesh.types import Material, Slot, TextureRef
from pipeline.settings import Manifest, MaterialOverride
from tests.mesh_files import PNG, box_obj, ingest_folder

LEATHER = Material("Upper Leather", roughness=0.5, guessed=("roughness", "metallic", "sheen"),
                   textures={"base_color": TextureRef("catalogue", "maps/shoe_BaseColor.png", wrap_u="clamp")})


@pytest.mark.parametrize(("file", "slot"), [
    ("upper_leather_normal.png", "normal"), ("maps/shoe_Normal.png", "normal"),
    ("maps/shoe_basecolor_nrm.jpg", "normal"),
    ("shoe-roughness.png", "roughness"), ("shoe_Metalness.png", "metallic"), ("shoe AO.png", "occlusion"),
    ("shoe_ORM.png", "metallic_roughness"), ("opacity.png", "opacity"), ("shoe_emissive.webp", "emissive"),
    ("boot_normal.png", None), ("normality.png", None), ("reference/shoe_normal.png", None),
    ("shoe_normal_DX.png", None),
])
def test_names(file: str, slot: Slot | None) -> None:
    [material], bindings, _ = bind_loose_maps([LEATHER], [True], [frozenset()], [file], "shoe.obj")
    assert {s: t.path for s, t in material.textures.items() if s != "base_color"} == ({slot: file} if slot else {})
    assert [(b.slot, b.source) for b in bindings] == ([(slot, "name")] if slot else [])
    if slot:
        assert material.textures[slot].wrap_u == "clamp"


def test_a_map_withdraws_the_guess_of_its_value() -> None:
    files = ["shoe_roughness.png", "shoe_metallic.png"]
    [material], _, _ = bind_loose_maps([LEATHER], [True], [frozenset()], files, "shoe.obj")
    assert (material.roughness, material.metallic, material.guessed) == (1.0, 1.0, ("sheen",))


def test_packed_maps_exclude_single_ones_and_directx_is_named() -> None:
    files = ["shoe_orm.png", "shoe_roughness.png", "shoe_normaldx.png"]
    [material], _, warnings = bind_loose_maps([LEATHER], [True], [frozenset()], files, "shoe.obj")
    assert set(material.textures) == {"base_color", "metallic_roughness"}
    assert len(warnings) == 1
    assert "DirectX" in warnings[0]


def test_bare_names_belong_to_a_lone_material_only() -> None:
    other = Material("Sole")
    materials, bindings, _ = bind_loose_maps([LEATHER, other], [True, True], [frozenset()] * 2,
                                             ["normal.png", "sole_normal.png"], "x.obj")
    assert [(b.material, b.texture) for b in bindings] == [("Sole", "sole_normal.png")]
    assert "normal" not in materials[0].textures


def test_through_ingest_the_manifests_value_beats_a_loose_map(tmp_path: Path) -> None:
    (tmp_path / "shoe.obj").write_text(box_obj(material="skin"))
    for name in ("shoe_diffuse.png", "shoe_normal.png", "shoe_roughness.png", "shoe_metallic.png"):
        (tmp_path / name).write_bytes(PNG)
    [material] = ingest_folder(tmp_path, "shoe.obj").mesh.materials
    assert set(material.textures) == {"base_color", "normal", "roughness", "metallic"}
    assert (material.roughness, material.metallic) == (1.0, 1.0)
    stated = Manifest(material={"*": MaterialOverride(roughness=0.3)})
    [material] = ingest_folder(tmp_path, "shoe.obj", manifest=stated).mesh.materials
    assert set(material.textures) == {"base_color", "normal", "metallic"}
    assert material.roughness == 0.3
