"""Preset diffusers through the real loading path, on tiny pipelines with random weights."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.colour import to_display
from pipeline.errors import RefineError
from pipeline.refine import ControlNetSettings, RefineRequest, RefinerSettings, identity_of, make_refiner
from pipeline.refine.types import Refiner
from pipeline.render.types import ControlPasses
from tests.conftest import ROOT
from tests.passes_factory import sphere_passes
from tests.tiny_pipelines import save_tiny_controlnet, save_tiny_pipeline

PASSES = sphere_passes(64)
TALL = sphere_passes((64, 88), white=False)


@pytest.fixture(scope="session")
def pipeline_folder(tiny_sd15: Path) -> Path:
    """A pipeline with two ControlNets of its own."""
    return tiny_sd15


@pytest.fixture(scope="session")
def refiner(pipeline_folder: Path) -> Refiner:
    return make_refiner(settings_for(pipeline_folder))


def settings_for(folder: Path | str, *drives: str, **changes: Any) -> RefinerSettings:
    return RefinerSettings.parse({
        "preset": "diffusers", "model": str(folder), "strength": 0.5, "steps": 4, "batch": 2, "threads": 1,
        "device": "cpu", "controlnets": [{"drive": drive} for drive in drives or ("depth", "normal")], **changes})


def refined(refiner: Refiner, passes: ControlPasses, seed: int = 1, prompt: str = "a shoe") -> NDArray[np.uint8]:
    [image] = refiner.refine([RefineRequest(passes, prompt, seed)])
    return image.pixels


def changed(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Share of the sphere's pixels that differ."""
    return float((first != second).any(axis=-1)[PASSES.mask].mean())


def test_equal_requests_give_equal_bytes_and_seed_and_prompt_matter(refiner: Refiner) -> None:
    image = refined(refiner, PASSES)
    np.testing.assert_array_equal(image, refined(refiner, PASSES))
    assert changed(image, refined(refiner, PASSES, seed=2)) > 0.5
    assert changed(image, refined(refiner, PASSES, prompt="a red mug")) > 0.2


@pytest.mark.parametrize("drives", [("depth",), ("edges",), ("normal", "depth")])
def test_changing_the_depth_pass_changes_the_image(pipeline_folder: Path, drives: Sequence[str]) -> None:
    refiner = make_refiner(settings_for(pipeline_folder, *drives))
    moved = sphere_passes(64, depth_offset=0.1)
    np.testing.assert_array_equal(moved.product, PASSES.product)
    assert changed(refined(refiner, PASSES), refined(refiner, moved)) > 0.1


def test_preset_sd15_multi_is_driven_by_three_passes(pipeline_folder: Path) -> None:
    third = {"drive": "edges", "model": str(pipeline_folder / "controlnet"), "scale": 0.4, "end": 0.6}
    settings = settings_for(pipeline_folder, preset="sd15-multi", controlnets=[
        {"drive": "depth"}, {"drive": "normal", "scale": 0.5}, third])
    refiner = make_refiner(settings)
    image = refined(refiner, PASSES)
    assert changed(image, refined(refiner, sphere_passes(64, depth_offset=0.1))) > 0.1
    [made] = refiner.refine([RefineRequest(PASSES, "a shoe", 1)])
    assert made.provenance["preset"] == "sd15-multi"
    assert {"material_id", "instance_id", "normal", "depth"} <= set(dict(made.provenance)["input_sha256"])  # type: ignore[call-overload]


def test_each_controlnet_follows_its_own_pass(pipeline_folder: Path, refiner: Refiner) -> None:
    turned = replace(PASSES, normal=PASSES.normal[..., ::-1].copy())
    assert changed(refined(refiner, PASSES), refined(refiner, turned)) > 0.1
    muted = [{"drive": "depth"}, {"drive": "normal", "scale": 0.0}]
    by_depth = make_refiner(settings_for(pipeline_folder, controlnets=muted))
    np.testing.assert_array_equal(refined(by_depth, PASSES), refined(by_depth, turned))
    assert changed(refined(by_depth, PASSES), refined(by_depth, sphere_passes(64, depth_offset=0.1))) > 0.1


