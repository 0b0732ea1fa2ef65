"""The learned rows of the evaluation: the same networks asked for a mean, for a sample at once, for one in four steps.

On the drawn picture both networks work; on the path-traced one, whose plate is drawn as in production, only relief.

``trained`` is the model in training-run, or in the folder that PACKSHOT_TRAINED names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.refine.nets.model import EmbeddedModel, Steps
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.seeds import seed_for
from training.judging import Method, Picture
from training.pairs import Pair

ASKED: Mapping[str, Steps] = {
    "regression": Steps(0, 0, guided=False), "diffusion-1": Steps(1, 1), "diffusion-2": Steps(2, 2),
    "diffusion-4": Steps(4, 4),
}
BASES = ("drawn", "traced")


def trained() -> Mapping[str, Method]:
    return rows_of(Path(os.environ.get("PACKSHOT_TRAINED", "training-run/model")))


def rows_of(folder: Path) -> Mapping[str, Method]:
    model = EmbeddedModel.load(folder)

    def row(base: str, steps: Steps) -> Method:
        def picture(pair: Pair) -> Picture | None:
            passes = pair.passes
            if base == "traced":
                if pair.traced_product is None:
                    return None
                traced, alpha = pair.traced_product, passes.alpha[..., None]
                colour = traced[..., :3] / np.maximum(traced[..., 3:], 0.05)
                passes = replace(passes, product=np.concatenate([colour * alpha, alpha], axis=-1), traced=True)
            locked = coverage_of(passes, pair.regions, ("label", "logo"))
            made = model.refine(passes, seed_for(pair.family, pair.view, pair.seed), steps, locked)
            return made.product, made.plate
        return picture

    return {f"{base}, {name}": row(base, steps) for base in BASES for name, steps in ASKED.items()}
