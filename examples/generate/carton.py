"""A folding carton for tea: thin board, four printed sides, a tuck lid with a thumb notch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from examples.generate.artwork import Canvas, srgb
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.shapes import F64, Surface, UvRect, flipped, grid, panel, part

WIDTH, HEIGHT, DEPTH = 0.086, 0.124, 0.058
BOARD, FOLD = 0.0005, 0.0009          # board thickness, outer radius of a fold
NOTCH = 0.0085                        # radius of the thumb notch in the front panel
HALF_W, HALF_D = WIDTH / 2, DEPTH / 2
FRONT_EDGE = HEIGHT - 0.0006          # the front panel's cut edge, below the lid
PIXELS_PER_MM = 7.0
SHEET_W, SHEET_H = 2048, 1408

# The sheet, in millimetres from its top-left corner: the four walls as one strip, lid and base below.
STRIP = 2 * (WIDTH + DEPTH)
MARGIN, LID_TOP, BASE_LEFT, RAW_LEFT = 1.5, 130.0, 92.0, 184.0
PAPER, LEAF, SAGE, DEEP, GOLD, INK, BLUSH, WHITE = (srgb(code) for code in (
    "#f4ecdb", "#4c7a5f", "#8fae8b", "#1f3b31", "#c79a4b", "#22302a", "#e2b39a", "#fbf8f1"))


def oolong_carton() -> Model:
    """Morning Oolong, twenty pyramid bags."""
    board = MaterialSpec("printed_cardboard", Texture("carton_print", _artwork()), roughness=0.6, metallic=0.0)
    return Model("oolong_carton", (part("carton", [*_walls(), *_folds(), *_lid(), *_base()], board.name, 60.0),),
                 (board,))


def _uv(x_mm: F64 | float, y_mm: F64 | float) -> F64:
    """uv of a place on the sheet."""
    x, y = np.broadcast_arrays(np.asarray(x_mm, np.float64), np.asarray(y_mm, np.float64))
    return np.stack([x * PIXELS_PER_MM / SHEET_W, y * PIXELS_PER_MM / SHEET_H], axis=-1)


def _wall_uv(along: F64 | float, height: F64 | float) -> F64:
    """uv on the strip of walls; ``along`` metres from the front panel's left edge, to the right."""
    return _uv(MARGIN + np.asarray(along) * 1000, MARGIN + (HEIGHT - np.asarray(height)) * 1000)


RAW_UV = _uv(RAW_LEFT + 5.0, LID_TOP + 5.0)


def _quad(corner: F64, right: F64, up: F64, uvs: F64) -> Surface:
    """A rectangle from its lower left corner; ``uvs`` (2, 2, 2) by row and column, or one uv."""
    points = np.array([[corner, corner + right], [corner + up, corner + right + up]])
    return grid(points, np.broadcast_to(uvs, (2, 2, 2)))


def _fold(centre: F64, along: F64, start: F64, end: F64, uvs: F64,
          radius: float = FOLD) -> Surface:
    """A quarter of a cylinder around ``along``, from direction ``start`` = along × end to ``end``."""
    angle = np.linspace(0.0, np.pi / 2, 5)[:, None]
    rim = radius * (np.cos(angle) * start + np.sin(angle) * end) + centre
    points = np.stack([rim, rim + along], axis=1)
    share = np.linspace(0.0, 1.0, 5)[:, None, None]
    return grid(points, uvs[:1] * (1 - share) + uvs[1:] * share)


def _sides() -> list[tuple[F64, F64, F64, float, float]]:
    """Front, right, back, left: lower left corner seen from outside, right, outward, width, place on the strip."""
    x, z = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    return [(np.array([-HALF_W, 0, HALF_D]), x, z, WIDTH, 0.0),
            (np.array([HALF_W, 0, HALF_D]), -z, x, DEPTH, WIDTH),
            (np.array([HALF_W, 0, -HALF_D]), -x, -z, WIDTH, WIDTH + DEPTH),
            (np.array([-HALF_W, 0, -HALF_D]), z, -x, DEPTH, 2 * WIDTH + DEPTH)]


def _span(start: float, width: float, low: float, high: float) -> F64:
    along = np.array([start + FOLD, start + width - FOLD])
    return _wall_uv(along[None, :], np.array([low, high])[:, None])


