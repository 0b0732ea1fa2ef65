"""Stable Diffusion image-to-image pipelines with ControlNets: presets ``diffusers``, ``sd15-multi``, ``sdxl-union``.

Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models", ICCV 2023. The picture starts
from the raster (SDEdit, Meng et al., ICLR 2022), so colours and framing are the product's own; how far each
pixel may leave it is the strength map's to say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.colour import quantise, to_display
from pipeline.errors import RefineError
from pipeline.refine import model_folders, weights
from pipeline.refine.admission import admit
from pipeline.refine.controls import CONTROLS
from pipeline.refine.diffusers_families import family_code
from pipeline.refine.diffusers_loading import load_pipeline
from pipeline.refine.diffusers_run import Job, OutOfMemory, run
from pipeline.refine.presets import OWN_MODEL, all_presets, family_of
from pipeline.refine.provenance import GENERATED, provenance
from pipeline.refine.registry import preset
from pipeline.refine.restraining import freedom_map
from pipeline.refine.settings import RefinerSettings, Weights
from pipeline.refine.strength_map import Strengths, strength_map
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity
from pipeline.refine.working_size import resized, working_size
from pipeline.render.types import ControlPasses

VERSION = 2
EDGE_COVERAGE = 0.25  # below it the image gives way to the pure background; the 0.5 silhouette keeps its place

F32 = NDArray[np.float32]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fits:
    """What memory has been found to hold; every record says when it is less than the settings ask for."""

    batch: int
    vae_tiling: bool


class DiffusersRefiner:
    """Bit-identical on one machine at one batch size and number of threads; every record says which those were."""

    def __init__(self, settings: RefinerSettings) -> None:
        self.settings = settings
        self.identity = self.identity_of(settings)
        self.preferred_batch = settings.batch
        self._fits = Fits(settings.batch, settings.vae_tiling)
        self._pipeline: Any | None = None

    @staticmethod
    def identity_of(settings: RefinerSettings) -> RefinerIdentity:
        """Everything that changes pixels. Device and offload do not belong to it: they are provenance."""
        admit(settings)
        family = family_of(settings.preset)
        model = weights.known_as(_required(settings), settings.revision, weights.PIPELINE_FILES)
        _require_stated(settings, model)
        unet = model_folders.inspect_pipeline(weights.local_folder(settings.model), family) if model.sha256 else None
        parameters: dict[str, str | int | float | bool] = {
            "strength": settings.strength, "steps": settings.steps, "guidance_scale": settings.guidance_scale,
            "dtype": settings.dtype, "batch": settings.batch, "vae_tiling": settings.vae_tiling,
            "long_side": settings.long_side, "per_pixel_strength": settings.per_pixel_strength,
            "product_strength": settings.product_strength, "edge_strength": settings.edge_strength,
        }
        for number, net in enumerate(settings.controlnets):
            parameters |= {f"controlnet_{number}": net.drive, f"controlnet_{number}_scale": net.scale,
                           f"controlnet_{number}_start": net.start, f"controlnet_{number}_end": net.end}
        own = 0
        for number, net in enumerate(family_code(family).separate(settings)):
            if not net.model:  # its bytes are part of the pipeline's own hash or commit
                if unet:
                    model_folders.inspect_controlnet(
                        model_folders.own_controlnet(weights.local_folder(settings.model), own), unet, family)
                own += 1
                continue
            known = weights.known_as(net.model, net.revision, weights.CONTROLNET_FILES)
            _require_stated(net, known)
            if known.sha256 and unet:
                model_folders.inspect_controlnet(weights.local_folder(net.model), unet, family)
            parameters |= {f"controlnet_{number}_model": known.name, f"controlnet_{number}_revision": known.revision,
                           f"controlnet_{number}_sha256": known.sha256}
        return RefinerIdentity(settings.preset, VERSION, model.name, model.revision, model.sha256, parameters)

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
        return [self._finish(request, output, together, f"{width}x{height}")
                for request, (output, together) in zip(requests, outputs, strict=True)]

    def _generate(self, requests: Sequence[RefineRequest], width: int, height: int) -> list[tuple[F32, int]]:
        """(height, width, 3) in 0..1 for each request, and how many were made together.

        What does not fit the memory is tried in halves, then alone in tiles; what was found out holds for
        the images that follow.
        """
        outputs: list[tuple[F32, int]] = []
        while len(outputs) < len(requests):
            group = requests[len(outputs):len(outputs) + self._fits.batch]
            try:
                images = run(self._loaded(), self.settings, self._job(group, width, height))
            except OutOfMemory as error:
                self._fits = self._smaller(len(group), f"{width}×{height}", error)
            else:
                outputs += [(image, len(group)) for image in images]
                continue
            _free_memory()  # after the exception has let go of its frames, and so of their tensors
        return outputs

    def _smaller(self, together: int, size: str, error: OutOfMemory) -> Fits:
        if together > 1:
            fits = replace(self._fits, batch=together // 2)
        elif not self._fits.vae_tiling:
            self._loaded().vae.enable_tiling()
            fits = replace(self._fits, batch=1, vae_tiling=True)
        else:
            raise RefineError("out_of_memory", f"One image at {size} does not fit the memory, in tiles either.",
                              "Lower long_side, set offload to model or sequential, or free the device.") from error
        log.warning("%d image(s) at %s do not fit the memory; going on with %s", together, size, fits)
        return fits

    def _job(self, requests: Sequence[RefineRequest], width: int, height: int) -> Job:
        settings = self.settings

        def stacked(images: Iterator[F32]) -> F32:
            return np.stack([resized(image, width, height) for image in images])

        strengths = Strengths(settings.product_strength, settings.edge_strength)
        return Job(
            [request.prompt for request in requests], [request.negative_prompt for request in requests],
            [request.seed for request in requests], stacked(_display(request.passes) for request in requests),
            [stacked(CONTROLS[net.drive].image(request.passes) for request in requests)
             for net in settings.controlnets],
            _strengths(requests, strengths if settings.per_pixel_strength else None))

    def _finish(self, request: RefineRequest, output: F32, together: int, worked_at: str) -> Refined:
        import torch

        passes, settings, pipeline = request.passes, self.settings, self._loaded()
        height, width = passes.alpha.shape
        picture = resized(output, width, height)
        if passes.white_backdrop:
            picture = _on_white(picture, passes)
        used = ("product", "plate", "alpha", *(name for net in settings.controlnets
                                               for name in CONTROLS[net.drive].uses),
                *(("uv", "chart_id", "instance_id", "material_id")
                  if settings.per_pixel_strength and request.regions else ()))
        made_with: dict[str, str | int | float | bool] = {
            "device": str(pipeline._execution_device), "computed_dtype": str(pipeline.unet.dtype),
            "offload": settings.offload, "batch_size": together, "worked_at": worked_at,
            "threads": torch.get_num_threads(), "licence": _licences(settings),
            "reproducible": "on one machine at this batch_size and number of threads"}
        if request.restraints:
            made_with["strength_lowered"] = True
        if self._fits != Fits(settings.batch, settings.vae_tiling):
            made_with["out_of_memory"] = f"went on with batch {self._fits.batch}" \
                + (" and vae tiling" if self._fits.vae_tiling else "")
        record = provenance(
            self.identity, passes, tuple(dict.fromkeys(used)), refined=True, source_type=GENERATED, seed=request.seed,
            prompt=request.prompt, negative_prompt=request.negative_prompt, settings=made_with,
            libraries=("numpy", "torch", "diffusers", "transformers"))
        return Refined(quantise(picture), record)

    def _loaded(self) -> Any:
        if self._pipeline is None:
            self._pipeline = load_pipeline(self.settings, self.identity)
        return self._pipeline


for _name in (OWN_MODEL, *all_presets()):
    preset(_name)(DiffusersRefiner)


def _strengths(requests: Sequence[RefineRequest], strengths: Strengths | None) -> list[F32] | None:
    """One map for each picture; None where all of them are free everywhere. ``strengths`` None: no map of ours."""
    if strengths is not None:
        return [strength_map(request.passes, request.regions, strengths, request.restraints) for request in requests]
    if any(request.restraints for request in requests):
        return [freedom_map(request.passes.alpha.shape, request.restraints) for request in requests]
    return None


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
        raise RefineError("model_missing", f"Preset {settings.preset} needs a model.",
                          f"Set PACKSHOT_REFINER={settings.preset}:/folder or {settings.preset}:owner/name.")
    return settings.model


def _require_stated(model: Weights, known: weights.Known) -> None:
    """A local folder is hashed anyway: a wrong one is found out before anything is rendered for it."""
    if known.sha256 and model.sha256:
        files = weights.PIPELINE_FILES if isinstance(model, RefinerSettings) else weights.CONTROLNET_FILES
        weights.require_sha256(model.model, weights.local_folder(model.model), files, model.sha256)


def _licences(settings: RefinerSettings) -> str:
    stated = dict.fromkeys(f"{weights.name_of(each.model)}: {each.licence}" for each in settings.weights
                           if each.licence)
    return "; ".join(stated) or "not stated"


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
