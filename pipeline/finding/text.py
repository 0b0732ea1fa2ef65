"""Labels, and logos that are words: text on a diffuse map, found and read by OCR.

Text is looked for at SEARCH_PX and every line read again from its own upright crop at full resolution, as a check
will read it from an image; only what both readings agree on is kept. Lines of one size that belong together become
one region, and so does everything that stands on one patch: a label. A single short line without a patch is a logo.
A polygon's first corner is the text's top left as it is read, the others follow clockwise as it is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import Region
from pipeline.finding.maps import Sheet
from pipeline.finding.patches import Quad, patch_around
from pipeline.ocr import LINE_PX, FoundText, Reading, find_text, read_lines
from pipeline.settings import RegionKind

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
FindText = Callable[[U8], list[FoundText]]
Scalar = TypeVar("Scalar", bound=np.generic)
Polygon = tuple[tuple[float, float], ...]
ReadLines = Callable[[Sequence[U8]], list[Reading]]

SEARCH_PX = 1280           # long side of the picture that is searched; 12 px capitals of a 2048² map are 7 px there
_SURE = 0.85               # confidence of the second reading
_AGREE = 0.6               # similarity of the two readings; what is no text reads differently every time
_FEWEST = 3                # letters and digits; a circle reads as O, a corner as L
_FEWEST_SEEN = 2           # of what looks like text to a finder of other marks
_STROKES = set("iIl1|oO0cCuUvV")  # a row of stripes, holes or waves reads as these
_PADDED = 0.15             # of a line's height, around the text
_CLEAR = 0.04              # of a line's height, beyond which a chart's border cuts it
_WHOLE = 0.985             # share of a line that the material must show
_SMALLEST = 0.007          # height of a line by the product's largest extent: below 10 px in every shot
_WRAP = 0.12               # of the map, shown again beyond its border, so that text across it is seen whole
_MOST_LINES = 48           # a map with more is a page; the largest are read
_SAME_SIZE = 1.6           # ratio of two lines' heights in one block
_SAME_WAY = 0.17           # sine of the angle between them
_LEADING = 1.0             # of the lower line, between two lines of a block
_WORD_SPACE = 0.7          # of a line's height, between two pieces of one line
_WORDMARK = 16             # characters of the longest line that is a logo


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, in texels of its sheet."""

    text: str
    quad: Quad                             # (4, 2) corners as read: top left, top right, bottom right, bottom left
    sheet: int = 0
    sure: float = 0.0                      # confidence of its reading, 0..1

    @property
    def height(self) -> float:
        return float(np.linalg.norm(self.quad[3] - self.quad[0]))

    @property
    def way(self) -> F64:
        """(2,) unit vector in the direction of reading."""
        along = self.quad[1] - self.quad[0]
        return np.asarray(along / max(float(np.linalg.norm(along)), 1e-9))

    @property
    def down(self) -> F64:
        below = self.quad[3] - self.quad[0]
        return np.asarray(below / max(float(np.linalg.norm(below)), 1e-9))


@dataclass(frozen=True, slots=True)
class Words:
    """What is written on one map."""

    regions: list[Region]
    seen: list[Polygon]                    # uv corners of all that looks like text, kept or not


def words_on(sheets: Sequence[Sheet], *, find: FindText = find_text, read: ReadLines = read_lines) -> Words:
    """Labels and worded logos of the materials that share one map."""
    seen, lines = _lines(sheets, find, read)
    regions = []
    for index, sheet in enumerate(sheets):
        own = [line for line in lines if line.sheet == index]
        regions += [_region(sheet, block, patch) for block, patch in _blocks(sheet, own)]
    looks = [_polygon(sheets[0], line.quad) for line in seen if len(_glyphs(line.text)) >= _FEWEST_SEEN]
    return Words(regions, looks)


