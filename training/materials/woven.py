"""Plain weave and twill: canvas, denim, ripstop."""

from __future__ import annotations

import numpy as np

from training.materials.tile import F32, Tile, blurred, made, noise, ranked

PIXELS = 512


def canvas(rng: np.random.Generator) -> Tile:
    return _weave(rng, pitch_mm=rng.uniform(0.6, 1.5), over=1, shift=1, contrast=rng.uniform(0.01, 0.04))


def denim(rng: np.random.Generator) -> Tile:
    """3/1 twill whose light weft shows as diagonal ribs."""
    return _weave(rng, pitch_mm=rng.uniform(0.5, 0.9), over=3, shift=1, contrast=rng.uniform(0.03, 0.08))


def fabric(rng: np.random.Generator) -> Tile:
    """Upholstery and nylon: coarse basket or fine 2/1 twill."""
    if rng.random() < 0.5:
        return _weave(rng, pitch_mm=rng.uniform(1.2, 2.6), over=1, shift=1, contrast=rng.uniform(0.03, 0.09))
    return _weave(rng, pitch_mm=rng.uniform(0.45, 0.8), over=2, shift=1, contrast=rng.uniform(0.01, 0.03))


def _weave(rng: np.random.Generator, pitch_mm: float, over: int, shift: int, contrast: float) -> Tile:
    """Crossing yarns: each rides over ``over`` others and under one, ``shift`` further in every row."""
    repeat = over + 1
    threads = repeat * max(4, round(28 / repeat))
    size = threads * pitch_mm
    at = (np.arange(PIXELS, dtype=np.float32) + 0.5) / PIXELS * threads
    wander = (noise(rng, PIXELS, size, pitch_mm * 8, 1.0) * 0.05).astype(np.float32)
    x = np.asarray(at[None, :] + wander, np.float32)
    y = np.asarray(at[:, None] + np.roll(wander, PIXELS // 3, axis=0), np.float32)
    warp_up, weft_up = _ride(x, y, over, shift, repeat), _ride(x, y, over, shift, repeat, weft=True)
    thick = (1.0 + 0.10 * rng.standard_normal((2, threads))).astype(np.float32)
    warp = _round(x, thick[0]) * 0.55 + warp_up * 0.45
    weft = _round(y, thick[1]) * 0.55 + weft_up * 0.45
    top = np.maximum(warp, weft)
    fuzz = noise(rng, PIXELS, size, pitch_mm * 0.22, 0.6) * 0.05
    height = (blurred(np.asarray(top + fuzz, np.float32), PIXELS / threads * 0.07)) * pitch_mm * rng.uniform(0.20, 0.34)
    yarn = rng.standard_normal((2, threads)).astype(np.float32)
    tone = np.where(warp > weft, yarn[0][np.floor(x).astype(int) % threads], yarn[1][np.floor(y).astype(int) % threads])
    second = np.where(warp > weft, 1.0, -1.0) * rng.uniform(0.0, 1.0) * (2.0 if over == 3 else 1.0)
    slub = noise(rng, PIXELS, size, pitch_mm * 5, 0.8, stretch=4.0)
    return made(size, height, ranked(top, 1, 80), 1.0 + contrast * (0.6 * tone + 0.5 * slub + second),
                noise(rng, PIXELS, size, pitch_mm * 2) * 0.03, tint=rng.uniform(0.35, 0.65))


def _round(at: F32, thick: F32) -> F32:
    """0..1 cross-section of the yarn that lies around each place."""
    width = thick[np.floor(at).astype(int) % len(thick)]
    inside = (at - np.floor(at) - 0.5) / (0.5 * np.clip(width, 0.75, 1.1))
    return np.asarray(np.sqrt(np.clip(1.0 - inside**2, 0.0, 1.0)), np.float32)


def _ride(x: F32, y: F32, over: int, shift: int, repeat: int, weft: bool = False) -> F32:
    """-1..1 how high a yarn rides at each place: smooth along the yarn, counted in yarns of the other direction."""
    own, other = (y, x) if weft else (x, y)
    phase = other - shift * np.floor(own)
    # The middle of the crossing at which the warp dives below the weft.
    away = np.abs((phase - 0.5 + repeat / 2) % repeat - repeat / 2)
    dive = np.exp(-((away / 0.55) ** 4))
    rides = 2.0 * dive - 1.0 if weft and over > 1 else 1.0 - 2.0 * dive
    if over == 1:
        rides = -np.cos(np.pi * (other - 0.5 - np.floor(own))) * (-1.0 if weft else 1.0)
    return np.asarray(rides, np.float32)
