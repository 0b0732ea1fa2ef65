"""Scoring any folder of images on its own: which shot each file shows, what Sentinel says of it, and tables of that.

>>> for result in score_images(find_images(folder), folder, scorer):
...     print(result.path, result.verdict if isinstance(result, Scored) else result.error.message)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from pipeline import sentinel
from pipeline.errors import CatalogueError, PackshotError
from pipeline.explain import read_record
from pipeline.refine.types import RefinerIdentity
from pipeline.refining import UNLOCKED
from pipeline.scores import SCORES, ScoreContext, score_rows
from pipeline.sentinel.evidence import evidence_path
from pipeline.sentinel.types import U8, Action, Score, Verdict
from pipeline.workpiece import Workpiece

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
BETWEEN = "-_. "               # what may part SKU and shot in a file name


@dataclass(frozen=True, slots=True)
class Scorer:
    """What images are scored with."""

    skus: Sequence[str]
    piece: Callable[[str], Workpiece]      # by SKU; called once for the images of one product
    judging: sentinel.Judging
    deliver_warn: bool = True
    sku: str | None = None                 # of all images, where file names do not tell
    shot: str | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One image, judged."""

    path: Path
    sku: str
    shot: str
    product: str
    category: str
    image_sha256: str
    record: Mapping[str, Any]              # provenance inside the image; empty where it was made elsewhere
    refiner: tuple[str, str]               # preset and version as the score table has them; empty likewise
    expected: U8                           # (H, W, 3) the faithful picture
    scores: tuple[Score, ...]              # crops are to be kept at their ``evidence_path``
    verdict: Verdict
    action: Action
    score: float | None                    # 0..100, of its worst required reading
    warning: str                           # what to know about the limits, or nothing


@dataclass(frozen=True, slots=True)
class Unscored:
    """One file that could not be scored, and why."""

    path: Path
    error: PackshotError


def find_images(folder: Path) -> list[Path]:
    """Every image below a folder, sorted. Hidden files, evidence and pictures before the identity lock are none."""
    return sorted(path for path in folder.rglob("*")
                  if path.suffix.lower() in SUFFIXES and path.is_file()
                  and not path.stem.endswith(f".{UNLOCKED}")
                  and not any(part.startswith(".") or part == "evidence" for part in path.relative_to(folder).parts))


def score_images(paths: Iterable[Path], folder: Path, scorer: Scorer) -> Iterator[Scored | Unscored]:
    """Score images product by product, so that passes are opened once; what cannot be scored stops nothing."""
    named: list[tuple[str, str, Path]] = []
    for path in paths:
        try:
            sku, shot = identify(path, folder, scorer)
            named.append((sku, shot, path))
        except PackshotError as error:
            yield Unscored(path, error)
    opened: Workpiece | None = None
    for sku, shot, path in sorted(named):
        try:
            if opened is None or opened.name != sku:
                opened = None                  # frees the passes of the product before
                opened = scorer.piece(sku)
            yield score_image(path, opened, shot, scorer)
        except PackshotError as error:
            yield Unscored(path, error)


