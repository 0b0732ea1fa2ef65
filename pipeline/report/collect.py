"""What the store and the catalogue hold, gathered for the report page. What is absent stays absent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from PIL import Image

from pipeline.catalogue import Catalogue, Product
from pipeline.delivery import Decision, reason
from pipeline.errors import PackshotError
from pipeline.report.ranking import rank
from pipeline.report.types import (
    ReportData,
    ReportError,
    ReportFacts,
    ReportImage,
    ReportMaterial,
    ReportRefusal,
    ReportScore,
    ReportShot,
    ReportSku,
)
from pipeline.scores import read_scores
from pipeline.sentinel.types import Verdict
from pipeline.store import Artifact, ArtifactStore

# What a final image is compared with, best first: previews of the control passes and what they are called.
# An unrefined image is the raster picture itself, so the bare form stands beside it instead.
BEFORE_REFINED = {"beauty": "Render", "clay": "Untextured", "diffuse": "Untextured", "albedo": "Texture"}
BEFORE_UNREFINED = {"clay": "Untextured", "diffuse": "Untextured", "albedo": "Texture"}
MAX_SKUS = 500             # on a page: beyond, nobody reads on and no browser scrolls; 500 products are read in seconds
UNLOCKED = ".unlocked.png"  # behind a shot's name: no shot has a dot in it
PROVENANCE = ("preset", "preset_version", "model", "revision", "model_sha256", "seed", "prompt", "digital_source_type")
Row = Mapping[str, Any]


def collect(store: ArtifactStore, catalogue: Catalogue, generated_at: str | None = None,
            max_skus: int = MAX_SKUS) -> ReportData:
    """Read every SKU of the catalogue as far as it got. A SKU that cannot be read shows its error.

    Of more than ``max_skus`` only those are read that need a look most; the score table counts the others.
    """
    errors = store.errors()
    names, totals = catalogue.folders(), None
    if len(names) > max_skus:
        ranking = rank(store, names, errors)
        names, totals = list(ranking.names[:max_skus]), ranking.totals
    skus = []
    sources: list[Mapping[str, Any]] = []
    for name in names:
        sku, provenance = _sku(store, catalogue, name, errors.get(name))
        skus.append(sku)
        sources += provenance
    run = {
        "Model": _listed(source.get("model") for source in sources),
        "Refiner version": _listed(source.get("preset_version") for source in sources),
        "Catalogue": str(catalogue.root),
        "Store": str(store.root),
    }
    return ReportData(
        title=_title(catalogue),
        skus=tuple(skus), presets=tuple(sorted({str(s["preset"]) for s in sources if s.get("preset")})),
        generated_at=generated_at or datetime.now(UTC).isoformat(timespec="seconds"),
        run={key: value for key, value in run.items() if value}, totals=totals)


def _title(catalogue: Catalogue) -> str:
    """The catalogue's folder as a headline; a folder that is only called catalogue needs its parent's name."""
    folder = catalogue.root
    words = f"{folder.parent.name} {folder.name}" if folder.name.lower() in ("catalogue", "catalog") else folder.name
    return words.replace("_", " ").replace("-", " ").strip().capitalize() or "Catalogue"


def _sku(store: ArtifactStore, catalogue: Catalogue, name: str, recorded: Mapping[str, Any] | None
         ) -> tuple[ReportSku, list[Mapping[str, Any]]]:
    error = None
    if recorded:
        error = ReportError(recorded["asset"], recorded["code"], recorded["message"], recorded["hint"])
    try:
        product = catalogue.product(name)
    except PackshotError as problem:
        return ReportSku(name, name, "unknown", error=error or _error("product_mesh", problem)), []
    try:
        shots, provenance = _shots(store, product)
        facts = _facts(store.current("product_mesh", name))
    except PackshotError as problem:
        return ReportSku(name, product.name, product.category, error=error or _error("catalogue_report", problem)), []
    refused = _refused(store.current("reference_shots", name))
    return ReportSku(name, product.name, product.category, shots, facts, error, refused), provenance


def _refused(photos: Artifact | None) -> tuple[ReportRefusal, ...]:
    told = photos.metadata["photos"] if photos else {}
    return tuple(ReportRefusal(each["photo"], each["problem"]["message"], each["problem"]["hint"],
                               _image(photos, f"{name}.sheet.png"))
                 for name, each in told.items() if not each["accepted"])


def _error(asset: str, problem: PackshotError) -> ReportError:
    return ReportError(asset, problem.code, problem.message, problem.hint)


def _facts(mesh: Artifact | None) -> ReportFacts | None:
    if mesh is None or "report.json" not in mesh.files:
        return None
    report = mesh.json("report.json")
    materials = tuple(ReportMaterial(m["name"], m.get("kind", "unknown"), tuple(m.get("guessed", ())))
                      for m in report.get("materials", ()))
    x, y, z = report["extents_mm"]
    source = [str(report["format"]).upper()]
    source += [f"unit {report['source_units']}"] if report.get("source_units") else []
    source += [f"{report['source_up']} up"] if report.get("source_up") else []
    return ReportFacts(", ".join(source), int(report["triangles"]), (x, y, z), _front(report.get("front")), materials,
                       tuple(str(w) for w in report.get("warnings", ())))


def _front(front: Any) -> str:
    if not isinstance(front, Mapping) or front.get("axis") is None:
        return "unknown"
    if front.get("source") == "manifest":
        return f"{front['axis']}, from the manifest"
    return f"{front['axis']}, {front.get('confidence', 0):.0%} sure"


def _shots(store: ArtifactStore, product: Product) -> tuple[tuple[ReportShot, ...], list[Mapping[str, Any]]]:
    """Shots in the order they were made, and the provenance of those that have an image."""
    photos, passes, refined, scored, delivered = (
        store.current(asset, product.sku)
        for asset in ("reference_shots", "control_passes", "refined_images", "sentinel_scores", "delivered_images"))
    rows = _selected_rows(scored)
    actions = scored.metadata.get("actions", {}) if scored else {}
    notice = str(scored.metadata.get("calibration_warning", "")) if scored else ""
    verdicts = scored.json("verdicts.json") if scored and "verdicts.json" in scored.files else {}
    manifest = delivered.json("manifest.json") if delivered and "manifest.json" in delivered.files else None
    shots, sources = [], []
    for name in _shot_names(passes, refined):
        after = _image(refined, f"{name}.png")
        made = refined.json(f"{name}.json") if refined and f"{name}.json" in refined.files else {}
        sources += [made] if made else []
        before, label = _before(passes, name, BEFORE_UNREFINED if made.get("preset") == "none" else BEFORE_REFINED)
        if (reference := _image(photos, f"{name}.photo.png")) is not None:
            before, label = reference, "Reference"
        width, height = _size(after or before)
        scores = tuple(_score(row, scored) for row in rows if row["shot"] == name)
        out, why = _delivery(manifest, name, verdicts.get(name))
        judged = [score.score for score in scores if score.required and score.score is not None]
        shots.append(ReportShot(name, width, height, verdicts.get(name), min(judged, default=None), before, after,
                                scores, out, why, _provenance(made), label, _image(refined, f"{name}{UNLOCKED}"),
                                actions.get(name, ""), notice))
    return tuple(shots), sources


def _provenance(made: Mapping[str, Any]) -> dict[str, str]:
    """The lines a reader wants; an IPTC address is shown by its last word."""
    parameters = made.get("parameters") or {}
    lines = {**{key: made[key] for key in PROVENANCE if made.get(key) not in (None, "")}, **parameters}
    return {key: str(value).rsplit("/", 1)[-1] if key == "digital_source_type" else str(value)
            for key, value in lines.items()}


def _shot_names(passes: Artifact | None, refined: Artifact | None) -> list[str]:
    """The order of shots.json where there is one, then whatever else has an image."""
    names: list[str] = []
    if passes and "shots.json" in passes.files:
        listed = passes.json("shots.json")
        entries: Iterable[Any] = listed.get("shots", listed) if isinstance(listed, Mapping) else listed
        names = [entry if isinstance(entry, str) else str(entry["name"]) for entry in entries]
    found = sorted(file.removesuffix(".png") for file in (refined.files if refined else ())
                   if file.endswith(".png") and not file.endswith(UNLOCKED))
    return names + [name for name in found if name not in names]


def _image(artifact: Artifact | None, name: str) -> ReportImage | None:
    if artifact is None or name not in artifact.files:
        return None
    return ReportImage(artifact.path(name), f"../{artifact.asset}/{artifact.sku}/{artifact.folder.name}/{name}")


def _before(passes: Artifact | None, shot: str, kinds: Mapping[str, str]) -> tuple[ReportImage | None, str]:
    for kind, label in kinds.items():
        image = _image(passes, f"previews/{shot}/{kind}.png")
        if image is not None:
            return image, label
    return None, ""


def _size(image: ReportImage | None) -> tuple[int, int]:
    if image is None:
        return 0, 0
    with Image.open(image.path) as picture:
        return picture.size


def _selected_rows(scored: Artifact | None) -> list[Row]:
    if scored is None or "scores.parquet" not in scored.files:
        return []
    rows: list[Row] = read_scores(scored.path("scores.parquet")).to_pylist()
    return [row for row in rows if row["selected"]]


def _score(row: Row, scored: Artifact | None) -> ReportScore:
    bbox = row["bbox"]
    return ReportScore(
        row["check"], row["estimator"], row["region"], cast(Verdict, row["verdict"]), _number(row["value"]),
        row["unit"], _number(row["limit"]), row["direction"] or "max", _number(row["score"]),
        float(row["coverage"] or 0.0), bool(row["required"]), row["sentence"] or "", row["reason"] or "",
        (bbox[0], bbox[1], bbox[2], bbox[3]) if bbox and len(bbox) == 4 else None,
        _image(scored, row["evidence_path"]) if row["evidence_path"] else None)


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _delivery(manifest: Mapping[str, Any] | None, shot: str, verdict: str | None) -> tuple[bool | None, str]:
    """Whether an image of the shot is out, and why. A manifest may be older than the verdict."""
    if manifest is None:
        return None, ""
    for image in manifest["images"]:
        if image["shot"] == shot and image["verdict"] != verdict:
            return True, f"An earlier image is out, judged {image['verdict']}; delivery has not run since."
        if image["shot"] == shot:
            return True, reason(Decision(shot, True, False, "passed" if image["verdict"] == "pass" else "warned"))
    withdrawn = any(entry["shot"] == shot for entry in manifest["withdrawn"])
    for held in manifest["withheld"]:
        if held["shot"] == shot:
            return False, str(held["reason"]) + (" The image delivered before is withdrawn." if withdrawn else "")
    return None, ""


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values if value not in (None, "")}))
