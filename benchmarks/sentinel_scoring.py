"""Sentinel's measurements of the benchmark's pictures: ``python -m benchmarks.sentinel_scoring --out bench-sentinel``.

Every picture is seen plain and through nuisances drawn from its name. Measurements go to ``measurements.parquet`` in
the product's folder, each with a stamp of the source that its check is made of: after a change of one check only that
check measures again, and no picture is ever rendered for it. Nothing is judged here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lock_scenes import ROOT
from benchmarks.sentinel_nuisances import Nuisance, draw, seen_through
from benchmarks.sentinel_pictures import INDEX
from pipeline.catalogue import Region
from pipeline.render import load_passes
from pipeline.sentinel import Expected, all_checks, expected_from
from pipeline.sentinel.measuring import run_check
from pipeline.sentinel.registry import Check

U8 = NDArray[np.uint8]
MEASUREMENTS = "measurements.parquet"
NOTHING = "pixels: nothing"    # the injector found nothing in the picture that it could damage
CLOSE_UP = ("label_legibility", "logo_sharpness", "stitching")
# How often an honest picture of a source is looked at: plain, and through so many draws of nuisances.
LOOKS = {"test": {"traced": (0, 1), "embedded": (1, 2), "unlocked": (1,), "none": (1, 2)},
         "calibration": {"embedded": (1,), "unlocked": (), "none": (1,)}}  # what may be delivered
_SCHEMA = pa.schema([
    ("product", pa.string()), ("family", pa.string()), ("split", pa.string()), ("raster", pa.bool_()),
    ("shot", pa.string()), ("stage", pa.string()), ("file", pa.string()), ("source", pa.string()),
    ("defect", pa.string()), ("nominal", pa.float64()), ("injected", pa.float64()), ("visible", pa.float64()),
    ("hit", pa.string()), ("note", pa.string()), ("nuisance", pa.string()), ("seen", pa.string()),
    ("check", pa.string()), ("estimator", pa.string()), ("region", pa.string()), ("value", pa.float64()),
    ("unit", pa.string()), ("coverage", pa.float64()), ("applicable", pa.bool_()), ("reason", pa.string()),
    ("seconds", pa.float64()), ("stamp", pa.string())])
_IMPORT = re.compile(r"^from (pipeline\.(?:sentinel|ocr|regions|colour)[\w.]*) import ([^\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture as it is scored."""

    picture: Mapping[str, Any]         # as in pictures.json
    look: int                          # 0 plain, else a draw of nuisances
    injected: str = ""                 # check.injector, put into the picture before it is seen

    @property
    def name(self) -> str:
        return f"{self.picture['shot']}/{self.picture['file'] or 'expected'}/{self.injected or self.look}"


def sights(about: Mapping[str, Any]) -> Iterator[Sight]:
    """What is scored of one product: honest pictures of every source, and every damaged one plain and drawn.

    Products with damaged pictures also get every check's pixel injectors, in a traced picture of their first shot, or
    of their last where the check looks at what shows close up.
    """
    damaged = any(picture["defect"] for picture in about["pictures"])
    for picture in about["pictures"]:
        if picture["defect"]:
            yield from (Sight(picture, look) for look in (0, 1))
            continue
        yield from (Sight(picture, look) for look in LOOKS[about["split"]][picture["source"]])
        if damaged and picture["source"] == "traced":
            yield from (Sight(picture, 1, f"{check.name}.{injector.__name__}")
                        for check in all_checks() for injector in check.injectors
                        if picture["shot"] == about["shots"][-1 if check.name in CLOSE_UP else 0])


def stamp(check: Check) -> str:
    """A hash of every source file that the check's measurements depend on."""
    return _stamp(check.measure.__module__)


@cache
def _stamp(module: str) -> str:
    seen: dict[str, bytes] = {}
    todo = [module, "benchmarks.sentinel_nuisances"]
    while todo:
        name = todo.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name in seen or not path.exists():
            continue
        seen[name] = path.read_bytes()
        for package, names in _IMPORT.findall(path.read_text()):
            todo += [package, *(f"{package}.{one.strip()}" for one in names.strip("()").split(","))]
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + seen[name])
    return digest.hexdigest()[:16]


