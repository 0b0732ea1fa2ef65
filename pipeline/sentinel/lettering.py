"""What a print says: its lines found on the faithful picture, and read the same way in any other.

Only what can be read in the faithful picture is asked of an image; a letter that reading confuses there may be
confused in the image too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from pipeline.ocr import LINE_PX, find_text, read_lines

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CAPITALS = 0.65              # cap height as a share of the height of a line as it is found
_READABLE = 0.7              # share of a line's characters that the faithful picture must give
_SIMILAR = 0.5               # of a found line to a wanted one; the closer reading of its crop decides
_INK = 0.3                   # of the strongest row's contrast: a row with less holds no letter
_FILLED = 0.45               # of a print's height that its one line's ink takes at least, if it was cut close to it
_PADDING = 0.15              # of a line's height, to either side: found lines are cut close
_LONGEST = 1200              # px
_ALIKE = ("o0", "i1l", "s5", "b8", "z2")   # drawn alike in many typefaces


@dataclass(frozen=True, slots=True)
class Letter:
    """What counts as right at one place of a line."""

    accepted: frozenset[str]
    optional: bool                         # the faithful picture's reading lacks it, or has it on top


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a print, where it is and what it says."""

    text: str
    corners: F64                           # (4, 2) samples x, y: top left, top right, bottom right, bottom left as read
    letters: tuple[Letter, ...]

    @property
    def height(self) -> float:
        """Samples from its top to its bottom."""
        return float(np.linalg.norm(self.corners[3] - self.corners[0] + self.corners[2] - self.corners[1]) / 2)


def lines_of(picture: U8, text: str) -> list[Line]:
    """The lines of a text that can be read in a faithful picture (m, n, 3), whichever way it is turned or mirrored."""
    wanted = [line for line in text.split("\n") if folded(line)]
    if len(wanted) == 1:
        # A print cut close to its one line is read as it is: finding the line takes ten times as long.
        close = [_close(picture, way) for way in _turns(picture)]
        for corners in (each for each in close if each is not None):
            [reading] = read_lines([_cut(picture, corners)])
            letters, right = _learned(wanted[0], reading.text)
            if right == 1.0 and len(folded(reading.text)) == len(folded(wanted[0])):
                return [Line(wanted[0], corners, letters)]
    best: dict[str, tuple[float, Line]] = {}
    for places in _where_to_look(picture, wanted) if wanted else ():
        for corners in places:
            [reading] = read_lines([_cut(picture, corners)])
            for line in wanted:
                letters, right = _learned(line, reading.text)
                if right >= _READABLE and (line not in best or right > best[line][0]):
                    best[line] = right, Line(line, corners, letters)
        if best:
            break
    return [best[line][1] for line in wanted if line in best]


def share_right(line: Line, picture: U8) -> tuple[float, str]:
    """Share of a line's characters that a picture shows, and what it reads as.

    What reads wrong is read a second time, sharpened: an accident of reading goes away, a wrong letter stays.
    """
    said, errors = "", len(line.letters)
    for crop in (_cut(picture, line.corners), _sharpened(_cut(picture, line.corners, 2 * _PADDING))):
        [reading] = read_lines([crop])
        wrong = _errors(line.letters, folded(reading.text))
        if not said or wrong < errors:
            said, errors = reading.text, wrong
        if errors == 0:
            break
    return max(0.0, 1.0 - errors / len(folded(line.text))), said


def folded(text: str) -> str:
    """Letters and digits without case, accents, spaces and signs, which reading gets wrong most."""
    plain = unicodedata.normalize("NFKD", text.replace("\u0131", "i"))
    return "".join(c for c in plain.casefold() if c.isalnum())


def _where_to_look(picture: U8, wanted: Sequence[str]) -> Iterator[list[F64]]:
    """Corners of what may be the wanted lines, the likeliest kinds of place first.

    Detection reads text that is upright or lies on its side, and not always the latter.
    """
    width = picture.shape[1]
    yield _found(picture, wanted)
    if len(wanted) == 1:
        yield _turns(picture)
    yield [corners[:, ::-1] for corners in _found(picture.transpose(1, 0, 2), wanted)]
    flip = np.array([[-1.0, 1.0]])
    yield [corners * flip + [width - 1, 0] for corners in _found(picture[:, ::-1], wanted)]
    yield [corners[:, ::-1] * flip + [width - 1, 0]
           for corners in _found(picture[:, ::-1].transpose(1, 0, 2), wanted)]


def _turns(picture: U8) -> list[F64]:
    """The whole picture as one line, upright first, turned and mirrored; a line is longer than it is high."""
    height, width = picture.shape[:2]
    whole = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    turns = [np.roll(way, -turn, axis=0) for way in (whole, whole[[1, 0, 3, 2]]) for turn in range(4)]
    return [way for way in turns if np.linalg.norm(way[1] - way[0]) >= np.linalg.norm(way[3] - way[0])]


