"""What can be wrong with weights and machines: named errors with a hint, and nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

from pipeline.errors import RefineError
from pipeline.refine import RefineRequest, RefinerSettings, identity_of, make_refiner
from pipeline.refine.diffusers_loading import load_pipeline, offload_on
from pipeline.refine.pins import Pin, write
from tests.passes_factory import sphere_passes

PASSES = sphere_passes(64)
UNET = Path("unet") / "diffusion_pytorch_model.safetensors"


def settings_for(folder: Path | str, **changes: Any) -> RefinerSettings:
    return RefinerSettings.parse({
        "preset": "diffusers", "model": str(folder), "strength": 0.5, "steps": 4, "threads": 1, "device": "cpu",
        "controlnets": [{"drive": "depth"}], **changes})


def refused(settings: RefinerSettings) -> RefineError:
    with pytest.raises(RefineError) as caught:
        make_refiner(settings).refine([RefineRequest(PASSES, "a shoe", 1)])
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def cut_to(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / UNET).write_bytes((folder / UNET).read_bytes()[:size])


def edited(file: str, **values: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return edit


def in_shards(folder: Path) -> None:
    """As large models are saved: an index that names two files, of which one never arrived."""
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors")
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(
        {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors",
                        "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}))


@pytest.mark.parametrize(("damage", "code"), [
    (cut_to(0), "weights_truncated"), (cut_to(7), "weights_truncated"), (cut_to(500), "weights_truncated"),
    (cut_to(-1), "weights_truncated"), (in_shards, "weights_missing"),
    (lambda folder: (folder / UNET).write_bytes((folder / UNET).read_bytes() + b"\0"), "weights_truncated"),
    (lambda folder: (folder / UNET).write_bytes(b"<html>404</html>" * 99), "weights_truncated"),
    (lambda folder: (folder / UNET).write_bytes(b"\2" + b"\0" * 7 + b"[]"), "weights_truncated"),
    (edited("unet/config.json", in_channels=9), "model_incompatible"),
    (edited("unet/config.json", addition_embed_type="text_time"), "model_incompatible"),
    (edited("vae/config.json", latent_channels=16), "model_incompatible"),
    (edited("text_encoder/config.json", hidden_size=1024), "model_incompatible"),
    (edited("controlnet/config.json", conditioning_channels=1), "controlnet_incompatible"),
    (edited("controlnet/config.json", in_channels=9), "controlnet_incompatible"),
    (edited("controlnet/config.json", block_out_channels=[32, 128]), "controlnet_incompatible")])
def test_a_folder_that_is_not_whole_or_does_not_fit_is_found_out_before_torch_loads_it(
        tiny_sd15: Path, tmp_path: Path, damage: Callable[[Path], object], code: str) -> None:
    copy = Path(shutil.copytree(tiny_sd15, tmp_path / "model"))
    damage(copy)
    with pytest.raises(RefineError) as caught:
        identity_of(settings_for(copy))
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_settings_that_lie_about_the_weights_are_an_error_too(tiny_sd15: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_sd15, tmp_path / "model"))
    for part in ("unet", "controlnet"):
        edited(f"{part}/config.json", block_out_channels=[32, 128])(copy)
    assert refused(settings_for(copy)).code == "model_unreadable"


def test_a_stated_sha256_is_held_to(tiny_sd15: Path, tmp_path: Path) -> None:
    right = identity_of(settings_for(tiny_sd15)).model_sha256
    assert identity_of(settings_for(tiny_sd15, sha256=right)).model_sha256 == right
    error = refused(settings_for(tiny_sd15, sha256="0" * 64))
    assert error.code == "weights_sha256"
    assert right in error.hint
    net = tiny_sd15 / "controlnet"
    assert refused(settings_for(tiny_sd15, controlnets=[{"model": str(net), "sha256": "0" * 64}])).code \
        == "weights_sha256"
    write(UPath(tmp_path / "refiner-pins.yaml"), {str(tiny_sd15): Pin(sha256="1" * 64)})
    pinned = RefinerSettings.from_environment({"PACKSHOT_REFINER": f"diffusers:{tiny_sd15}",
                                               "PACKSHOT_CATALOGUE": str(tmp_path)})
    assert refused(pinned).code == "weights_sha256"


class Tight:
    """A pipeline on a device that holds ``most`` images at once, and those only in tiles where ``in_tiles``."""

    def __init__(self, pipeline: Any, most: int, in_tiles: bool, error: Callable[[], Exception]) -> None:
        self.pipeline, self.most, self.in_tiles, self.error = pipeline, most, in_tiles, error
        self.tried: list[tuple[int, bool]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipeline, name)

    def __call__(self, **arguments: Any) -> Any:
        images, tiled = len(arguments["prompt"]), bool(self.pipeline.vae.use_tiling)
        self.tried.append((images, tiled))
        if images > self.most or (self.in_tiles and not tiled):
            raise self.error()
        return self.pipeline(**arguments)


def gpu_is_full() -> Exception:
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def ram_is_full() -> Exception:
    return RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried")


@pytest.mark.parametrize("error", [gpu_is_full, ram_is_full])
@pytest.mark.parametrize(("most", "in_tiles", "tried", "told"), [
    (2, False, [(4, False), (2, False), (2, False)], "went on with batch 2"),
    (1, True, [(4, False), (2, False), (1, False), (1, True), (1, True), (1, True), (1, True)],
     "went on with batch 1 and vae tiling")])
def test_what_does_not_fit_is_made_in_smaller_batches_then_in_tiles_and_the_record_says_so(
        tiny_sd15: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], most: int, in_tiles: bool,
        tried: list[tuple[int, bool]], told: str) -> None:
    settings = settings_for(tiny_sd15, batch=4)
    tight = Tight(load_pipeline(settings, identity_of(settings)), most, in_tiles, error)
    monkeypatch.setattr("pipeline.refine.diffusers_controlnet.load_pipeline", lambda *_: tight)
    refiner = make_refiner(settings)
    requests = [RefineRequest(PASSES, "a shoe", seed) for seed in range(4)]
    images = refiner.refine(requests)
    assert tight.tried == tried
    for image in images:
        parameters = image.provenance["parameters"]
        assert isinstance(parameters, dict)
        assert (parameters["out_of_memory"], parameters["batch_size"], parameters["batch"]) == (told, most, 4)
    tight.tried.clear()
    again = refiner.refine(requests[:1])
    assert tight.tried == [(1, in_tiles)], "what was found out holds for the images that follow"
    assert np.abs(images[0].pixels.astype(int) - again[0].pixels).max() <= 2


def test_what_fits_in_no_way_is_a_named_error(tiny_sd15: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(tiny_sd15)
    tight = Tight(load_pipeline(settings, identity_of(settings)), 0, True, gpu_is_full)
    monkeypatch.setattr("pipeline.refine.diffusers_controlnet.load_pipeline", lambda *_: tight)
    error = refused(settings)
    assert error.code == "out_of_memory"
    assert "long_side" in error.hint
    assert tight.tried == [(1, False), (1, True)]


def test_weights_that_do_not_fit_are_not_called_unreadable(tiny_sd15: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5.00 GiB")

    monkeypatch.setattr("diffusers.StableDiffusionControlNetImg2ImgPipeline.to", full)
    error = refused(settings_for(tiny_sd15))
    assert error.code == "out_of_memory"
    assert "offload" in error.hint


def test_a_pipeline_that_stops_for_another_reason_is_not_taken_for_a_full_device(
        tiny_sd15: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(tiny_sd15)
    odd = Tight(load_pipeline(settings, identity_of(settings)), 0, False,
                lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied (77x64 and 128x64)\nat somewhere"))
    monkeypatch.setattr("pipeline.refine.diffusers_controlnet.load_pipeline", lambda *_: odd)
    error = refused(settings)
    assert error.code == "pipeline_failed"
    assert "cannot be multiplied" in error.message


def test_weights_of_a_small_gpu_leave_it_while_they_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Card:
        total_memory = 12 * 2**30

    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: Card)
    automatic = settings_for("unused", offload="auto")
    assert offload_on(automatic, "cuda") == "model"
    assert offload_on(automatic, "cpu") == "none"
    Card.total_memory = 24 * 2**30
    assert offload_on(automatic, "cuda:0") == "none"
    assert offload_on(settings_for("unused", offload="sequential"), "cuda") == "sequential"
