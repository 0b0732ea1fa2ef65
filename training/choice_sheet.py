"""A blinded forced-choice sheet: ``python -m training.choice_sheet --out sheet --count 12 --seed 1``

Writes ``sheet.html``, a page that needs no network: per row one product as raster, path trace of the default
material, refined picture and truth, in random order, and the question which one is the photo. ``key.json`` beside it
says which is which; whoever answers gets only the page. Answers come back as a file:

    python -m training.choice_sheet --score answers.json another.json --key sheet/key.json

gives each method's share of the choices with Wilson's 95 % interval. Where the refined picture is taken for the photo
as often as the truth is, nobody can tell them apart.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from pipeline.colour import to_display
from pipeline.errors import PackshotError
from training.evaluate import methods_at, pair_files, product_of
from training.judging import PATHTRACE, RASTER, Method, pathtrace, raster, truth

if TYPE_CHECKING:
    from training.pairs import Pair

U8 = NDArray[np.uint8]
TRUTH = "truth"
TEMPLATE = Path(__file__).with_name("choice_sheet.html.j2")
LETTERS = "ABCDEFGH"


class SheetError(PackshotError):
    """A sheet that cannot be made, or answers that cannot be scored."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One product's pictures in the order they are shown."""

    pair: str                              # name
    methods: tuple[str, ...]
    pictures: tuple[U8, ...]               # (H, W, 3) each


@dataclass(frozen=True, slots=True)
class Share:
    """How often a method was taken for the photo."""

    method: str
    chosen: int
    of: int
    low: float                             # Wilson's interval, 0..1
    high: float


def sheet_rows(pairs: Sequence[Pair], methods: Mapping[str, Method], seed: int) -> list[SheetRow]:
    """Every method and the truth per pair, each row in an order of its own. A row lacks what a method cannot give.

    Raises SheetError ``picture_missing``: a row with fewer pictures would favour the others.
    """
    rng = random.Random(seed)
    rows = []
    for pair in pairs:
        white = pair.passes.white_backdrop
        pictures = {TRUTH: to_display(*truth(pair), white)}
        for name, method in methods.items():
            picture = method(pair)
            if picture is None:
                raise SheetError("picture_missing", f"{pair.name}: there is no picture of {name}.",
                                 "Make the pairs with `python -m training.pairs --held-out`, which traces them too.")
            pictures[name] = to_display(*picture, white)
        order = list(pictures)
        rng.shuffle(order)
        rows.append(SheetRow(pair.name, tuple(order), tuple(pictures[name] for name in order)))
    return rows


