"""Every product has one split, and families stay together."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from examples.generate.skus import ENTRIES
from pipeline.catalogue import Catalogue

SPLITS = Path(__file__).resolve().parent.parent / "benchmarks" / "splits.toml"


@pytest.fixture(scope="module")
def families() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tomllib.loads(SPLITS.read_text())["families"]
    return found


def _members(families: dict[str, dict[str, Any]], source: str) -> list[str]:
    return [name for family in families.values() for name in family.get(source, [])]


def _split_of(families: dict[str, dict[str, Any]], name: str) -> str:
    (split,) = (family["split"] for family in families.values()
                if name in family.get("examples", []) + family.get("corpus", []))
    return str(split)


def test_families_say_one_known_split_and_have_members(families: dict[str, dict[str, Any]]) -> None:
    for name, family in families.items():
        assert set(family) <= {"split", "examples", "corpus", "procedural"}, name
        assert family["split"] in {"design", "calibration", "test"}, name
        assert family.get("examples", []) + family.get("corpus", []) + family.get("procedural", []), name
    assert {family["split"] for family in families.values()} == {"design", "calibration", "test"}


def test_no_product_is_in_two_families(families: dict[str, dict[str, Any]]) -> None:
    counts = Counter(name for source in ("examples", "corpus", "procedural") for name in _members(families, source))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_example_is_assigned(families: dict[str, dict[str, Any]], example_catalogue: Path) -> None:
    assert set(_members(families, "examples")) == set(Catalogue.at(example_catalogue).skus())


def test_every_example_is_in_the_family_it_was_made_as(families: dict[str, dict[str, Any]]) -> None:
    made: dict[str, list[str]] = {}
    for entry in ENTRIES:
        made.setdefault(entry.family, []).append(entry.sku)
    assert {name: sorted(family["examples"]) for name, family in families.items() if "examples" in family} == {
        name: sorted(skus) for name, skus in made.items()}


def test_every_corpus_product_is_assigned(families: dict[str, dict[str, Any]], shared_folder: Path) -> None:
    folders = {path.name for path in (shared_folder / "corpus").iterdir() if path.is_dir()}
    assert set(_members(families, "corpus")) == folders


def test_every_procedural_family_is_assigned(families: dict[str, dict[str, Any]]) -> None:
    pytest.importorskip("torch")  # training's samples carry the tiles that its networks see
    from training.families import FAMILIES, HELD_OUT

    assert set(_members(families, "procedural")) == {*FAMILIES, *HELD_OUT}


@pytest.mark.parametrize("name", ["racquet-gltf", "racquet-obj", "mixer-glb", "mixer-stl", "wickerchair-glb"])
def test_products_kept_for_testing_are_never_tuned_on(families: dict[str, dict[str, Any]], name: str) -> None:
    assert _split_of(families, name) == "test"


@pytest.mark.parametrize("name", ["shoe-gltf", "shoe-fbx", "shoe-obj", "shoe-stl"])
def test_the_corpus_shoe_is_for_design(families: dict[str, dict[str, Any]], name: str) -> None:
    assert _split_of(families, name) == "design"
