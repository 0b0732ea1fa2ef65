"""Why a SKU's images passed or failed, in words and pictures, from its stored scores.

>>> found = reasons(piece)
>>> print(told(found))
>>> for shot in found.shots:
...     save_sheet(sheet(shot, piece.image(shot.shot), read_evidence), out / f"{shot.shot}.png")
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.scores import ASSET, SCORES_FILE, read_scores
from pipeline.store import Artifact
from pipeline.workpiece import Workpiece

U8 = NDArray[np.uint8]
Row = Mapping[str, Any]

FOUND = ("fail", "unmeasured", "warn")     # what is worth telling, gravest first
CLOSEST = 3                                # passed readings nearest to their limits that are told
NEAR = 85.0                                # score; a reading above it is nowhere near its limit
COLOURS = {"fail": (200, 30, 45), "unmeasured": (120, 60, 160), "warn": (205, 130, 0)}
SHEET_PX = 1200                            # width of a sheet
CROP_PX = (340, 190)                       # largest crop on it
_MARGIN, _LINE = 24, 24                    # px
_PLAIN = str.maketrans({"Δ": "d", "≤": "at most ", "≥": "at least ", "σ": "sigma"})  # the font has no such signs


@dataclass(frozen=True, slots=True)
class ShotReasons:
    """One image's readings, sorted into what matters."""

    shot: str
    verdict: str
    action: str                            # deliver, retry, repair or review
    found: tuple[Row, ...]                 # failed, unmeasured and warned readings, gravest first
    closest: tuple[Row, ...]               # of those that passed, the nearest to their limits
    passed: int                            # readings
    unchecked: tuple[tuple[str, int], ...]  # why readings did not apply, and how many, most first


@dataclass(frozen=True, slots=True)
class SkuReasons:
    sku: str
    calibration: str                       # id of the limits that judged
    warning: str                           # what to know about those limits, or nothing
    shots: tuple[ShotReasons, ...]
    artifact: Artifact                     # holds the evidence


def reasons(piece: Workpiece) -> SkuReasons:
    """Read a SKU's stored scores. Raises StoreError where there are none yet."""
    artifact = piece.artifact(ASSET)
    rows = [row for row in read_scores(artifact.path(SCORES_FILE)).to_pylist() if row["selected"]]
    verdicts: Mapping[str, str] = artifact.metadata["verdicts"]
    actions: Mapping[str, str] = artifact.metadata.get("actions", {})
    shots = tuple(_sorted_out(shot, verdict, actions.get(shot, ""), [row for row in rows if row["shot"] == shot])
                  for shot, verdict in verdicts.items())
    calibration = rows[0]["calibration_id"] if rows else ""
    return SkuReasons(piece.name, calibration, artifact.metadata.get("calibration_warning", ""), shots, artifact)


def told(found: SkuReasons) -> str:
    """As text for people."""
    return "\n".join(_lines(found))


def as_dict(found: SkuReasons) -> dict[str, Any]:
    """As JSON for machines; evidence is named by its path inside the artefact."""
    keys = ("check", "estimator", "region", "value", "unit", "limit", "verdict", "score", "required", "coverage",
            "sentence", "reason", "bbox", "evidence_path")

    def plain(row: Row) -> dict[str, Any]:
        return {key: row[key] for key in keys}

    return {"sku": found.sku, "calibration": found.calibration, "warning": found.warning, "shots": [
        {"shot": shot.shot, "verdict": shot.verdict, "action": shot.action, "found": [plain(row) for row in shot.found],
         "closest": [plain(row) for row in shot.closest], "passed": shot.passed,
         "unchecked": [{"reason": reason, "readings": count} for reason, count in shot.unchecked]}
        for shot in found.shots]}