def key_of(rows: Sequence[SheetRow]) -> dict[str, Any]:
    """JSON-able: which letter of which row is what. The sheet's id is a hash of the rest."""
    methods = {str(number): dict(zip(LETTERS, row.methods, strict=False)) for number, row in enumerate(rows, start=1)}
    content = {"rows": methods, "pairs": [row.pair for row in rows]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {"sheet": digest[:16], **content}


def page(rows: Sequence[SheetRow], sheet_id: str) -> str:
    """The HTML, pictures and script inside; nothing in it tells the methods apart."""
    template = Environment(loader=FileSystemLoader(TEMPLATE.parent), undefined=StrictUndefined, autoescape=True
                           ).get_template(TEMPLATE.name)
    entries = [{"number": number, "width": row.pictures[0].shape[1], "height": row.pictures[0].shape[0],
                "pictures": list(zip(LETTERS, map(_png, row.pictures), strict=False))}
               for number, row in enumerate(rows, start=1)]
    return template.render(rows=entries, letters=LETTERS[:len(rows[0].methods)], sheet_id=sheet_id)


def _png(picture: U8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shares(key: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> list[Share]:
    """How often each method was chosen, over all answers. Rows without a choice do not count.

    Raises SheetError ``answers_of_another_sheet`` or ``answers_unreadable``.
    """
    counts = dict.fromkeys(sorted({method for row in key["rows"].values() for method in row.values()}), 0)
    for answer in answers:
        if answer.get("sheet") != key["sheet"]:
            raise SheetError("answers_of_another_sheet", f"These answers are of sheet {answer.get('sheet')}, the key "
                             f"is of sheet {key['sheet']}.", "Score them with the key.json made with their page.")
        for row, letter in answer.get("choices", {}).items():
            if letter not in key["rows"].get(row, {}):
                raise SheetError("answers_unreadable", f"There is no picture {letter!r} in row {row!r} of this sheet.",
                                 "Use the file that the page downloads, unchanged.")
            counts[key["rows"][row][letter]] += 1
    total = sum(counts.values())
    return [Share(method, count, total, *wilson(count, total)) for method, count in
            sorted(counts.items(), key=lambda entry: -entry[1])]


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a proportion (E. B. Wilson, JASA 22, 1927); 0 to 1 without a trial."""
    if trials == 0:
        return 0.0, 1.0
    share, extra = successes / trials, z * z / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / trials + extra / (4 * trials)) / (1 + extra)
    return max(0.0, middle - half), min(1.0, middle + half)


def table(found: Sequence[Share]) -> str:
    """Markdown."""
    lines = ["| taken for the photo | times | share | 95 % interval |", "|---|---:|---:|---:|"]
    for one in found:
        share = f"{one.chosen / one.of:.0%}" if one.of else "not measured"
        lines.append(f"| {one.method} | {one.chosen} of {one.of} | {share} | {one.low:.0%} to {one.high:.0%} |")
    return "\n".join(lines)


def drawn(files: Sequence[Path], count: int, seed: int) -> list[Path]:
    """``count`` pairs at random: one view of as many products as there are, then further views."""
    rng = random.Random(seed)
    shuffled = sorted(files)
    rng.shuffle(shuffled)
    first = {product_of(file): file for file in shuffled}
    chosen = list(first.values())
    return [*chosen, *(file for file in shuffled if file not in chosen)][:count]


def make(out: Path, files: Sequence[Path], methods: Mapping[str, Method], count: int, seed: int) -> Path:
    """Write sheet.html and key.json into ``out``. Raises SheetError ``pairs_missing`` or ``picture_missing``."""
    from training.pairs import load

    if not files:
        raise SheetError("pairs_missing", "There are no pairs to choose from.",
                         "Make them: python -m training.pairs --held-out; python -m training.real_products")
    rows = sheet_rows([load(file) for file in drawn(files, count, seed)], methods, seed)
    key = key_of(rows)
    out.mkdir(parents=True, exist_ok=True)
    (out / "key.json").write_text(json.dumps(key, indent=1) + "\n")
    (out / "sheet.html").write_text(page(rows, key["sheet"]), encoding="utf-8")
    return out / "sheet.html"


def score(answers: Sequence[Path], key: Path) -> list[Share]:
    """Read and score. Raises SheetError."""
    found = []
    for path in (key, *answers):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise SheetError("answers_unreadable", f"{path} cannot be read as JSON.",
                             "Use the file that the page downloads, and the key.json made with the page.") from error
    return shares(found[0], found[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("choice-sheet"))
    parser.add_argument("--data", type=Path, default=Path("training-data"), help="holds held-out/ and real/")
    parser.add_argument("--learned", metavar="MODULE:FUNCTION", help="returns learned methods by name")
    parser.add_argument("--refined", nargs="+", default=[], help="which of them to show")
    parser.add_argument("--count", type=int, default=12, help="rows")
    parser.add_argument("--seed", type=int, default=1, help="draws products and orders")
    parser.add_argument("--score", type=Path, nargs="+", help="answers to score instead")
    parser.add_argument("--key", type=Path, help="of the sheet that was answered; key.json in --out by default")
    given = parser.parse_args(arguments)
    try:
        if given.score:
            print(table(score(given.score, given.key or given.out / "key.json")))
            return 0
        learned = methods_at(given.learned) if given.learned else {}
        absent = [name for name in given.refined if name not in learned]
        if absent:
            raise SheetError("method_unknown", f"There is no learned method {absent[0]!r}.",
                             f"Known: {', '.join(learned) or 'none; name them with --learned'}.")
        files = [file for part in ("held-out", "real") for file in pair_files(given.data / part)]
        methods = {RASTER: raster, PATHTRACE: pathtrace, **{name: learned[name] for name in given.refined}}
        print(make(given.out, files, methods, given.count, given.seed))
    except SheetError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
