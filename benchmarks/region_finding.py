"""How right are found regions? ``python -m benchmarks.region_finding [--procedural 6] [--no-examples]``

Real products against regions_truth.toml, procedural ones against the regions they are made with, by the splits of
splits.toml. A found region is right where it and a true one of its material cover each other by half; a seam where
half of either lies in the other's band. Reported are precision (of what was found), recall (of what is there), the
share of found texts that read as printed (accents, spaces and dots aside) and of found seams with the right number of
rows, and processor seconds per product. Procedural maps that tell nothing of a seam count as misses: nobody can see it.
"""

from __future__ import annotations

import argparse
import time
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.proof_khronos import CORPUS
from pipeline.catalogue import Catalogue, Region
from pipeline.finding import find_regions
from pipeline.finding.naming import overlap
from pipeline.lone_file import open_file
from pipeline.mesh.types import Mesh
from pipeline.render import Textures

ROOT = Path(__file__).resolve().parent
EXAMPLES = ROOT.parent / "examples" / "catalogue"
COVERED = 0.5


@dataclass(frozen=True)
class Subject:
    """A product with what is there to be found."""

    name: str
    family: str
    split: str
    mesh: Mesh
    textures: Textures
    truth: tuple[Region, ...]
    optional: tuple[Region, ...] = ()
    source: str = "real"


@dataclass
class Tally:
    found: int = 0
    right: int = 0
    there: int = 0
    hit: int = 0
    texts: int = 0
    texts_right: int = 0
    seams: int = 0
    rows_right: int = 0
    seconds: list[float] = field(default_factory=list)

    def row(self) -> str:
        def share(part: int, whole: int) -> str:
            return f"{part / whole:.2f} ({part}/{whole})" if whole else "–"

        slowest = f"{max(self.seconds):.1f}" if self.seconds else "–"
        return (f"{len(self.seconds)} | {share(self.right, self.found)} | {share(self.hit, self.there)} | "
                f"{share(self.texts_right, self.texts)} | {share(self.rows_right, self.seams)} | {slowest}")


def real_products() -> Iterator[Subject]:
    truths = tomllib.loads((ROOT / "regions_truth.toml").read_text())
    splits = tomllib.loads((ROOT / "splits.toml").read_text())["families"]
    for family, entry in truths.items():
        truth, optional = _regions(entry)
        for place in entry["mesh"]:
            source, _, name = place.partition(":")
            if source == "examples":
                product = Catalogue.at(EXAMPLES).product(name)
                path = EXAMPLES / name / product.mesh_file
                opened = open_file(path, manifest=product.manifest, description=product.description)
            elif (CORPUS / name).exists():
                opened = open_file(CORPUS / name)
            else:
                continue
            yield Subject(name, family, splits[family]["split"], opened.mesh, opened.textures, truth, optional)


def _regions(entry: dict[str, Any]) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """What must, and what may be found."""
    must, may = list(_seams(entry.get("seams", ""))), []
    for number, given in enumerate(entry.get("regions", ())):
        u0, v0, u1, v1 = given["box"]
        region = Region(f"{given['kind']} {number}", given["kind"], given["material"],
                        ((u0, v0), (u1, v0), (u1, v1), (u0, v1)), text=given.get("text", ""), rows=0)
        (may if given.get("optional") else must).append(region)
    return tuple(must), tuple(may)


def _seams(source: str) -> tuple[Region, ...]:
    """Stitching that the example's generator knows."""
    if source == "leather_derby":
        from examples.generate.footwear import leather_derby

        return leather_derby().regions
    return tuple(region for region in Catalogue.at(EXAMPLES).product(source).regions
                 if region.kind == "stitching") if source else ()


def procedural_products(each: int) -> Iterator[Subject]:
    from training.families import make_sample

    splits = tomllib.loads((ROOT / "splits.toml").read_text())["families"]
    for family, entry in splits.items():
        for kind in entry.get("procedural", ()):
            for seed in range(each):
                sample = make_sample(kind, 1000 + seed)
                yield Subject(f"{kind} {seed}", family, entry["split"], sample.known, sample.known_textures,
                              sample.regions, source="procedural")


def measure(subject: Subject) -> tuple[dict[str, Tally], list[str]]:
    """Tallies by kind, and what was wrong or missed in words."""
    started = time.process_time()
    found = find_regions(subject.mesh, subject.textures)
    seconds = time.process_time() - started
    tallies: dict[str, Tally] = {"prints": Tally(), "stitching": Tally()}
    said = []
    hit = set()
    for region in found:
        tally = tallies[_group(region)]
        matches = [k for k, true in enumerate(subject.truth) if _same(region, true)]
        if not matches and any(_same(region, true) for true in subject.optional):
            continue
        tally.found += 1
        tally.right += bool(matches)
        hit.update(matches)
        if not matches:
            said.append(f"wrong: {region.name} on {region.material}")
            continue
        printed = [subject.truth[k].text for k in matches if subject.truth[k].text]
        if region.text and printed:
            tally.texts += 1
            right = any(_glyphs(text) in _glyphs(region.text) or _glyphs(region.text) in _glyphs(text)
                        for text in printed)
            tally.texts_right += right
            if not right:
                said.append(f"misread: {region.text!r} for {printed}")
        rows = {subject.truth[k].rows for k in matches if subject.truth[k].rows}
        if region.kind == "stitching" and rows:
            tally.seams += 1
            tally.rows_right += region.rows in rows
    for k, true in enumerate(subject.truth):
        tallies[_group(true)].there += 1
        tallies[_group(true)].hit += k in hit
        if k not in hit:
            said.append(f"missed: {true.name} {true.text!r} on {true.material}")
    for tally in tallies.values():
        tally.seconds.append(seconds)
    return tallies, said


def _group(region: Region) -> str:
    return "stitching" if region.kind == "stitching" else "prints"


def _same(found: Region, true: Region) -> bool:
    """Whether two regions are of one group and cover each other by half."""
    if _group(found) != _group(true):
        return False
    if found.kind == "stitching" and true.polygon:  # written down as a box around it
        true = replace(true, kind="label")
    elif found.kind == "stitching":
        true = replace(true, width=1.5 * true.width)
    return overlap(found, true) >= COVERED


def _glyphs(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.upper())
    return "".join(letter for letter in plain if letter.isalnum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--procedural", type=int, default=6, help="products of each family")
    parser.add_argument("--no-examples", action="store_true", help="procedural products alone")
    parser.add_argument("--quiet", action="store_true", help="the table alone")
    args = parser.parse_args()
    table: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
    for subjects in (() if args.no_examples else real_products(), procedural_products(args.procedural)):
        for subject in subjects:
            tallies, said = measure(subject)
            if said and not args.quiet:
                print(f"{subject.name} ({subject.split})", *said, sep="\n    ", flush=True)
            for kind, tally in tallies.items():
                _add(table[subject.source, subject.split, kind], tally)
    print("\n| products | split | kind | n | precision | recall | text right | rows right | slowest s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for source in ("real", "procedural"):
        for split in ("design", "calibration", "test"):
            for kind in ("prints", "stitching"):
                if (source, split, kind) in table:
                    print(f"| {source} | {split} | {kind} | {table[source, split, kind].row()} |")


def _add(total: Tally, one: Tally) -> None:
    for name in ("found", "right", "there", "hit", "texts", "texts_right", "seams", "rows_right"):
        setattr(total, name, getattr(total, name) + getattr(one, name))
    total.seconds += one.seconds


if __name__ == "__main__":
    main()
