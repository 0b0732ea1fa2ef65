"""A diffusers pipeline on its device, after everything that can be wrong with its folders was looked at."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import RefineError, first_line
from pipeline.refine import model_folders, weights
from pipeline.refine.diffusers_families import family_code
from pipeline.refine.presets import family_of
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.types import RefinerIdentity
from pipeline.torch_beside_gl import prepare_torch

SMALL_GPU_BYTES = 16 * 2**30   # below it, weights that are not used leave the GPU (offload auto)

Offload = Literal["none", "model", "sequential"]
log = logging.getLogger(__name__)


def load_pipeline(settings: RefinerSettings, identity: RefinerIdentity) -> Any:
    """Fetch, look through and load; RefineError where a folder is not whole, not safe or does not fit."""
    family = family_of(settings.preset)
    code = family_code(family)
    folder = weights.fetched_folder(settings.model, identity.revision, weights.PIPELINE_FILES,
                                    settings.local_files_only)
    weights.require_sha256(settings.model, folder, weights.PIPELINE_FILES, settings.sha256)
    unet = model_folders.inspect_pipeline(folder, family)
    net_folders = list(_controlnet_folders(settings, identity, folder))
    for net_folder in net_folders:
        model_folders.inspect_controlnet(net_folder, unet, family)

    prepare_torch()
    import diffusers
    import torch
    import transformers
    from safetensors import SafetensorError

    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    logs: tuple[Any, ...] = (diffusers.utils.logging, transformers.utils.logging)
    for library in logs:
        library.disable_progress_bar()
    controlnet_class: Any = getattr(diffusers, code.controlnet_class)  # untyped, both
    pipeline_class: Any = getattr(diffusers, code.pipeline_class)
    device = _device(settings)
    dtype = _dtype(settings, device)
    offload = offload_on(settings, device)
    started = time.perf_counter()
    try:
        nets = [controlnet_class.from_pretrained(net_folder, dtype=dtype, use_safetensors=True)
                for net_folder in net_folders]
        pipeline = pipeline_class.from_pretrained(folder, controlnet=nets[0], dtype=dtype, use_safetensors=True,
                                                  local_files_only=True, **code.not_loaded)
        _place(pipeline, nets, settings, offload, device)
    except torch.OutOfMemoryError as error:
        raise RefineError("out_of_memory", f"The weights of {identity.model} do not fit {device}.",
                          "Set offload to model or sequential, dtype to float16, or free the device.") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RefineError("model_unreadable", f"diffusers cannot load {identity.model}: {first_line(error)}",
                          "Save the pipeline again with this version of diffusers, or use another model.") from error
    log.info("loaded %s with %d ControlNet(s) as %s on %s, offload %s, in %.1f s", identity.model, len(nets), dtype,
             device, offload, time.perf_counter() - started)
    return pipeline


def _place(pipeline: Any, nets: list[Any], settings: RefinerSettings, offload: Offload, device: str) -> None:
    if len(nets) > 1:
        # Not given to from_pretrained, which compares its class with the one the folder was saved with.
        pipeline.register_modules(controlnet=family_code(family_of(settings.preset)).joined(nets))
    pipeline.set_progress_bar_config(disable=True)
    if settings.vae_tiling:
        pipeline.vae.enable_tiling()
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)


def offload_on(settings: RefinerSettings, device: str) -> Offload:
    """``auto`` resolved: weights of a small GPU leave it while they are not used."""
    if settings.offload != "auto":
        if settings.offload != "none" and device == "cpu":
            raise RefineError("offload_needs_gpu", f"Offload {settings.offload!r} moves weights off a GPU; there is "
                              "none.", "Set offload to auto or none.")
        return settings.offload
    if not device.startswith("cuda"):
        return "none"
    import torch

    return "model" if torch.cuda.get_device_properties(device).total_memory < SMALL_GPU_BYTES else "none"


def _controlnet_folders(settings: RefinerSettings, identity: RefinerIdentity, pipeline: Path) -> Iterator[Path]:
    own = 0
    for number, net in enumerate(family_code(family_of(settings.preset)).separate(settings)):
        if not net.model:
            yield model_folders.own_controlnet(pipeline, own)
            own += 1
            continue
        revision = str(identity.parameters[f"controlnet_{number}_revision"])
        folder = weights.fetched_folder(net.model, revision, weights.CONTROLNET_FILES, settings.local_files_only)
        weights.require_sha256(net.model, folder, weights.CONTROLNET_FILES, net.sha256)
        yield folder


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
    return device


def _dtype(settings: RefinerSettings, device: str) -> Any:
    import torch

    name = settings.dtype
    if name == "auto":
        name = "float16" if device.startswith("cuda") else "float32"
    if name == "float16" and device == "cpu":
        raise RefineError("dtype_unsupported", "float16 does not run on the CPU.", "Set dtype to auto, or bfloat16.")
    return getattr(torch, name)