def test_images_come_back_in_order_at_the_size_of_their_passes(
        refiner: Refiner, caplog: pytest.LogCaptureFixture) -> None:
    requests = [RefineRequest(PASSES, "a", 1), RefineRequest(TALL, "b", 2), RefineRequest(PASSES, "c", 3)]
    with caplog.at_level(logging.INFO, "pipeline.refine"):
        images = refiner.refine(requests)
    assert [image.pixels.shape for image in images] == [(64, 64, 3), (88, 64, 3), (64, 64, 3)]
    assert [image.provenance["prompt"] for image in images] == ["a", "b", "c"]
    assert [image.provenance["seed"] for image in images] == [1, 2, 3]
    swapped = refiner.refine(requests[::-1])
    # Same sizes and batches, other places in them: equal but for the rounding of batched arithmetic.
    for request, image, other in zip(requests, images, swapped[::-1], strict=True):
        alone = refined(refiner, request.passes, request.seed, request.prompt)
        assert np.abs(image.pixels.astype(int) - other.pixels).max() <= 2
        assert np.abs(image.pixels.astype(int) - alone).max() <= 2
    batches = [record.getMessage() for record in caplog.records if record.getMessage().startswith("refined")]
    assert [line.split(" in ")[0] for line in batches] \
        == ["refined 2 image(s) of 64×64 at 64×64", "refined 1 image(s) of 64×88 at 64×88"]


def test_a_white_backdrop_stays_white_to_the_last_pixel(refiner: Refiner) -> None:
    image = refined(refiner, PASSES)
    outside = PASSES.alpha == 0
    raster = to_display(PASSES.product, PASSES.plate, True)
    np.testing.assert_array_equal(image[outside], raster[outside])
    assert (image[outside & (PASSES.plate.min(axis=-1) > 0.995)] == 255).all()
    assert changed(image, raster) > 0.9, "the product itself is the model's"


def test_other_stages_are_the_models_from_edge_to_edge(refiner: Refiner) -> None:
    image = refined(refiner, TALL)
    raster = to_display(TALL.product, TALL.plate, False)
    assert (image != raster).any(axis=-1)[TALL.alpha == 0].mean() > 0.9


def test_large_passes_are_worked_at_the_limit_and_come_back_at_their_size(pipeline_folder: Path) -> None:
    refiner = make_refiner(settings_for(pipeline_folder, "depth", long_side=64, vae_tiling=True))
    [image] = refiner.refine([RefineRequest(sphere_passes((150, 100)), "a shoe", 1)])
    assert image.pixels.shape == (100, 150, 3)
    parameters = image.provenance["parameters"]
    assert isinstance(parameters, dict)
    assert parameters["worked_at"] == "64x40"


def test_provenance_says_what_made_the_image(pipeline_folder: Path, refiner: Refiner) -> None:
    [image] = refiner.refine([RefineRequest(PASSES, "a shoe", 7, "blurry")])
    record = image.provenance
    assert json.loads(json.dumps(record)) == record
    assert record["refined"] is True
    assert str(record["digital_source_type"]).endswith("/trainedAlgorithmicMedia")
    assert (record["model"], record["seed"], record["negative_prompt"]) == ("sd15", 7, "blurry")
    assert record["model_sha256"] == identity_of(settings_for(pipeline_folder)).model_sha256
    parameters, inputs, libraries = record["parameters"], record["input_sha256"], record["libraries"]
    assert isinstance(parameters, dict)
    assert isinstance(inputs, dict)
    assert isinstance(libraries, dict)
    assert (parameters["strength"], parameters["steps"], parameters["batch_size"]) == (0.5, 4, 1)
    assert set(inputs) == {"product", "plate", "alpha", "depth", "normal"}
    assert {"torch", "diffusers"} <= set(libraries)


