"""The sneaker's upper, tongue and label as one diffuse map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt, zoom
from scipy.spatial import cKDTree

from examples.generate.atlas import Atlas
from examples.generate.colourways import Colourway, Rgb
from examples.generate.lettering import stamped, word
from examples.generate.paint import Canvas, leather_grain, mottle
from examples.generate.panels import inside, line, resampled
from examples.generate.pattern import Pattern
from examples.generate.sneaker import LABEL_MM, LABEL_SCALE, PATTERN_SCALE, UPPER_ATLAS, UPPER_SLOTS, Sneaker
from examples.generate.sneaker_panels import COLLAR_RISE, Panel, stroke

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

BRAND = "NORTHLINE"
GRAIN_STRENGTH = 0.042
BINDING_MM = 3.4                               # width of the tongue's bound edge


def upper_map(shoe: Sneaker, dye: Colourway) -> Image.Image:
    """The diffuse map of everything above the sole."""
    atlas = Atlas(*UPPER_ATLAS)
    for pattern, panels, holes in zip(shoe.patterns, shoe.panels, shoe.eyelets, strict=True):
        canvas = Canvas(pattern.size[0] + 1, pattern.size[1] + 1, PATTERN_SCALE, dye.vamp, pattern.border())
        _collar(canvas, pattern, dye)
        canvas.perforations(_toe_perforations(pattern, panels))
        for panel in panels:
            _panel(canvas, panel, dye)
        centres = np.array([hole.flat for hole in holes])
        throat = canvas.near(centres)
        throat.shade(0.35 * throat.blurred(throat.dots(centres, 4.7), 0.35))
        throat.fill(throat.dots(centres, 2.7), (24, 22, 20), 0.95)
        _foil(canvas, pattern, dye)
        shade_at_sole(canvas, pattern)
        grain(canvas, pattern, GRAIN_STRENGTH)
        atlas.place(canvas.image(), UPPER_SLOTS[pattern.side])
    atlas.place(_tongue(shoe, dye, UPPER_SLOTS["tongue"].scale), UPPER_SLOTS["tongue"])
    back = _tongue(shoe, dye, UPPER_SLOTS["tongue back"].scale)
    atlas.place(back, UPPER_SLOTS["tongue back"])
    atlas.place(label_art(dye), UPPER_SLOTS["label"])
    return atlas.finished()


def _panel(canvas: Canvas, panel: Panel, dye: Colourway) -> None:
    colour: dict[str, Rgb] = {"toe cap": dye.toe, "quarter": dye.quarter, "eyestay": dye.eyestay,
                              "counter": dye.counter, "heel tab": dye.heel_tab, "logo": dye.logo}
    ground = colour[panel.name]
    canvas.panel(panel.loop, ground)
    thread = dye.main_thread if panel.name in ("toe cap", "quarter", "heel tab") else dye.contrast_thread
    if sum(ground) > 450 and sum(thread) > 450:  # light thread would vanish on light leather
        thread = dye.counter
    for row in panel.rows:
        for path in row:
            canvas.stitches(resampled(path, 0.5), thread)


def _collar(canvas: Canvas, pattern: Pattern, dye: Colourway) -> None:
    along = np.linspace(0, 0.5, 120)
    low = pattern.flat(along, np.full_like(along, COLLAR_RISE - 0.05))
    high = pattern.flat(along, np.ones_like(along))
    canvas.fill(canvas.mask([np.concatenate([low, high[::-1]])]), dye.collar)


def _toe_perforations(pattern: Pattern, panels: tuple[Panel, ...]) -> F64:
    """Rows of holes over the toe box, symmetric about its centre line, clear of every panel."""
    centre = pattern.flat(np.ones(200), np.linspace(0.5, 1.0, 200))
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centre, axis=0), axis=1))])
    found = []
    for row, at in enumerate(np.arange(4.0, run[-1], 4.6)):
        rise = float(np.interp(at, run, np.linspace(0.5, 1.0, 200)))
        along = np.linspace(1.0, 0.72, 200)
        flat = pattern.flat(along, np.full_like(along, rise))
        out = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))])
        steps = np.arange(2.6 if row % 2 else 0.0, min(out[-1], 19.5 + 0.12 * at), 5.2)
        found += [np.array([np.interp(s, out, flat[:, 0]), np.interp(s, out, flat[:, 1])]) for s in steps]
    holes = np.array(found)
    for panel in panels:
        distance = np.linalg.norm(holes[:, None] - panel.loop[None], axis=2).min(axis=1)
        holes = holes[~inside(panel.loop, holes) & (distance > 3.2)]
    return holes


def _foil(canvas: Canvas, pattern: Pattern, dye: Colourway) -> None:
    """The brand's name, foil-stamped on the quarter under the mark."""
    scale = canvas.scale
    ink = word(BRAND, round(2.6 * scale), tracking=0.22, weight=0.03)
    at = pattern.flat(*np.array(pattern.at_side_view(96.0, 35.5)))
    here, there = (pattern.flat(*np.array(pattern.at_side_view(x, 35.5))) for x in (88.0, 104.0))
    step = (there - here) * (-1 if pattern.side == "lateral" else 1)
    turn = float(np.degrees(np.arctan2(-step[1], step[0])))
    canvas.fill(stamped(canvas.pixels.shape[:2], ink, (at[0] * scale, at[1] * scale), turn), dye.logo, 0.9)


