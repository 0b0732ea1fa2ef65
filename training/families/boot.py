"""Ankle boots: the last of a shoe with a shaft, no laces, a pull tab."""

from __future__ import annotations

import numpy as np

from training.families.footform import Last, border, columns, lifted, lining_parts, panel, skin, sole_parts
from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, Part, resampled, tube


def boot(rng: np.random.Generator) -> Product:
    length = rng.uniform(0.24, 0.31)
    last = Last(length, length * rng.uniform(0.35, 0.40), rng.uniform(-0.1, 0.1), rng.uniform(0.2, 1.0),
                rng.uniform(0.075, 0.1), rng.uniform(0.38, 0.46), rng.uniform(0.038, 0.055), rng.uniform(0.026, 0.045),
                rng.uniform(0.005, 0.014))
    foot = skin(last)
    shell = _with_shaft(foot, rng.uniform(0.05, 0.2), rng.uniform(1.0, 1.25))
    extra = len(shell) - len(foot)
    heel, front, cut = int(rng.integers(7, 12)), int(rng.integers(20, 26)), extra + int(rng.integers(2, 8))
    pieces = {"shaft": columns(shell, heel, 64 - heel)[:cut + 1], "left": columns(shell, heel, front)[cut:],
              "right": columns(shell, 64 - front, 64 - heel)[cut:], "vamp": columns(shell, front, 64 - front)[cut:],
              "heel": columns(shell, -heel, heel)}
    main, second, third = colours(rng, 3)
    upper = choice(rng, ("leather", "suede", "leather", "rubber", "canvas", "knit"))
    other = choice(rng, ("leather", "suede", "synthetic", upper))
    scheme = {"shaft": "upper", "left": "upper", "right": "upper", "vamp": "overlay" if rng.random() < 0.5 else "upper",
              "heel": "overlay"}
    parts = [Part(name, scheme[name], lifted((panel(points),), last), "upper") for name, points in pieces.items()]
    parts += sole_parts(last, rng.uniform(0.002, 0.007), rng.uniform(0.2, 0.5))
    parts += [Part(part.name, part.material, part.sheets, part.joins)
              for part in lining_parts(last, shell, rng.uniform(0.005, 0.009))]
    back = shell[0, 0]
    loop = np.array([[0.0, back[1] - 0.02 + 0.05 * np.sin(a), back[2] - 0.002 - 0.006 * np.sin(a)]
                     for a in np.linspace(0.0, np.pi, 16)])
    loop[:, 2] += np.linspace(-0.003, 0.012, 16)
    parts.append(Part("tab", "overlay", tube(loop, 0.018, 0.003, 4.0, 8, (1.0, 0.0, 0.0))))
    finishes = {"upper": finish(rng, "upper", upper, main), "overlay": finish(rng, "overlay", other, second),
                "midsole": finish(rng, "midsole", choice(rng, ("rubber", "foam")), third),
                "outsole": finish(rng, "outsole", "rubber", second if rng.random() < 0.3 else (0.04, 0.04, 0.042)),
                "lining": finish(rng, "lining", choice(rng, ("fabric", "knit", "suede")), third)}
    thread, rows = contrasting(rng, main), int(rng.integers(1, 3))
    stitches = [Stitch(name, 0, resampled(border(pieces[name], where, 0.005), 60), thread, rows, 0.0026,
                       rng.uniform(0.003, 0.0045))
                for name, where in (("shaft", "bottom"), ("left", "right"), ("right", "left"), ("heel", "left"),
                                    ("heel", "right")) if rng.random() < 0.8]
    size = length * rng.uniform(0.12, 0.2)
    prints = [Print("shaft", 0, (rng.choice([0.25, 0.75]), 0.5), (size, size * 0.5), brand(rng), "logo")]
    return Product("footwear", tuple(parts), finishes, tuple(prints[:int(rng.integers(0, 2))]), tuple(stitches))


def _with_shaft(foot: F64, height: float, flare: float) -> F64:
    """Rings above the collar; the first of them the mouth."""
    collar = foot[0]
    middle = collar.mean(axis=0)
    count = max(6, round(height / 0.009))
    t = np.linspace(1.0, 0.0, count, endpoint=False)[:, None, None]
    wider = 1.0 + (flare - 1.0) * t * t
    shaft = middle + (collar[None] - middle) * wider
    shaft[..., 1] = collar[None, :, 1] + height * t[..., 0]
    return np.concatenate([shaft, foot])