def test_a_plain_pipeline_takes_controlnets_from_elsewhere(tmp_path: Path) -> None:
    plain = save_tiny_pipeline(tmp_path / "plain", controlnets=0)
    net = save_tiny_controlnet(tmp_path / "net", seed=5)
    named = [{"drive": "depth", "model": str(net)}, {"drive": "edges", "model": str(net), "scale": 0.4}]
    settings = settings_for(plain, controlnets=named)
    assert refined(make_refiner(settings), PASSES).shape == (64, 64, 3)
    before = identity_of(settings)
    save_tiny_controlnet(net, seed=6)
    assert identity_of(settings) != before, "the ControlNet's bytes are part of the identity"

    own_and_foreign = save_tiny_pipeline(tmp_path / "one", controlnets=1)
    both = [{"drive": "depth", "model": str(net)}, {"drive": "normal"}]
    assert refined(make_refiner(settings_for(own_and_foreign, controlnets=both)), PASSES).shape == (64, 64, 3)
    with pytest.raises(RefineError, match="0 ControlNet") as caught:
        make_refiner(settings_for(plain, "depth"))
    assert caught.value.code == "controlnet_missing"
    foreign = save_tiny_controlnet(tmp_path / "foreign", text_width=32)
    with pytest.raises(RefineError, match="cross_attention_dim") as caught:
        make_refiner(settings_for(plain, controlnets=[{"drive": "depth", "model": str(foreign)}]))
    assert caught.value.code == "controlnet_incompatible"