def shade_at_sole(canvas: Canvas, pattern: Pattern) -> None:
    """Dust and shade gather where upper meets sole."""
    edge = pattern.flat(*line((0.0, 0.09), (1.0, 0.09), 300).T)
    low = pattern.flat(*line((0.0, 0.0), (1.0, 0.0), 300).T)
    hem = np.concatenate([edge, low[::-1]])
    part = canvas.near(hem)
    part.shade(0.22 * part.blurred(part.mask([hem]), 1.6))


def surface_places(pattern: Pattern, shape: tuple[int, int], scale: float) -> F32:
    """(H, W, 3) where in space each texel of a pattern lies, mm; nearest border outside of it."""
    step = 6
    rows, columns = (int(np.ceil(n / step)) + 1 for n in shape)
    q, p = np.meshgrid(np.arange(rows) * step / scale, np.arange(columns) * step / scale, indexing="ij")
    along, rise = np.meshgrid(np.linspace(0, 1, 281), np.linspace(0, 1, 101), indexing="ij")
    flat, places = pattern.flat(along, rise).reshape(-1, 2), pattern.point(along, rise).reshape(-1, 3)
    found = cKDTree(flat).query(np.stack([p, q], axis=-1).reshape(-1, 2), k=3)
    distance, nearest = np.asarray(found[0]), np.asarray(found[1])
    weight = 1.0 / np.maximum(distance, 1e-6) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    coarse = (places[nearest] * weight[..., None]).sum(axis=1).reshape(rows, columns, 3).astype(np.float32)
    fine: F32 = zoom(coarse, (step, step, 1), order=1, grid_mode=True, mode="nearest")
    return fine[:shape[0], :shape[1]]


def grain(canvas: Canvas, pattern: Pattern, strength: float) -> None:
    """Leather grain and the slight unevenness of its dye."""
    shape = canvas.pixels.shape[:2]
    places = surface_places(pattern, (shape[0], shape[1]), canvas.scale)
    random = np.random.default_rng(11)
    # Feature points on the surface of both sides, thinner than Poisson discs, about one per 0.9 mm².
    low, high = places.reshape(-1, 3).min(axis=0), places.reshape(-1, 3).max(axis=0)
    texels = places.reshape(-1, 3)[random.integers(0, shape[0] * shape[1], 44_000)]
    seeds = np.clip(texels + random.normal(0, 0.25, texels.shape), low, high)
    # Grain cells are six texels wide: half the resolution holds them.
    half = places[::2, ::2]
    coarse = leather_grain(half.reshape(-1, 3), seeds).reshape(half.shape[:2])
    tone = zoom(coarse, 2, order=1, grid_mode=True, mode="nearest")[:shape[0], :shape[1]]
    canvas.shade(-strength * tone)
    canvas.shade(-0.010 * mottle((shape[0], shape[1]), 40.0, 3))


