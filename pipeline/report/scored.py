"""The report of pictures that were scored on their own, outside the pipeline: each beside what it should show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.report.types import ReportData, ReportImage, ReportScore, ReportShot, ReportSku
from pipeline.scores import evidence_path
from pipeline.sentinel.types import Score, Verdict

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ScoredPicture:
    """A picture from anywhere, judged as a shot of a SKU."""

    sku: str
    name: str                              # of the product
    category: str
    shot: str
    file: Path
    expected: U8                           # (H, W, 3) the faithful picture
    scores: Sequence[Score]
    verdict: Verdict
    action: str = ""
    notice: str = ""


def collect_scored(pictures: Iterable[ScoredPicture], folder: Path, title: str,
                   generated_at: str | None = None) -> ReportData:
    """Ready for :func:`build_report`. Expected pictures and crops are written to ``folder``, beside the page."""
    by_sku: dict[str, list[ScoredPicture]] = {}
    for picture in pictures:
        by_sku.setdefault(picture.sku, []).append(picture)
    skus = tuple(ReportSku(sku, group[0].name, group[0].category, tuple(_shot(each, folder) for each in group))
                 for sku, group in sorted(by_sku.items()))
    return ReportData(title, skus, (), generated_at or datetime.now(UTC).isoformat(timespec="seconds"),
                      {"Scored": "pictures from a folder, outside the pipeline"})


def _shot(picture: ScoredPicture, folder: Path) -> ReportShot:
    stem = f"{picture.sku}/{picture.file.stem}"
    height, width = picture.expected.shape[:2]
    judged = [score.score for score in picture.scores
              if score.score is not None and (score.limit is None or score.limit.required)]
    return ReportShot(
        picture.shot, width, height, picture.verdict, min(judged, default=None),
        _written(picture.expected, f"{stem}/expected.png", folder), ReportImage(picture.file),
        tuple(_score(score, picture.shot, stem, folder) for score in picture.scores), before_label="Expected",
        provenance={"file": picture.file.name}, action=picture.action, notice=picture.notice)


def _score(score: Score, shot: str, stem: str, folder: Path) -> ReportScore:
    measurement, limit = score.measurement, score.limit
    evidence = None if measurement.evidence is None else _written(
        measurement.evidence, f"{stem}/{evidence_path(measurement, shot)}", folder)
    return ReportScore(
        measurement.check, measurement.estimator, measurement.region, score.verdict, measurement.value,
        measurement.unit, limit.fail if limit else None, limit.direction if limit else "max", score.score,
        measurement.coverage, limit is None or limit.required, score.sentence, measurement.reason, measurement.bbox,
        evidence)


def _written(picture: U8, name: str, folder: Path) -> ReportImage:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, compress_level=1)
    return ReportImage(path, name)