def _walls() -> list[Surface]:
    """The flat faces: the front as a cut outline, the others plain."""
    up, found = np.array([0, 1.0, 0]), []
    for number, (corner, right, _, width, start) in enumerate(_sides()):
        low = corner + right * FOLD + up * FOLD
        if number:
            top = HEIGHT - FOLD - (BOARD if number % 2 else 0.0)
            found.append(_quad(low, right * (width - 2 * FOLD), up * (top - FOLD), _span(start, width, FOLD, top)))
            continue
        outline = _front_outline()
        strip = UvRect(*_wall_uv(0.0, HEIGHT).tolist(), *_wall_uv(WIDTH, 0.0).tolist())
        found.append(panel(outline, corner, right, up, strip, (0.0, 0.0, WIDTH, HEIGHT)))
        lower = HEIGHT - FOLD - BOARD
        ends = [np.array([[WIDTH - FOLD, lower]]), np.array([[FOLD, lower]])]
        rim = np.concatenate([ends[0], outline[2:], ends[1]])[::-1]
        cut = corner + rim[:, :1] * right + rim[:, 1:] * up
        edge = np.stack([cut, cut - np.array([0, 0, BOARD])], axis=0)
        found.append(grid(edge, np.broadcast_to(RAW_UV, (*edge.shape[:2], 2))))
    return found


def _front_outline() -> F64:
    """Front panel with the thumb notch, counter-clockwise from its lower left; cut from the third point on."""
    angle = np.linspace(0.0, np.pi, 25)
    ease = 0.0016  # the notch's rim runs out into the edge
    notch = np.stack([WIDTH / 2 + NOTCH * np.cos(angle), FRONT_EDGE - NOTCH * np.sin(angle) ** 0.8], axis=1)
    notch[0, 0] += ease
    notch[-1, 0] -= ease
    return np.concatenate([[[FOLD, FOLD], [WIDTH - FOLD, FOLD], [WIDTH - FOLD, FRONT_EDGE]], notch,
                           [[FOLD, FRONT_EDGE]]])


def _folds() -> list[Surface]:
    """Rounded vertical edges with their cut tops, the rounded lower edges, and the side panels' folds to the flaps."""
    up, found = np.array([0, 1.0, 0]), []
    corner_top = HEIGHT - FOLD - BOARD
    for number, (corner, right, out, width, start) in enumerate(_sides()):
        inner = corner + right * (width - FOLD) - out * FOLD
        # Column by column from this side's normal to the next side's: seen from outside, to the right.
        edge = start + width
        uvs = _wall_uv(np.array([edge - FOLD, edge + FOLD])[:, None], np.array([corner_top, FOLD])[None, :])
        found.append(_fold(inner + up * corner_top, -up * (corner_top - FOLD), out, right, uvs))
        found.append(_cap(inner + up * corner_top, out, right, up))
        found.append(flipped(_cap(inner + up * FOLD, out, right, -up, rounded=True)))
        low = corner + right * FOLD - out * FOLD + up * FOLD
        uvs = _wall_uv(np.array([start + FOLD, start + width - FOLD])[None, :], np.array([0.0, FOLD])[:, None])
        found.append(_fold(low, right * (width - 2 * FOLD), -up, out, uvs))
        if number % 2:
            crease = low + up * (corner_top - FOLD)
            uvs = _span(start, width, corner_top, corner_top + FOLD)
            found.append(_fold(crease, right * (width - 2 * FOLD), out, up, uvs))
            found.append(_quad(crease + up * FOLD, right * (width - 2 * FOLD), -out * 0.02,
                               np.broadcast_to(RAW_UV, (2, 2, 2))))
    return found


def _cap(centre: F64, first: F64, second: F64, up: F64, rounded: bool = False) -> Surface:
    """The end of a rounded vertical edge: a cut quarter disc, or an eighth of a ball."""
    azimuth, polar = np.linspace(0.0, np.pi / 2, 5), np.linspace(0.0, np.pi / 2, 5 if rounded else 2)
    rim = np.cos(azimuth)[:, None] * first + np.sin(azimuth)[:, None] * second
    if rounded:
        points = centre + FOLD * (np.cos(polar)[:, None, None] * rim + np.sin(polar)[:, None, None] * up)
    else:
        points = centre + FOLD * (1 - np.arange(2.0))[:, None, None] * rim
    uv = _wall_uv(0.02, 0.0002) if rounded else RAW_UV
    return grid(points, np.broadcast_to(uv, (*points.shape[:2], 2)))


