"""Sentinel's asset checks: what is told where nothing was measured, and what scores depend on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey

from pipeline.scores import SCORES_FILE, read_scores
from pipeline.sentinel import clip
from tests.house import House, house_of
from tests.small_catalogue import SETTINGS, small_catalogue
from tests.tiny_clip import save_tiny_clip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_of(small_catalogue(tmp_path / "catalogue", "a"), tmp_path / "store",
                  {"PACKSHOT_REFINER": "none", "PACKSHOT_LIGHT": "raster"}) as opened:
        yield opened


def told(house: House, check: str) -> list[str]:
    """Every status an asset check was given, newest first."""
    history = house.instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(AssetKey("sentinel_scores"), check), limit=10)
    return [record.status.value for record in history]


def test_a_check_that_applies_to_nothing_does_not_succeed(house: House) -> None:
    assert house.batch("a").success
    assert told(house, "silhouette") == ["SUCCEEDED"]
    assert told(house, "semantic") == []
    assert told(house, "house") == []


def test_a_failed_check_that_no_longer_applies_does_not_stay_red(house: House) -> None:
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(SETTINGS + "rules: [{name: huge, reading: delivery.fill_share, min: 0.99}]\n")
    assert house.batch("a").success
    assert told(house, "house") == ["FAILED"]
    settings.write_text(SETTINGS)
    assert house.batch("a").success
    assert told(house, "house") == ["SUCCEEDED", "FAILED"]


def test_another_clip_model_measures_again(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.batch("a").success
    without = house.versions("a")["sentinel_scores"]
    folder = save_tiny_clip(tmp_path / "clip", seed=0)
    monkeypatch.setenv(clip.VARIABLE, str(folder))
    assert house.batch("a").success
    assert told(house, "semantic") == ["SUCCEEDED"]
    first = house.versions("a")["sentinel_scores"]
    assert house.batch("a").success
    assert house.kept("a")["sentinel_scores"]
    clip.load.cache_clear()
    save_tiny_clip(folder, seed=1)
    assert house.batch("a").success
    assert len({without, first, house.versions("a")["sentinel_scores"]}) == 3
    assert house.store.require("sentinel_scores", "a").metadata["remeasured"]


def test_scores_of_drawn_light_say_so(house: House) -> None:
    assert house.batch("a").success
    scored = house.store.require("sentinel_scores", "a")
    refined = house.store.require("refined_images", "a")
    version = str(refined.metadata["refiner"]["version"])
    versions = {row["refiner_version"] for row in read_scores(scored.path(SCORES_FILE)).to_pylist()}
    assert versions == {f"{version}+raster"}
