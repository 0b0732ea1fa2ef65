"""Loose files become a SKU folder that the catalogue can read, whole or not at all."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from pipeline.add import add_product
from pipeline.catalogue import Catalogue
from pipeline.errors import CatalogueError


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """A desk with an OBJ and its MTL, a glTF with a buffer in a folder, an STL and some pictures."""
    desk = tmp_path / "desk"
    (desk / "parts").mkdir(parents=True)
    (desk / "shoe.obj").write_text("mtllib shoe.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (desk / "shoe.mtl").write_text("newmtl upper\nmap_Kd -clamp on upper.png\n")
    (desk / "chair.gltf").write_text(json.dumps({
        "asset": {"version": "2.0"}, "buffers": [{"uri": "parts/chair%20seat.bin", "byteLength": 4}],
        "images": [{"uri": "oak.png"}, {"uri": "data:image/png;base64,AAAA"}]}))
    (desk / "parts" / "chair seat.bin").write_bytes(b"\0\0\0\0")
    (desk / "part.stl").write_bytes(b"solid\nendsolid\n")
    for name in ("upper.png", "oak.png", "diffuse.png"):
        Image.new("RGB", (4, 4), (200, 30, 30)).save(desk / name)
    return desk


@pytest.fixture
def root(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "catalogue")


def test_mesh_texture_and_a_sentence_are_all_it_takes(loose: Path, root: UPath) -> None:
    product = add_product(root, "court-green", loose / "part.stl", [loose / "diffuse.png"],
                          "green and white court sneaker")
    assert product.files == ("diffuse.png", "part.stl", "product.yaml")
    assert (product.category, product.description) == ("footwear", "green and white court sneaker")
    assert Catalogue.at(str(root)).product("court-green").mesh_file == "part.stl"


def test_name_and_category_are_kept_as_given(loose: Path, root: UPath) -> None:
    product = add_product(root, "a1", loose / "part.stl", [], "a thing:\n  with a colon", name="Café №1",
                          category="toy")
    assert (product.name, product.category, product.description) == ("Café №1", "toy", "a thing: with a colon")


def test_files_an_obj_names_come_along(loose: Path, root: UPath) -> None:
    assert add_product(root, "shoe", loose / "shoe.obj", [], "").files == ("product.yaml", "shoe.mtl", "shoe.obj",
                                                                         "upper.png")


def test_files_a_gltf_names_keep_their_folders(loose: Path, root: UPath) -> None:
    product = add_product(root, "chair", loose / "chair.gltf", [], "oak chair")
    assert product.files == ("chair.gltf", "oak.png", "parts/chair seat.bin", "product.yaml")


def test_a_given_texture_stands_in_for_one_that_is_gone(loose: Path, root: UPath) -> None:
    (loose / "upper.png").unlink()
    with pytest.raises(CatalogueError, match=r"needs upper\.png") as caught:
        add_product(root, "shoe", loose / "shoe.obj", [], "")
    assert caught.value.code == "file_missing"
    assert "diffuse.png" in add_product(root, "shoe", loose / "shoe.obj", [loose / "diffuse.png"], "").files


def test_a_missing_buffer_is_never_excused(loose: Path, root: UPath) -> None:
    (loose / "parts" / "chair seat.bin").unlink()
    with pytest.raises(CatalogueError, match="chair seat") as caught:
        add_product(root, "chair", loose / "chair.gltf", [loose / "diffuse.png"], "")
    assert caught.value.code == "file_missing"
    assert not (root / "chair").exists()


def test_references_out_of_the_folder_are_not_followed(loose: Path, root: UPath) -> None:
    (loose / "shoe.mtl").write_text("newmtl upper\nmap_Kd ../secret.png\n")
    Image.new("RGB", (4, 4)).save(loose.parent / "secret.png")
    with pytest.raises(CatalogueError) as caught:
        add_product(root, "shoe", loose / "shoe.obj", [], "")
    assert caught.value.code == "file_missing"


@pytest.mark.parametrize(("sku", "mesh", "texture", "code"), [
    ("not a sku", "part.stl", "diffuse.png", "sku_name"),
    ("../up", "part.stl", "diffuse.png", "sku_name"),
    ("a", "gone.stl", "diffuse.png", "file_missing"),
    ("a", "diffuse.png", "diffuse.png", "unknown_format"),
    ("a", "part.stl", "gone.png", "file_missing"),
    ("a", "part.stl", "shoe.mtl", "unknown_format"),
])
def test_mistakes_have_a_code_and_a_hint(loose: Path, root: UPath, sku: str, mesh: str, texture: str, code: str
                                         ) -> None:
    with pytest.raises(CatalogueError) as caught:
        add_product(root, sku, loose / mesh, [loose / texture], "")
    assert caught.value.code == code
    assert caught.value.hint
    assert not root.exists() or not list(root.iterdir())


def test_two_textures_of_one_name_are_refused(loose: Path, root: UPath) -> None:
    Image.new("RGB", (2, 2)).save(loose / "parts" / "diffuse.png")
    with pytest.raises(CatalogueError) as caught:
        add_product(root, "a", loose / "part.stl", [loose / "diffuse.png", loose / "parts" / "diffuse.png"], "")
    assert caught.value.code == "file_conflict"


def test_an_existing_sku_is_only_replaced_on_request_and_then_whole(loose: Path, root: UPath) -> None:
    add_product(root, "a", loose / "shoe.obj", [], "a shoe")
    with pytest.raises(CatalogueError) as caught:
        add_product(root, "a", loose / "part.stl", [], "a part")
    assert caught.value.code == "sku_exists"
    assert Catalogue.at(str(root)).product("a").mesh_file == "shoe.obj"
    replaced = add_product(root, "a", loose / "part.stl", [], "a part", overwrite=True)
    assert replaced.files == ("part.stl", "product.yaml")
    assert [path.name for path in root.iterdir()] == ["a"]


def test_a_copy_that_fails_leaves_the_old_sku_as_it_was(loose: Path, root: UPath, monkeypatch: pytest.MonkeyPatch
                                                         ) -> None:
    add_product(root, "a", loose / "part.stl", [], "a part")

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(CatalogueError, match="No space left") as caught:
        add_product(root, "a", loose / "shoe.obj", [], "a shoe", overwrite=True)
    assert caught.value.code == "catalogue_unwritable"
    assert Catalogue.at(str(root)).product("a").files == ("part.stl", "product.yaml")
    assert [path.name for path in root.iterdir()] == ["a"]


def test_a_remote_catalogue_gets_the_mesh_last(loose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = UPath("memory://add-test/catalogue")
    written: list[str] = []
    write = type(root).write_bytes

    def spied(self: UPath, data: bytes) -> int:
        written.append(self.name)
        return write(self, data)

    monkeypatch.setattr(type(root), "write_bytes", spied)
    add_product(root, "a", loose / "shoe.obj", [], "a shoe")
    assert sorted(written) == ["product.yaml", "shoe.mtl", "shoe.obj", "upper.png"]
    assert written[-1] == "shoe.obj"
    replaced = add_product(root, "a", loose / "part.stl", [], "a part", overwrite=True)
    assert replaced.files == ("part.stl", "product.yaml")
