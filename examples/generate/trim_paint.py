"""The sneaker's sole, lining, footbed and laces as one diffuse map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.generate.atlas import Atlas
from examples.generate.colourways import Colourway
from examples.generate.lettering import stamped, word
from examples.generate.paint import Canvas, mottle
from examples.generate.panels import resampled
from examples.generate.sneaker import TRIM_ATLAS, TRIM_SLOTS, Sneaker
from examples.generate.sneaker_paint import BRAND
from examples.generate.sole import Wall

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

# Points of the wall's section, see sole.CUPSOLE_SECTION.
GROOVE, BODY_TOP, FOXING, LIP = (8, 12), 13, 14, 17
BUMPER_START = 0.80                            # along each side; 1 is the toe's centre
KNURL_MM = 1.9                                 # distance of the bumper's grooves


def trim_map(shoe: Sneaker, dye: Colourway) -> Image.Image:
    """The diffuse map of sole, inside and laces."""
    atlas = Atlas(*TRIM_ATLAS)
    for wall in shoe.walls:
        slot = TRIM_SLOTS[f"wall {wall.side}"]
        atlas.place(_wall(wall, dye, slot.scale), slot)
    atlas.place(_tread(shoe, dye, TRIM_SLOTS["tread"].scale), TRIM_SLOTS["tread"])
    atlas.place(_footbed(shoe, dye, TRIM_SLOTS["footbed"].scale), TRIM_SLOTS["footbed"])
    atlas.place(_lining(shoe, dye, TRIM_SLOTS["lining"].scale), TRIM_SLOTS["lining"])
    atlas.place(_lace(dye, TRIM_SLOTS["lace"].scale), TRIM_SLOTS["lace"])
    return atlas.finished()


def _wall(wall: Wall, dye: Colourway, scale: float) -> NDArray[np.uint8]:
    canvas = Canvas(wall.size[0] + 1, wall.size[1] + 1, scale, dye.wall)

    def level(index: int, shift: float = 0.0) -> F64:
        return overrun(wall.flat[:, index] + (0.0, shift))

    def band(top: F64, bottom: F64) -> F32:
        return canvas.mask([np.concatenate([top, bottom[::-1]])])

    canvas.fill(band(level(LIP), level(-1)), dye.tread)
    canvas.fill(band(level(FOXING, 3.2), level(FOXING, 5.0)), dye.foxing)
    groove = band(level(GROOVE[0]), level(GROOVE[1]))
    canvas.shade(0.20 * canvas.blurred(groove, 0.25))
    canvas.stitches(resampled((level(GROOVE[0]) + level(GROOVE[1])) / 2, 0.5), dye.wall_thread, 4.2, 3.2, 1.0)
    canvas.shade(0.28 * canvas.blurred(canvas.strokes([level(LIP)], 0.5), 0.2))
    _knurl(canvas, wall, band(level(BODY_TOP, 0.5), level(FOXING, 2.3)))
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    canvas.shade(0.008 * mottle(shape, 1.0, 5) + 0.008 * mottle(shape, 30.0, 6))
    foot = band(level(-4), level(-1))
    canvas.shade(0.15 * canvas.blurred(foot, 1.0))
    return canvas.image()


def _knurl(canvas: Canvas, wall: Wall, band: F32) -> None:
    """The toe bumper's diamond pattern: grooves crossing at 45°, a lit flank beside each."""
    start = float(np.interp(BUMPER_START, np.linspace(0, 1, len(wall.flat)), wall.flat[:, 0, 0]))
    y, x = np.mgrid[0:canvas.pixels.shape[0], 0:canvas.pixels.shape[1]] / canvas.scale
    toe = np.clip((x - start) * np.sign(wall.flat[-1, 0, 0] - start) * canvas.scale, 0, 1)
    # Distances to the grooves; their phase counts from the toe's centre, where the two charts meet.
    from_toe = x - wall.flat[-1, 0, 0]
    across = [np.abs(((from_toe + side * y) / KNURL_MM) % 1.0 - 0.5) * KNURL_MM for side in (-1.0, 1.0)]
    groove = np.exp(-(np.minimum(*across) / 0.22) ** 2)
    flank = np.exp(-((np.minimum(*across) - 0.45) / 0.25) ** 2)
    rim = np.clip(canvas.blurred(band, 0.25) * (1 - band) * 4, 0, 1)
    canvas.shade((toe * (band * (0.20 * groove - 0.03 * flank) + 0.16 * rim)).astype(np.float32))


