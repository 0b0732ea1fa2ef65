"""Words as coverage masks, set in the typeface that ships inside Pillow, so every machine draws the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

F32 = NDArray[np.float32]


def word(text: str, cap_height: int, tracking: float = 0.0, weight: float = 0.0) -> F32:
    """(H, W) coverage of one line of capitals, cropped to its ink.

    ``cap_height`` in pixels; ``tracking`` extra space between letters and ``weight`` extra stroke, both
    as a share of the capital height.
    """
    over = 4
    face = ImageFont.load_default(size=cap_height * over * 1.42)
    stroke = round(weight * cap_height * over)
    gap = tracking * cap_height * over
    width = sum(face.getlength(letter) + gap for letter in text) + 8 * over + 2 * stroke
    image = Image.new("L", (int(width) + 4 * cap_height * over, cap_height * over * 3))
    draw = ImageDraw.Draw(image)
    x = float(cap_height * over)
    for letter in text:
        draw.text((x, cap_height * over * 0.6), letter, fill=255, font=face, stroke_width=stroke)
        x += face.getlength(letter) + gap
    left, top, right, bottom = image.getbbox() or (0, 0, 1, 1)
    ink = image.crop((left, top, right, bottom))
    size = (max(1, round(cap_height * ink.width / ink.height)), cap_height)
    return np.asarray(ink.resize(size, Image.Resampling.LANCZOS), np.float32) / 255.0


def stamped(shape: tuple[int, int], ink: F32, centre: tuple[float, float], turn_deg: float = 0.0) -> F32:
    """(H, W) the word's coverage placed with its centre at (x, y) px, turned counter-clockwise."""
    picture = Image.fromarray((ink * 255).astype(np.uint8)).rotate(turn_deg, Image.Resampling.BICUBIC, expand=True)
    sheet = Image.new("L", (shape[1], shape[0]))
    sheet.paste(picture, (round(centre[0] - picture.width / 2), round(centre[1] - picture.height / 2)))
    return np.asarray(sheet, np.float32) / 255.0
