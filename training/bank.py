"""The tiles that come with the model: a few of every kind, of the same making as those it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.refine.nets.guide import Tile as GuideTile
from pipeline.refine.nets.guide import save_tiles
from training.materials import SURFACES
from training.materials.tile import F32, guiding

SIDE = 256                             # texels; finer threads than a tile's 20 or 30 are not told apart in a picture
EACH = 2                               # of every kind
FIRST_SEED = 1_000_000                 # no product's


def make_bank(path: Path) -> int:
    """Write the tiles of every kind; returns how many there are."""
    tiles: dict[str, list[GuideTile]] = {}
    for index, (kind, make) in enumerate(sorted(SURFACES.items())):
        for number in range(EACH):
            tile = make(np.random.default_rng(FIRST_SEED + 100 * index + number))
            tiles.setdefault(kind, []).append(GuideTile(tile.size_mm, _reduced(guiding(tile))))
    save_tiles(path, tiles)
    return sum(len(found) for found in tiles.values())


def _reduced(height: F32) -> F32:
    step = max(1, len(height) // SIDE)
    side = len(height) // step
    return np.asarray(height.reshape(side, step, side, step).mean(axis=(1, 3)), np.float32)
