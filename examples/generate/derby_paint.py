"""The derby's diffuse map: burnished calf, stitched welt, stacked heel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.generate.atlas import Atlas
from examples.generate.derby import ATLAS, SLOTS, Derby
from examples.generate.lettering import stamped, word
from examples.generate.paint import Canvas, Rgb, mottle
from examples.generate.panels import resampled
from examples.generate.pattern import Pattern
from examples.generate.sneaker_paint import BRAND, grain, shade_at_sole, surface_places
from examples.generate.sole import Wall
from examples.generate.trim_paint import overrun

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

CALF: Rgb = (134, 82, 48)
THREAD: Rgb = (196, 150, 98)
WELT_THREAD: Rgb = (214, 186, 140)
EDGE: Rgb = (70, 43, 28)
WELT: Rgb = (98, 62, 38)
LINING: Rgb = (205, 172, 130)
LACE: Rgb = (62, 38, 25)
TREAD: Rgb = (172, 128, 84)
WELT_SEAM, EDGE_START = (3, 4), 6              # points of derby.WELT_SECTION


def derby_map(shoe: Derby) -> Image.Image:
    atlas = Atlas(*ATLAS)
    for pattern, panels, holes in zip(shoe.patterns, shoe.panels, shoe.eyelets, strict=True):
        canvas = Canvas(pattern.size[0] + 1, pattern.size[1] + 1, SLOTS[pattern.side].scale, CALF, pattern.border())
        for panel in panels:
            canvas.panel(panel.loop, CALF)
            for row in panel.rows:
                for path in row:
                    canvas.stitches(resampled(path, 0.5), THREAD, pitch=2.1, length=1.4, width=0.55)
        centres = np.array([hole.flat for hole in holes])
        canvas.shade(0.30 * canvas.blurred(canvas.dots(centres, 2.6), 0.5))
        canvas.fill(canvas.dots(centres, 1.5), (28, 18, 12), 0.9)
        burnish(canvas, pattern)
        shade_at_sole(canvas, pattern)
        grain(canvas, pattern, strength=0.018)
        atlas.place(canvas.image(), SLOTS[pattern.side])
    for wall in shoe.walls:
        atlas.place(_wall(wall, SLOTS[f"wall {wall.side}"].scale), SLOTS[f"wall {wall.side}"])
    atlas.place(_heel(shoe), SLOTS["heel"])
    atlas.place(_plain(np.concatenate([w.points[:, -1][:, [0, 2]] for w in shoe.walls]), SLOTS["tread"].scale, TREAD),
                SLOTS["tread"])
    atlas.place(_footbed(shoe), SLOTS["footbed"])
    atlas.place(_lining(shoe), SLOTS["lining"])
    for name in ("tongue", "tongue back"):
        atlas.place(_plain(shoe.tongue.flat.reshape(-1, 2), SLOTS[name].scale, (118, 67, 37)), SLOTS[name])
    atlas.place(_lace(), SLOTS["lace"])
    return atlas.finished()


def burnish(canvas: Canvas, pattern: Pattern) -> None:
    """Polish worked in by hand: dark at toe and heel and where the shoe creases into the sole; a cloudy patina."""
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    x, y = surface_places(pattern, shape, canvas.scale)[..., :2].transpose(2, 0, 1)
    toe = _smoothstep((x - 215.0) / 75.0) ** 1.2
    heel = 0.75 * _smoothstep((62.0 - x) / 62.0)
    low = 0.35 * _smoothstep((38.0 - y) / 26.0)
    # Clouds in space: one field for both sides, so that it meets at the centre lines.
    cloud = 0.5 * np.sin(x / 11.0 + 1.7 * np.sin(y / 9.0)) * np.sin(y / 7.5 + 0.9 * np.sin(x / 14.0))
    depth = np.clip(0.62 * np.maximum(toe, heel) + low + 0.07 * cloud + 0.02 * mottle(shape, 9.0, 21), 0.0, 0.80)
    tone = np.stack([1 - 0.72 * depth, 1 - 0.86 * depth, 1 - 0.92 * depth], axis=-1)
    canvas.pixels *= tone.astype(np.float32)


def _smoothstep(t: NDArray[np.floating]) -> F32:
    clipped = np.clip(t, 0.0, 1.0)
    result: F32 = (clipped * clipped * (3 - 2 * clipped)).astype(np.float32)
    return result


def _wall(wall: Wall, scale: float) -> NDArray[np.uint8]:
    canvas = Canvas(wall.size[0] + 1, wall.size[1] + 1, scale, WELT)
    edge = np.concatenate([overrun(wall.flat[:, EDGE_START]), overrun(wall.flat[:, -1])[::-1]])
    canvas.fill(canvas.mask([edge]), EDGE)
    seam = overrun(wall.flat[:, WELT_SEAM[0]] * 0.45 + wall.flat[:, WELT_SEAM[1]] * 0.55)
    canvas.stitches(resampled(seam, 0.5), WELT_THREAD, pitch=3.4, length=2.5, width=0.85)
    inner = overrun(wall.flat[:, 2])
    canvas.shade(0.45 * canvas.blurred(canvas.strokes([resampled(inner, 1.0)], 1.2), 0.35))
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    canvas.shade(0.04 * mottle(shape, 2.0, 22))
    return canvas.image()


def _heel(shoe: Derby) -> NDArray[np.uint8]:
    """Leather lifts, glued and stained, with a rubber top piece."""
    width, height = shoe.heel_flat.reshape(-1, 2).max(axis=0)
    canvas = Canvas(width + 1, height + 5, SLOTS["heel"].scale, EDGE)
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    canvas.shade(0.05 * mottle(shape, 1.5, 23))
    for at in np.arange(4.2, height - 7, 4.2):
        canvas.shade(0.35 * canvas.strokes([np.array([(0.0, at), (width + 1, at)])], 0.35))
    y = np.arange(shape[0])[:, None] / canvas.scale
    rubber = np.broadcast_to((y > height - 6.5).astype(np.float32), shape)
    canvas.fill(rubber, (36, 30, 27))
    return canvas.image()


def _plain(places: F64, scale: float, colour: Rgb) -> NDArray[np.uint8]:
    width, height = np.ptp(places, axis=0)
    canvas = Canvas(float(width) + 1, float(height) + 1, scale, colour)
    canvas.shade(0.03 * mottle((canvas.pixels.shape[0], canvas.pixels.shape[1]), 2.0, 24))
    return canvas.image()


def _footbed(shoe: Derby) -> NDArray[np.uint8]:
    scale = SLOTS["footbed"].scale
    width, height = shoe.footbed_flat.reshape(-1, 2).max(axis=0)
    canvas = Canvas(width + 1, height + 1, scale, LINING)
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    ink = word(BRAND, round(4.6 * scale), tracking=0.15, weight=0.04)
    middle = float(shoe.footbed_flat[8, :, 1].mean())
    canvas.fill(stamped(shape, ink, (44.0 * scale, middle * scale), -90.0), (122, 82, 40), 0.85)
    canvas.shade(0.02 * mottle(shape, 1.5, 25))
    return canvas.image()


def _lining(shoe: Derby) -> NDArray[np.uint8]:
    canvas = Canvas(shoe.lining_size[0] + 1, shoe.lining_size[1] + 1, SLOTS["lining"].scale, LINING)
    height, width = canvas.pixels.shape[:2]
    y = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None] / canvas.scale, (height, width))
    canvas.fill(np.clip(4.6 - y, 0, 1).astype(np.float32), (112, 64, 36))
    canvas.shade(0.30 * _smoothstep((y - 22) / 60) + 0.02 * mottle((height, width), 2.0, 26))
    return canvas.image()


def _lace() -> NDArray[np.uint8]:
    canvas = Canvas(56.0, 9.6, SLOTS["lace"].scale, LACE)
    y, x = np.mgrid[0:canvas.pixels.shape[0], 0:canvas.pixels.shape[1]] / canvas.scale
    strand = np.abs((x / 1.1 + y / 2.4) % 1.0 - 0.5) * 2 + np.abs((x / 1.1 - y / 2.4) % 1.0 - 0.5) * 2
    canvas.shade((0.22 * np.clip(strand - 1.0, -1, 1)).astype(np.float32))
    return canvas.image()
