"""A finish over its charts: the maps of the material as it is, and the one map that a file would hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.mesh.materials import complete
from pipeline.mesh.raw import RawMaterial
from pipeline.mesh.types import Material, Slot, TextureRef
from training.families.lettering import artwork
from training.families.paint import U8, encoded, pattern, spread
from training.families.product import Colour, Finish, Print
from training.families.thread import rows_of, sew
from training.materials.tile import F32, normal_map, shaded, slopes

PIXELS = 1024              # of a painted map; plain materials repeat their tile
STEEP = 0.6                # the steepest slope of a stored tile of low relief


@dataclass(frozen=True, slots=True)
class Seam:
    """A row of stitches on the map, metres."""

    path: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    colour: Colour
    rows: int
    gap: float
    pitch: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A print on the map: its corner and size in metres."""

    print: Print
    left: float
    top: float


@dataclass(frozen=True, slots=True)
class Surface:
    truth: Material
    known: Material
    images: dict[tuple[str, str], U8]
    known_images: dict[tuple[str, str], U8]


def _tinted(colour: F32, factor: F32, shown: F32) -> U8:
    return encoded(np.asarray(colour * (1.0 + (factor - 1.0) * shown), np.float32))


def surface(rng: np.random.Generator, finish: Finish, side: float, prints: Sequence[Placed], seams: Sequence[Seam],
            told: float, category: str) -> Surface:
    """``side``: metres of the material's texture. ``told``: 0..1 of the surface's tint that the known map holds."""
    known = complete(RawMaterial(finish.name), "", category, ())
    truth = _as_it_is(rng, replace(known, guessed=(), guess_reason="", kind_source="file"))
    tile_scale = side * 1000.0 / finish.tile.size_mm
    tile = finish.tile
    maps: dict[Slot, TextureRef] = {}
    images: dict[tuple[str, str], U8] = {}

    def keep(slot: Slot, pixels: U8, repeats: bool, strength: float = 1.0) -> TextureRef:
        ref = TextureRef("catalogue", f"{finish.name}_{slot}.png", strength=strength,
                         scale=(tile_scale, tile_scale) if repeats else (1.0, 1.0))
        maps[slot] = ref
        images[ref.source, ref.path] = pixels
        return ref

    painted = finish.pattern != "plain" or bool(prints) or bool(seams)
    across, down = slopes(tile)
    plain = np.asarray(finish.colour, np.float32)
    if painted:
        colour, cover, relief = _painted(rng, finish, side, prints, seams)
        factor = {strength: spread(shaded(tile, strength), tile.size_mm / 1000, side, PIXELS)[..., None]
                  for strength in (1.0, told)}
        bare = (1.0 - 0.85 * cover)[..., None]     # thread and thick ink hide what lies below
        base = _tinted(colour, factor[1.0], bare)
        told_base = _tinted(colour, factor[told], bare)
    else:
        base = _tinted(plain, shaded(tile)[..., None], np.ones(1, np.float32))
        told_base = _tinted(plain, shaded(tile, told)[..., None], np.ones(1, np.float32))
    ref = keep("base_color", base, not painted)
    if seams:
        step = side * 1000.0 / PIXELS
        metres = tile.size_mm / 1000
        raised = (np.gradient(relief, step, axis=1), np.gradient(relief, step, axis=0))
        open_ = 1.0 - cover
        keep("normal", normal_map(*(np.asarray(spread(flat, metres, side, PIXELS) * open_ + high, np.float32)
                                    for flat, high in zip((across, down), raised, strict=True))), False)
    else:
        # Slopes of a hundredth would drown in a byte's steps: they are stored steeper and turned down again.
        gain = float(np.clip(STEEP / max(float(np.abs(across).max()), float(np.abs(down).max()), 1e-6), 1.0, 100.0))
        keep("normal", normal_map(across * gain, down * gain), True, 1.0 / gain)
    if float(tile.gloss.std()) > 0.004:
        rough = np.clip(truth.roughness + tile.gloss, 0.04, 1.0)
        keep("roughness", np.repeat((rough * 255.0 + 0.5).astype(np.uint8)[..., None], 4, axis=2), True)
        truth = replace(truth, roughness=1.0)
    return Surface(replace(truth, textures=maps), replace(known, textures={"base_color": ref}), images,
                   {(ref.source, ref.path): told_base})


def _as_it_is(rng: np.random.Generator, usual: Material) -> Material:
    """Values around what is usual for the kind."""
    lowest = 0.22 if usual.metallic > 0.5 else 0.08
    return replace(usual, roughness=float(np.clip(usual.roughness + rng.uniform(-0.14, 0.14), lowest, 0.97)),
                   sheen=float(np.clip(usual.sheen * rng.uniform(0.4, 1.6), 0.0, 1.0)),
                   clearcoat=float(np.clip(usual.clearcoat * rng.uniform(0.5, 1.4), 0.0, 1.0)))


def _painted(rng: np.random.Generator, finish: Finish, side: float, prints: Sequence[Placed], seams: Sequence[Seam]
             ) -> tuple[F32, F32, F32]:
    """(P, P, 3) linear colours, (P, P) share of each texel hidden by thread, and (P, P) its relief in mm."""
    colour = pattern(rng, finish, side, PIXELS)
    cover, relief = np.zeros((PIXELS, PIXELS), np.float32), np.zeros((PIXELS, PIXELS), np.float32)
    scale = PIXELS / side
    for placed in prints:
        width, height = (max(4, round(metres * scale)) for metres in placed.print.size)
        left, top = round(placed.left * scale), round(placed.top * scale)
        ground = colour[min(max(top + height // 2, 0), PIXELS - 1), min(max(left + width // 2, 0), PIXELS - 1)]
        ink, share = artwork(rng, placed.print, (float(ground[0]), float(ground[1]), float(ground[2])), width, height)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, PIXELS), min(top + height, PIXELS)
        part = np.s_[y0 - top:y1 - top, x0 - left:x1 - left]
        here = colour[y0:y1, x0:x1]
        here += (ink[part] - here) * share[part][..., None]
    for seam in seams:
        own = np.zeros_like(cover)
        for row in rows_of(seam.path, seam.rows, seam.gap):
            sew(own, relief, row, seam.pitch, side)
        colour += (np.asarray(seam.colour, np.float32) - colour) * own[..., None]
        np.maximum(cover, own, out=cover)
    return colour, cover, relief
