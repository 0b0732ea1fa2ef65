"""A canvas tote standing half filled: soft sides, a turned hem, webbing handles stitched on with crosses."""

from __future__ import annotations

import numpy as np
from PIL import Image

from examples.generate.artwork import Canvas, srgb
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.shapes import F64, Surface, UvRect, bezier, ellipse, grid, part, sweep

HEIGHT, WIDTH, DEPTH = 0.36, 0.35, 0.10       # at the hem, at the hem, at the bottom
HEM, CLOTH = 0.028, 0.0014                    # height of the turned hem, thickness of the canvas
HANDLE_X, STRAP, DROP = 0.078, 0.026, 0.215   # handle's distance from the middle, webbing width, height over the hem
SIZE_W, SIZE_H = 2048, 1024
BODY = UvRect(0.0, 0.0, 1.0, 0.86)            # once around, back seam to back seam; hem at the top
STRAP_UV = UvRect(0.01, 0.885, 0.60, 0.985)
LINING = UvRect(0.66, 0.885, 0.97, 0.985)
CANVAS, THREAD, TEAL, CLAY, SHADE = (srgb(code) for code in ("#e6dcc6", "#b7793f", "#1d5560", "#c65f3e", "#d9ccb0"))


def bookshop_tote() -> Model:
    """The bag of an invented bookshop, printed on its front."""
    canvas = MaterialSpec("cotton_canvas", Texture("tote_diffuse", _artwork()), roughness=None, metallic=None)
    return Model("bookshop_tote", (part("bag", _bag(), canvas.name, 50.0),
                                   part("handles", [_handle(1.0), _handle(-1.0)], canvas.name, 50.0)), (canvas,))


def _section(height: F64, turn: F64) -> F64:
    """Points (…, 3) of the bag's outside at a height and an angle around it, 0 at the front."""
    share = np.clip(height / HEIGHT, 0.0, 1.0)
    half_w = WIDTH / 2 * (0.93 + 0.07 * share)
    half_d = DEPTH / 2 * (1.0 - 0.66 * share**1.6) * (1 + 0.16 * np.sin(np.pi * share))
    power = 2.0 / (4.6 - 2.3 * share)         # boxy at the bottom, a lens at the hem
    s, c = np.sin(turn), np.cos(turn)
    x = half_w * np.sign(s) * np.abs(s) ** power
    z = half_d * np.sign(c) * np.abs(c) ** power
    # Soft folds: two hang from the handles, others settle above the bottom.
    flat = np.abs(c) ** 0.5
    hang = np.exp(-(((np.abs(x) - HANDLE_X) / 0.030) ** 2)) * share**2 * 0.0042
    low = np.exp(-((share - 0.13) / 0.10) ** 2)
    folds = 0.0026 * np.sin(34 * x + 9 * height + 1.3 * np.sign(z)) * low
    waves = 0.0020 * np.sin(17 * x - 26 * height + 0.8 * np.sign(z)) * np.sin(np.pi * share)
    z = z + np.sign(z) * flat * (hang + folds + waves)
    sag = 0.0042 * np.cos(2 * np.pi * x / WIDTH * 1.5) * share**3
    return np.stack([x, height - sag, z], axis=-1)


def _ring(height: float, columns: int = 120) -> F64:
    """Once around the bag at one height, from the back, at even distances on the cloth; (columns + 1, 3)."""
    share = np.linspace(0.0, 1.0, 400, endpoint=False) ** 2.5
    share = share / (share + np.linspace(1.0, 0.0, 400, endpoint=False) ** 2.5)  # a superellipse rushes at its axes
    fine = np.concatenate([*(np.pi / 2 * (quarter + share) for quarter in (-2, -1, 0, 1)), [np.pi]])
    line = _section(np.full_like(fine, height), fine)
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    turn = np.interp(np.linspace(0.0, travelled[-1], columns + 1), travelled, fine)
    ring = _section(np.full_like(turn, height), turn)
    ring[-1] = ring[0]
    return ring


