"""Colours of products, and finishes drawn for a kind."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from pipeline.mesh.materials import KINDS
from training.families.product import Colour, Finish, PatternKind
from training.materials import SURFACES
from training.materials.tile import turned

_OWN_COLOUR = ("wood", "cork", "cardboard", "brass", "copper", "steel", "metal")  # that are rarely dyed


def colours(rng: np.random.Generator, count: int) -> list[Colour]:
    """Colours that go together: near white, near black, greys, muted or strong ones. Linear, 0.03–0.82."""
    hue = rng.random()
    return [_colour(rng, (hue + rng.choice([0.0, 0.04, 0.5, 0.33]) + rng.normal(0.0, 0.02)) % 1.0)
            for _ in range(count)]


def _colour(rng: np.random.Generator, hue: float) -> Colour:
    style = rng.random()
    if style < 0.17:
        value, saturation = rng.uniform(0.82, 0.92), rng.uniform(0.0, 0.08)       # near white
    elif style < 0.32:
        value, saturation = rng.uniform(0.17, 0.28), rng.uniform(0.0, 0.3)        # near black
    elif style < 0.45:
        value, saturation = rng.uniform(0.3, 0.75), rng.uniform(0.0, 0.08)        # grey
    elif style < 0.75:
        value, saturation = rng.uniform(0.35, 0.85), rng.uniform(0.15, 0.45)      # muted
    else:
        value, saturation = rng.uniform(0.45, 0.9), rng.uniform(0.5, 0.9)         # strong
    coded = np.array(colorsys.hsv_to_rgb(hue, saturation, value))
    return within(np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4))


def within(linear: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (float(np.clip(value, 0.02, 0.82)) for value in linear)
    return red, green, blue


def finish(rng: np.random.Generator, part: str, kind: str, colour: Colour, accents: Sequence[Colour] = (),
           patterns: Sequence[PatternKind] = ("plain",), pitch: tuple[float, float] = (0.01, 0.06),
           upright: bool = False) -> Finish:
    """A finish of ``kind``, its grain running down where ``upright``.

    Wood, cardboard and bare metals keep their own colour, a little varied.
    """
    own = KINDS[kind].color
    if own is not None and (KINDS[kind].metallic > 0 or kind in _OWN_COLOUR):
        factor = rng.uniform(0.75, 1.2) * (1.0 + rng.normal(0.0, 0.03, 3))
        colour, patterns = within(np.asarray(own) * factor), ("plain",)
    pattern = patterns[int(rng.integers(len(patterns)))] if accents else "plain"
    tile = SURFACES[kind](rng)
    return Finish(f"{kind}_{part}", kind, turned(tile) if upright else tile, colour, tuple(accents), pattern,
                  rng.uniform(*pitch))


def contrasting(rng: np.random.Generator, ground: Colour) -> Colour:
    """A colour that is read on another: at least three times lighter or darker."""
    luminance = float(np.dot(ground, (0.2126, 0.7152, 0.0722)))
    for candidate in colours(rng, 12):
        other = float(np.dot(candidate, (0.2126, 0.7152, 0.0722)))
        if max(luminance, other) + 0.02 > 3.0 * (min(luminance, other) + 0.02):
            return candidate
    return (0.03, 0.03, 0.03) if luminance > 0.2 else (0.78, 0.78, 0.76)


def choice(rng: np.random.Generator, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]