def _lines(sheets: Sequence[Sheet], find: FindText, read: ReadLines) -> tuple[list[Line], list[Line]]:
    """Lines as detection sees them, and those that are confirmed."""
    image = sheets[0].image
    seen = _joined_pieces(_search(image, _wraps(sheets), find))
    lines = [line for line in (_confirmed(image, line, sheets, read) for line in _largest(seen)) if line]
    if any(sheet.mirrored.mean() > 0.002 for sheet in sheets):
        flipped = [replace(sheet, image=_flip(sheet.image), used=_flip(sheet.mirrored)) for sheet in sheets]
        mirrored = _joined_pieces(_search(flipped[0].image, (False, False), find))
        turned = [line for line in (_confirmed(flipped[0].image, each, flipped, read) for each in _largest(mirrored))
                  if line]
        back = [replace(line, quad=np.asarray([image.shape[1], 0.0] - line.quad * [1.0, -1.0])) for line in turned]
        # A mirrored word may read as another one, but not as surely.
        lines = [line for line in lines
                 if not any(_same_place(line, other) and other.sure > line.sure for other in back)]
        lines += [line for line in back if not any(_same_place(line, other) for other in lines)]
    return seen, lines


def _wraps(sheets: Sequence[Sheet]) -> tuple[bool, bool]:
    return any(sheet.wraps[0] for sheet in sheets), any(sheet.wraps[1] for sheet in sheets)


def _flip(picture: NDArray[Scalar]) -> NDArray[Scalar]:
    return np.ascontiguousarray(picture[:, ::-1])


def _search(image: U8, wraps: tuple[bool, bool], find: FindText) -> list[Line]:
    """Lines as detection sees them; what crosses the map's border is whole once and outside it once."""
    margin = [round(_WRAP * side) if wrap else 0 for side, wrap in zip(image.shape[1::-1], wraps, strict=True)]
    picture = Image.fromarray(np.pad(image, ((margin[1], margin[1]), (margin[0], margin[0]), (0, 0)), mode="wrap"))
    scale = min(1.0, SEARCH_PX / max(image.shape[:2]))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    found = find(np.asarray(picture.resize(size, Image.Resampling.LANCZOS)))
    step = np.array([picture.width / size[0], picture.height / size[1]])
    return [Line(each.text, _as_read(np.asarray(each.corners, np.float64) * step - margin)) for each in found]


def _as_read(corners: F64) -> Quad:
    """A tall box holds a line that runs down or up the picture: its corners, so that it runs along."""
    wide, tall = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0])
    return np.asarray(np.roll(corners, 1, axis=0) if tall > 1.5 * wide else corners)


def _joined_pieces(lines: list[Line]) -> list[Line]:
    """Detection may break a widely spaced line; its pieces are one line where they follow each other."""
    pending = sorted(lines, key=lambda line: (-line.height, tuple(line.quad[0])))
    joined = True
    while joined:
        joined = False
        for a in range(len(pending)):
            for b in range(a + 1, len(pending)):
                if _one_line(pending[a], pending[b]):
                    first, second = sorted((pending[a], pending[b]),
                                           key=lambda line: float(line.quad.mean(axis=0) @ pending[a].way))
                    whole = Line(f"{first.text} {second.text}", _around((first, second)))
                    pending = [line for k, line in enumerate(pending) if k not in (a, b)] + [whole]
                    joined = True
                    break
            if joined:
                break
    return pending


def _one_line(a: Line, b: Line) -> bool:
    if not _alike(a, b):
        return False
    axis, across = a.way, a.down
    offset = abs(float((b.quad.mean(axis=0) - a.quad.mean(axis=0)) @ across))
    return offset < 0.3 * min(a.height, b.height) and _gap(a, b, axis) < _WORD_SPACE * min(a.height, b.height)


def _alike(a: Line, b: Line) -> bool:
    """Of one size and direction; which end they are read from may not be known yet."""
    ratio = max(a.height, b.height) / max(min(a.height, b.height), 1e-9)
    return ratio < _SAME_SIZE and abs(float(a.way @ b.down)) < _SAME_WAY


