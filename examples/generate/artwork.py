"""Drawing for labels and prints: text with tracking, motifs, bar codes. Pillow only.

Pillow's built-in font (Aileron) makes the same letters on every machine. Art is drawn on a
canvas ``OVERSAMPLING`` times larger and reduced once, so edges are clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

OVERSAMPLING = 2

Color = tuple[int, int, int]


class Canvas:
    """A picture in final pixels; drawing calls scale themselves."""

    def __init__(self, width: int, height: int, color: Color) -> None:
        self.width, self.height = width, height
        self.image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), color)
        self.draw = ImageDraw.Draw(self.image)

    def finished(self) -> Image.Image:
        return self.image.resize((self.width, self.height), Image.Resampling.BOX)

    def rectangle(self, box: tuple[float, float, float, float], color: Color, radius: float = 0.0) -> None:
        left, top, right, bottom = (round(value * OVERSAMPLING) for value in box)
        self.draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius * OVERSAMPLING, fill=color)

    def polygon(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        self.draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points], fill=color)

    def line(self, points: Sequence[tuple[float, float]], color: Color, width: float) -> None:
        """A polyline with round joints and ends."""
        scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self.draw.line(scaled, fill=color, width=max(1, round(width * OVERSAMPLING)), joint="curve")
        reach = width * OVERSAMPLING / 2 - 0.5
        for x, y in (scaled[0], scaled[-1]):
            self.draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)

    def disc(self, x: float, y: float, radius: float, color: Color, rim: float = 0.0) -> None:
        """A filled circle, or a ring of width ``rim``."""
        box = tuple(value * OVERSAMPLING for value in (x - radius, y - radius, x + radius, y + radius))
        if rim:
            self.draw.ellipse(box, outline=color, width=max(1, round(rim * OVERSAMPLING)))
        else:
            self.draw.ellipse(box, fill=color)

    def text(self, x: float, y: float, text: str, size: float, color: Color, *, tracking: float = 0.0,
             weight: float = 0.0, align: str = "middle", turned: int = 0) -> float:
        """Write one line around the height ``y`` of its capitals' middle; returns its width.

        ``size`` is the capitals' height in px, ``tracking`` extra space per letter as a share of it,
        ``weight`` thickens strokes by that share. ``align``: left, middle, right of x. ``turned`` 90
        writes upward, 270 downward.
        """
        font, stroke = _font(size * OVERSAMPLING), round(weight * size * OVERSAMPLING)
        step = tracking * size * OVERSAMPLING
        # Kerning: place each letter by the length of the text before it.
        starts = [font.getlength(text[:i + 1]) - font.getlength(letter) + step * i for i, letter in enumerate(text)]
        width = starts[-1] + font.getlength(text[-1])
        pad, cap = 4 + stroke + round(size * OVERSAMPLING * 0.4), size * OVERSAMPLING
        stencil = Image.new("L", (round(width) + 2 * pad, round(cap) + 2 * pad), 0)
        pen = ImageDraw.Draw(stencil)
        for start, letter in zip(starts, text, strict=True):
            pen.text((pad + start, pad + cap), letter, font=font, fill=255, anchor="ls", stroke_width=stroke)
        shift = {"left": 0.0, "middle": width / 2, "right": width}[align]
        corner = (-shift - pad, -cap / 2 - pad)
        if turned == 90:
            stencil, corner = stencil.transpose(Image.Transpose.ROTATE_90), (corner[1], shift - width - pad)
        elif turned == 270:
            stencil, corner = stencil.transpose(Image.Transpose.ROTATE_270), (corner[1], -shift - pad)
        at = (round(x * OVERSAMPLING + corner[0]), round(y * OVERSAMPLING + corner[1]))
        self.image.paste(color, (*at, at[0] + stencil.width, at[1] + stencil.height), stencil)
        return width / OVERSAMPLING

    def paragraph(self, x: float, y: float, lines: Sequence[str], size: float, color: Color, leading: float = 2.0,
                  align: str = "left") -> None:
        for number, line in enumerate(lines):
            if line:
                self.text(x, y + number * size * leading, line, size, color, align=align)

    def bars(self, box: tuple[float, float, float, float], digits: str, color: Color) -> None:
        """A bar-code-like mark with its digits below. Not a readable code of any standard."""
        left, top, right, bottom = box
        size = (bottom - top) * 0.13
        widths = [1 + (int(d) * 7 + i * 3) % 4 for i, d in enumerate(digits * 4)]
        unit = (right - left) / sum(widths)
        x = left
        for number, width in enumerate(widths):
            if number % 2 == 0:
                self.rectangle((x, top, x + width * unit, bottom - size * 1.9), color)
            x += width * unit
        self.text((left + right) / 2, bottom - size / 2, digits, size, color, tracking=0.35)


def srgb(code: str) -> Color:
    """``"#rrggbb"`` to code values."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


@lru_cache(maxsize=64)
def _font(cap_height: float) -> ImageFont.FreeTypeFont:
    """The built-in font at the size that makes its capitals this high."""
    reference = ImageFont.load_default(size=1000)
    assert isinstance(reference, ImageFont.FreeTypeFont)
    _, top, _, bottom = reference.getbbox("H", anchor="ls")
    font = ImageFont.load_default(size=cap_height * 1000 / (bottom - top))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
