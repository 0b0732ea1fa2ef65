"""What a catalogue folder says, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalogue import SKU_PATTERN, Catalogue, EmbeddedCameraRef, OrbitCamera, guess_category
from pipeline.errors import CatalogueError
from pipeline.shots import shots_for

LABEL = "{name: front, kind: label, polygon: [[0, 0], [0.2, 0], [0.2, 0.1]], text: ACME}"


def make(root: Path, sku: str, **files: str) -> Catalogue:
    """A catalogue with one SKU; file names have their dot written as two underscores."""
    (root / sku).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / sku / name.replace("__", ".")).write_text(text)
    return Catalogue.at(root)


def code_of(catalogue: Catalogue, sku: str) -> tuple[str, str]:
    with pytest.raises(CatalogueError) as caught:
        catalogue.product(sku)
    assert caught.value.hint
    return caught.value.code, str(caught.value)


def test_a_mesh_is_all_a_product_needs(tmp_path: Path) -> None:
    product = make(tmp_path, "brown-shoe", model__obj="", skin__png="").product("brown-shoe")
    assert (product.mesh_file, product.texture_files) == ("model.obj", ("skin.png",))
    assert product.category == "footwear"
    assert product.description == "brown shoe"


def test_a_relative_catalogue_is_the_same_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "brown-shoe", model__obj="", skin__png="")
    monkeypatch.chdir(tmp_path.parent)
    product = Catalogue.at(tmp_path.name).product("brown-shoe")
    assert product.files == ("model.obj", "skin.png")
    assert len(product.sha256("model.obj")) == 64


def test_reference_photos_are_no_textures(tmp_path: Path) -> None:
    (tmp_path / "mug" / "reference").mkdir(parents=True)
    (tmp_path / "mug" / "reference" / "photo.jpg").write_text("")
    product = make(tmp_path, "mug", mug__stl="").product("mug")
    assert product.texture_files == ()
    assert product.reference_files == ("reference/photo.jpg",)


@pytest.mark.parametrize(("files", "code"), [
    ({}, "sku_empty"),
    ({"a__obj": "", "b__stl": ""}, "several_meshes"),
    ({"readme__txt": ""}, "mesh_missing"),
    ({"model__blend": ""}, "unknown_format"),
    ({"a__obj": "", "product__yaml": "mesh: b.obj"}, "mesh_missing"),
    ({"a__obj": "", "product__yaml": "desciption: typo"}, "manifest_invalid"),
    ({"a__obj": "", "product__yaml": "name: [unclosed"}, "manifest_invalid"),
    ({"a__obj": "", "product__yaml": "- a list"}, "manifest_invalid"),
    ({"a__obj": "", "product__yaml": "regions: [{name: seam, kind: stitching}]"}, "manifest_invalid"),
    ({"a__obj": "", "product__yaml": "material: {'*': {roughness: 3}}"}, "manifest_invalid"),
])
def test_bad_folders_are_named_errors(tmp_path: Path, files: dict[str, str], code: str) -> None:
    assert code_of(make(tmp_path, "sku", **files), "sku")[0] == code


def test_a_typo_is_answered_with_the_nearest_field(tmp_path: Path) -> None:
    _, message = code_of(make(tmp_path, "sku", a__obj="", product__yaml="desciption: typo"), "sku")
    assert "`description`" in message


def test_several_meshes_can_be_told_apart_by_the_manifest(tmp_path: Path) -> None:
    assert make(tmp_path, "sku", a__obj="", b__stl="", product__yaml="mesh: b.stl").product("sku").mesh_file == "b.stl"


@pytest.mark.parametrize("name", ["white space", "-dash-first", "ümlaut", "x" * 101, "a.b"])
def test_illegal_names_are_reported_and_never_become_skus(tmp_path: Path, name: str) -> None:
    catalogue = make(tmp_path, name, a__obj="")
    make(tmp_path, "good", a__obj="")
    assert catalogue.skus() == ["good"]
    assert catalogue.illegal()[name].code == "sku_name"
    assert code_of(catalogue, name)[0] == "sku_name"


def test_a_sku_name_cannot_leave_the_catalogue(tmp_path: Path) -> None:
    assert not SKU_PATTERN.fullmatch("../other")
    assert code_of(make(tmp_path, "a", a__obj=""), "../other")[0] == "sku_name"


def test_a_missing_catalogue_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="PACKSHOT_CATALOGUE"):
        Catalogue.at(tmp_path / "nowhere")


@pytest.mark.parametrize(("text", "category"), [
    ("green and white court sneaker", "footwear"), ("Brown leather shoes", "footwear"),
    ("steel water bottle", "bottle"), ("enamel mug", "mug"), ("something else", "product"),
    ("sandbox toy", "toy"),
])
def test_category_is_guessed_from_whole_words(text: str, category: str) -> None:
    assert guess_category(text) == category


def test_built_in_shots_and_the_detail_that_needs_a_label(tmp_path: Path) -> None:
    product = make(tmp_path, "sku", a__obj="").product("sku")
    plain = shots_for(product, Catalogue.at(tmp_path).settings, ())
    assert [(shot.name, shot.width, shot.height) for shot in plain] == [
        ("hero", 1920, 1080), ("square", 1080, 1080), ("lifestyle", 1080, 1350), ("top", 1080, 1080)]
    labelled = make(tmp_path, "sku", a__obj="", product__yaml=f"regions: [{LABEL}]").product("sku")
    shots = shots_for(labelled, Catalogue.at(tmp_path).settings, labelled.regions)
    assert [shot.framed_region for shot in shots] == [None, None, None, None, "front"]


def test_a_product_changes_a_shot_and_adds_its_own(tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_text("scale: 0.5\nshots: [square]\n")
    manifest = "shots: [{name: square, azimuth_deg: 10}, {name: inside, camera: cam0, width: 400, height: 300}]"
    product = make(tmp_path, "sku", a__obj="", product__yaml=manifest).product("sku")
    square, inside = shots_for(product, Catalogue.at(tmp_path).settings, ())
    assert isinstance(square.camera, OrbitCamera)
    assert square.camera.azimuth_deg == 10
    assert square.width == 540
    assert inside.camera == EmbeddedCameraRef("cam0")
    assert (inside.width, inside.height) == (200, 150)


def test_an_unknown_shot_lists_the_built_in_ones(tmp_path: Path) -> None:
    product = make(tmp_path, "sku", a__obj="", product__yaml="shots: [herro]").product("sku")
    with pytest.raises(CatalogueError, match="hero"):
        shots_for(product, Catalogue.at(tmp_path).settings, ())