def _tongue(shoe: Sneaker, dye: Colourway, scale: float) -> NDArray[np.uint8]:
    """Spacer mesh with a bound edge; chart as in :class:`Tongue`."""
    flat = shoe.tongue.flat
    width, height = flat.reshape(-1, 2).max(axis=0)
    canvas = Canvas(width + 1, height + 1, scale, dye.tongue)
    y, x = np.mgrid[0:canvas.pixels.shape[0], 0:canvas.pixels.shape[1]] / scale
    # A hexagonal knit: three waves at 120°.
    wave = sum(np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / 1.5) for a in np.radians((0, 60, 120)))
    canvas.shade((0.055 * np.clip(1.1 - np.asarray(wave), 0, 2)).astype(np.float32))
    border = np.concatenate([flat[:, 0], flat[-1], flat[::-1, -1]])
    depth = distance_transform_edt(np.pad(canvas.mask([border]) > 0.5, 1))[1:-1, 1:-1] / scale
    canvas.fill(np.clip((BINDING_MM - depth) * scale, 0, 1).astype(np.float32), dye.eyestay)
    canvas.shade(0.25 * np.exp(-((depth - BINDING_MM - 0.15) / 0.35) ** 2).astype(np.float32))
    return canvas.image()


def label_art(dye: Colourway) -> NDArray[np.uint8]:
    """The woven label: a border, the mark, the brand's name."""
    width, height = LABEL_MM
    canvas = Canvas(width, height, LABEL_SCALE, dye.label_ground)
    frame = np.array([(2.0, 2.0), (width - 2, 2.0), (width - 2, height - 2), (2.0, height - 2), (2.0, 2.0)])
    canvas.fill(canvas.strokes([frame], 0.35), dye.label_ink, 0.85)
    mark = stroke(np.array([(-9.5, 2.6), (-4.2, 2.6), (0.0, -3.0), (4.2, 2.6), (9.5, 2.6)]), 1.9)
    mark[:, 0] += 0.25 * mark[:, 1]
    canvas.fill(canvas.mask([mark + np.array([width / 2, 6.9])]), dye.label_ink)
    shape = canvas.pixels.shape[:2]
    ink = word(BRAND, round(4.4 * LABEL_SCALE), tracking=0.10, weight=0.055)
    limit = round((width - 6.0) * LABEL_SCALE)
    if ink.shape[1] > limit:
        size = (limit, round(ink.shape[0] * limit / ink.shape[1]))
        narrowed = Image.fromarray((ink * 255).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
        ink = (np.asarray(narrowed, np.float32) / 255).astype(np.float32)
    canvas.fill(stamped(shape, ink, (width / 2 * LABEL_SCALE, 14.2 * LABEL_SCALE)), dye.label_ink)
    canvas.stitches(resampled(np.array([(0.9, 0.9), (width - 0.9, 0.9), (width - 0.9, height - 0.9),
                                        (0.9, height - 0.9), (0.9, 0.9)]), 0.5), dye.label_ink, 2.0, 1.4, 0.45)
    y, x = np.mgrid[0:shape[0], 0:shape[1]]
    weave = 0.05 * np.sin(2 * np.pi * y / 4.0) + 0.03 * np.sin(2 * np.pi * (x + 2 * (y // 4)) / 6.0)
    canvas.shade(weave.astype(np.float32))
    return canvas.image()
