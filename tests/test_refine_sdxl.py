"""Preset sdxl-union through the real loading path, on a tiny SDXL with a ControlNet Union."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import RefineError
from pipeline.refine import RefineRequest, RefinerSettings, identity_of, make_refiner
from pipeline.refine.types import Refined, Refiner
from pipeline.render.types import ControlPasses
from tests.passes_factory import sphere_passes
from tests.tiny_pipelines import save_tiny_controlnet, save_tiny_sdxl, save_tiny_union

PASSES = sphere_passes(64)
MOVED = sphere_passes(64, depth_offset=0.1)
TURNED = replace(PASSES, normal=PASSES.normal[..., ::-1].copy())


def settings_for(folder: Path, *drives: str, **changes: Any) -> RefinerSettings:
    return RefinerSettings.parse({
        "preset": "sdxl-union", "model": str(folder), "strength": 0.5, "steps": 4, "batch": 2, "threads": 1,
        "device": "cpu", "controlnets": [{"drive": drive} for drive in drives or ("depth", "edges")], **changes})


@pytest.fixture(scope="session")
def refiner(tiny_sdxl: Path) -> Refiner:
    return make_refiner(settings_for(tiny_sdxl))


def made(refiner: Refiner, passes: ControlPasses = PASSES, seed: int = 1, prompt: str = "a shoe") -> NDArray[np.uint8]:
    """The model's own picture, before the identity lock."""
    return own(refiner.refine([RefineRequest(passes, prompt, seed)])[0])


def own(image: Refined) -> NDArray[np.uint8]:
    return image.pixels if image.unlocked is None else image.unlocked


def changed(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float((first != second).any(axis=-1)[PASSES.mask].mean())


def test_equal_requests_give_equal_bytes_and_seed_and_prompt_matter(refiner: Refiner) -> None:
    image = made(refiner)
    np.testing.assert_array_equal(image, made(refiner))
    assert changed(image, made(refiner, seed=2)) > 0.5
    assert changed(image, made(refiner, prompt="a red mug")) > 0.01


@pytest.mark.parametrize("drives", [("depth",), ("edges",), ("edges", "depth"), ("depth", "normal", "edges")])
def test_changing_the_depth_pass_changes_the_image(tiny_sdxl: Path, drives: Sequence[str]) -> None:
    refiner = make_refiner(settings_for(tiny_sdxl, *drives))
    assert changed(made(refiner), made(refiner, MOVED)) > 0.1


def test_the_union_follows_each_pass_by_its_own_number(tiny_sdxl: Path) -> None:
    both = make_refiner(settings_for(tiny_sdxl, "depth", "normal"))
    assert changed(made(both), made(both, TURNED)) > 0.1
    depth = make_refiner(settings_for(tiny_sdxl, "depth"))
    np.testing.assert_array_equal(made(depth), made(depth, TURNED))
    normal = make_refiner(settings_for(tiny_sdxl, "normal"))
    np.testing.assert_array_equal(made(normal), made(normal, MOVED))
    # The order in which passes are named is no part of what they say.
    swapped = make_refiner(settings_for(tiny_sdxl, "normal", "depth"))
    assert np.abs(made(both).astype(int) - made(swapped)).max() <= 2


def test_a_pass_is_heard_only_in_its_window(tiny_sdxl: Path) -> None:
    def refiner(start: float, end: float) -> Refiner:
        nets = [{"drive": "depth", "start": start, "end": end}]
        return make_refiner(settings_for(tiny_sdxl, controlnets=nets, per_pixel_strength=False, steps=8))

    always, never, early = refiner(0.0, 1.0), refiner(0.0, 0.1), refiner(0.0, 0.5)
    assert changed(made(always), made(always, MOVED)) > 0.1
    np.testing.assert_array_equal(made(never), made(never, MOVED))
    assert changed(made(early), made(early, MOVED)) > 0.1
    assert changed(made(early), made(always)) > 0.1


def test_images_share_batches_and_come_back_at_the_size_of_their_passes(refiner: Refiner) -> None:
    tall = sphere_passes((64, 88), white=False)
    images = refiner.refine([RefineRequest(PASSES, "a", 1), RefineRequest(tall, "b", 2), RefineRequest(PASSES, "c", 3)])
    assert [image.pixels.shape for image in images] == [(64, 64, 3), (88, 64, 3), (64, 64, 3)]
    assert np.abs(own(images[2]).astype(int) - made(refiner, seed=3, prompt="c")).max() <= 2
    parameters = images[0].provenance["parameters"]
    assert isinstance(parameters, dict)
    assert (parameters["batch_size"], parameters["controlnet_1"], parameters["strength"]) == (2, "edges", 0.5)
    assert images[0].provenance["preset"] == "sdxl-union"


def test_a_plain_sdxl_takes_a_union_from_elsewhere(tmp_path: Path) -> None:
    plain, union = save_tiny_sdxl(tmp_path / "sdxl", union=False), save_tiny_union(tmp_path / "union")
    nets = [{"drive": "depth", "model": str(union)}, {"drive": "edges", "model": str(union), "scale": 0.4}]
    settings = settings_for(plain, controlnets=nets)
    refiner = make_refiner(settings)
    assert changed(made(refiner), made(refiner, MOVED)) > 0.1
    assert identity_of(settings).parameters["controlnet_0_sha256"]
    with pytest.raises(RefineError, match="two are named") as caught:
        make_refiner(settings_for(plain, controlnets=[nets[0], {"drive": "edges", "model": "owner/other"}]))
    assert caught.value.code == "controlnet_incompatible"
    with pytest.raises(RefineError, match="twice"):
        make_refiner(settings_for(plain, controlnets=[nets[0], nets[0]]))
    other = save_tiny_controlnet(tmp_path / "plain-net")
    with pytest.raises(RefineError, match="not a ControlNet Union") as caught:
        make_refiner(settings_for(plain, controlnets=[{"drive": "depth", "model": str(other)}]))
    assert caught.value.code == "controlnet_incompatible"


def edited(file: str, **values: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return edit


@pytest.mark.parametrize(("damage", "code"), [
    (edited("model_index.json", _class_name="StableDiffusionPipeline"), "model_incompatible"),
    (edited("unet/config.json", in_channels=9), "model_incompatible"),
    (edited("unet/config.json", addition_embed_type=None), "model_incompatible"),
    (edited("vae/config.json", latent_channels=16), "model_incompatible"),
    (edited("text_encoder_2/config.json", hidden_size=32), "model_incompatible"),
    (edited("controlnet/config.json", conditioning_channels=1), "controlnet_incompatible"),
    (edited("controlnet/config.json", num_control_type=3), "controlnet_incompatible"),
    (edited("controlnet/config.json", projection_class_embeddings_input_dim=2816), "controlnet_incompatible"),
    (lambda folder: shutil.rmtree(folder / "text_encoder_2"), "model_incompatible"),
    (lambda folder: shutil.rmtree(folder / "controlnet"), "controlnet_missing"),
    (lambda folder: (folder / "text_encoder_2" / "model.safetensors").unlink(), "weights_missing")])
def test_a_folder_that_does_not_fit_is_found_out_before_anything_is_loaded(
        tiny_sdxl: Path, tmp_path: Path, damage: Callable[[Path], None], code: str) -> None:
    copy = Path(shutil.copytree(tiny_sdxl, tmp_path / "model"))
    damage(copy)
    with pytest.raises(RefineError) as caught:
        make_refiner(settings_for(copy))
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in caught.value.message
