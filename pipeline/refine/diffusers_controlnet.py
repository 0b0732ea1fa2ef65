"""Preset ``diffusers``: a Stable Diffusion 1.5 ControlNet img2img pipeline, driven by one or two passes.

Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models", ICCV 2023. The picture starts
from the raster (SDEdit, Meng et al., ICLR 2022), so colours and framing are the product's own.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import quantise, to_display
from pipeline.errors import RefineError
from pipeline.refine import weights
from pipeline.refine.controls import CONTROLS
from pipeline.refine.provenance import GENERATED, provenance
from pipeline.refine.registry import preset
from pipeline.refine.settings import ControlNetSettings, RefinerSettings
from pipeline.refine.torch_beside_gl import prepare_torch
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity
from pipeline.refine.working_size import resized, working_size
from pipeline.render.types import ControlPasses

VERSION = 1
EDGE_COVERAGE = 0.25  # below it the image gives way to the pure background; the 0.5 silhouette keeps its place

F32 = NDArray[np.float32]
log = logging.getLogger(__name__)


@preset("diffusers")
class DiffusersRefiner:
    """Bit-identical on one machine at one batch size and number of threads; every record says which those were."""

    def __init__(self, settings: RefinerSettings) -> None:
        self.settings = settings
        self.identity = self.identity_of(settings)
        self.preferred_batch = settings.batch
        self._pipeline: Any | None = None

    @staticmethod
    def identity_of(settings: RefinerSettings) -> RefinerIdentity:
        """Everything that changes pixels. Device and offload do not belong to it: they are provenance.

        A branch of a hub model counts as the commit in the local cache; before its first download, as its name.
        """
        model, revision, sha256 = _known_as(_required(settings), settings.revision, weights.PIPELINE_FILES)
        unet = weights.inspect_pipeline(weights.local_folder(settings.model)) if sha256 else None
        parameters: dict[str, str | int | float | bool] = {
            "strength": settings.strength, "steps": settings.steps, "guidance_scale": settings.guidance_scale,
            "dtype": settings.dtype, "batch": settings.batch, "vae_tiling": settings.vae_tiling,
            "long_side": settings.long_side,
        }
        own = 0
        for number, net in enumerate(settings.controlnets):
            parameters |= {f"controlnet_{number}": net.drive, f"controlnet_{number}_scale": net.scale}
            if not net.model:  # its bytes are part of the pipeline's own hash or commit
                if sha256 and unet:
                    weights.inspect_controlnet(weights.own_controlnet(weights.local_folder(settings.model), own), unet)
                own += 1
                continue
            name, commit, digest = _known_as(net.model, net.revision, weights.CONTROLNET_FILES)
            if digest and unet:
                weights.inspect_controlnet(weights.local_folder(net.model), unet)
            parameters |= {f"controlnet_{number}_model": name, f"controlnet_{number}_revision": commit,
                           f"controlnet_{number}_sha256": digest}
        return RefinerIdentity("diffusers", VERSION, model, revision, sha256, parameters)

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        """One image per request, in order. Requests of one size share forward passes of up to ``batch``."""
        images: dict[int, Refined] = {}
        for positions in _batches(requests, self.settings.batch):
            group = [requests[position] for position in positions]
            images |= dict(zip(positions, self._refine_batch(group), strict=True))
        return [images[position] for position in range(len(requests))]

    def _refine_batch(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        shape = requests[0].passes.alpha.shape
        width, height = working_size(shape[1], shape[0], self.settings.long_side)
        started = time.perf_counter()
        outputs = self._generate(requests, width, height)
        log.info("refined %d image(s) of %d×%d at %d×%d in %.1f s", len(requests), shape[1], shape[0], width, height,
                 time.perf_counter() - started)
        return [self._finish(request, output, len(requests), f"{width}x{height}")
                for request, output in zip(requests, outputs, strict=True)]

    def _generate(self, requests: Sequence[RefineRequest], width: int, height: int) -> F32:
        """(B, height, width, 3) in 0..1."""
        pipeline = self._loaded()
        import torch

        def stacked(images: Iterator[F32]) -> Any:
            return torch.from_numpy(np.stack([resized(image, width, height) for image in images])).permute(0, 3, 1, 2)

        starts = stacked(_display(request.passes) for request in requests)
        controls = [stacked(CONTROLS[net.drive].image(request.passes) for request in requests)
                    for net in self.settings.controlnets]
        scales = [net.scale for net in self.settings.controlnets]
        several = len(controls) > 1
        try:
            output = pipeline(
                prompt=[request.prompt for request in requests],
                negative_prompt=[request.negative_prompt for request in requests],
                image=starts, control_image=controls if several else controls[0],
                controlnet_conditioning_scale=scales if several else scales[0],
                width=width, height=height, strength=self.settings.strength,
                num_inference_steps=self.settings.steps, guidance_scale=self.settings.guidance_scale,
                # Drawn on the CPU, one generator per image: the noise does not depend on the GPU or the batch.
                generator=[torch.Generator("cpu").manual_seed(request.seed) for request in requests],
                output_type="np").images
        except torch.OutOfMemoryError as error:
            raise RefineError("out_of_memory", f"{len(requests)} image(s) at {width}×{height} do not fit the GPU.",
                              "Lower batch or long_side, or set offload to model and vae_tiling to true.") from error
        images: F32 = np.asarray(output, np.float32)
        if not np.isfinite(images).all():
            raise RefineError("output_invalid", "The model returned pixels that are not numbers.",
                              "Half precision overflows in some autoencoders: set dtype to float32 or bfloat16.")
        return images

    def _finish(self, request: RefineRequest, output: F32, batch_size: int, worked_at: str) -> Refined:
        import torch

        passes = request.passes
        height, width = passes.alpha.shape
        picture = resized(output, width, height)
        if passes.white_backdrop:
            picture = _on_white(picture, passes)
        used = ("product", "plate", "alpha", *(name for net in self.settings.controlnets
                                               for name in CONTROLS[net.drive].uses))
        record = provenance(
            self.identity, passes, tuple(dict.fromkeys(used)), refined=True, source_type=GENERATED, seed=request.seed,
            prompt=request.prompt, negative_prompt=request.negative_prompt,
            settings={"device": str(self._loaded().device), "computed_dtype": str(self._loaded().unet.dtype),
                      "offload": self.settings.offload, "batch_size": batch_size, "worked_at": worked_at,
                      "threads": torch.get_num_threads(),
                      "reproducible": "on one machine at this batch_size and number of threads"},
            libraries=("numpy", "torch", "diffusers", "transformers"))
        return Refined(quantise(picture), record)

    def _loaded(self) -> Any:
        if self._pipeline is None:
            self._pipeline = _load(self.settings, self.identity)
        return self._pipeline


def _on_white(picture: F32, passes: ControlPasses) -> F32:
    """Keep the picture where the product is and the exact composite elsewhere, so that white stays 255.

    A pixel the product covers by a quarter or more already mixes product and backdrop, and is kept whole;
    weighing it by coverage once more would put a light rim around the product.
    """
    inside = np.clip(passes.alpha / EDGE_COVERAGE, 0.0, 1.0)[..., None]
    background = to_display(np.zeros_like(passes.product), passes.plate, True).astype(np.float32) / 255.0
    whole: F32 = (picture * inside + background * (1.0 - inside)).astype(np.float32)
    return whole


def _display(passes: ControlPasses) -> F32:
    return to_display(passes.product, passes.plate, passes.white_backdrop).astype(np.float32) / np.float32(255.0)


def _batches(requests: Sequence[RefineRequest], limit: int) -> Iterator[list[int]]:
    """Positions of requests of one size, at most ``limit`` together."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for position, request in enumerate(requests):
        by_size.setdefault(request.passes.alpha.shape, []).append(position)
    for positions in by_size.values():
        for first in range(0, len(positions), limit):
            yield positions[first:first + limit]


