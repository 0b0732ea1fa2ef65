"""What a refiner is told: a template over product facts and shot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, Shot
from pipeline.errors import CatalogueError
from pipeline.settings import Settings
from pipeline.shots import BUILT_IN, prompt_for
from tests.small_catalogue import small_catalogue

SHOT = Shot("square", stage="white", prompt="on pure white")


def shop(tmp_path: Path, settings: str = "", product: str = "description: red mug\n") -> Catalogue:
    folder = small_catalogue(tmp_path / "shop", "a")
    (folder / "catalogue.yaml").write_text(settings)
    (folder / "a" / "product.yaml").write_text(product)
    return Catalogue.at(str(folder))


def told(catalogue: Catalogue, shot: Shot = SHOT) -> str:
    return prompt_for(catalogue.product("a"), shot, catalogue.settings)


def test_by_default_the_product_the_shot_and_the_house_are_told(tmp_path: Path) -> None:
    assert told(shop(tmp_path)) == "red mug, on pure white"
    assert told(shop(tmp_path / "b", "prompt: soft light\n")) == "red mug, on pure white, soft light"
    assert told(shop(tmp_path / "c", product="prompt: 'a mug, signed'\n")) == "a mug, signed, on pure white"
    assert told(shop(tmp_path / "d"), BUILT_IN["hero"]).startswith("red mug, homepage hero")


def test_a_template_of_ones_own_is_filled_with_facts_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    template = "prompt_template: 'photo of {product}, made of {materials}, {category} on a {stage} stage, {house}'\n"
    assert told(shop(tmp_path, template)) == "photo of red mug, mug on a white stage"
    known = "description: red mug\nmaterial: {body: {kind: ceramic}, band: {kind: rubber}, rim: {kind: ceramic}}\n"
    assert told(shop(tmp_path / "b", template, known)) \
        == "photo of red mug, made of ceramic, rubber, mug on a white stage"


@pytest.mark.parametrize("template", ["{colour}", "{product", "{product.__class__}", "{product!r}", "{product:>9}",
                                      "{0}", "{}"])
def test_a_template_that_asks_for_what_is_not_known_is_an_error(tmp_path: Path, template: str) -> None:
    with pytest.raises(CatalogueError, match="prompt_template") as caught:
        shop(tmp_path, f"prompt_template: {template!r}\n").settings  # noqa: B018  read when it is asked for
    assert caught.value.hint


def test_the_default_is_a_template_too() -> None:
    assert Settings().prompt_template == "{product}, {shot}, {house}"