def _lid(bulge: float = 0.0005) -> list[Surface]:
    """Lid with its fold from the back panel, its cut sides, and the flap tucked behind the front panel."""
    half, front, back = HALF_W - FOLD, HALF_D - BOARD - 0.0004, -HALF_D
    angle = np.linspace(0.0, np.pi / 2, 6)
    flat = np.linspace(front - FOLD, back + FOLD, 9)
    # From the flap's lower edge over the front fold and the top to the back panel: (y, z), upward is inward.
    profile = np.concatenate([[[HEIGHT - 0.0105, front]],
                              np.stack([HEIGHT - FOLD + FOLD * np.sin(angle), front - FOLD + FOLD * np.cos(angle)], 1),
                              np.stack([np.full(7, HEIGHT), flat[1:-1]], 1),
                              np.stack([HEIGHT - FOLD + FOLD * np.sin(angle[::-1]),
                                        back + FOLD - FOLD * np.cos(angle[::-1])], 1)])
    across = np.linspace(-half, half, 9)
    points = np.stack([np.broadcast_to(across, (len(profile), 9)), np.broadcast_to(profile[:, :1], (len(profile), 9)),
                       np.broadcast_to(profile[:, 1:], (len(profile), 9))], axis=-1).copy()
    z = points[..., 2]
    lift = np.clip(1 - ((z - (front + back) / 2) / ((front - back) / 2 - FOLD)) ** 2, 0, None)
    points[..., 1] += bulge * lift
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    hinge = float(travelled[-1])
    from_top = LID_TOP + 1.0 + (hinge - travelled) * 1000  # the lid is printed the way its reader holds it
    uvs = _uv(MARGIN + (across[None, :] + HALF_W) * 1000, from_top[:, None])
    edges = []
    for column, step in ((-1, 1), (0, -1)):     # the cut edges: right, then left
        rim = points[1:, column]
        lower = rim + BOARD * _inward(rim)
        edges.append(grid(np.stack([lower[::step], rim[::step]]), np.broadcast_to(RAW_UV, (2, len(rim), 2))))
    return [grid(points, uvs), *edges]


