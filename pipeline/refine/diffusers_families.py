"""What differs between pipeline families: their classes, and how they are told of their controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import RefineError
from pipeline.refine.presets import Drive, Family
from pipeline.refine.settings import ControlNetSettings, RefinerSettings

# Of the published union; hed and scribble are 2, segmentation 5. Ours are drawn lines, like lineart.
UNION_MODE: dict[Drive, int] = {"depth": 1, "edges": 3, "normal": 4}


@dataclass(frozen=True, slots=True)
class FamilyCode:
    """One family, as functions over settings and tensors."""

    pipeline_class: str                                                       # names in diffusers
    controlnet_class: str
    separate: Callable[[RefinerSettings], tuple[ControlNetSettings, ...]]     # one entry per net to be loaded
    joined: Callable[[Sequence[Any]], Any]                                    # loaded nets, as the pipeline takes them
    controls: Callable[[RefinerSettings, list[Any]], dict[str, Any]]          # (B, 3, h, w) per drive, as arguments
    not_loaded: dict[str, Any]                                                # parts of a folder that are left out


def family_code(family: Family) -> FamilyCode:
    return _FAMILIES[family]


def _each_its_own(settings: RefinerSettings) -> tuple[ControlNetSettings, ...]:
    return settings.controlnets


def _one_for_all(settings: RefinerSettings) -> tuple[ControlNetSettings, ...]:
    """A union is one net for all passes; entries after the first may name it again or name none."""
    first = settings.controlnets[0]
    for net in settings.controlnets[1:]:
        if net.model not in ("", first.model):
            raise RefineError("controlnet_incompatible", f"Preset {settings.preset} drives one ControlNet Union; "
                              f"two are named: {first.model or 'the own one'} and {net.model}.",
                              "Name one model, for example depth@0.8=/models/union,edges@0.4.")
    drives = [net.drive for net in settings.controlnets]
    if len(set(drives)) < len(drives):
        raise RefineError("controlnet_incompatible", f"Preset {settings.preset} is driven by one pass twice.",
                          "Give each of depth, normal and edges at most once.")
    return (first,)


def _several(nets: Sequence[Any]) -> Any:
    import diffusers

    made: Any = diffusers.MultiControlNetModel  # untyped
    return made(list(nets)) if len(nets) > 1 else nets[0]


def _single(nets: Sequence[Any]) -> Any:
    return nets[0]


def _windows(nets: Sequence[ControlNetSettings]) -> dict[str, Any]:
    return {"controlnet_conditioning_scale": [net.scale for net in nets],
            "control_guidance_start": [net.start for net in nets], "control_guidance_end": [net.end for net in nets]}


def _multi_arguments(settings: RefinerSettings, images: list[Any]) -> dict[str, Any]:
    """One (B, 3, h, w) tensor per net; a nested list is taken for one image after the other."""
    nets = settings.controlnets
    if len(nets) == 1:
        return {"control_image": images[0], "controlnet_conditioning_scale": nets[0].scale,
                "control_guidance_start": nets[0].start, "control_guidance_end": nets[0].end}
    return {"control_image": images, **_windows(nets)}


def _union_arguments(settings: RefinerSettings, images: list[Any]) -> dict[str, Any]:
    """Images, modes and scales are paired by position."""
    return {"control_image": images, "control_mode": [UNION_MODE[net.drive] for net in settings.controlnets],
            **_windows(settings.controlnets)}


_FAMILIES: dict[Family, FamilyCode] = {
    "sd15": FamilyCode("StableDiffusionControlNetImg2ImgPipeline", "ControlNetModel", _each_its_own, _several,
                       _multi_arguments, {"safety_checker": None, "feature_extractor": None, "image_encoder": None,
                                          "requires_safety_checker": False}),
    "sdxl-union": FamilyCode("StableDiffusionXLControlNetUnionImg2ImgPipeline", "ControlNetUnionModel", _one_for_all,
                             _single, _union_arguments, {"feature_extractor": None, "image_encoder": None,
                                                         "add_watermarker": False}),
}