def test_a_hub_model_in_the_cache_is_known_by_its_commit_and_needs_no_network(
        pipeline_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--packshot--tiny"
    shutil.copytree(pipeline_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refiner = make_refiner(settings_for("packshot/tiny", "depth", local_files_only=True))
    assert (refiner.identity.model, refiner.identity.revision) == ("packshot/tiny", commit)
    assert refined(refiner, PASSES).shape == (64, 64, 3)


def in_a_fresh_process(code: str, tmp_path: Path) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "empty")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout


def test_identity_needs_neither_torch_nor_diffusers(pipeline_folder: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pipeline.refine import RefinerSettings, identity_of
print(identity_of(RefinerSettings(preset="diffusers", model={str(pipeline_folder)!r})).model_sha256)
identity_of(RefinerSettings(preset="diffusers", model="owner/name"))
print([name for name in ("torch", "diffusers", "transformers") if name in sys.modules])
"""
    sha256, loaded = in_a_fresh_process(code, tmp_path).split("\n")[:2]
    assert sha256 == identity_of(settings_for(pipeline_folder)).model_sha256
    assert loaded == "[]"


def test_a_hub_model_that_is_not_here_is_a_typed_error_before_torch_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from pipeline.errors import RefineError
from pipeline.refine import RefineRequest, RefinerSettings, make_refiner
from tests.passes_factory import sphere_passes
refiner = make_refiner(RefinerSettings(preset="diffusers", model="owner/name"))
try:
    refiner.refine([RefineRequest(sphere_passes(16), "", 0)])
except RefineError as error:
    print(error.code, "|", error.message, "|", error.hint)
print("torch" in sys.modules)
"""
    error, loaded = in_a_fresh_process(code, tmp_path).split("\n")[:2]
    assert error.startswith("weights_unavailable | The weights of owner/name")
    assert "hf download owner/name" in error
    assert loaded == "False"


@pytest.mark.parametrize("change", [
    {"strength": 0.75}, {"steps": 5}, {"guidance_scale": 2.0}, {"batch": 1}, {"dtype": "bfloat16"}, {"long_side": 512},
    {"controlnets": [{"drive": "depth"}]}, {"controlnets": [{"drive": "depth"}, {"drive": "edges"}]}])
def test_identity_changes_with_everything_that_changes_pixels(pipeline_folder: Path, change: dict[str, Any]) -> None:
    assert identity_of(settings_for(pipeline_folder, **change)) != identity_of(settings_for(pipeline_folder))


def test_identity_changes_with_one_byte_of_the_model_and_not_with_its_place(
        pipeline_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(pipeline_folder, tmp_path / pipeline_folder.name))
    assert identity_of(settings_for(copy)) == identity_of(settings_for(pipeline_folder))
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert identity_of(settings_for(copy)) != identity_of(settings_for(pipeline_folder))


def test_pickled_weights_are_refused(pipeline_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(pipeline_folder, tmp_path / "pickled"))
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(RefineError, match="pickled/vae") as caught:
        make_refiner(settings_for(copy))
    assert caught.value.code == "weights_unsafe"
    assert "safe_serialization" in caught.value.hint


def damaged(copy: Path, damage: str) -> Path:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    if damage == "not a pipeline":
        (copy / "model_index.json").unlink()
    elif damage == "another family":
        index = json.loads((copy / "model_index.json").read_text())
        (copy / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionXLPipeline"}))
    elif damage == "foreign code":
        index = json.loads((copy / "model_index.json").read_text())
        (copy / "model_index.json").write_text(json.dumps({**index, "scheduler": ["subprocess", "Popen"]}))
    elif damage == "no autoencoder":
        shutil.rmtree(copy / "vae")
    elif damage == "no weights":
        weights.unlink()
    elif damage == "broken index":
        (copy / "model_index.json").write_text("{")
    elif damage == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    return copy


@pytest.mark.parametrize(("damage", "code"), [
    ("not a pipeline", "model_incompatible"), ("another family", "model_incompatible"),
    ("no autoencoder", "model_incompatible"), ("no weights", "weights_missing"), ("foreign code", "weights_unsafe"),
    ("broken index", "model_incompatible"), ("truncated weights", "weights_truncated")])
def test_a_folder_that_will_not_do_is_a_typed_error(
        pipeline_folder: Path, tmp_path: Path, damage: str, code: str) -> None:
    settings = settings_for(damaged(Path(shutil.copytree(pipeline_folder, tmp_path / "model")), damage))
    with pytest.raises(RefineError) as caught:
        refined(make_refiner(settings), PASSES)
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("model", "code"), [
    ("", "model_missing"), ("/no/such/folder", "model_missing"), ("./no/folder", "model_missing"),
    ("not a name", "model_missing")])
def test_a_model_that_cannot_exist_is_found_out_at_once(model: str, code: str) -> None:
    with pytest.raises(RefineError) as caught:
        make_refiner(settings_for(model))
    assert caught.value.code == code


@pytest.mark.parametrize(("change", "code"), [
    ({"offload": "model"}, "offload_needs_gpu"), ({"dtype": "float16"}, "dtype_unsupported"),
    ({"device": "gpu"}, "device_unknown")])
def test_settings_the_machine_cannot_follow_are_typed_errors(
        pipeline_folder: Path, change: dict[str, Any], code: str) -> None:
    with pytest.raises(RefineError) as caught:
        refined(make_refiner(settings_for(pipeline_folder, **change)), PASSES)
    assert caught.value.code == code


def test_pixels_that_are_not_numbers_are_an_error(pipeline_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(pipeline_folder, tmp_path / "overflow"))
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    save_file({name: value * (float("nan") if name == "decoder.conv_out.weight" else 1)
               for name, value in tensors.items()}, path, metadata={"format": "pt"})
    with pytest.raises(RefineError) as caught:
        refined(make_refiner(settings_for(copy, "depth")), PASSES)
    assert caught.value.code == "output_invalid"


def test_settings_are_values() -> None:
    net = ControlNetSettings(drive="edges", scale=0.4)
    assert RefinerSettings(controlnets=(net,)) == RefinerSettings(controlnets=(ControlNetSettings(drive="edges",
                                                                                                  scale=0.4),))