def _bag() -> list[Surface]:
    """Outside from the middle of the floor to the hem, inside from the hem down to the floor again."""
    radius = 0.012                            # of the bottom's edge
    bend = np.linspace(0.0, np.pi / 2, 6)[1:]
    side = np.linspace(radius, HEIGHT - HEM, 26)[1:]
    hem = ((HEIGHT - HEM + 0.0002, 0.0011), (HEIGHT - HEM + 0.0014, 0.0015), (HEIGHT - HEM / 2, 0.0015),
           (HEIGHT - 0.0012, 0.0015), (HEIGHT - 0.0002, 0.0009))
    outside = np.stack([*(_scaled(_ring(radius * 0.5), scale, 0.0) for scale in (0.0, 0.5, 0.93)),
                        *(_scaled(_ring(radius * (1 - np.cos(a))), 0.93 + 0.07 * np.sin(a), None) for a in bend),
                        *(_ring(y) for y in side), *(_grown(_ring(y), amount) for y, amount in hem)])
    # v follows the flat cloth, so that stitches run along the hem however it sags.
    height = np.concatenate([np.zeros(3), radius * (1 - np.cos(bend)), side, [y for y, _ in hem]]) / HEIGHT
    inner = [_grown(_ring(y), amount) for y, amount in
             ((HEIGHT - 0.0002, 0.0004 - CLOTH), (HEIGHT - 0.0012, -CLOTH - 0.0002), (HEIGHT - HEM, -CLOTH - 0.0002),
              (HEIGHT * 0.6, -CLOTH), (HEIGHT * 0.25, -CLOTH))]
    floor = _scaled(_ring(0.004), 0.0, 0.004)
    inside = np.stack([outside[-1], *inner, floor])
    around = np.linspace(0.0, 1.0, outside.shape[1])
    down = np.broadcast_to(np.linspace(0.0, 1.0, len(inside))[:, None], inside.shape[:2])
    return [grid(outside, BODY.at(np.broadcast_to(around, outside.shape[:2]),
                                  np.broadcast_to(1.0 - height[:, None], outside.shape[:2]))),
            grid(inside, LINING.at(np.broadcast_to(around, down.shape), down))]


def _scaled(ring: F64, factor: float, height: float | None) -> F64:
    """A ring drawn in towards the bag's axis, at its own or one height."""
    result: F64 = ring * np.array([factor, 1.0, factor])
    if height is not None:
        result[:, 1] = height
    return result


def _grown(ring: F64, amount: float) -> F64:
    """A closed ring moved outward by ``amount`` metres along its horizontal normal."""
    body = ring[:-1]
    tangent = np.roll(body, -1, axis=0) - np.roll(body, 1, axis=0)
    normal = np.cross(tangent, np.array([0.0, 1.0, 0.0]))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    moved_ring = body + amount * normal
    return np.concatenate([moved_ring, moved_ring[:1]])


def _handle(side: float) -> Surface:
    """Webbing from its stitched foot over the hem, up, around and down again; ``side`` 1 front, -1 back."""
    foot = HEIGHT - 0.052
    lay = np.linspace(foot, HEIGHT, 9)
    front = _front_depth(np.full_like(lay, HANDLE_X), lay) + 0.0016
    rise = np.stack([np.full_like(lay, HANDLE_X), lay, front], axis=1)
    top = front[-1]
    arch = bezier([(HANDLE_X, HEIGHT, top), (HANDLE_X + 0.002, HEIGHT + 0.10, top - 0.002),
                   (HANDLE_X - 0.006, HEIGHT + DROP, top * 0.6), (HANDLE_X * 0.5, HEIGHT + DROP, top * 0.5),
                   (0.0, HEIGHT + DROP, top * 0.5)], 18)
    half = np.concatenate([rise, arch[1:]])
    path = np.concatenate([half, (half[:-1] * np.array([-1.0, 1.0, 1.0]))[::-1]])
    path[:, 2] *= side
    webbing = ellipse(STRAP, 0.0026, 20, 7.0)
    sections = np.broadcast_to(webbing, (len(path), 20, 2)).copy()
    sections[0, :, 1] *= 0.3
    sections[-1, :, 1] *= 0.3
    across = np.cross(np.gradient(path, axis=0), np.array([0.0, 0.0, side]))
    tape = sweep(path, sections, across, UvRect(0.0, 0.0, 1.0, 1.0))
    return Surface(tape.positions, STRAP_UV.at(1.0 - tape.uvs[:, 1], tape.uvs[:, 0]), tape.triangles)