def overrun(course: F64, by: float = 3.0) -> F64:
    """A line along the wall, carried on beyond both ends of its chart, where the other side's chart goes on."""
    reach = np.array([by * np.sign(course[-1, 0] - course[0, 0]), 0.0])
    return np.concatenate([course[:1] - reach, course, course[-1:] + reach])


def _tread(shoe: Sneaker, dye: Colourway, scale: float) -> NDArray[np.uint8]:
    outline = np.concatenate([w.points[:, -1][:, [0, 2]] for w in shoe.walls])
    width, height = np.ptp(outline, axis=0)
    canvas = Canvas(width + 1, height + 1, scale, dye.tread)
    y, x = np.mgrid[0:canvas.pixels.shape[0], 0:canvas.pixels.shape[1]] / scale
    zigzag = np.abs(((x + 6.0 * np.abs((y / 12.0) % 1.0 - 0.5) * 2) / 5.0) % 1.0 - 0.5) * 2
    canvas.shade((0.32 * np.clip((zigzag - 0.55) * 6, 0, 1)).astype(np.float32))
    return canvas.image()


def _footbed(shoe: Sneaker, dye: Colourway, scale: float) -> NDArray[np.uint8]:
    width, height = shoe.footbed_flat.reshape(-1, 2).max(axis=0)
    canvas = Canvas(width + 1, height + 1, scale, dye.footbed)
    shape = (canvas.pixels.shape[0], canvas.pixels.shape[1])
    canvas.shade(0.035 * mottle(shape, 0.7, 8))
    ink = word(BRAND, round(5.0 * scale), tracking=0.12, weight=0.05)
    middle = float(shoe.footbed_flat[8, :, 1].mean())
    canvas.fill(stamped(shape, ink, (46.0 * scale, middle * scale), -90.0), dye.label_ink if sum(dye.footbed) < 400
                else dye.label_ground, 0.8)
    return canvas.image()


def _lining(shoe: Sneaker, dye: Colourway, scale: float) -> NDArray[np.uint8]:
    canvas = Canvas(shoe.lining_size[0] + 1, shoe.lining_size[1] + 1, scale, dye.lining)
    height, width = canvas.pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    canvas.shade((0.05 * (((x + y) // 2 + (y // 2)) % 2)).astype(np.float32))
    leather = np.clip((6.5 * scale - y) / scale, 0, 1).astype(np.float32)
    canvas.fill(leather, dye.collar)
    canvas.shade(0.16 * np.exp(-(((y / scale) - 7.0) / 0.7) ** 2).astype(np.float32))
    # Less light reaches the depth of the shoe than a renderer's ambient term believes.
    canvas.shade((0.22 * np.clip((y / scale - 25) / 60, 0, 1)).astype(np.float32))
    return canvas.image()


def _lace(dye: Colourway, scale: float) -> NDArray[np.uint8]:
    canvas = Canvas(100.0, 16.5, scale, dye.lace)
    y, x = np.mgrid[0:canvas.pixels.shape[0], 0:canvas.pixels.shape[1]] / scale
    # A flat braid: strands run diagonally and fold back at the middle of each face.
    fold = np.abs((y / 4.1) % 2.0 - 1.0) * 4.1
    strand = np.abs(((x + fold) / 1.25) % 1.0 - 0.5) * 2
    canvas.shade((0.17 * np.clip((strand - 0.5) * 2, 0, 1) ** 1.5).astype(np.float32))
    tracer = (np.abs(((y + 2.0) % 8.2) - 4.1) < 0.35) & (((x / 1.25) % 2.0) < 1.0)
    canvas.fill(tracer.astype(np.float32), dye.lace_tracer, 0.5)
    return canvas.image()