def _required(settings: RefinerSettings) -> str:
    if not settings.model:
        raise RefineError("model_missing", "Preset diffusers needs a model.",
                          "Set PACKSHOT_REFINER=diffusers:/folder or diffusers:owner/name.")
    return settings.model


def _known_as(model: str, revision: str, files: Sequence[str]) -> tuple[str, str, str]:
    """(name, revision, sha256) of a model: a local one by its bytes, a hub one by its commit."""
    if weights.is_local(model):
        folder = weights.local_folder(model)
        return folder.resolve().name, "", weights.folder_sha256(folder, files)
    return model, weights.cached_commit(model, revision, files[0]), ""


def _load(settings: RefinerSettings, identity: RefinerIdentity) -> Any:
    """The pipeline on its device. Everything that can be wrong with a folder is looked at before torch loads it."""
    folder = weights.fetched_folder(settings.model, identity.revision, weights.PIPELINE_FILES,
                                    settings.local_files_only)
    unet = weights.inspect_pipeline(folder)
    net_folders = list(_controlnet_folders(settings, identity, folder))
    for net_folder in net_folders:
        weights.inspect_controlnet(net_folder, unet)

    prepare_torch()
    import diffusers
    import torch
    import transformers
    from safetensors import SafetensorError

    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    logs: tuple[Any, ...] = (diffusers.utils.logging, transformers.utils.logging)
    for library in logs:
        library.disable_progress_bar()
    controlnet_class: Any = diffusers.ControlNetModel  # untyped, all three
    several_class: Any = diffusers.MultiControlNetModel
    pipeline_class: Any = diffusers.StableDiffusionControlNetImg2ImgPipeline
    device = _device(settings)
    dtype = _dtype(settings, device)
    started = time.perf_counter()
    try:
        nets = [controlnet_class.from_pretrained(net_folder, dtype=dtype, use_safetensors=True)
                for net_folder in net_folders]
        pipeline = pipeline_class.from_pretrained(
            folder, controlnet=nets[0], dtype=dtype, use_safetensors=True,
            local_files_only=True, safety_checker=None, feature_extractor=None, image_encoder=None,
            requires_safety_checker=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RefineError("model_unreadable", f"diffusers cannot load {identity.model}: {_first_line(error)}",
                          "Save the pipeline again with this version of diffusers, or use another model.") from error
    if len(nets) > 1:
        # Not passed above: from_pretrained compares its class with the one the folder was saved with.
        pipeline.register_modules(controlnet=several_class(nets))
    pipeline.set_progress_bar_config(disable=True)
    if settings.vae_tiling:
        pipeline.vae.enable_tiling()
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    log.info("loaded %s with %d ControlNet(s) as %s on %s in %.1f s", identity.model, len(nets), dtype, device,
             time.perf_counter() - started)
    return pipeline


def _controlnet_folders(settings: RefinerSettings, identity: RefinerIdentity, pipeline: Path) -> Iterator[Path]:
    own = 0
    for number, net in enumerate(settings.controlnets):
        if net.model:
            yield _fetched_controlnet(net, str(identity.parameters[f"controlnet_{number}_revision"]), settings)
        else:
            yield weights.own_controlnet(pipeline, own)
            own += 1


def _fetched_controlnet(net: ControlNetSettings, revision: str, settings: RefinerSettings) -> Path:
    return weights.fetched_folder(net.model, revision, weights.CONTROLNET_FILES, settings.local_files_only)


def _device(settings: RefinerSettings) -> str:
    import torch

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise RefineError("device_unknown", f"{device!r} is not a torch device.", "Use auto, cpu or cuda.") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise RefineError("device_missing", "This machine has no GPU that torch can use.", "Set device to auto or cpu.")
    if settings.offload != "none" and kind == "cpu":
        raise RefineError("offload_needs_gpu", f"Offload {settings.offload!r} moves weights off a GPU; there is none.",
                          "Set offload to none.")
    return device


def _dtype(settings: RefinerSettings, device: str) -> Any:
    import torch

    name = settings.dtype
    if name == "auto":
        name = "float16" if device.startswith("cuda") else "float32"
    if name == "float16" and device == "cpu":
        raise RefineError("dtype_unsupported", "float16 does not run on the CPU.", "Set dtype to auto, or bfloat16.")
    return getattr(torch, name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