def _gap(a: Line, b: Line, axis: F64) -> float:
    """Between two lines along an axis; negative where they overlap."""
    p, q = a.quad @ axis, b.quad @ axis
    return float(max(p.min(), q.min()) - min(p.max(), q.max()))


def _around(lines: Sequence[Line], pad: float = 0.0) -> Quad:
    """The smallest box along the first line's direction around all lines."""
    way, down = lines[0].way, lines[0].down
    points = np.concatenate([line.quad for line in lines])
    along, below = points @ way, points @ down
    u0, u1, v0, v1 = along.min() - pad, along.max() + pad, below.min() - pad, below.max() + pad
    basis = np.linalg.inv(np.array([way, down]))
    return np.asarray((basis @ np.array([[u0, u1, u1, u0], [v0, v0, v1, v1]])).T)


def _largest(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (-line.height, tuple(line.quad[0])))[:_MOST_LINES]


def _confirmed(image: U8, line: Line, sheets: Sequence[Sheet], read: ReadLines) -> Line | None:
    """The line as its own crop reads, on the one material that shows it whole; None where it is none."""
    shares = [_shown(sheet, _around((line,), _CLEAR * line.height)) for sheet in sheets]
    best = int(np.argmax(shares))
    if shares[best] < _WHOLE or line.height < _SMALLEST * sheets[best].extents:
        return None
    readings = []
    for quad in (line.quad, np.roll(line.quad, 2, axis=0)):
        [reading] = read([upright(image, quad)])
        readings.append((reading, quad))
        if reading.confidence >= _SURE and _similar(reading.text, line.text) >= _AGREE:
            break
    reading, quad = max(readings, key=lambda pair: _similar(pair[0].text, line.text) * pair[0].confidence)
    text = " ".join(reading.text.split())
    if reading.confidence < _SURE or _similar(text, line.text) < _AGREE or not is_word(text):
        return None
    return Line(text, quad, best, reading.confidence)


def _same_place(a: Line, b: Line) -> bool:
    return _holds(a.quad, [b]) or _holds(b.quad, [a])


def _similar(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, _glyphs(a), _glyphs(b), autojunk=False).ratio()


def _glyphs(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


def is_word(text: str) -> bool:
    """Whether a reading is text, and not a row of stripes or holes that reads as strokes."""
    glyphs = [letter for letter in text if letter.isalnum()]
    strokes = sum(letter in _STROKES for letter in glyphs)
    return (len(glyphs) >= _FEWEST and len({letter.upper() for letter in glyphs}) >= 2
            and strokes < 0.8 * len(glyphs) and len(glyphs) >= 0.5 * len(text.replace(" ", "")))


def _shown(sheet: Sheet, quad: Quad) -> float:
    """Share of a box that the material shows; texels beyond the map count as not shown."""
    steps = [np.linspace(0.0, 1.0, 5 * n) for n in (8, 3)]
    s, t = (grid.ravel()[:, None] for grid in np.meshgrid(*steps))
    points = quad[0] + s * (quad[1] - quad[0]) + t * (quad[3] - quad[0])
    x, y = np.floor(points).astype(np.intp).T
    height, width = sheet.used.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return float((inside & sheet.used[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]).mean())


def upright(image: U8, quad: Quad, height: int = LINE_PX) -> U8:
    """A line's crop (h, w, 3), laid level, ``height`` px of text with a margin as OCR is used to."""
    margin = 0.12 * float(np.linalg.norm(quad[3] - quad[0]))
    box = _around((Line("", quad),), margin)
    wide, tall = (float(np.linalg.norm(box[k] - box[0])) for k in (1, 3))
    size = (int(np.clip(round(height * wide / max(tall, 1e-9)), 8, 40 * height)), height)
    (ax, ay), (bx, by) = (box[1] - box[0]) / size[0], (box[3] - box[0]) / size[1]
    data = (float(ax), float(bx), float(box[0, 0]), float(ay), float(by), float(box[0, 1]))
    shrink = max(float(tall) / height, 1.0)
    picture = Image.fromarray(image)
    if shrink > 1.5:  # an affine transform does not filter what it shrinks
        low = np.maximum(np.floor(box.min(axis=0)).astype(int) - 4, 0)
        high = np.minimum(np.ceil(box.max(axis=0)).astype(int) + 4, [image.shape[1], image.shape[0]])
        part = picture.crop((int(low[0]), int(low[1]), int(high[0]), int(high[1])))
        small = part.resize((max(1, round(part.width / shrink)), max(1, round(part.height / shrink))),
                            Image.Resampling.BOX)
        fx, fy = small.width / part.width, small.height / part.height
        data = (data[0] * fx, data[1] * fx, (data[2] - low[0]) * fx,
                data[3] * fy, data[4] * fy, (data[5] - low[1]) * fy)
        picture = small
    return np.asarray(picture.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC))


