"""Why images passed or failed, told and drawn from stored scores."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.catalogue import Catalogue
from pipeline.errors import StoreError
from pipeline.reasons import SHEET_PX, SkuReasons, as_dict, reasons, sheet, told
from pipeline.scores import ScoreContext, evidence_path, score_rows, write_scores
from pipeline.sentinel.types import Limit, Measurement, Score
from pipeline.store import ArtifactStore
from pipeline.workpiece import Workpiece
from tests.small_catalogue import small_catalogue

TOE = Measurement("silhouette", "toe_deviation_max", "toe", 4.1, "px", 0.9, (10, 20, 60, 70),
                  np.full((24, 52, 3), 90, np.uint8))


@pytest.fixture
def piece(tmp_path: Path) -> Workpiece:
    catalogue = Catalogue.at(small_catalogue(tmp_path / "shop", "bar"))
    return Workpiece(catalogue.product("bar"), catalogue.settings, ArtifactStore(tmp_path / "store"),
                     lambda: pytest.fail("nothing has to be rendered"))


@pytest.fixture
def found(piece: Workpiece) -> SkuReasons:
    """One shot with a dented toe, one where all is well."""
    dented = Score(TOE, Limit(1.5), "fail", 0.0, -2.6, "The front (toe) is out of shape by 4.1 px.")
    warned = Score(Measurement("artefacts", "halo_share", "background", 0.02, "share", 1.0), Limit(0.03, 0.015), "warn",
                   66.0, 0.01, "The background has a dark fringe along the product.")
    close = Score(Measurement("silhouette", "contour_deviation_max", "product", 1.2, "px", 1.0), Limit(2.0), "pass",
                  70.0, 0.8, "The product: outline as expected.")
    calm = Score(Measurement("colour_drift", "tile_delta_e", "product", 0.2, "ΔE00", 1.0), Limit(3.3), "pass", 97.0,
                 3.1, "The product: colour as expected.")
    absent = Score(Measurement("stitching", "missing_fraction", "stitching:heel", None, "share", 0.0, applicable=False,
                               reason="it does not show in this shot"), Limit(0.1), "not_applicable", None, None, "")
    tables = []
    for shot, scores in (("hero", (calm, warned, dented, absent)), ("top", (close, calm))):
        context = ScoreContext(sku="bar", shot=shot, image_sha256="a", category="box", data_version="1",
                               sentinel_version="1", calibration_id="engineering-1", refiner="none",
                               refiner_version="1", seed=1, run_id="r", scored_at=datetime(2026, 11, 24, tzinfo=UTC))
        tables.append(score_rows(scores, context))
    with piece.store.writing("sentinel_scores", "bar", "1", {}) as pending:
        write_scores(pa.concat_tables(tables), pending.writer.path("scores.parquet"))
        assert TOE.evidence is not None
        Image.fromarray(TOE.evidence).save(pending.writer.path(evidence_path(TOE, "hero")))
        pending.writer.metadata.update(verdicts={"hero": "fail", "top": "pass"}, actions={"hero": "retry"},
                                       calibration_warning="not calibrated for this refiner")
    return reasons(piece)


def test_the_gravest_comes_first_and_what_was_not_checked_says_why(found: SkuReasons) -> None:
    hero, top = found.shots
    assert [row["verdict"] for row in hero.found] == ["fail", "warn"]
    assert hero.unchecked == (("stitching: it does not show in this shot", 1),)
    assert not top.found
    assert [row["estimator"] for row in top.closest] == ["contour_deviation_max"]  # what is far away is not told


def test_words_name_verdict_action_sentence_and_the_closest_call(found: SkuReasons) -> None:
    text = told(found)
    assert "FAIL  hero: retry" in text
    assert "1. fail: The front (toe) is out of shape by 4.1 px." in text
    assert "2 readings, all as expected." in text
    assert "1.2 px (≤ 2)" in text
    assert "not calibrated for this refiner" in text


def test_machines_get_the_same(found: SkuReasons) -> None:
    hero, _ = as_dict(found)["shots"]
    assert hero["action"] == "retry"
    assert hero["found"][0]["value"] == 4.1
    assert hero["found"][0]["evidence_path"] == evidence_path(TOE, "hero")


def test_a_sheet_frames_the_finding_and_shows_its_crop(found: SkuReasons) -> None:
    image = np.full((100, 200, 3), 250, np.uint8)
    hero, top = found.shots

    def evidence(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        with Image.open(found.artifact.path(name)) as opened:
            return np.asarray(opened.convert("RGB"))

    drawn = np.asarray(sheet(hero, image, evidence)).astype(int)
    assert drawn.shape[1] == SHEET_PX
    reddish = (drawn[..., 0] - drawn[..., 1] > 120).any(axis=1)
    picture = slice(60, 60 + SHEET_PX // 2)
    assert reddish[picture].sum() > 100                     # the frame around the toe
    crop = (drawn == 90).all(axis=-1)
    assert crop.sum() > 1000                                # the evidence, enlarged
    clean = np.asarray(sheet(top, image, evidence)).astype(int)
    assert not (clean[..., 0] - clean[..., 1] > 120).any()


def test_before_anything_is_scored_the_error_says_what_to_run(piece: Workpiece) -> None:
    with pytest.raises(StoreError) as caught:
        reasons(piece)
    assert caught.value.hint
