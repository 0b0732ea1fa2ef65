"""Is the embedded model worth its weights? ``python -m training.evaluate --pairs DATA/held-out [--json out.json]``

Rows: the raster, a path trace of the default material, and on each of the two one net asked for its mean and for a
sample in one, two and four steps; on products of families that no training pair shows, and on real products whose
maps were withheld. Columns: PSNR of display code values on product, shadow ring and silhouette band, and the
patch-spectrum distance of texture, each with a 95 % interval over products. Exit status 1 where the best row misses
a bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.judging import (
    METRICS,
    PATHTRACE,
    RASTER,
    Bar,
    Measured,
    Method,
    Row,
    bars_of,
    measure,
    pathtrace,
    raster,
    rows_of,
    winner,
)
from training.resampling import Interval

if TYPE_CHECKING:
    from training.pairs import Pair

TITLES = {RASTER: "raster", PATHTRACE: "path tracing, default material",
          **{f"{base}, {asked}": f"{base}: {title}" for base in ("drawn", "traced") for asked, title in (
              ("regression", "one-step regression"), ("diffusion-1", "one-step diffusion"),
              ("diffusion-2", "two-step diffusion"), ("diffusion-4", "four-step diffusion"))}}
HEADS = {"product": "product dB", "ring": "ring dB", "band": "band dB", "texture": "texture distance dB"}


def measured(pairs: Iterable[Pair], total: int, methods: Mapping[str, Method],
             say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)) -> list[Measured]:
    """Every method on every view, saying about every half minute how far it is."""
    found: list[Measured] = []
    start = last = time.monotonic()
    for done, pair in enumerate(pairs, start=1):
        found += measure(pair, methods)
        now = time.monotonic()
        if done == total or now - last >= 30.0:
            left = (now - start) / done * (total - done)
            say(f"{done} of {total} views, {(now - start) / 60:.1f} min, {left / 60:.1f} min left")
            last = now
    return found


def table(rows: Sequence[Row]) -> str:
    """Markdown: means with intervals, and how far each row is from the raster."""
    heads = ["method", "products", *(HEADS[metric] for metric in METRICS), "product − raster", "band − raster",
             "texture ÷ path traced"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for row in rows:
        compared = row.method != RASTER
        cells = [TITLES.get(row.method, row.method), str(row.products),
                 *(_cell(row.means[metric]) for metric in METRICS),
                 *(_cell(row.to_raster[metric], "+") if compared else "" for metric in ("product", "band")),
                 _cell(row.texture_share) if row.method != PATHTRACE else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return "not measured"
    return f"{interval.value:{sign}.2f} ({interval.low:{sign}.2f} to {interval.high:{sign}.2f})"


def plain_table(head: str, groups: Mapping[str, Sequence[Row]]) -> str:
    """Markdown: means alone, one line per group and method."""
    lines = [f"| {head} | method | " + " | ".join(HEADS[metric] for metric in METRICS) + " |",
             "|---|---|" + "---:|" * len(METRICS)]
    for name, rows in groups.items():
        for row in rows:
            values = [row.means[metric] for metric in METRICS]
            cells = ["not measured" if value is None else f"{value.value:.2f}" for value in values]
            lines.append(f"| {name} | {TITLES.get(row.method, row.method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bars_table(method: str, bars: Sequence[Bar]) -> str:
    lines = [f"Bars of the best row, {TITLES.get(method, method)}:", "",
             "| bar | wanted | found | |", "|---|---|---:|---|"]
    for bar in bars:
        found = "not measured" if bar.found is None else f"{bar.found:.2f}"
        lines.append(f"| {bar.name} | {bar.wanted} | {found} | {'reached' if bar.cleared else '**missed**'} |")
    return "\n".join(lines)


def report(held_out: Sequence[Measured], real: Sequence[Measured], candidates: Sequence[str]) -> dict[str, Any]:
    """Everything found, JSON-able: rows, bars of every candidate, the best of them, and each single measurement.

    ``real``: of several shots, each product's family naming it.
    """
    rows = rows_of(held_out)
    by_product = {name: rows_of([one for one in real if real_name(one) == name])
                  for name in dict.fromkeys(real_name(one) for one in real)}
    by_view = {view: rows_of([one for one in held_out if view_kind(one) == view])
               for view in sorted({view_kind(one) for one in held_out}, reverse=True)}
    best = winner(rows, by_product, candidates)
    bars = {name: bars_of(name, rows, by_product) for name in candidates}
    return {"rows": [asdict(row) for row in rows],
            "views": {view: [asdict(row) for row in mine] for view, mine in by_view.items()},
            "real": {name: [asdict(row) for row in mine] for name, mine in by_product.items()},
            "bars": {name: [asdict(bar) for bar in mine] for name, mine in bars.items()}, "best": best,
            "passed": best is not None and all(bar.cleared for bar in bars[best]),
            "measured": [asdict(one) for one in (*held_out, *real)],
            "markdown": _markdown(rows, by_view, by_product, best, bars)}


def view_kind(one: Measured) -> str:
    """``full`` or ``close``: of close0, close1, …"""
    return one.view.rstrip("0123456789")


def real_name(one: Measured) -> str:
    """Of a real product, whose shots stand where a family's seeds do."""
    return one.product_name.rpartition("-")[0]