def _close(picture: U8, corners: F64) -> F64 | None:
    """A line's corners drawn together to the rows and columns that hold ink; None where most of its height is bare."""
    luma = _cut(picture, corners, 0.0).astype(np.float32).mean(axis=2)
    top, bottom = _inked(luma.std(axis=1))
    if bottom - top < _FILLED:
        return None
    left, right = _inked(luma[round(top * LINE_PX):round(bottom * LINE_PX)].std(axis=0))
    spare = (bottom - top) * (1.0 / CAPITALS - 1.0) / 2
    t = np.clip([top - spare, top - spare, bottom + spare, bottom + spare], 0.0, 1.0)[:, None]
    s = np.array([left, right, right, left])[:, None]
    upper, lower = (corners[a] + s * (corners[b] - corners[a]) for a, b in ((0, 1), (3, 2)))
    return np.asarray(upper + t * (lower - upper))


def _inked(contrast: F32) -> tuple[float, float]:
    """First and last share, 0..1, of a line's height or length that holds ink; all of it where nothing does."""
    places = np.flatnonzero(contrast > _INK * contrast.max())
    return (places[0] / len(contrast), (places[-1] + 1) / len(contrast)) if len(places) else (0.0, 1.0)


def _found(picture: U8, wanted: Sequence[str]) -> list[F64]:
    """Corners of lines that detection reads much like one of the wanted ones."""
    return [np.array(found.corners) for found in find_text(np.ascontiguousarray(picture))
            if any(SequenceMatcher(None, folded(found.text), folded(line)).ratio() >= _SIMILAR for line in wanted)]


def _cut(picture: U8, corners: F64, padding: float = _PADDING) -> U8:
    """The line upright, about as high as it is read best; padded to both sides where the picture goes on."""
    down = (corners[3] - corners[0] + corners[2] - corners[1]) / 2
    along = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
    length, high = float(np.linalg.norm(along)), max(float(np.linalg.norm(down)), 1.0)
    extra = padding * high / max(length, 1.0)
    width = int(np.clip(round(LINE_PX * (1 + 2 * extra) * length / high), 8, _LONGEST))
    s = np.linspace(-extra, 1 + extra, width)[None, :, None]
    t = ((np.arange(LINE_PX) + 0.5) / LINE_PX)[:, None, None]
    top = corners[0] + s * (corners[1] - corners[0])
    bottom = corners[3] + s * (corners[2] - corners[3])
    x, y = np.moveaxis(top + t * (bottom - top), -1, 0)
    return np.stack([map_coordinates(picture[..., c].astype(np.float32), [y, x], order=1, mode="nearest")
                     for c in range(3)], axis=-1).clip(0, 255).astype(np.uint8)


def _sharpened(crop: U8) -> U8:
    fine = crop.astype(np.float32)
    return np.clip(fine + 1.0 * (fine - gaussian_filter(fine, (2.0, 2.0, 0.0))), 0, 255).astype(np.uint8)


def _accepted(letter: str) -> frozenset[str]:
    plain = folded(letter)
    alike = next((group for group in _ALIKE if plain in group and letter != "L"), "")
    return frozenset(plain) | frozenset(alike)


def _plain_letters(text: str) -> list[Letter]:
    return [Letter(_accepted(c), False) for c in unicodedata.normalize("NFKD", text) if folded(c)]


def _learned(text: str, reading: str) -> tuple[tuple[Letter, ...], float]:
    """What to accept from a picture of a text, given what reading makes of the faithful one; share that is right."""
    letters, said = _plain_letters(text), folded(reading)
    cost = _costs(letters, said)
    learned: list[Letter] = []
    i, j, right = len(letters), len(said), 0
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (said[j - 1] not in letters[i - 1].accepted):
            i, j = i - 1, j - 1
            right += said[j] in letters[i].accepted
            learned.append(Letter(letters[i].accepted | {said[j]}, False))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            learned.append(Letter(letters[i].accepted, True))
        else:
            j -= 1
            learned.append(Letter(frozenset(said[j]), True))
    return tuple(reversed(learned)), right / max(len(letters), 1)


def _errors(letters: Sequence[Letter], said: str) -> int:
    return int(_costs(letters, said)[-1, -1])


def _costs(letters: Sequence[Letter], said: str) -> NDArray[np.int_]:
    """(letters + 1, said + 1) edit distances; Wagner and Fischer 1974, with optional letters free to leave out."""
    cost = np.zeros((len(letters) + 1, len(said) + 1), int)
    cost[0] = np.arange(len(said) + 1)
    for i, letter in enumerate(letters, 1):
        cost[i, 0] = cost[i - 1, 0] + (not letter.optional)
        for j, c in enumerate(said, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (c not in letter.accepted), cost[i - 1, j] + (not letter.optional),
                             cost[i, j - 1] + 1)
    return cost
