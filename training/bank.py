"""The tiles that come with the model: the most usual of every kind, of the same making as those it was trained on.

Nobody knows a product's own weave. What is nearest to all weaves of its kind is least wrong: of several draws those
whose spectra lie in the middle of all (the medoids) are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.refine.nets.guide import Tile as GuideTile
from pipeline.refine.nets.guide import save_tiles
from training.materials import SURFACES
from training.materials.tile import F32, guiding

F64 = NDArray[np.float64]
SIDE = 256                             # texels; finer threads than a tile's 20 or 30 are not told apart in a picture
DRAWN, EACH = 16, 2                    # of every kind, and kept of them
BANDS_MM = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 16.0)  # borders of the wavelengths compared
QUIET_DB = -40.0                       # of the usual slope, or of a tone of 1: less is not told apart from nothing
FIRST_SEED = 1_000_000                 # no product's


def make_bank(path: Path) -> int:
    """Write the tiles of every kind; returns how many there are."""
    tiles: dict[str, list[GuideTile]] = {}
    for index, (kind, make) in enumerate(sorted(SURFACES.items())):
        drawn = [guiding(make(np.random.default_rng(FIRST_SEED + 100 * index + number))) for number in range(DRAWN)]
        tiles[kind] = [GuideTile(tile.size_mm, _reduced(tile.height), _reduced(tile.tone)) for tile in central(drawn)]
    save_tiles(path, tiles)
    return sum(len(found) for found in tiles.values())


def central(tiles: Sequence[GuideTile], count: int = EACH) -> list[GuideTile]:
    """Those whose power over wavelengths is nearest to all others'."""
    spectra = np.array([spectrum_db(tile) for tile in tiles])
    apart = np.sqrt(np.square(spectra[:, None] - spectra[None]).mean(axis=2)).mean(axis=1)
    return [tiles[index] for index in np.argsort(apart, kind="stable")[:count]]


def spectrum_db(tile: GuideTile) -> F64:
    """(2 × bands,) power of heights and tones in each band of wavelengths, in dB."""
    frequency = np.fft.fftfreq(len(tile.height), tile.size_mm / len(tile.height))
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = 1e-9
    band = np.digitize(1.0 / radius, BANDS_MM)
    found = []
    for values in (tile.height, tile.tone):
        power = np.square(np.abs(np.fft.fft2(values) / values.size))
        found.append(np.bincount(band.ravel(), power.ravel(), len(BANDS_MM) + 1)[1:-1])
    return np.asarray(np.maximum(10.0 * np.log10(np.concatenate(found) + 1e-12), QUIET_DB), np.float64)


def _reduced(values: F32) -> F32:
    step = max(1, len(values) // SIDE)
    side = len(values) // step
    return np.asarray(values.reshape(side, step, side, step).mean(axis=(1, 3)), np.float32)
