"""packshot score: images judged, also ones made elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.opening import existing, open_catalogue, workpieces
from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, StorePath, answer
from pipeline.errors import CatalogueError


def score(file: Annotated[Path, typer.Argument(help="An image, or a folder of images.")],
          sku: Annotated[str | None, typer.Option("--sku", help="Which SKU the images show, where names do not tell."
                                                  )] = None,
          shot: Annotated[str | None, typer.Option("--shot", help="Which shot they show, where names do not tell.")
                          ] = None,
          catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
          out: Annotated[Path | None, typer.Option("--out", help="Folder for scores.parquet, evidence crops and a "
                                                                 "page.")] = None,
          as_json: Json = False) -> None:
    """Score images of shots, also ones made elsewhere. Exit status 1 where one fails or cannot be scored.

    In a folder, names tell what an image shows: SKU/SHOT.png, SKU-SHOT.jpg, or the record inside it.
    """
    from pipeline import scoring, sentinel

    opened = open_catalogue(catalogue)
    scorer = scoring.Scorer(opened.skus(), workpieces(catalogue, store), sentinel.judging_for(opened.settings,
                            opened.root), opened.settings.delivery.deliver_warn, sku, shot)
    if not file.is_dir():
        named = scoring.identify(existing(file), file.parent, scorer)
        results: list[Any] = [scoring.score_image(file, scorer.piece(named[0]), named[1], scorer)]
        _written_scores(results, scorer, out)
        [found] = results
        answer(_scored(found), as_json, lambda: _scored_text(found))
    else:
        paths = scoring.find_images(file)
        if not paths:
            raise CatalogueError("no_images", f"There is no image in {file}.", "Give a folder of PNG, JPEG or WebP "
                                 "files.")
        results = []
        for number, result in enumerate(scoring.score_images(paths, file, scorer), 1):
            results.append(result)
            told = result.verdict if isinstance(result, scoring.Scored) else f"not scored: {result.error.message}"
            print(f"[{number}/{len(paths)}] {result.path.relative_to(file)}: {told}", file=sys.stderr)
        _written_scores(results, scorer, out)
        answer(_folder_scored(results), as_json, lambda: _folder_text(results, file))
    if any(not isinstance(result, scoring.Scored) or result.verdict in ("fail", "unmeasured") for result in results):
        raise typer.Exit(1)


def _written_scores(results: list[Any], scorer: Any, out: Path | None) -> None:
    """scores.parquet, crops, and the page that shows every image beside what it should show."""
    if out is None:
        return
    from datetime import UTC, datetime

    from pipeline import scores, scoring
    from pipeline.report import ScoredPicture, build_report, collect_scored

    out.mkdir(parents=True, exist_ok=True)
    good = [result for result in results if isinstance(result, scoring.Scored)]
    for result in good:
        scoring.write_crops(result, out)
    scores.write_scores(scoring.rows_of(good, scorer.judging, datetime.now(UTC)), out / "scores.parquet")
    page = collect_scored([ScoredPicture(each.sku, each.product, each.category, each.shot, each.path, each.expected,
                                         each.scores, each.verdict, each.action, each.warning) for each in good],
                          out, "Scored pictures")
    (out / "index.html").write_text(build_report(page), encoding="utf-8")


def _scored(result: Any) -> dict[str, Any]:
    return {"file": str(result.path), "sku": result.sku, "shot": result.shot, "verdict": result.verdict,
            "score": None if result.score is None else round(result.score, 1), "action": result.action,
            "calibration_warning": result.warning, "scores": [_score_row(each) for each in result.scores]}


def _scored_text(result: Any) -> str:
    lines = [f"{result.verdict.upper()}  {result.sku} {result.shot}: {result.action}"]
    lines += [f"  {result.warning}"] if result.warning else []
    return "\n".join([*lines, *(_score_line(_score_row(each)) for each in result.scores)])


def _folder_scored(results: list[Any]) -> dict[str, Any]:
    return {"images": [_scored(result) for result in results if hasattr(result, "verdict")],
            "unscored": [{"file": str(result.path), "error": result.error.as_dict()} for result in results
                         if not hasattr(result, "verdict")]}


def _folder_text(results: list[Any], folder: Path) -> str:
    """A table, worst first, with every finding below its image; then what could not be scored."""
    from pipeline.sentinel.verdicts import findings

    good = sorted((result for result in results if hasattr(result, "verdict")),
                  key=lambda result: (-1.0 if result.score is None else result.score, result.sku, result.shot))
    lines = [f"{'verdict':<11} {'score':>5}  {'action':<8} image"] if good else []
    for result in good:
        number = "–" if result.score is None else f"{result.score:.0f}"
        lines.append(f"{result.verdict:<11} {number:>5}  {result.action:<8} {result.path.relative_to(folder)} "
                     f"({result.sku} {result.shot})")
        lines += [f"{'':29}{each.sentence}" for each in findings(result.scores)]
    bad = [result for result in results if not hasattr(result, "verdict")]
    lines += [f"not scored: {result.path.relative_to(folder)}: {result.error.message}" for result in bad]
    failed = sum(result.verdict in ("fail", "unmeasured") for result in good)
    warnings = sorted({result.warning for result in good if result.warning})
    return "\n".join([*lines, *warnings, f"{len(good)} scored, {failed} of them failed; {len(bad)} not scored"])


def _score_row(judged: Any) -> dict[str, Any]:
    m, limit = judged.measurement, judged.limit
    return {"check": m.check, "estimator": m.estimator, "region": m.region, "value": m.value, "unit": m.unit,
            "limit": limit.fail if limit else None, "required": bool(limit and limit.required),
            "coverage": round(m.coverage, 4), "verdict": judged.verdict,
            "score": None if judged.score is None else round(judged.score, 1), "bbox": m.bbox,
            "sentence": judged.sentence, "reason": m.reason}


def _score_line(row: dict[str, Any]) -> str:
    value = "–" if row["value"] is None else f"{row['value']:.3g} {row['unit']}"
    limit = "" if row["limit"] is None else f" (limit {row['limit']:g})"
    tail = row["sentence"] or row["reason"]
    return f"  {row['verdict']:<14} {row['check']}.{row['estimator']} {row['region']}: {value}{limit}  {tail}".rstrip()
