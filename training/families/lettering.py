"""Flat graphics with text, as on labels and logos."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.families.palette import colours, contrasting
from training.families.product import Colour, Print
from training.materials.tile import F32

_SYLLABLES = ("ka", "lo", "ven", "ti", "mor", "ra", "sel", "no", "di", "pha", "lum", "or", "bre", "ny", "sta", "vi",
              "gra", "el", "un", "cor", "ma", "hal", "qui", "zo", "fen", "ar", "tro", "pel", "wick", "son")
_SMALL = ("NET WT 250 G", "EST. 1974", "MADE WITH CARE", "No. 12", "ORGANIC", "500 ml", "SIZE 42", "PURE & SIMPLE",
          "BATCH 07", "RUNNING DEPT.", "HAND WASH ONLY", "LIMITED", "ORIGINAL")


def brand(rng: np.random.Generator) -> str:
    """A made-up word of two or three syllables."""
    return "".join(_SYLLABLES[int(rng.integers(len(_SYLLABLES)))] for _ in range(int(rng.integers(2, 4)))).upper()


def artwork(rng: np.random.Generator, print_: Print, ground: Colour, width: int, height: int) -> tuple[F32, F32]:
    """(height, width, 3) linear colours and (height, width) coverage of a print."""
    if print_.kind == "label":
        paper, = colours(rng, 1)
        ink, second = contrasting(rng, paper), colours(rng, 1)[0]
    else:
        paper, ink = ground, contrasting(rng, ground)
        second = ink
    over = 2
    inks = Image.new("L", (width * over, height * over), 0)
    seconds = Image.new("L", (width * over, height * over), 0)
    _text(ImageDraw.Draw(inks), print_.text, width * over, height * over, 0.5 if print_.kind == "label" else 0.78)
    if print_.kind == "label":
        _furniture(rng, ImageDraw.Draw(inks), ImageDraw.Draw(seconds), width * over, height * over)
    elif rng.random() < 0.6:
        _mark(rng, ImageDraw.Draw(seconds), width * over, height * over)
    cover_ink, cover_second = (np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32)[..., None]
                               / 255.0 for image in (inks, seconds))
    tone = np.asarray(paper, np.float32) * (1.0 - cover_second) + np.asarray(second, np.float32) * cover_second
    tone = tone * (1.0 - cover_ink) + np.asarray(ink, np.float32) * cover_ink
    cover = np.ones((height, width), np.float32) if print_.kind == "label" else np.maximum(cover_ink, cover_second
                                                                                           )[..., 0]
    return np.asarray(tone, np.float32), np.asarray(cover, np.float32)


def _font(pixels: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=max(pixels, 4.0))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _text(pen: ImageDraw.ImageDraw, text: str, width: int, height: int, share: float) -> None:
    """The words as large as fit in a share of the field, in its middle."""
    left, top, right, bottom = _font(100.0).getbbox(text)
    size = 100.0 * min(0.86 * width / (right - left), share * height / (bottom - top))
    weight = max(0, round(size * 0.03))
    pen.text((width / 2, height / 2), text, 255, _font(size), anchor="mm", stroke_width=weight)


def _furniture(rng: np.random.Generator, ink: ImageDraw.ImageDraw, second: ImageDraw.ImageDraw, width: int, height: int
               ) -> None:
    """Frame, bars and small print of a label."""
    line = max(1, height // 60)
    if rng.random() < 0.5:
        ink.rectangle((3 * line, 3 * line, width - 1 - 3 * line, height - 1 - 3 * line), outline=255, width=line)
    bar = height * rng.uniform(0.06, 0.16)
    where = rng.random()
    if where < 0.35:
        second.rectangle((0, 0, width, bar), fill=255)
    elif where < 0.7:
        second.rectangle((0, height - bar, width, height), fill=255)
    for level in (0.2, 0.8):
        if rng.random() < 0.75:
            words = _SMALL[int(rng.integers(len(_SMALL)))]
            ink.text((width / 2, height * level), words, 255, _font(height * 0.09), anchor="mm")


def _mark(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A simple emblem above or below the words."""
    size, y = height * 0.16, height * rng.choice([0.1, 0.9])
    x = width * 0.5
    if rng.random() < 0.5:
        pen.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), fill=255)
    else:
        pen.rectangle((width * 0.08, y - size / 6, width * 0.92, y + size / 6), fill=255)
