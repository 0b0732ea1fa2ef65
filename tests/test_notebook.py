"""The analysts' notebook runs on a small catalogue's tables, quickly and without a warning."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import nbformat
import numpy as np
import pyarrow as pa
import pytest
from nbclient import NotebookClient
from PIL import Image

from pipeline.scores import ScoreContext, compact, evidence_path, score_rows, write_scores
from pipeline.sentinel.types import Limit, Measurement, Score, Verdict
from pipeline.store import ArtifactStore
from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "score_tables.ipynb"
CATEGORIES = {"sneaker": "footwear", "derby": "footwear", "boot": "footwear", "harbour": "mug", "sage": "bottle",
              "carafe": "bottle", "tea": "box", "0042": "box"}
SHOTS = ("hero", "square", "top")
# check, estimator, region, unit, limit, typical value and spread of a good image
CHECKS = (("silhouette", "contour_deviation_p99", "product", "px", Limit(2.0, 1.5), 0.9, 0.5),
          ("colour_drift", "delta_e00_p95", "material:body", "dE00", Limit(3.0, 2.2), 1.6, 0.7),
          ("sharpness", "detail_ratio", "product", "ratio", Limit(0.6, 0.7, "min"), 0.86, 0.12),
          ("framing", "margin_min", "product", "fraction", Limit(0.02, direction="min"), 0.08, 0.02))


def judged(measurement: Measurement, limit: Limit) -> Score:
    """A plain judge, enough for a table to look real."""
    value = measurement.value
    if not measurement.applicable:
        return Score(measurement, limit, "not_applicable", None, None, "Does not apply.")
    if value is None:
        return Score(measurement, limit, "unmeasured", None, None, "Could not be measured.")
    margin = limit.fail - value if limit.direction == "max" else value - limit.fail
    warn = limit.fail if limit.warn is None else limit.warn
    warns = value > warn if limit.direction == "max" else value < warn
    verdict: Verdict = "fail" if margin < 0 else "warn" if warns else "pass"
    return Score(measurement, limit, verdict, float(np.clip(50 + 50 * margin / limit.fail, 0, 100)), margin,
                 f"{measurement.check} reads {value:.2f}.")


def write_run(store: ArtifactStore, version: int, worse: float) -> None:
    """Score every shot of the catalogue with one refiner version and append it to the tables."""
    random = np.random.default_rng(version)
    for sku, category in CATEGORIES.items():
        with store.writing("refined_images", sku, f"v{version}", {}) as pending:
            for shot in SHOTS:
                Image.new("RGB", (100, 80), (200, 190, 180)).save(pending.writer.path(f"{shot}.png"))
        with store.writing("sentinel_scores", sku, f"v{version}", {}) as pending:
            tables = []
            for shot in SHOTS:
                scores: list[Score] = []
                for check, estimator, region, unit, limit, typical, spread in CHECKS:
                    bad = worse if limit.direction == "max" else 1 / worse
                    value: float | None = float(abs(random.normal(typical * bad, spread)))
                    if check == "sharpness" and shot == "top" and sku == "boot":
                        value = None
                    applicable = not (check == "framing" and category == "box")
                    fails = value is not None and (value > limit.fail) == (limit.direction == "max")
                    kept = fails and shot != "square"  # others are cut out of the image
                    crop = random.integers(90, 200, (60, 80, 3), np.uint8) if kept else None
                    measurement = Measurement(check, estimator, region, value if applicable else None, unit, 0.9,
                                              None if value is None else (30, 20, 70, 60), crop, applicable)
                    if crop is not None:
                        Image.fromarray(crop).save(pending.writer.path(evidence_path(measurement, shot)))
                    scores.append(judged(measurement, limit))
                tables.append(score_rows(scores, ScoreContext(
                    sku=sku, shot=shot, image_sha256=f"{sku}{shot}{version}", category=category,
                    data_version=f"v{version}", sentinel_version="1", calibration_id="engineering", refiner="embedded",
                    refiner_version=str(version), seed=1, run_id=f"run-{version}",
                    scored_at=datetime(2026, 11, version, 3, tzinfo=UTC))))
            write_scores(pa.concat_tables(tables), pending.writer.path("scores.parquet"))
    compact(store, f"run-{version}", datetime(2026, 11, version, 4, tzinfo=UTC))


def read_notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a run on three refiner versions, the middle one drifting."""
    folder = tmp_path_factory.mktemp("scores")
    store = ArtifactStore(folder / "store")
    for version, worse in ((1, 1.0), (2, 1.5), (3, 1.1)):
        write_run(store, version, worse)
    notebook = read_notebook()
    environment = {**os.environ, "PACKSHOT_STORE": str(folder / "store"), "PYTHONPATH": str(ROOT),
                   "MPLCONFIGDIR": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    started = time.monotonic()
    client.execute(env=environment)
    notebook.metadata["seconds"] = time.monotonic() - started
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_it_is_committed_without_outputs() -> None:
    notebook = read_notebook()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 6
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_it_runs_in_time_and_says_nothing_on_stderr(executed: Any) -> None:
    assert executed.metadata["seconds"] < 30
    streams = [output for output in outputs(executed) if output.output_type in ("stream", "error")]
    assert streams == []


def test_it_draws_every_chart_and_table(executed: Any) -> None:
    pictures = [output for output in outputs(executed) if "image/png" in output.get("data", {})]
    tables = [output for output in outputs(executed) if "text/html" in output.get("data", {})]
    assert len(pictures) == 6
    assert len(tables) == 4


def test_numbers_are_the_tables(executed: Any) -> None:
    first = next(output for output in outputs(executed) if "text/html" in output.get("data", {}))
    html = first["data"]["text/html"]
    for count in (len(CATEGORIES), len(CATEGORIES) * len(SHOTS), len(CATEGORIES) * len(SHOTS) * len(CHECKS)):
        assert f"<td>{count}</td>" in html
