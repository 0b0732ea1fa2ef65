"""Ground made up by a diffusion model, where pieces of the photo are not wanted: ``PACKSHOT_INPAINTING``.

The variable names an inpainting pipeline as diffusers saves it: a folder, a hub id, a prefix on S3. It paints the
ground's texture, without light: light and shadow are laid on it afterwards, as on what is pieced together. It paints
where ours leaves the old product's place uncovered and nowhere else, at the photo's own resolution, tile by tile,
and each tile sees what the ones before it have made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.colour import srgb_decode, srgb_encode
from pipeline.errors import RefineError, first_line
from pipeline.reference.fill import filled
from pipeline.refine import model_folders, weights
from pipeline.torch_beside_gl import prepare_torch

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

VARIABLE = "PACKSHOT_INPAINTING"
PROMPT = "empty floor, plain even ground, photograph from above"
NEGATIVE_PROMPT = "object, product, shoe, person, shadow, text, logo, frame"
STEPS, GUIDANCE, SEED = 25, 4.0, 7
GREY = 0.4                     # linear: what a texture of 1 is shown as
MOST_SIDE = 1024               # px of a tile, whatever the model would take
OVERLAP = 0.25                 # of a tile's side
WITH_WEIGHTS = ("unet", "vae", "text_encoder")


@dataclass(frozen=True)
class DiffusionFill:
    """One model; loaded when it first paints."""

    model: str
    known: weights.Known                       # changes with the model's content

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> DiffusionFill | None:
        """None where no model is named. Raises RefineError where the one that is named is not to be had."""
        model = (os.environ if environment is None else environment).get(VARIABLE, "")
        if not model:
            return None
        return cls(model, weights.known_as(model, "", weights.PIPELINE_FILES))

    @property
    def identity(self) -> str:
        return self.known.sha256 or f"{self.known.name}@{self.known.revision}"

    def __call__(self, texture: F32, hole: Mask, known: Mask, grounds: Sequence[Mask] = ()) -> F32:
        """Begins from what classical filling makes of the hole."""
        start = filled(texture, hole, known, grounds)
        if not hole.any():
            return start
        pipeline = _loaded(self.model, self.known)
        side = min(MOST_SIDE, int(pipeline.unet.config.sample_size) * int(pipeline.vae_scale_factor))
        picture = srgb_encode(np.clip(start * GREY, 0.0, 1.0)).astype(np.float32)
        left = hole.copy()
        for rows, columns in _tiles(hole, side):
            wanted = left[rows, columns]
            if not wanted.any():
                continue
            painted = _painted(pipeline, picture[rows, columns], wanted, side)
            picture[rows, columns][wanted] = painted[wanted]
            left[rows, columns] = False
        made = start.copy()
        made[hole] = (srgb_decode(picture) / GREY)[hole]
        return made


def _tiles(hole: Mask, side: int) -> Iterator[tuple[slice, slice]]:
    """Squares that cover the hole, in order; at the photo's borders they are smaller."""
    height, width = hole.shape
    step = max(8, round(side * (1.0 - OVERLAP)))
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    context = round(side * OVERLAP / 2)
    for top in range(max(0, int(rows[0]) - context), int(rows[-1]) + 1, step):
        for edge in range(max(0, int(columns[0]) - context), int(columns[-1]) + 1, step):
            yield slice(top, min(height, top + side)), slice(edge, min(width, edge + side))


def _painted(pipeline: Any, picture: F32, hole: Mask, side: int) -> F32:
    """(h, w, 3) sRGB 0..1 of one tile."""
    import torch

    height, width = hole.shape
    below, right = side - height, side - width
    whole = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT_101 if min(height, width) > max(
        below, right) else cv2.BORDER_REPLICATE)
    mask = np.pad(hole.astype(np.float32), ((0, below), (0, right)))
    try:
        found = pipeline(prompt=PROMPT, negative_prompt=NEGATIVE_PROMPT, image=whole[None], mask_image=mask[None],
                         height=side, width=side, num_inference_steps=STEPS, guidance_scale=GUIDANCE, strength=0.99,
                         generator=torch.Generator().manual_seed(SEED), output_type="np").images[0]
    except (RuntimeError, ValueError, TypeError) as error:
        raise RefineError("inpainting_failed", f"The model of {VARIABLE} cannot paint: {first_line(error)}",
                          "Name an inpainting pipeline of diffusers, or leave the variable out.") from error
    if not np.isfinite(found).all():
        raise RefineError("inpainting_failed", f"The model of {VARIABLE} paints pixels that are no numbers.",
                          "Use weights in float32, or another model.")
    return np.asarray(found[:height, :width], np.float32)


@cache
def _loaded(model: str, known: weights.Known) -> Any:
    """Only whole safetensors weights and diffusers' own classes are loaded."""
    folder = weights.fetched_folder(model, known.revision, weights.PIPELINE_FILES, False)
    index = model_folders.read_json(folder / "model_index.json", "Give the folder that holds model_index.json.")
    model_folders.require_own_classes(folder, index)
    for component in WITH_WEIGHTS:
        if not (folder / component).is_dir():
            raise RefineError("model_incompatible", f"{folder.name} has no {component}.",
                              f"Name an inpainting pipeline of diffusers with {VARIABLE}.")
        model_folders.require_whole(folder / component, f"{folder.name}/{component}")
    prepare_torch()
    import diffusers
    import torch
    from safetensors import SafetensorError

    library: Any = diffusers
    library.utils.logging.disable_progress_bar()
    card = torch.cuda.is_available()
    try:
        pipeline = library.AutoPipelineForInpainting.from_pretrained(
            folder, dtype=torch.float16 if card else torch.float32, use_safetensors=True, local_files_only=True,
            safety_checker=None, feature_extractor=None, image_encoder=None)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to("cuda" if card else "cpu")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RefineError("model_unreadable", f"diffusers cannot load {folder.name} for inpainting: "
                          f"{first_line(error)}", f"Name an inpainting pipeline of diffusers with {VARIABLE}."
                          ) from error
