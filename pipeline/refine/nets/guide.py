"""Where threads and grains may lie: a tile of the material's kind, laid over the product's own texture coordinates.

A network that sees 60 pixels cannot agree with itself on one weave over a whole shoe. So the weave's place is drawn
beforehand, as a height and a tone on every pixel, and the network says what it looks like in this light, at this
size and where the diffuse map shows something else. Tiles come with the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.render.types import ControlPasses

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
USUAL_SLOPE = 0.2          # of a tile whose heights have deviation 1
JUMP = 0.1                 # of the uv range between neighbours; more is a seam, not a slope


@dataclass(frozen=True, slots=True)
class Tile:
    """A square that repeats, rows running down."""

    size_mm: float
    height: F32                            # (N, N) mean 0; deviation: its root mean square slope over USUAL_SLOPE
    tone: F32                              # (N, N) log factor of the colour: pores, uneven yarn; mean about 0


@dataclass(frozen=True, slots=True)
class Laid:
    """A tile as one material wears it."""

    tile: Tile
    repeats: tuple[float, float]           # per unit of u and of v
    start: tuple[float, float] = (0.0, 0.0)  # of the tile, where uv is 0


def guide_of(passes: ControlPasses, laid: Sequence[Laid | None]) -> F32:
    """(H, W, 2) heights and tones of the tiles, averaged over each pixel; 0 where a material wears none.

    ``laid``: one entry a material.
    """
    height, width = passes.alpha.shape
    found = np.zeros((height, width, 2), np.float32)
    stretch = _uv_steps(passes.uv)
    for number, tile in enumerate(laid, start=1):
        if tile is None:
            continue
        rows, columns = np.nonzero((passes.material_id == number) & np.isfinite(passes.uv).all(axis=-1))
        if len(rows) == 0:
            continue
        uv = passes.uv[rows, columns].astype(np.float64) * tile.repeats + tile.start
        step = stretch[rows, columns]
        span = np.hypot(step[:, 0] * tile.repeats[0], step[:, 1] * tile.repeats[1]) * len(tile.tile.height)
        usual = np.median(span[span > 0]) if (span > 0).any() else 1.0
        both = np.stack([tile.tile.height, tile.tile.tone], axis=-1)
        found[rows, columns] = _filtered(both, uv, np.where(span > 0, span, usual))
    return found


def worn(passes: ControlPasses, tiles: Mapping[str, Sequence[Tile]]) -> list[Laid | None]:
    """For each material a tile of its kind, at its real size on the product.

    Which tile, and where it begins, follows the material's name: all shots of a product show the same grain.
    """
    sizes = metres_per_uv(passes)
    found: list[Laid | None] = []
    for number, (name, kind) in enumerate(zip(passes.material_names, passes.material_kinds, strict=True), start=1):
        digest = hashlib.sha256(f"{name}\0{kind}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        choice, start = rng.random(), (float(rng.random()), float(rng.random()))
        known = tiles.get(kind, ())
        if not known or number not in sizes:
            found.append(None)
            continue
        tile = known[int(choice * len(known))]
        across, down = (metres * 1000.0 / tile.size_mm for metres in sizes[number])
        found.append(Laid(tile, (across, down), start))
    return found


def metres_per_uv(passes: ControlPasses) -> dict[int, tuple[float, float]]:
    """By material id: metres on the product that a unit of u and a unit of v span, medians over what is seen."""
    depth, uv = passes.depth.astype(np.float64), passes.uv.astype(np.float64)
    height, width = depth.shape
    projection = passes.camera.projection
    x = ((np.arange(width) + 0.5) / width * 2 - 1 + projection[0, 2])[None, :] / projection[0, 0]
    y = (1 - (np.arange(height) + 0.5) / height * 2 + projection[1, 2])[:, None] / projection[1, 1]
    seen = np.isfinite(depth)
    z = np.where(seen, depth, np.nan)
    place = np.stack([x * z, y * z, -z], axis=-1)
    moved = [np.diff(place, axis=1)[:-1], np.diff(place, axis=0)[:, :-1]]      # (H−1, W−1, 3) along x and y
    turned = [np.diff(uv, axis=1)[:-1], np.diff(uv, axis=0)[:, :-1]]
    same = np.ones(turned[0].shape[:2], bool)
    ids = passes.material_id
    for other in (ids[:-1, 1:], ids[1:, :-1]):
        same &= other == ids[:-1, :-1]
    determinant = turned[0][..., 0] * turned[1][..., 1] - turned[0][..., 1] * turned[1][..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        along_u = (moved[0] * turned[1][..., 1:] - moved[1] * turned[0][..., 1:]) / determinant[..., None]
        along_v = (moved[1] * turned[0][..., :1] - moved[0] * turned[1][..., :1]) / determinant[..., None]
        sizes = np.stack([np.linalg.norm(along_u, axis=-1), np.linalg.norm(along_v, axis=-1)], axis=-1)
        usable = same & np.isfinite(sizes).all(axis=-1) & (np.abs(turned[0]) < JUMP).all(axis=-1) & (
            np.abs(turned[1]) < JUMP).all(axis=-1)
    found: dict[int, tuple[float, float]] = {}
    for number in np.unique(ids[ids > 0]):
        mine = sizes[usable & (ids[:-1, :-1] == number)]
        if len(mine) >= 8:
            across, down = np.median(mine, axis=0)
            found[int(number)] = float(across), float(down)
    return found


def _uv_steps(uv: F32) -> F32:
    """(H, W, 2) how far u and v move from a pixel to its neighbours, root of the sum of squares; 0 at seams."""
    total = np.zeros(uv.shape, np.float32)
    for axis in (0, 1):
        step = np.abs(np.diff(uv, axis=axis, append=np.nan))
        total += np.where(np.isfinite(step) & (step < JUMP), step, 0.0).astype(np.float32) ** 2
    return np.asarray(np.sqrt(total / 2.0), np.float32)


def _filtered(maps: F32, at: F64, span: NDArray[np.floating]) -> F32:
    """Maps (S, S, C) at (N, 2) tile coordinates, averaged over ``span`` texels, between two levels of a pyramid."""
    levels = [maps]
    while len(levels[-1]) > 1:
        finest = levels[-1]
        half = len(finest) // 2
        levels.append(finest.reshape(half, 2, half, 2, -1).mean(axis=(1, 3)))
    level = np.clip(np.log2(np.maximum(span, 1e-6)), 0.0, len(levels) - 1.0)
    found = np.zeros((len(at), maps.shape[-1]), np.float32)
    for number, image in enumerate(levels):
        share = np.clip(1.0 - np.abs(level - number), 0.0, 1.0)
        some = share > 0.0
        if some.any():
            found[some] += (share[some, None] * _between(image, at[some])).astype(np.float32)
    return found


def _between(image: F32, at: F64) -> F32:
    """Bilinear, repeating."""
    size = len(image)
    place = at * size - 0.5
    low = np.floor(place).astype(np.int64)
    share = (place - low).astype(np.float32)
    left, right = low[:, 0] % size, (low[:, 0] + 1) % size
    top, bottom = low[:, 1] % size, (low[:, 1] + 1) % size
    across, down = share[:, :1], share[:, 1:]
    above = image[top, left] * (1 - across) + image[top, right] * across
    below = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return np.asarray(above * (1 - down) + below * down, np.float32)


def save_tiles(path: Path, tiles: Mapping[str, Sequence[Tile]]) -> None:
    """One .npz; maps as bytes, each with the value that its largest byte stands for."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind, several in tiles.items():
        for number, tile in enumerate(several):
            both = np.stack([tile.height, tile.tone])
            most = np.maximum(np.abs(both).max(axis=(1, 2)), 1e-9)
            arrays[f"{kind}.{number}"] = np.round(both / most[:, None, None] * 127.0).astype(np.int8)
            arrays[f"{kind}.{number}.scale"] = np.array([tile.size_mm, *most], np.float32)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load_tiles(path: Path) -> dict[str, list[Tile]]:
    """What :func:`save_tiles` wrote. Raises OSError, ValueError or KeyError for anything else."""
    found: dict[str, list[Tile]] = {}
    with np.load(path, allow_pickle=False) as file:
        for name in sorted(name for name in file if not name.endswith(".scale")):
            size_mm, *most = (float(value) for value in file[f"{name}.scale"])
            height, tone = (plane.astype(np.float32) * (scale / 127.0)
                            for plane, scale in zip(file[name], most, strict=True))
            found.setdefault(name.split(".")[0], []).append(Tile(size_mm, height, tone))
    return found
