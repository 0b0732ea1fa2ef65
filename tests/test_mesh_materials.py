"""Guesses from words, only where the file is silent, and the manifest over both."""

from __future__ import annotations

import pytest

from pipeline.mesh.materials import KINDS, coloured, complete, guess_kind
from pipeline.mesh.raw import RawMaterial
from pipeline.settings import MaterialOverride


@pytest.mark.parametrize(("name", "description", "category", "kind"), [
    ("Leather_Upper", "shoe", "footwear", "leather"), ("rubberSole01", "leather shoe", "footwear", "rubber"),
    ("MAT_knit", "", "product", "knit"), ("Material.001", "brown leather oxford", "footwear", "leather"),
    ("Material.001", "steel water bottle", "bottle", "steel"), ("Material.001", "mug", "mug", "ceramic"),
    ("Material.001", "wicker chair", "furniture", "wicker"), ("Material.001", "thing", "product", None),
    ("chromeEyelets", "canvas sneaker", "footwear", "chrome"), ("sole_leather", "shoe", "footwear", "leather"),
    ("sole", "leather shoe", "footwear", "rubber"), ("painted_steel", "lamp", "furniture", "lacquer"),
    ("Cuir_noir", "", "footwear", "leather"), ("céramique émaillée", "", "product", "ceramic"),
    ("Holz Eiche", "", "product", "wood"), ("glossyPlastic", "", "product", "plastic"),
    ("Material.001", "edle Tasse aus Porzellan", "mug", "porcelain"), ("M_Gold_Ring", "", "product", "gold"),
    ("Material.001", "gold and stone grey sneaker", "footwear", "synthetic"),
])
def test_kinds(name: str, description: str, category: str, kind: str | None) -> None:
    guess = guess_kind(name, description, category)
    assert (guess.kind if guess else None) == kind


def test_only_silent_fields_are_guessed() -> None:
    material = complete(RawMaterial("leather", roughness=0.9), "shoe", "footwear", [])
    assert (material.kind, material.kind_source, material.roughness) == ("leather", "guess", 0.9)
    assert "roughness" not in material.guessed
    assert "relief_mm" in material.guessed
    assert material.relief_mm == KINDS["leather"].relief_mm
    silent = complete(RawMaterial("chrome"), "shoe", "footwear", [])
    assert (silent.metallic, "metallic" in silent.guessed) == (1.0, True)


def test_the_manifest_wins() -> None:
    overrides = [MaterialOverride(kind="rubber", roughness=0.33), MaterialOverride(base_color=(0.1, 0.2, 0.3))]
    material = complete(RawMaterial("leather", base_color=(1, 1, 1, 0.5)), "shoe", "footwear", overrides)
    assert (material.kind, material.kind_source, material.roughness) == ("rubber", "manifest", 0.33)
    assert material.base_color == (0.1, 0.2, 0.3, 0.5)
    assert material.relief_mm == KINDS["rubber"].relief_mm
    assert "roughness" not in material.guessed


def test_nothing_known_stays_unknown() -> None:
    material = complete(RawMaterial("Material.001"), "thing", "product", [])
    assert (material.kind, material.kind_source, material.guessed) == ("unknown", "default", ())


def test_every_kind_answers_to_its_own_name() -> None:
    for kind in KINDS:
        guess = guess_kind(kind, "", "product")
        assert guess is not None
        assert (guess.kind, guess.reason) == (kind, f"material name: {kind}")


def test_a_finish_replaces_the_kinds_roughness_and_is_recorded() -> None:
    brushed = complete(RawMaterial("brushed_steel"), "", "product", [])
    assert (brushed.kind, brushed.roughness, brushed.guess_reason) == (
        "steel", 0.38, "material name: steel, finish: brushed")
    assert complete(RawMaterial("MAT_leather"), "", "product", []).roughness == KINDS["leather"].roughness
    assert complete(RawMaterial("matte", roughness=0.2), "", "product", []).roughness == 0.2


def test_glass_lets_light_through_unless_the_file_or_manifest_says_otherwise() -> None:
    assert complete(RawMaterial("glass"), "", "product", []).transmission == 0.9
    assert complete(RawMaterial("glass", roughness=0.1), "", "product", []).transmission == 0.0
    override = MaterialOverride(transmission=0.3)
    assert complete(RawMaterial("glass"), "", "product", [override]).transmission == 0.3


def test_a_kind_with_a_colour_of_its_own_shows_it_where_nothing_else_does() -> None:
    raw = RawMaterial("gold")
    assert coloured(complete(raw, "", "product", []), raw, []).base_color == (1.0, 0.77, 0.34, 1.0)
    plain = RawMaterial("leather")
    assert coloured(complete(plain, "", "product", []), plain, []).base_color == (0.6, 0.6, 0.6, 1.0)
    blue = [MaterialOverride(base_color=(0, 0, 1))]
    assert coloured(complete(raw, "", "product", blue), raw, blue).base_color == (0, 0, 1, 1)
