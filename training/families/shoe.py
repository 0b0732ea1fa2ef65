"""Low shoes and trainers: panels over a last, laces, two-part sole."""

from __future__ import annotations

import numpy as np

from training.families.footform import ROWS, Last, border, columns, lifted, lining_parts, panel, skin, sole_parts
from training.families.lettering import brand
from training.families.palette import choice, colours, contrasting, finish
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, Part, Sheet, resampled, tube


def shoe(rng: np.random.Generator) -> Product:
    length = rng.uniform(0.24, 0.31)
    last = Last(length, length * rng.uniform(0.34, 0.40), rng.uniform(-0.12, 0.12), rng.uniform(0.0, 1.0),
                rng.uniform(0.05, 0.085), rng.uniform(0.36, 0.46), rng.uniform(0.034, 0.05),
                rng.uniform(0.02, 0.038), rng.uniform(0.006, 0.018))
    shell = skin(last)
    heel, throat, cut = int(rng.integers(6, 11)), int(rng.integers(22, 27)), int(rng.integers(15, 21))
    pieces = {"vamp": columns(shell, throat, 64 - throat)[:cut + 1], "toe": columns(shell, throat, 64 - throat)[cut:],
              "left": columns(shell, heel, throat), "right": columns(shell, 64 - throat, 64 - heel),
              "heel": columns(shell, -heel, heel)}
    main, second, third = (*colours(rng, 2), *colours(rng, 1))
    upper = choice(rng, ("knit", "canvas", "leather", "suede", "synthetic", "denim"))
    overlay = choice(rng, ("leather", "suede", "synthetic", "rubber", "leather"))
    scheme = {"vamp": "upper", "left": "upper" if rng.random() < 0.6 else "side", "toe": "overlay", "heel": "overlay"}
    scheme["right"] = scheme["left"]
    if rng.random() < 0.3:
        scheme["toe"] = "upper"
    parts = [Part(name, scheme[name], lifted((panel(points),), last), "upper") for name, points in pieces.items()]
    parts += sole_parts(last, rng.uniform(0.002, 0.006), rng.uniform(0.12, 0.3))
    parts += [Part(part.name, part.material, lifted(part.sheets, last), part.joins)
              for part in lining_parts(last, shell, rng.uniform(0.006, 0.010))]
    parts += [Part(f"lace{k}", "lace", lifted(sheets, last))
              for k, sheets in enumerate(_laces(shell, int(rng.integers(4, 7)), throat, rng.uniform(0.005, 0.008)))]
    sole = colours(rng, 2) if rng.random() < 0.5 else [(0.76, 0.75, 0.72), second]
    finishes = {"upper": finish(rng, "upper", upper, main, (second, third), ("plain", "plain", "plain", "fade",
                                                                           "stripes", "camouflage"), (0.008, 0.04)),
                "side": finish(rng, "quarter", choice(rng, (upper, overlay)), second),
                "overlay": finish(rng, "overlay", overlay, second if rng.random() < 0.7 else main),
                "midsole": finish(rng, "midsole", choice(rng, ("foam", "rubber")), sole[0]),
                "outsole": finish(rng, "outsole", "rubber", sole[1]),
                "lining": finish(rng, "lining", choice(rng, ("fabric", "knit", "leather")), third),
                "lace": finish(rng, "lace", "lace", contrasting(rng, main) if rng.random() < 0.4 else second)}
    thread = contrasting(rng, second) if rng.random() < 0.5 else second
    stitches, prints = [], []
    rows = int(rng.integers(1, 3))
    for name, where in (("toe", "top"), ("left", "left"), ("left", "right"), ("right", "left"), ("right", "right"),
                        ("heel", "left"), ("heel", "right"), ("left", "top"), ("right", "top")):
        if rng.random() < 0.75:
            line = resampled(border(pieces[name], where, 0.004 + 0.0012 * rows), 60)
            stitches.append(Stitch(name, 0, line, thread, rows, 0.0024, rng.uniform(0.0028, 0.004)))
    if rng.random() < 0.6:
        text, size = brand(rng), length * rng.uniform(0.12, 0.2)
        prints += [Print(name, 0, (0.5, rng.uniform(0.5, 0.62)), (size, size * 0.45), text, "logo")
                   for name in ("left", "right")]
    return Product("footwear", tuple(parts), finishes, tuple(prints), tuple(stitches))


def _laces(shell: F64, count: int, throat: int, width: float) -> list[tuple[Sheet, ...]]:
    """Bars over the instep, from one side of the throat to the other."""
    found = []
    for k in range(count):
        row = 2 + k * (ROWS * 0.42) / count
        low = int(row)
        line = shell[low] + (shell[low + 1] - shell[low]) * (row - low)
        reach = max(2, (32 - throat) - 2)
        path = resampled(line[32 - reach:33 + reach], 14)
        ahead = shell[low + 2, 32] - shell[low, 32]
        normal = np.array([0.0, ahead[2], -ahead[1]]) / np.hypot(ahead[1], ahead[2])
        arch = 0.0016 + 0.002 * np.sin(np.linspace(0.0, np.pi, len(path)))[:, None]
        found.append(tube(path + normal * arch, width, 0.0024, 2.5, 8, normal.tolist()))
    return found
