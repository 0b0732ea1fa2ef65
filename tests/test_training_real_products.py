"""Real products twice: whole, and as little of them as a shop's file would tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.mesh.materials import KINDS
from training.real_products import REAL, present, real_sample


@pytest.mark.parametrize("name", ["racquet", "mixer"])
def test_true_maps_are_withheld_and_nothing_else(name: str, shared_folder: Path) -> None:
    sample = real_sample(name, corpus=shared_folder / "corpus")
    whole = {slot for material in sample.truth.materials for slot in material.textures}
    told = {slot for material in sample.known.materials for slot in material.textures}
    assert {"normal", "metallic_roughness"} <= whole
    assert told == {"base_color"}
    assert sample.known.positions is sample.truth.positions
    assert set(sample.known_textures.images) < set(sample.truth_textures.images)
    for material in sample.known.materials:
        assert material.kind == REAL[name].kinds[material.name]
        assert material.roughness == KINDS[material.kind].roughness


def test_every_hint_is_a_kind_that_ingestion_knows() -> None:
    assert {kind for product in REAL.values() for kind in product.kinds.values()} <= set(KINDS)


def test_what_is_absent_is_not_there(shared_folder: Path) -> None:
    assert set(present(shared_folder / "corpus")) == set(REAL)
    assert present(shared_folder / "hdri") == []
