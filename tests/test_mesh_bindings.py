"""Textures by the file's word, the manifest's, and by name; and what happens without UVs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import IngestError
from pipeline.mesh import geometry_files, ingest_file
from pipeline.mesh.bindings import bind_by_name
from pipeline.mesh.types import Material
from pipeline.settings import Manifest
from tests.mesh_files import PNG, Gltf, box_glb, box_obj, ingest_folder


def _folder(tmp_path: Path, images: list[str], **glb: Any) -> Path:
    (tmp_path / "shoe.glb").write_bytes(box_glb({"name": "Upper Leather"}, **glb))
    for image in images:
        (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / image).write_bytes(PNG)
    return tmp_path


@pytest.mark.parametrize(("images", "bound", "source"), [
    (["upper_leather_baseColor.png", "diffuse.png"], "upper_leather_baseColor.png", "name"),
    (["textures/UpperLeather-Albedo.jpg", "shoe_diffuse.png"], "textures/UpperLeather-Albedo.jpg", "name"),
    (["shoe_d.png", "other.png"], "shoe_d.png", "name"), (["diffuse.png", "other.png"], "diffuse.png", "name"),
    (["Upper Leather.png", "a.png"], "Upper Leather.png", "name"), (["shoe.png", "a.png"], "shoe.png", "name"),
    (["green.png", "green_normal.png", "green_roughness.png"], "green.png", "only image"),
    (["a.png", "b.png"], None, None), (["shoe_normal.png", "shoe_ao.png"], None, None),
    (["reference/diffuse.png"], None, None),
])
def test_by_name(images: list[str], bound: str | None, source: str | None) -> None:
    [material], bindings, warnings = bind_by_name([Material("Upper Leather")], [True], images, "shoe.glb")
    texture = material.textures.get("base_color")
    assert (texture.path if texture else None) == bound
    assert [binding.source for binding in bindings] == ([source] if source else [])
    assert bool(warnings) == (source == "only image")


def test_one_image_for_all_untextured_materials() -> None:
    materials, bindings, _ = bind_by_name([Material("a"), Material("b"), Material("c")], [True, True, False],
                                          ["maps/green.png"], "shoe.glb")
    assert [sorted(m.textures) for m in materials] == [["base_color"], ["base_color"], []]
    assert len(bindings) == 2


def test_the_manifest_wins(tmp_path: Path) -> None:
    manifest = Manifest.model_validate({"material": {"Upper Leather": {"texture": "b.png"}, "Sole": {"roughness": 1}}})
    result = ingest_folder(_folder(tmp_path, ["diffuse.png", "b.png"]), "shoe.glb", manifest=manifest)
    assert result.mesh.materials[0].textures["base_color"].path == "b.png"
    assert result.report.bindings[0].source == "manifest"
    assert any("'Sole'" in warning for warning in result.report.warnings)


def test_no_uvs_but_a_texture(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        ingest_folder(_folder(tmp_path, ["diffuse.png"], with_uv=False), "shoe.glb")
    assert caught.value.code == "uv_missing"
    assert "diffuse.png" in caught.value.message


def test_a_few_faces_without_uvs_are_a_warning(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box() | {"material": 0}, gltf.box(with_uv=False) | {"material": 0}])
    gltf.json["materials"] = [{"name": "m"}]
    (tmp_path / "shoe.glb").write_bytes(gltf.glb())
    (tmp_path / "diffuse.png").write_bytes(PNG)
    result = ingest_folder(tmp_path, "shoe.glb")
    assert "base_color" in result.mesh.materials[0].textures
    assert any("12 triangles of m have no UVs" in warning for warning in result.report.warnings)


def test_no_uvs_and_no_texture_is_fine(tmp_path: Path) -> None:
    assert ingest_folder(_folder(tmp_path, [], with_uv=False), "shoe.glb").mesh.uv_sets == ()


def _named(tmp_path: Path, uri: str) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box() | {"material": 0}])
    gltf.json |= {"images": [{"uri": uri}], "textures": [{"source": 0}],
                  "materials": [{"name": "m", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]}
    (tmp_path / "shoe.glb").write_bytes(gltf.glb())


def test_a_missing_texture_is_left_to_the_renderer(tmp_path: Path) -> None:
    _named(tmp_path, "gone.png")
    result = ingest_folder(tmp_path, "shoe.glb")
    assert result.mesh.materials[0].textures["base_color"].path == "gone.png"
    assert any("gone.png" in warning for warning in result.report.warnings)


def test_a_missing_texture_with_another_suffix_or_name(tmp_path: Path) -> None:
    _named(tmp_path, "maps/Color.tga")
    (tmp_path / "color.png").write_bytes(PNG)
    assert ingest_folder(tmp_path, "shoe.glb").mesh.materials[0].textures["base_color"].path == "color.png"
    _named(tmp_path, "T_9281.png")
    (tmp_path / "color.png").rename(tmp_path / "shoe_diffuse.png")
    result = ingest_folder(tmp_path, "shoe.glb")
    assert result.mesh.materials[0].textures["base_color"].path == "shoe_diffuse.png"
    assert any("instead" in warning for warning in result.report.warnings)


def test_an_escaping_texture_is_refused(tmp_path: Path) -> None:
    _named(tmp_path, "../../secret.png")
    with pytest.raises(IngestError) as caught:
        ingest_folder(tmp_path, "shoe.glb")
    assert caught.value.code == "path_escapes"


def test_embedded_textures_go_to_the_store(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box() | {"material": 0}])
    gltf.json |= {"images": [{"bufferView": gltf.view(PNG), "mimeType": "image/png"}], "textures": [{"source": 0}],
                  "materials": [{"name": "m", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]}
    (tmp_path / "shoe.glb").write_bytes(gltf.glb())
    kept: list[bytes] = []

    def put(data: bytes) -> str:
        kept.append(data)
        return hashlib.sha256(data).hexdigest()

    texture = ingest_folder(tmp_path, "shoe.glb", put_texture=put).mesh.materials[0].textures["base_color"]
    assert (texture.source, texture.path) == ("store", hashlib.sha256(PNG).hexdigest())
    assert kept == [PNG]


def test_a_lone_file_beside_other_products_takes_no_foreign_image(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["diffuse.png"])
    assert "base_color" in ingest_file(folder / "shoe.glb").mesh.materials[0].textures
    (folder / "mug.obj").write_text(box_obj())
    assert "base_color" not in ingest_file(folder / "shoe.glb").mesh.materials[0].textures


def test_geometry_files(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.scene([gltf.box()])
    gltf.json["images"] = [{"uri": "color.png"}]
    gltf.write(tmp_path / "m.gltf", "my%20data.bin", "my data.bin")
    (tmp_path / "m.obj").write_text(box_obj(library="m.mtl"))
    (tmp_path / "bad.gltf").write_text("{")
    files = ["m.gltf", "my data.bin", "color.png", "m.obj", "m.mtl", "bad.gltf"]
    assert geometry_files(tmp_path, "m.gltf", files) == ("my data.bin",)
    assert geometry_files(tmp_path, "m.obj", files) == ("m.mtl",)
    for name in ("bad.gltf", "absent.gltf", "m.fbx", "m.stl"):
        assert geometry_files(tmp_path, name, files) == ()