def identify(path: Path, folder: Path, scorer: Scorer) -> tuple[str, str]:
    """SKU and shot of a file: as told, else ``SKU/SHOT.png``, ``SKU-SHOT.jpg``, else the record inside the image.

    Raises CatalogueError ``image_unmatched``.
    """
    sku, rest = scorer.sku, path.stem
    if sku is None:
        above = [part for part in reversed((folder.resolve() / path.relative_to(folder)).parts[:-1])
                 if part in scorer.skus] if path.is_relative_to(folder) else []
        within = sorted((name for name in scorer.skus if _begins(path.stem, name)), key=len)
        sku = within[-1] if within else above[0] if above else None
    if sku is not None and _begins(rest, sku):
        rest = rest[len(sku):].lstrip(BETWEEN)
    shot = scorer.shot or (rest if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", rest) else None)
    if sku is not None and shot is not None and (scorer.shot or _has(scorer, sku, shot)):
        return sku, shot
    record = _record(path)
    sku, shot = scorer.sku or record.get("sku"), scorer.shot or record.get("shot")
    if sku in scorer.skus and shot:
        return str(sku), str(shot)
    raise CatalogueError("image_unmatched", f"{path.name}: neither its name nor a record inside it says which shot of "
                         "which SKU it shows.", "Name it SKU/SHOT.png or SKU-SHOT.png, or give --sku and --shot.")


def score_image(path: Path, piece: Workpiece, shot: str, scorer: Scorer) -> Scored:
    """Measure and judge one image as a shot of a product. Raises PackshotError with what is wrong."""
    image, record, passes = read_image(path), _record(path), piece.passes(shot)
    expected = sentinel.expected_from(passes)
    stem = f"{piece.name}/{path.stem}"
    measured = [m if m.evidence is None else replace(m, evidence_path=f"{stem}/{evidence_path(m, shot)}")
                for m in sentinel.measure(expected, image, piece.regions, scorer.judging.checks)]
    made_by = _refiner(record, "traced" if passes.traced else "raster")
    refiner = sentinel.refiner_id(*made_by)
    scores = scorer.judging.judge(measured, shot=shot, category=piece.product.category, refiner=refiner,
                                  size=expected.size)
    return Scored(path, piece.name, shot, piece.product.name, piece.product.category,
                  hashlib.sha256(path.read_bytes()).hexdigest(), record, made_by, expected.display, tuple(scores),
                  sentinel.image_verdict(scores), sentinel.recommended_action(scores, scorer.deliver_warn),
                  sentinel.image_score(scores), scorer.judging.warning(refiner or "images made elsewhere",
                                                                       expected.size))


def read_image(path: Path) -> U8:
    """(H, W, 3) of any image file. Raises CatalogueError ``image_unreadable``."""
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CatalogueError("image_unreadable", f"{path} is not an image that can be read.",
                             "Give a PNG, JPEG or WebP file.") from error


def rows_of(results: Iterable[Scored], judging: sentinel.Judging, at: datetime) -> pa.Table:
    """All scores in the schema of the score table; ``run_id`` is ``score``."""
    tables = [SCORES.empty_table()]
    for result in results:
        refiner, version = result.refiner
        tables.append(score_rows(result.scores, ScoreContext(
            sku=result.sku, shot=result.shot, image_sha256=result.image_sha256, category=result.category,
            data_version="", sentinel_version=str(sentinel.VERSION), calibration_id=judging.calibration_id,
            refiner=refiner, refiner_version=version, seed=result.record.get("seed") or 0, run_id="score",
            scored_at=at, attempt=result.record.get("attempt") or 0)))
    return pa.concat_tables(tables)


def write_crops(result: Scored, folder: Path) -> list[Path]:
    """Write the crops of one image's findings to where its rows name them."""
    written = []
    for score in result.scores:
        if score.measurement.evidence is not None and score.measurement.evidence_path is not None:
            written.append(folder / score.measurement.evidence_path)
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(score.measurement.evidence).save(written[-1])
    return written


def _begins(stem: str, sku: str) -> bool:
    return stem == sku or (stem.startswith(sku) and stem[len(sku)] in BETWEEN)


def _has(scorer: Scorer, sku: str, shot: str) -> bool:
    return any(each.name == shot for each in scorer.piece(sku).shots)


def _record(path: Path) -> Mapping[str, Any]:
    try:
        return read_record(path)
    except CatalogueError:
        return {}


def _refiner(record: Mapping[str, Any], light: str) -> tuple[str, str]:
    """Preset and version as the score table has them; empty for an image that was made elsewhere."""
    if "preset" not in record:
        return "", ""
    identity = RefinerIdentity(str(record["preset"]), record.get("preset_version", ""),
                               model_sha256=record.get("model_sha256", ""))
    return identity.preset, identity.scored_as(light)
