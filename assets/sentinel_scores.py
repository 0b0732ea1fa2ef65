"""Every check, on every region, of every shot."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetCheckSpec, MetadataValue
from dagster_shared.utils.warnings import PreviewWarning

from assets import product_regions, refined_images
from assets.partitions import SKUS
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage, write_png
from pipeline import scores as score_tables
from pipeline.refine import seed_for
from pipeline.refine.types import RefinerIdentity
from pipeline.scores import ScoreContext
from pipeline.sentinel import VERSION, all_checks, clip, image_verdict, recommended_action, refiner_id
from pipeline.sentinel.types import Measurement
from pipeline.store import Artifact, ArtifactWriter, data_version

Row = Mapping[str, Any]

spec = sku_spec("sentinel_scores", deps=[product_regions.spec, refined_images.spec], group="sentinel",
                kinds={"python", "parquet"}, version=VERSION,
                description="Every check of every region and shot against what exact geometry says the image must "
                            "show. Measurements are kept apart from judged scores: a changed limit judges again, "
                            "without touching pixels.")

HOUSE = "house"                                # a catalogue's own rules and checks, known only when it is opened
CHECKS = (*(check.name for check in all_checks()), HOUSE)

with warnings.catch_warnings():
    # Partitioned checks are a preview of the pinned Dagster version; the tests hold what is relied on.
    warnings.simplefilter("ignore", PreviewWarning)
    check_specs = [AssetCheckSpec(name, asset=spec.key, partitions_def=SKUS,
                                  description=f"Sentinel: {name.replace('_', ' ')}") for name in CHECKS]


def inputs(sku: Sku) -> dict[str, Any]:
    judging = sku.bench.judging
    return {
        "measured": {
            "image": sku.artifact("refined_images").data_version,
            "passes": sku.artifact("control_passes").data_version,
            "regions": sku.artifact("product_regions").data_version,
            "sentinel": VERSION, "checks": dict(judging.sources), **_clip_model(),
        },
        "judged": {**judging.inputs, "deliver_warn": sku.settings.delivery.deliver_warn,
                   "category": sku.product.category},
    }


def _clip_model() -> dict[str, str]:
    """Only where one is configured: without, `semantic` reads nothing."""
    named = clip.configured()
    return {"clip": clip.identity(named)} if named else {}


def produce(sku: Sku, out: ArtifactWriter) -> None:
    refined, judging = sku.artifact("refined_images"), sku.bench.judging
    refiner = RefinerIdentity(**refined.metadata["refiner"])
    judged_as = refiner_id(refiner.preset, refiner.scored_as(sku.light))
    exact_inputs = inputs(sku)
    version = data_version({**exact_inputs, "version": VERSION})
    previous = sku.store.current("sentinel_scores", sku.name)
    again = previous is not None and previous.inputs.get("measured") == exact_inputs["measured"]
    tables: list[pa.Table] = []
    kept: list[pa.Table] = []
    verdicts: dict[str, str] = {}
    actions: dict[str, str] = {}
    defects: list[str] = []
    warned: list[str] = []
    seconds: dict[str, float] = {}
    for shot in refined.metadata["shots"]:
        started = time.perf_counter()
        if again and previous is not None:
            measurements = score_tables.measurements_of(previous.path("measurements.parquet"), shot)
            _keep_evidence(previous, shot, out)
        else:
            measurements = sku.bench.sentinel.measure(sku.passes(shot), sku.image(shot), sku.regions, judging.checks)
            _write_evidence(measurements, shot, out)
        size = (sku.shot(shot).width, sku.shot(shot).height)
        judged = judging.judge(measurements, shot=shot, category=sku.product.category, refiner=judged_as, size=size)
        verdicts[shot] = image_verdict(judged)
        actions[shot] = recommended_action(judged, sku.settings.delivery.deliver_warn)
        warned.append(judging.warning(judged_as, size))
        defects += [f"{shot}: {score.sentence}" for score in judged if score.verdict in ("fail", "unmeasured")]
        tables.append(score_tables.score_rows(judged, _context(sku, shot, refined, refiner, version)))
        kept.append(score_tables.measurement_rows(measurements, shot))
        seconds[shot] = round(time.perf_counter() - started, 3)
    score_tables.write_scores(pa.concat_tables(tables), out.path("scores.parquet"))
    score_tables.write_measurements(pa.concat_tables(kept), out.path("measurements.parquet"))
    out.json("verdicts.json", verdicts)
    out.metadata.update(verdicts=verdicts, actions=actions, defects=defects, seconds=seconds, remeasured=not again,
                        calibration_warning=next(filter(None, warned), ""),
                        checks=_verdict_by_check(pa.concat_tables(tables)),
                        measured_before=_measured(previous.metadata["checks"]) if previous else [])


def _context(sku: Sku, shot: str, refined: Artifact, refiner: RefinerIdentity, version: str) -> ScoreContext:
    attempt = refined_images.attempt_of(refined, shot)
    return ScoreContext(
        sku=sku.name, shot=shot, attempt=attempt, selected=True,
        image_sha256=refined.files[f"{shot}.png"].sha256, calibration_id=sku.bench.judging.calibration_id,
        category=sku.product.category, data_version=version, sentinel_version=str(VERSION),
        refiner=refiner.preset, refiner_version=refiner.scored_as(sku.light),
        seed=seed_for(sku.name, shot, attempt), run_id=sku.bench.run_id, scored_at=datetime.now(UTC))


def _keep_evidence(previous: Artifact, shot: str, out: ArtifactWriter) -> None:
    for name in previous.files:
        if name.startswith(f"evidence/{shot}/"):
            out.path(name).write_bytes(previous.path(name).read_bytes())


def _write_evidence(measurements: list[Measurement], shot: str, out: ArtifactWriter) -> None:
    for measurement in measurements:
        if measurement.evidence is not None:
            write_png(measurement.evidence, out.path(score_tables.evidence_path(measurement, shot)))


def _verdict_by_check(table: pa.Table) -> dict[str, dict[str, int]]:
    """How often each verdict was given, by check."""
    counted: dict[str, Counter[str]] = {}
    for check, verdict in zip(table["check"].to_pylist(), table["verdict"].to_pylist(), strict=True):
        counted.setdefault(check, Counter())[verdict] += 1
    return {check: dict(verdicts) for check, verdicts in counted.items()}


def _measured(checks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Asset checks of which at least one reading applied."""
    return sorted({_family(check) for check, counted in checks.items() if set(counted) - {"not_applicable"}})