def _inward(rim: F64) -> F64:
    """Unit vectors (N, 3) towards the inside of the lid's profile at each of its points."""
    tangent = np.gradient(rim[:, 1:], axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return np.stack([np.zeros(len(rim)), tangent[:, 1], -tangent[:, 0]], axis=1)


def _base() -> list[Surface]:
    """The bottom, seen from below."""
    x = np.array([HALF_W - FOLD, FOLD - HALF_W])
    z = np.array([HALF_D - FOLD, FOLD - HALF_D])
    points = np.stack([np.broadcast_to(x[None, :], (2, 2)), np.zeros((2, 2)), np.broadcast_to(z[:, None], (2, 2))], -1)
    uvs = _uv(BASE_LEFT + (HALF_W - points[..., 0]) * 1000, LID_TOP + (HALF_D - points[..., 2]) * 1000)
    return [grid(points, uvs)]


def _artwork() -> Image.Image:
    canvas = Canvas(SHEET_W, SHEET_H, PAPER)
    mm = PIXELS_PER_MM
    canvas.rectangle((0, 0, SHEET_W, (MARGIN + HEIGHT * 1000 + 2) * mm), PAPER)
    left = [MARGIN + start * 1000 for *_, start in _sides()]
    _landscape(canvas)
    _front(canvas, (left[0] + WIDTH * 500) * mm)
    _brewing(canvas, (left[1] + DEPTH * 500) * mm)
    _story(canvas, (left[2] + WIDTH * 500) * mm)
    _contents(canvas, (left[3] + DEPTH * 500) * mm)
    _lid_print(canvas)
    canvas.rectangle((BASE_LEFT * mm, LID_TOP * mm, (BASE_LEFT + WIDTH * 1000) * mm, SHEET_H), DEEP)
    canvas.text((BASE_LEFT + WIDTH * 500) * mm, (LID_TOP + DEPTH * 500) * mm, "BEST BEFORE 11 2027 · LOT 4417", 14,
                PAPER, tracking=0.2)
    canvas.rectangle((RAW_LEFT * mm, LID_TOP * mm, SHEET_W, SHEET_H), WHITE)
    return canvas.finished()


def _landscape(canvas: Canvas) -> None:
    """Tea terraces that run around the whole carton; both ends of the strip meet at the front's left edge."""
    left, right = MARGIN * PIXELS_PER_MM, (MARGIN + STRIP * 1000) * PIXELS_PER_MM
    bottom = (MARGIN + HEIGHT * 1000 + 2) * PIXELS_PER_MM
    x = np.arange(0.0, SHEET_W + 8, 8.0)
    turn = 2 * np.pi * (x - left) / (right - left)
    hills = ((78, 5.0, 3, 0.4, BLUSH), (85, 6.0, 4, 1.9, SAGE), (93, 5.0, 5, 0.2, LEAF), (103, 4.0, 3, 2.6, DEEP))
    for level, height, waves, phase, color in hills:
        y = (level + height * (np.sin(waves * turn + phase) + 0.35 * np.sin((2 * waves + 1) * turn))) * PIXELS_PER_MM
        canvas.polygon([*zip(x.tolist(), y.tolist(), strict=True), (SHEET_W, bottom), (0, bottom)], color)
        if color in (LEAF, DEEP):
            for row in range(1, 5):
                line = y + row * 26.0 + 2.0 * row * np.sin(2 * turn + row)
                canvas.line(list(zip(x.tolist(), line.tolist(), strict=True)), SAGE if color == LEAF else LEAF, 2.4)


def _front(canvas: Canvas, x: float) -> None:
    canvas.disc(x + 120, 500, 62, GOLD)
    canvas.text(x, 118, "HALDEN TEA CO.", 20, INK, tracking=0.45, weight=0.03)
    canvas.rectangle((x - 30, 152, x + 30, 156), GOLD)
    canvas.text(x, 232, "MORNING", 58, DEEP, tracking=0.12, weight=0.05)
    canvas.text(x, 322, "OOLONG", 70, DEEP, tracking=0.12, weight=0.05)
    canvas.text(x, 398, "half-open leaf, orchid and honey", 19, LEAF, tracking=0.08)
    canvas.text(x, 822, "20 PYRAMID BAGS · 50 g", 17, PAPER, tracking=0.25, weight=0.03)
    _leaf(canvas, x - 150, 520)


def _leaf(canvas: Canvas, x: float, y: float) -> None:
    """Two leaves and a bud."""
    for angle, length in ((-150.0, 92.0), (-35.0, 92.0), (-92.0, 78.0)):
        t = np.linspace(0.0, 1.0, 24)
        body = 0.24 * length * np.sin(np.pi * t) ** 0.8
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        upper = [(x + c * length * a - s * b, y + s * length * a + c * b) for a, b in zip(t, body, strict=True)]
        lower = [(x + c * length * a + s * b, y + s * length * a - c * b) for a, b in zip(t, body, strict=True)]
        canvas.polygon([*upper, *lower[::-1]], LEAF)
        canvas.line([(x, y), (x + c * length * 0.8, y + s * length * 0.8)], PAPER, 2.0)
    canvas.line([(x, y), (x + 6, y + 52)], LEAF, 6.0)


def _brewing(canvas: Canvas, x: float) -> None:
    canvas.text(x, 118, "HOW TO BREW", 20, INK, tracking=0.35, weight=0.04)
    canvas.rectangle((x - 30, 150, x + 30, 154), GOLD)
    steps = (("1", "bag in a warm cup"), ("90°", "water, 200 ml"), ("4", "minutes, lid on"))
    for row, (big, small) in enumerate(steps):
        y = 226 + row * 116
        canvas.disc(x - 118, y, 44, DEEP)
        canvas.text(x - 118, y, big, 30, PAPER, weight=0.04)
        canvas.text(x - 56, y, small, 19, INK, align="left")


def _story(canvas: Canvas, x: float) -> None:
    canvas.text(x, 118, "FROM A HILL IN THE MIST", 20, INK, tracking=0.2, weight=0.04)
    canvas.rectangle((x - 30, 150, x + 30, 154), GOLD)
    canvas.paragraph(x - 236, 206, ("Picked before nine, withered in the shade,",
                                    "rolled by hand and roasted over charcoal.",
                                    "The second cup is the best one: keep the bag.", "",
                                    "Ingredients: oolong tea.", "Store dry, cool and away from spices."), 17, INK, 2.3)
    canvas.rectangle((x + 40, 480, x + 236, 616), WHITE, 6)
    canvas.bars((x + 56, 492, x + 220, 610), "7340011826", INK)
    canvas.paragraph(x - 232, 508, ("Halden Tea Co.", "14 Quay Lane, Halden"), 14, INK, 2.1)


def _contents(canvas: Canvas, x: float) -> None:
    canvas.text(x, 118, "TASTE", 20, INK, tracking=0.35, weight=0.04)
    canvas.rectangle((x - 30, 150, x + 30, 154), GOLD)
    for row, (name, level) in enumerate((("floral", 4), ("sweet", 3), ("roast", 2), ("body", 3))):
        y = 214 + row * 72
        canvas.text(x - 150, y, name, 19, INK, align="left")
        for dot in range(5):
            canvas.disc(x - 2 + dot * 36, y, 11, DEEP if dot < level else BLUSH)


def _lid_print(canvas: Canvas) -> None:
    mm, x = PIXELS_PER_MM, (MARGIN + WIDTH * 500) * PIXELS_PER_MM
    canvas.rectangle((0, (LID_TOP - 1) * mm, (MARGIN + WIDTH * 1000 + 2) * mm, SHEET_H), DEEP)
    y = (LID_TOP + DEPTH * 500) * mm
    canvas.text(x, y - 24, "MORNING OOLONG", 26, PAPER, tracking=0.2, weight=0.04)
    canvas.text(x, y + 34, "HALDEN TEA CO.", 15, GOLD, tracking=0.45, weight=0.03)