def _markdown(rows: Sequence[Row], views: Mapping[str, Sequence[Row]], real: Mapping[str, Sequence[Row]],
              best: str | None, bars: Mapping[str, Sequence[Bar]]) -> str:
    parts = ["Held-out products of unseen families, mean (95 % interval over products):", table(rows)]
    if len(views) > 1:
        parts += ["The same by view, full or close:", plain_table("view", views)]
    if real:
        parts += ["Real products whose maps were withheld, mean over their shots:", plain_table("product", real)]
    parts.append(bars_table(best, bars[best]) if best is not None else "No learned row was measured.")
    return "\n\n".join(parts)


def _finite(value: Any) -> Any:
    """NaN, which JSON has no word for, as null."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def stored(folder: Path, products: int | None) -> tuple[Iterable[Pair], int]:
    """The pairs of a folder, opened one by one, and how many there are."""
    from training.pairs import load

    files = pair_files(folder)
    if products is not None:
        # Families in turn, so that a part shows all of them.
        names = sorted({product_of(file) for file in files}, key=lambda name: (name.rpartition("-")[2], name))
        files = [file for file in files if product_of(file) in names[:products]]
    return (load(file) for file in files), len(files)


def pair_files(folder: Path) -> list[Path]:
    """A folder's pairs, sorted; what training keeps beside them has another dot in its name."""
    return sorted(file for file in folder.glob("*.npz") if "." not in file.stem)


def product_of(file: Path) -> str:
    """family-seed, of family-seed-view.npz."""
    return file.stem.rpartition("-")[0]


def methods_at(place: str) -> Mapping[str, Method]:
    """What ``module:function`` gives: the learned rows by name."""
    module, _, function = place.partition(":")
    found: Mapping[str, Method] = getattr(import_module(module), function)()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("training-data"),
                        help="holds held-out/ (python -m training.pairs --held-out) and real/ "
                             "(python -m training.real_products)")
    parser.add_argument("--learned", metavar="MODULE:FUNCTION", help="returns learned methods by name")
    parser.add_argument("--products", type=int, help="only so many held-out products, families in turn")
    parser.add_argument("--json", type=Path, help="write everything found there")
    given = parser.parse_args(arguments)
    learned = methods_at(given.learned) if given.learned else {}
    methods: dict[str, Method] = {RASTER: raster, PATHTRACE: pathtrace, **learned}
    held_out = measured(*stored(given.data / "held-out", given.products), methods)
    if not held_out:
        print(f"{given.data / 'held-out'}: no pairs. Make them: python -m training.pairs --held-out", file=sys.stderr)
        return 2
    real = measured(*stored(given.data / "real", None), methods)
    found = report(held_out, real, list(learned))
    print(found["markdown"])
    if given.json is not None:
        given.json.write_text(json.dumps(_finite(found), indent=1, allow_nan=False) + "\n")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