def _blocks(sheet: Sheet, lines: list[Line]) -> list[tuple[list[Line], Quad | None]]:
    """Lines that belong together, top to bottom, and the patch they stand on."""
    blocks: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: tuple(line.quad.mean(axis=0)[::-1])):
        near = [block for block in blocks if any(_follows(line, other) for other in block)]
        apart = [block for block in blocks if not any(block is other for other in near)]
        blocks = [*apart, [line, *(each for block in near for each in block)]]
    result: list[tuple[list[Line], Quad | None]] = []
    for block in sorted(blocks, key=lambda block: -sum(line.height for line in block)):
        block = _top_down(block)
        patch = patch_around(sheet, _around(block, _PADDED * block[0].height), block[0].height)
        home = next((k for k, (_, other) in enumerate(result) if other is not None and _holds(other, block)), None)
        if home is None:
            result.append((block, patch))
        else:
            result[home] = (_top_down(result[home][0] + block), result[home][1])
    return result


def _top_down(lines: Sequence[Line]) -> list[Line]:
    down = lines[0].down
    return sorted(lines, key=lambda line: float(line.quad.mean(axis=0) @ down))


def _follows(a: Line, b: Line) -> bool:
    if not _alike(a, b) or float(a.way @ b.way) < 0:
        return False
    overlap = -_gap(a, b, a.way) / min(float(np.ptp(a.quad @ a.way)), float(np.ptp(b.quad @ a.way)))
    return overlap > 0.3 and _gap(a, b, a.down) < _LEADING * min(a.height, b.height)


def _holds(quad: Quad, block: Sequence[Line]) -> bool:
    """Whether a parallelogram holds the middle of every line."""
    sides = np.stack([quad[1] - quad[0], quad[3] - quad[0]], axis=1)
    place = np.stack([np.linalg.solve(sides, line.quad.mean(axis=0) - quad[0]) for line in block])
    return bool(((place > 0) & (place < 1)).all())


def _region(sheet: Sheet, block: Sequence[Line], patch: Quad | None) -> Region:
    quad = patch if patch is not None else _around(block, _PADDED * block[0].height)
    text = "\n".join(line.text for line in block)
    kind: RegionKind = "logo" if patch is None and is_wordmark(text) else "label"
    return Region("", kind, sheet.material, _polygon(sheet, quad), text=text, source="found")


def _polygon(sheet: Sheet, quad: Quad) -> Polygon:
    return tuple((round(float(u), 5), round(float(v), 5)) for u, v in np.clip(quad / sheet.size, 0.0, 1.0))


def is_wordmark(text: str) -> bool:
    """One short line of at most two words, most of it letters: a brand, and no sentence, date or weight."""
    letters = sum(letter.isalpha() for letter in text)
    glyphs = sum(letter.isalnum() for letter in text)
    return "\n" not in text and len(text) <= _WORDMARK and len(text.split()) <= 2 and letters > 0.7 * glyphs