def evaluations(sku: Sku, artifact: Artifact) -> list[AssetCheckEvaluation]:
    """One asset check per Sentinel check: failed where a required reading failed or is missing.

    A check that applies to nothing is left unevaluated, since "succeeded" would claim a measurement; one that
    applied to the version before is evaluated once more, or its old word would stand for ever.
    """
    table = score_tables.read_scores(artifact.path("scores.parquet")).to_pylist()
    told = {*_measured(artifact.metadata["checks"]), *artifact.metadata.get("measured_before", [])}
    return [_evaluation(sku, artifact, name, [row for row in table if _family(row["check"]) == name])
            for name in CHECKS if name in told]


def _family(check: str) -> str:
    """The asset check that speaks for a Sentinel check: a catalogue's own share one."""
    return check if check in CHECKS else HOUSE


def _evaluation(sku: Sku, artifact: Artifact, name: str, rows: list[Row]) -> AssetCheckEvaluation:
    """The gravest reading in figures, every finding in a sentence, and the crops that show them."""
    bad = [row for row in rows if row["required"] and row["verdict"] in ("fail", "unmeasured")]
    warned = [row for row in rows if row["verdict"] in ("warn", "fail", "unmeasured") and row not in bad]
    applicable = [row for row in rows if row["verdict"] != "not_applicable"]
    metadata: dict[str, MetadataValue] = {
        "readings": MetadataValue.int(len(applicable)), "failed": MetadataValue.int(len(bad)),
        "defects": MetadataValue.md("\n".join(f"- **{row['shot']}**: {row['sentence'] or row['reason']}"
                                              for row in (*bad, *warned)[:20]) or "none")}
    if applicable:
        worst = min(applicable, key=lambda row: (row not in bad, row not in warned, _score_of(row)))
        metadata["worst"] = MetadataValue.text(f"{worst['shot']}: {worst['estimator']} of {worst['region']}")
        metadata["unit"] = MetadataValue.text(worst["unit"])
        metadata |= {key: MetadataValue.float(float(f"{worst[key]:.4g}")) for key in ("value", "limit", "score")
                     if worst[key] is not None}
    evidence = [artifact.path(row["evidence_path"]) for row in (*bad, *warned)
                if row["evidence_path"] in artifact.files][:4]
    if evidence:
        metadata["evidence"] = montage(evidence)
    return AssetCheckEvaluation(
        asset_key=spec.key, check_name=name, passed=not bad, partition=sku.name,
        severity=AssetCheckSeverity.ERROR if bad else AssetCheckSeverity.WARN,
        description=f"{len(bad)} of {len(applicable)} readings failed." if applicable
                    else "No longer applies to any shot of this product: nothing was measured.",
        metadata=metadata)


def _score_of(row: Row) -> float:
    return 0.0 if row["score"] is None else float(row["score"])


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    verdicts, actions, checks = (artifact.metadata[key] for key in ("verdicts", "actions", "checks"))
    columns = ("pass", "warn", "fail", "unmeasured", "not_applicable")
    rows = "\n".join(f"| {check} | " + " | ".join(str(counted.get(column, 0)) for column in columns) + " |"
                     for check, counted in sorted(checks.items()))
    evidence = [artifact.path(name) for name in artifact.files if name.startswith("evidence/")][:5]
    return {
        "verdicts": MetadataValue.md("| shot | verdict | recommended |\n|---|---|---|\n" + "\n".join(
            f"| {shot} | {verdict} | {actions[shot]} |" for shot, verdict in verdicts.items())),
        "checks": MetadataValue.md(f"| check | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|\n{rows}"),
        "defects": MetadataValue.md("\n".join(f"- {line}" for line in artifact.metadata["defects"][:20]) or "none"),
        "limits": MetadataValue.text(artifact.metadata["calibration_warning"] or "calibrated"),
        "evidence": montage(evidence),
        "seconds_per_shot": MetadataValue.json(artifact.metadata["seconds"]),
        "scores": MetadataValue.path(artifact.url("scores.parquet")),
    }


stage = Stage(spec, VERSION, inputs, produce, describe)
