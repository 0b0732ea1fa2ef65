"""The chain with a diffusion preset: a real pipeline from a folder, through the asset graph to delivery."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.refine import read_provenance
from pipeline.render import load_passes
from pipeline.render.tracing import light_here
from tests.house import house_of
from tests.small_catalogue import small_catalogue
from tests.tiny_pipelines import save_tiny_pipeline


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = save_tiny_pipeline(tmp_path_factory.mktemp("model") / "sd15", controlnets=1)
    return {"PACKSHOT_REFINER": f"diffusers:{folder}", "PACKSHOT_REFINER_STEPS": "4",
            "PACKSHOT_REFINER_STRENGTH": "0.5", "PACKSHOT_REFINER_LONG_SIDE": "64",
            "PACKSHOT_REFINER_LOCAL_FILES_ONLY": "true"}


def test_images_are_refined_scored_and_say_so(tmp_path: Path, environment: dict[str, str]) -> None:
    with house_of(small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store", environment) as house:
        assert house.batch("a").success, house.store.errors()
        image = house.store.require("refined_images", "a")
        provenance = read_provenance(image.path("square.png"))
        assert provenance["preset"] == "diffusers"
        assert str(provenance["digital_source_type"]).endswith("trainedAlgorithmicMedia")
        scores = house.store.require("sentinel_scores", "a")
        assert scores.metadata["verdicts"]["square"] == "fail", "random weights are no photographer"
        delivered = house.store.require("delivered_images", "a").json("manifest.json")
        assert [entry["shot"] for entry in delivered["withheld"]] == ["square"]
        assert house.batch("a").success
        assert all(house.kept("a").values())


def test_another_strength_refines_again_and_leaves_mesh_and_passes_alone(tmp_path: Path,
                                                                         environment: dict[str, str]) -> None:
    catalogue, store = small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store"
    with house_of(catalogue, store, environment) as house:
        assert house.batch("a").success
    with house_of(catalogue, store, {**environment, "PACKSHOT_REFINER_STRENGTH": "0.75"}) as house:
        assert house.batch("a").success
        assert house.kept("a") == {"product_mesh": True, "product_regions": True, "reference_shots": True,
                                   "control_passes": True, "refined_images": False, "sentinel_scores": False,
                                   "delivered_images": False}


def test_a_missing_model_fails_the_sku_with_a_hint_and_keeps_its_passes(tmp_path: Path) -> None:
    with house_of(small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store",
                  {"PACKSHOT_REFINER": f"diffusers:{tmp_path}/nowhere"}) as house:
        assert not house.batch("a").success
        assert house.status("a")["control_passes"] == "materialized"
        assert house.status("a")["refined_images"] == "failed"
        assert house.store.errors()["a"]["hint"]


def test_out_of_the_box_light_is_traced_the_embedded_model_refines_and_pictures_are_delivered(tmp_path: Path) -> None:
    box = {"PACKSHOT_REFINER": "embedded", "PACKSHOT_LIGHT": "auto"}
    catalogue, store = small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store"
    with house_of(catalogue, store, box) as house:
        assert house.batch("a").success, house.store.errors()
        images, passes = (house.store.require(asset, "a") for asset in ("refined_images", "control_passes"))
        assert passes.metadata["light"] == light_here("auto")
        assert load_passes(passes.path("square.exr")).traced == (light_here("auto") == "traced")
        provenance = read_provenance(images.path("square.png"))
        assert provenance["preset"] == "embedded"
        assert provenance["light"] == light_here("auto")
        assert str(provenance["digital_source_type"]).endswith("compositeWithTrainedAlgorithmicMedia")
        assert "square.unlocked.png" in images.files
        assert house.store.require("sentinel_scores", "a").metadata["verdicts"]["square"] in ("pass", "warn")
        assert house.batch("a").success
        assert all(house.kept("a").values())
    if light_here("auto") == "traced":
        with house_of(catalogue, store, {**box, "PACKSHOT_LIGHT": "raster"}) as house:
            assert house.batch("a").success
            assert house.kept("a")["product_mesh"]
            assert not house.kept("a")["control_passes"]
            assert house.store.require("control_passes", "a").metadata["light"] == "raster"
