"""One forward run of an image-to-image pipeline, held to a strength map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RefineError, first_line
from pipeline.refine.diffusers_families import family_code
from pipeline.refine.presets import family_of
from pipeline.refine.settings import RefinerSettings
from pipeline.refine.strength_map import holding, on_latents

F32 = NDArray[np.float32]
_CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")  # what torch's CPU allocator says of itself


class OutOfMemory(Exception):
    """The device could not hold this run; nothing else is wrong with it."""


@dataclass(frozen=True, slots=True)
class Job:
    """Images of one size, made together."""

    prompts: Sequence[str]
    negative_prompts: Sequence[str]
    seeds: Sequence[int]
    starts: F32                            # (B, h, w, 3) display values 0..1; h and w are multiples of 8
    controls: Sequence[F32]                # one (B, h, w, 3) in 0..1 for each of the settings' ControlNets
    strengths: Sequence[F32] | None        # one (H, W) strength map each, of any size; None: full strength everywhere


def run(pipeline: Any, settings: RefinerSettings, job: Job) -> F32:
    """(B, h, w, 3) in 0..1. Raises OutOfMemory, and RefineError for what is wrong with the model."""
    import torch

    try:
        with torch.no_grad():
            images: F32 = np.asarray(_run(pipeline, settings, job), np.float32)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in _CPU_OUT_OF_MEMORY):
            raise OutOfMemory from error
        raise RefineError("pipeline_failed", f"The pipeline stopped while it ran: {first_line(error)}",
                          "Its parts do not fit each other: use a pipeline and ControlNets of one family.") from error
    if not np.isfinite(images).all():
        raise RefineError("output_invalid", "The model returned pixels that are not numbers.",
                          "Half precision overflows in some autoencoders: set dtype to float32 or bfloat16.")
    return images


def _run(pipeline: Any, settings: RefinerSettings, job: Job) -> Any:
    import torch

    device = pipeline._execution_device
    height, width = job.starts.shape[1:3]
    original = encoded(pipeline, _tensor(job.starts))
    # Drawn on the CPU, one generator per image: the noise does not depend on the GPU or the batch.
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in job.seeds]
    noise = torch.cat([torch.randn((1, *original.shape[1:]), generator=each) for each in generators]) \
        .to(device=device, dtype=original.dtype)
    pipeline.scheduler.set_timesteps(settings.steps, device=device)
    timesteps, _ = pipeline.get_timesteps(settings.steps, settings.strength, device)
    latents = pipeline.scheduler.add_noise(original, noise, timesteps[:1].repeat(len(original)))
    hold = None
    if job.strengths is not None:
        grids = [on_latents(strength, original.shape[-1], original.shape[-2]) for strength in job.strengths]
        hold = holding(torch.from_numpy(np.stack(grids))[:, None].to(device), original, noise)
    return pipeline(
        prompt=list(job.prompts), negative_prompt=list(job.negative_prompts), image=_tensor(job.starts),
        **family_code(family_of(settings.preset)).controls(settings, [_tensor(images) for images in job.controls]),
        width=width, height=height, strength=settings.strength, num_inference_steps=settings.steps,
        guidance_scale=settings.guidance_scale, latents=latents, generator=generators, output_type="np",
        callback_on_step_end=hold).images


def encoded(pipeline: Any, images: Any) -> Any:
    """(B, C, h/8, w/8) latents of (B, 3, h, w) images in 0..1, scaled as the pipeline scales them.

    The posterior's mean, not a sample: what is held comes back as like as the autoencoder can make it.
    """
    import torch

    vae, dtype = pipeline.vae, pipeline.unet.dtype
    upcast = vae.dtype == torch.float16 and vae.config.force_upcast  # SDXL's overflows in half precision
    if upcast:
        vae.to(dtype=torch.float32)
    pixels = (2.0 * images - 1.0).to(device=pipeline._execution_device, dtype=vae.dtype)
    latents = torch.cat([vae.encode(pixels[i:i + 1]).latent_dist.mode() for i in range(len(pixels))])
    if upcast:
        vae.to(dtype=dtype)
    mean, deviation = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
    if mean is not None and deviation is not None:
        mean, deviation = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, deviation))
        latents = (latents - mean) / deviation
    return (vae.config.scaling_factor * latents).to(dtype)


def _tensor(images: F32) -> Any:
    """(B, h, w, 3) array to (B, 3, h, w) tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