def _front_depth(x: F64, height: F64) -> F64:
    """How far the bag's front stands out at places on it, hem included."""
    turn = np.linspace(-1.2, 1.2, 2001)
    result = np.empty_like(x)
    for i, (place, level) in enumerate(zip(x, height, strict=True)):
        ring = _section(np.full_like(turn, level), turn)
        result[i] = np.interp(place, ring[:, 0], ring[:, 2])
    result += 0.0015 * np.clip((height - HEIGHT + HEM + 0.004) / 0.004, 0.0, 1.0)
    return result


def _artwork() -> Image.Image:
    canvas = Canvas(SIZE_W, SIZE_H, CANVAS)
    body = BODY.bottom * SIZE_H
    x = SIZE_W / 2
    _crane(canvas, x, 440)
    canvas.text(x, 668, "KELP & CRANE", 46, TEAL, tracking=0.12, weight=0.05)
    canvas.text(x, 732, "BOOKSHOP · OPEN TILL LATE", 19, CLAY, tracking=0.24, weight=0.03)
    hem = body * HEM / HEIGHT
    for offset in (0.86, 0.93):
        for start in range(0, SIZE_W, 10):
            canvas.line([(start, hem * offset), (start + 6, hem * offset)], THREAD if offset > 0.9 else SHADE, 1.6)
    canvas.rectangle((0, body, SIZE_W, SIZE_H), CANVAS)
    canvas.rectangle((0, body + 6, STRAP_UV.right * SIZE_W + 24, SIZE_H), TEAL)
    _box_stitches(canvas)
    canvas.rectangle((LINING.left * SIZE_W - 30, body + 6, SIZE_W, SIZE_H), SHADE)
    return canvas.finished()


def _box_stitches(canvas: Canvas) -> None:
    """A stitched box with a cross at each end of the webbing, on both of its faces."""
    left, right = STRAP_UV.left * SIZE_W, STRAP_UV.right * SIZE_W
    top, tall = STRAP_UV.top * SIZE_H, (STRAP_UV.bottom - STRAP_UV.top) * SIZE_H
    for start in (left + 10, right - 10 - 66):
        for middle in (top + tall * 0.25, top + tall * 0.75):
            a, b, c, d = ((start, middle - 17), (start + 66, middle - 17), (start + 66, middle + 17),
                          (start, middle + 17))
            for line in ((a, b), (b, c), (c, d), (d, a), (a, c), (b, d)):
                _dashes(canvas, *line)


def _dashes(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    at = np.arange(0.0, length - 3.0, 5.5)
    for begin in at:
        first, last = begin / length, (begin + 3.4) / length
        canvas.line([(start[0] + (end[0] - start[0]) * k, start[1] + (end[1] - start[1]) * k) for k in (first, last)],
                    CANVAS, 1.5)


def _crane(canvas: Canvas, x: float, y: float) -> None:
    """A wading crane before a low sun, reading."""
    canvas.disc(x + 26, y - 30, 104, CLAY)
    canvas.polygon([(x - 86, y + 6), (x - 30, y - 44), (x + 60, y - 34), (x + 120, y + 10), (x + 40, y + 22),
                    (x - 30, y + 28)], TEAL)
    neck = bezier([(x - 76, y + 2), (x - 132, y - 40), (x - 60, y - 96), (x - 108, y - 150)], 30)
    canvas.line([(float(a), float(b)) for a, b in neck], TEAL, 15)
    canvas.disc(x - 110, y - 152, 15, TEAL)
    canvas.polygon([(x - 120, y - 160), (x - 196, y - 132), (x - 116, y - 142)], TEAL)
    for foot, knee in (((x - 6, y + 128), (x - 14, y + 72)), ((x + 40, y + 128), (x + 24, y + 70))):
        canvas.line([(knee[0] + 8, y + 14), knee, foot], TEAL, 6)
    t = np.linspace(0.0, 1.0, 60)
    for row in range(3):
        wave = np.stack([x - 150 + 30 * row + (300 - 60 * row) * t, y + 122 + 11 * row + 4 * np.sin(10 * np.pi * t)], 1)
        canvas.line([(float(a), float(b)) for a, b in wave], TEAL, 4)