def sheet(shot: ShotReasons, image: U8, evidence: Callable[[str], U8]) -> Image.Image:
    """The image with every finding framed and numbered, and below it each finding's sentence beside its crop.

    Args:
        image: (H, W, 3) as it was scored.
        evidence: reads a crop by its path inside the artefact.
    """
    scale = SHEET_PX / image.shape[1]
    picture = Image.fromarray(image).resize((SHEET_PX, round(image.shape[0] * scale)), Image.Resampling.LANCZOS)
    _frame(picture, shot.found, scale)
    entries = [_entry(number, row, evidence) for number, row in enumerate(shot.found, 1)] or [_all_well(shot)]
    title = _text_block([f"{shot.shot}: {shot.verdict}" + (f", {shot.action}" if shot.action else "")], 30)
    parts = [title, picture, *entries]
    whole = Image.new("RGB", (SHEET_PX, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def _sorted_out(shot: str, verdict: str, action: str, rows: Sequence[Row]) -> ShotReasons:
    failed = {(row["check"], row["region"]) for row in rows if row["verdict"] == "fail"}
    # What cannot be measured where something has failed is the same finding once more.
    found = sorted((row for row in rows if row["verdict"] in FOUND
                    and not (row["verdict"] == "unmeasured" and (row["check"], row["region"]) in failed)),
                   key=lambda row: (not row["required"], FOUND.index(row["verdict"]), _score(row)))
    passed = sorted((row for row in rows if row["verdict"] == "pass"), key=_score)
    unchecked = Counter(f"{row['check'].replace('_', ' ')}: {row['reason']}" for row in rows
                        if row["verdict"] == "not_applicable")
    near = tuple(row for row in passed[:CLOSEST] if _score(row) < NEAR)
    return ShotReasons(shot, verdict, action, tuple(found), near, len(passed), tuple(unchecked.most_common()))


def _score(row: Row) -> float:
    return 0.0 if row["score"] is None else float(row["score"])


def _lines(found: SkuReasons) -> Iterator[str]:
    yield f"{found.sku}, judged by {found.calibration}" + (f" ({found.warning})" if found.warning else "")
    for shot in found.shots:
        yield ""
        yield f"{shot.verdict.upper()}  {shot.shot}" + (f": {shot.action}" if shot.action else "")
        for number, row in enumerate(shot.found, 1):
            advisory = "" if row["required"] else " (advisory)"
            yield f"  {number}. {row['verdict']}{advisory}: {row['sentence']}"
        if not shot.found:
            yield f"  {shot.passed} readings, all as expected."
        for row in shot.closest:
            yield f"  closest to its limit: {_reading(row)}"
        for reason, count in shot.unchecked:
            yield f"  not checked ({count}): {reason}"


def _reading(row: Row) -> str:
    sign = "≤" if row["direction"] == "max" else "≥"
    name = f"{row['check']}.{row['estimator']}".replace("_", " ")
    return f"{name}, {row['region'].replace('_', ' ')}: {row['value']:.3g} {row['unit']} ({sign} {row['limit']:.3g})"


def _frame(picture: Image.Image, found: Sequence[Row], scale: float) -> None:
    pen = ImageDraw.Draw(picture)
    for number, row in enumerate(found, 1):
        if row["bbox"] is None:
            continue
        x0, y0, x1, y1 = (edge * scale for edge in row["bbox"])
        colour = COLOURS[row["verdict"]]
        pen.rectangle((x0 - 2, y0 - 2, x1 + 2, y1 + 2), outline=colour, width=3)
        left, top = min(max(x0 - 2, 0), picture.width - 30), max(y0 - 30, 0)
        pen.rectangle((left, top, left + 28, top + 28), fill=colour)
        pen.text((left + 14, top + 14), str(number), "white", _font(20), anchor="mm")


def _entry(number: int, row: Row, evidence: Callable[[str], U8]) -> Image.Image:
    """One finding: number, sentence and reading on the left, expected beside observed on the right."""
    crop = None
    if row["evidence_path"]:
        crop = Image.fromarray(evidence(row["evidence_path"]))
        factor = min(CROP_PX[0] / crop.width, CROP_PX[1] / crop.height, 3.0)
        crop = crop.resize((max(1, round(crop.width * factor)), max(1, round(crop.height * factor))),
                           Image.Resampling.LANCZOS)
    reading = "" if row["value"] is None or row["limit"] is None else _reading(row)
    block = _text_block([f"{number}. {row['sentence']}", reading], 20, SHEET_PX - CROP_PX[0] - 2 * _MARGIN,
                        COLOURS[row["verdict"]])
    if crop is None:
        return block
    high = max(block.height, crop.height + _MARGIN + _LINE)
    whole = Image.new("RGB", (SHEET_PX, high), "white")
    whole.paste(block, (0, 0))
    whole.paste(crop, (SHEET_PX - _MARGIN - CROP_PX[0], _MARGIN // 2))
    ImageDraw.Draw(whole).text((SHEET_PX - _MARGIN - CROP_PX[0], _MARGIN // 2 + crop.height + 4),
                               "expected, observed", (110, 110, 110), _font(15))
    return whole


def _all_well(shot: ShotReasons) -> Image.Image:
    lines = [f"{shot.passed} readings, all as expected."]
    return _text_block(lines + [f"Closest to its limit: {_reading(row)}" for row in shot.closest], 20)


def _text_block(lines: Sequence[str], size: int, width: int = SHEET_PX, colour: tuple[int, int, int] = (20, 20, 20)
                ) -> Image.Image:
    """Wrapped text on white; the first line in ``colour``, the others grey."""
    per_line = max(20, int((width - 2 * _MARGIN) / (0.52 * size)))
    wrapped = [(part, number) for number, line in enumerate(lines)
               for part in textwrap.wrap(line.translate(_PLAIN), per_line)]
    step = round(size * 1.35)
    block = Image.new("RGB", (SHEET_PX, step * len(wrapped) + _MARGIN), "white")
    pen = ImageDraw.Draw(block)
    for row, (part, number) in enumerate(wrapped):
        pen.text((_MARGIN, _MARGIN // 2 + row * step), part, colour if number == 0 else (110, 110, 110), _font(size))
    return block


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
