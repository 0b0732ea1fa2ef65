"""Does the identity lock give back the product? ``python -m benchmarks.proof_lock [--out proof]``

The truth is a path-traced picture of the undamaged product. It is damaged the way strong refiners damage pictures,
locked with the passes of the production renderer, and compared with the truth again:

gain        dB that region pixels come nearer to the truth                                       to reach +6
ΔE00        median in regions                                                                    at most 1.0
seam        ΔE00 of the step across the regions' borders, 90th percentile along them             at most 1.0
outline     px that it is off, 95th percentile                                                   at most 0.5
light       dB between the locked and the unlocked picture, both low-passed                      at least 35
gloss       contrast of the print in highlights, as a share of the truth's                       0.75 to 1.25

A bar that a damage says nothing about is left empty: an undamaged picture cannot gain, and drift is itself a change
of light. Truths are kept in the folder, so that a second run needs a second per product. Products of the corpus are
left out where it is absent. Ends with status 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.lock_damages import DAMAGES
from benchmarks.lock_measures import (
    Places,
    delta_e,
    highlight_print,
    lab,
    low_pass,
    outline_error,
    psnr,
    seam,
)
from benchmarks.lock_scenes import ROOT, Truth, products, truth_of
from pipeline.colour import to_display
from pipeline.errors import RenderError
from pipeline.refine.lock import lock
from pipeline.render.pathtrace import probe
from pipeline.render.tracing import open_renderer

U8 = NDArray[np.uint8]

BARS: Mapping[str, Callable[[float], bool]] = {
    "gain": lambda value: value >= 6.0,
    "ΔE00": lambda value: value <= 1.0,
    "seam": lambda value: value <= 1.0,
    "outline": lambda value: value <= 0.5,
    "light": lambda value: value >= 35.0,
    "gloss": lambda value: 0.75 <= value <= 1.25,
}
# What a damage does not touch cannot come nearer, and what changes light is no measure of kept light.
NOT_ASKED: Mapping[str, tuple[str, ...]] = {
    "nothing": ("gain",), "shift": ("gain",), "rows": ("gain",), "drift": ("light",), "all but wobble": ("light",)}
CROP = 260


def measures(damaged: U8, locked: U8, truth: Truth, places: Places) -> dict[str, float]:
    true_lab, damaged_lab, locked_lab = (lab(picture[places.region][None])[0]
                                         for picture in (truth.picture, damaged, locked))
    before, after = (psnr(picture, truth.picture, places.region) for picture in (damaged, locked))
    return {
        "before": before, "after": after, "gain": after - before,
        "ΔE00 before": float(np.median(delta_e(damaged_lab, true_lab))),
        "ΔE00": float(np.median(delta_e(locked_lab, true_lab))),
        "seam": seam(locked, truth, places),
        "outline before": outline_error(damaged, truth), "outline": outline_error(locked, truth),
        "light": psnr(low_pass(locked, places.inner), low_pass(damaged, places.inner), places.inner),
        "gloss": highlight_print(locked, truth, places),
        "product before": psnr(damaged, truth.picture, places.product),
        "product": psnr(locked, truth.picture, places.product),
    }


def passes_alone(name: str, truth: Truth, places: Places) -> str:
    """A line of Markdown: how far light that was traced with few paths is from the truth's, whatever a lock does."""
    passes = truth.passes
    own = to_display(passes.product, passes.plate, passes.white_backdrop)
    apart = np.median(delta_e(*(lab(picture[places.region][None])[0] for picture in (own, truth.picture))))
    return (f"| {name} | {psnr(own, truth.picture, places.region):.1f} | {apart:.2f} | "
            f"{seam(own, truth, places):.2f} |")


def missed(damage: str, row: Mapping[str, float]) -> list[str]:
    """Names of the bars a row misses; what could not be measured is not missed."""
    return [name for name, holds in BARS.items()
            if name not in NOT_ASKED.get(damage, ()) and np.isfinite(row[name]) and not holds(row[name])]