def score(folder: Path, wanted: Sequence[str] | None = None, pixels: bool = True) -> int:
    """Bring one product's measurements up to date; how many pictures were looked at. ``pixels``: injectors too."""
    about = json.loads((folder / INDEX).read_text())
    file = folder / MEASUREMENTS
    old = pq.read_table(file).to_pylist() if file.exists() else []
    checks = [check for check in all_checks() if wanted is None or check.name in wanted]
    current = {check.name: stamp(check) for check in all_checks()}
    names = {sight.name for sight in sights(about)}
    kept = [row for row in old if row["seen"] in names and current.get(row["check"]) == row["stamp"]]
    done = {(row["seen"], row["check"]) for row in kept}
    rows, looked = list(kept), 0
    regions = tuple(_region(region) for region in about["regions"])
    scene: tuple[str, Expected] | None = None
    for sight in sights(about):
        todo = [check for check in checks if (sight.name, check.name) not in done
                and (not sight.injected or sight.injected.startswith(f"{check.name}."))]
        if not todo or (sight.injected and not pixels):
            continue
        shot = sight.picture["shot"]
        if scene is None or scene[0] != shot:
            scene = shot, expected_from(load_passes(folder / f"{shot}.exr"))
        looked += 1
        rows += _measured(about, sight, scene[1], folder, regions, todo)
    if looked or len(kept) != len(old):
        part = file.with_suffix(".part")
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), part, compression="zstd")
        part.replace(file)
    return looked


def load(folder: Path) -> pd.DataFrame:
    """Every stored measurement of a benchmark."""
    files = sorted(folder.glob(f"*/{MEASUREMENTS}"))
    return pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)


def _measured(about: Mapping[str, Any], sight: Sight, expected: Expected, folder: Path, regions: tuple[Region, ...],
              checks: Sequence[Check]) -> Iterator[dict[str, Any]]:
    picture = sight.picture
    image: U8 = np.asarray(Image.open(folder / picture["file"])) if picture["file"] else expected.display
    if sight.injected:
        [inject] = [one for one in checks[0].injectors if sight.injected == f"{checks[0].name}.{one.__name__}"]
        whole, image = image, inject(expected, image, regions)
        picture = {**picture, "defect": f"pixels: {inject.__name__}" if np.any(whole != image) else NOTHING}
    rng = np.random.default_rng(zlib.crc32(f"{about['product']}/{sight.name}".encode()))
    nuisance = Nuisance() if sight.look == 0 else draw(rng, expected.white_backdrop)
    image = seen_through(nuisance, image, expected.alpha, expected.white_backdrop, rng)
    fixed = {**{name: about[name] for name in ("product", "family", "split", "raster")},
             **{name: picture[name] for name in ("shot", "file", "source", "defect", "nominal", "injected", "visible",
                                                 "note")},
             "hit": picture["region"], "stage": expected.shot.stage, "nuisance": nuisance.names, "seen": sight.name}
    for check in checks:
        started = time.process_time()
        found = run_check(check, expected, image, regions)
        seconds = time.process_time() - started
        for one in found:
            yield {**fixed, "check": check.name, "estimator": one.estimator, "region": one.region, "value": one.value,
                   "unit": one.unit, "coverage": one.coverage, "applicable": one.applicable, "reason": one.reason,
                   "seconds": seconds, "stamp": stamp(check)}


def _region(given: dict[str, Any]) -> Region:
    """From JSON, which has lists where a Region has tuples."""
    return Region(**{name: tuple(tuple(point) for point in value) if isinstance(value, list) else value
                     for name, value in given.items()})


def _work(folder: str, wanted: Sequence[str] | None, pixels: bool) -> tuple[str, int]:
    return Path(folder).name, score(Path(folder), wanted, pixels)


def _order(folder: Path) -> tuple[bool, list[str]]:
    """Test products first, families in turn, the first of each first: those are the damaged ones."""
    about = json.loads((folder / INDEX).read_text())
    return about["split"] == "calibration", folder.name.split("-")[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench-sentinel"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--checks", nargs="*", help="only these")
    parser.add_argument("--no-pixels", action="store_true", help="leave the second table for later")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no product after so many")
    given = parser.parse_args()
    folders = sorted((path.parent for path in given.out.glob(f"*/{INDEX}")), key=_order)
    started, total = time.monotonic(), 0
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        waiting = {pool.submit(_work, str(folder), given.checks, not given.no_pixels) for folder in folders}
        for done, future in enumerate(as_completed(waiting), 1):
            name, looked = future.result()
            total += looked
            if looked:
                print(f"{done}/{len(folders)} {name}: {looked} pictures, {time.monotonic() - started:.0f} s",
                      flush=True)
            if time.monotonic() - started > 60 * given.minutes:
                pool.shutdown(cancel_futures=True)
                break
    print(f"{total} pictures measured in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
