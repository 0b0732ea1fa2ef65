"""The learned rows of the evaluation: the same networks asked for a mean, for a sample at once, for one in four steps.

``trained`` is the model in training-run, or in the folder that PACKSHOT_TRAINED names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.refine.nets.model import EmbeddedModel, Steps
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.seeds import seed_for
from training.judging import Method, Picture
from training.pairs import Pair

ROWS: Mapping[str, Steps] = {
    "regression": Steps(0, 0, guided=False), "guided regression": Steps(0, 0),
    "diffusion-1": Steps(1, 1), "diffusion-4": Steps(4, 4),
}


def trained() -> Mapping[str, Method]:
    return rows_of(Path(os.environ.get("PACKSHOT_TRAINED", "training-run/model")))


def rows_of(folder: Path) -> Mapping[str, Method]:
    model = EmbeddedModel.load(folder)

    def row(steps: Steps) -> Method:
        def picture(pair: Pair) -> Picture:
            locked = coverage_of(pair.passes, pair.regions, ("label", "logo"))
            made = model.refine(pair.passes, seed_for(pair.family, pair.view, pair.seed), steps, locked)
            return made.product, made.plate
        return picture

    return {name: row(steps) for name, steps in ROWS.items()}