def sheet(pictures: Mapping[str, U8], places: Places, path: Path) -> None:
    """Pictures in a row, and below each the place around the largest region at twice its size."""
    rows, columns = np.nonzero(places.region)
    height, width = next(iter(pictures.values())).shape[:2]
    top = int(np.clip(np.median(rows) - CROP / 2, 0, height - CROP))
    left = int(np.clip(np.median(columns) - CROP / 2, 0, width - CROP))
    canvas = Image.new("RGB", (width * len(pictures), height + 2 * CROP + 22), "white")
    pen = ImageDraw.Draw(canvas)
    for index, (title, picture) in enumerate(pictures.items()):
        image = Image.fromarray(picture)
        crop = image.crop((left, top, left + CROP, top + CROP)).resize((2 * CROP, 2 * CROP), Image.Resampling.LANCZOS)
        canvas.paste(image, (index * width, 22))
        canvas.paste(crop, (index * width, 22 + height))
        pen.text((index * width + 6, 5), title, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)


def table(rows: Mapping[tuple[str, str], Mapping[str, float]]) -> str:
    """Markdown; a missed bar is bold."""
    names = list(next(iter(rows.values())))
    lines = ["| product | damage | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for (product, damage), row in rows.items():
        bold = missed(damage, row)
        cells = [f"**{row[name]:.2f}**" if name in bold else f"{row[name]:.2f}" if np.isfinite(row[name]) else ""
                 for name in names]
        lines.append(f"| {product} | {damage} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "proof")
    parser.add_argument("--cache", type=Path, default=ROOT / "proof" / "truths", help="where truths are kept")
    parser.add_argument("--size", type=int, default=640, help="pixels of each picture's side")
    parser.add_argument("--samples", type=int, default=64, help="per pixel, before denoising")
    parser.add_argument("--light", choices=["traced", "raster"], default="traced", help="in the passes")
    parser.add_argument("--products", nargs="+", choices=list(products()), default=list(products()))
    parser.add_argument("--sheets", nargs="*", choices=list(DAMAGES), default=["blur", "glyphs"], help="that are drawn")
    parser.add_argument("--damages", nargs="+", choices=list(DAMAGES), default=list(DAMAGES))
    given = parser.parse_args()
    try:
        probe()
    except RenderError as missing:
        print(f"left out: {missing.message} {missing.hint}")
        return 0
    rows: dict[tuple[str, str], dict[str, float]] = {}
    alone: list[str] = []
    seconds = []
    with open_renderer(given.light) as renderer:
        for name in given.products:
            truth = truth_of(name, products()[name], renderer, given.size, given.samples, given.cache)
            places = Places.of(truth)
            alone.append(passes_alone(name, truth, places))
            for damage in given.damages:
                damaged = DAMAGES[damage](truth)
                if damage != "nothing" and (damaged == truth.picture).all():
                    continue                           # a product without stitching loses no rows
                started = time.process_time()
                locked = lock(damaged, truth.passes, truth.regions).pixels
                seconds.append(time.process_time() - started)
                rows[name, damage] = measures(damaged, locked, truth, places)
                if damage in given.sheets:
                    sheet({"truth": truth.picture, damage: damaged, "locked": locked}, places,
                          given.out / f"lock-{name}-{damage}.png".replace(" ", "-"))
                print(f"{name} {damage} {rows[name, damage]}", file=sys.stderr, flush=True)
    print(table(rows))
    print("\nThe passes' own picture against the truth, no refiner and no lock:\n")
    print("\n".join(["| product | region dB | ΔE00 | seam |", "|---|---|---|---|", *alone]))
    bad = {key: missed(key[1], row) for key, row in rows.items() if missed(key[1], row)}
    print(f"\n{len(rows) - len(bad)} of {len(rows)} rows reach every bar; the lock takes {np.median(seconds):.2f} s "
          "of one core a picture")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
