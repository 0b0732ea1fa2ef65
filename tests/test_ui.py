"""Dagster's own UI and daemon as `make ui` starts them, used with a browser as a data engineer uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.store import ArtifactStore
from tests.browser import CHROMIUM, browser_page
from tests.conftest import ROOT
from tests.dagster_stack import Stack, running, until
from tests.postgres import free_port
from tests.small_catalogue import add_box, checks, small_catalogue

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium; install the package chromium")

SENSOR = "catalogue_changes"
TICKS = """query ($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState {
  status ticks(limit: 50) { status runIds skipReason error { message } } } } } }"""
MADE = """query ($run: ID!) { runOrError(runId: $run) { ... on Run { assetMaterializations {
  partition assetKey { path } metadataEntries { label ... on BoolMetadataEntry { boolValue } } } } } }"""


@dataclass(frozen=True)
class House:
    """A catalogue of three SKUs, one without a mesh; a store; the UI on it."""

    catalogue: Path
    store: ArtifactStore
    stack: Stack
    page: Page

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.stack.url}{path}")
        return self.page

    def ticks(self) -> list[dict[str, Any]]:
        """The sensor's looks at the catalogue, the latest first."""
        selector = {"repositoryLocationName": "packshot", "repositoryName": "__repository__", "sensorName": SENSOR}
        found: list[dict[str, Any]] = self.stack.ask(TICKS, selector=selector)["sensorOrError"]["sensorState"]["ticks"]
        return found

    def made(self, run_id: str) -> dict[tuple[str, str], bool]:
        """What a run materialized: (asset, SKU) → whether it was kept as it was."""
        return {(event["assetKey"]["path"][-1], event["partition"]):
                next(entry["boolValue"] for entry in event["metadataEntries"] if entry["label"] == "kept")
                for event in self.stack.ask(MADE, run=run_id)["runOrError"]["assetMaterializations"]}

    def runs_of(self, job: str) -> list[str]:
        return [run["runId"] for run in self.stack.runs() if run["jobName"] == job]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("ui")
    catalogue, store, port = small_catalogue(folder / "catalogue", "bar-green"), folder / "store", free_port()
    add_box(catalogue, "bar-red", (160, 60, 50))
    (add_box(catalogue, "broken") / "box.obj").write_text("no mesh\n")
    environment = {"PACKSHOT_CATALOGUE": str(catalogue), "PACKSHOT_STORE": str(store), "PACKSHOT_LIGHT": "raster",
                   "PACKSHOT_REFINER": "none", "PACKSHOT_SENSOR_SECONDS": "5"}
    home = subprocess.run([sys.executable, "-m", "sensors.home", str(store)], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout.strip()
    with (folder / "night.log").open("w") as log:
        night = subprocess.Popen([sys.executable, "-m", "sensors.refresh"], cwd=ROOT, stdout=log, stderr=log,
                                 env={**os.environ, **environment})
    dagster = str(Path(sys.executable).parent / "dagster")
    with running([[dagster, "dev", "-w", "workspace.yaml", "-p", str(port)]], {**environment, "DAGSTER_HOME": home},
                 port, folder / "logs") as stack, browser_page(seconds=45) as page:
        assert night.wait(timeout=180) == 1, (folder / "night.log").read_text()  # the broken SKU
        yield House(catalogue, ArtifactStore(store), stack, page)


def test_partitions_are_listed(house: House) -> None:
    page = house.open("/assets/product_mesh?view=partitions")
    for count in ("Materialized (2)", "Failed (1)", "Missing (0)"):
        expect(page.get_by_text(count)).to_be_visible()
    for sku in ("bar-green", "bar-red", "broken"):
        expect(page.get_by_text(sku, exact=True).first).to_be_visible()


def test_an_image_is_shown_on_its_partition(house: House) -> None:
    page = house.open("/assets/refined_images?view=partitions&partition=bar-green")
    page.get_by_text("[Show Markdown]").first.click()
    thumbnail = page.locator("img[src^='data:image/']").first
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("image => image.naturalWidth") >= 100


def test_verdicts_are_a_table_on_their_partition(house: House) -> None:
    page = house.open("/assets/sentinel_scores?view=partitions&partition=bar-red")
    verdicts = page.locator("tr", has_text="verdicts").locator("table tr")
    expect(verdicts.filter(has_text="recommended")).to_be_visible()
    expect(verdicts.filter(has_text="square")).to_have_count(1)
    expect(page.locator("tr", has_text="silhouette").last).to_be_visible()


def test_a_failed_sku_says_why(house: House) -> None:
    page = house.open("/assets/product_mesh?view=partitions&partition=broken")
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    page.get_by_text("View all historical events (1)").click()
    page.get_by_role("dialog").get_by_role("button", name="arrow_drop_down").click()
    expect(page.get_by_text("box.obj has no faces.")).to_be_visible()
    expect(page.get_by_text("Export the model with its mesh.")).to_be_visible()
    page = house.open(f"/runs/{house.runs_of('refresh_batch')[-1]}")
    expect(page.get_by_text("1 of 3 SKUs failed: broken").first).to_be_visible()
    expect(page.get_by_text("box.obj has no faces. Export the model with its mesh.").first).to_be_visible()


def test_checks_are_shown(house: House) -> None:
    page = house.open("/assets/sentinel_scores?view=checks")
    for check in ("silhouette", "colour_drift", "texture", "artefacts", "delivery"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    house.open("/assets/sentinel_scores?view=checks&checkDetail=silhouette")
    page.get_by_role("tab", name="Partitions").nth(1).click()
    expect(page.get_by_text("Passed (2)")).to_be_visible()


def test_an_asset_is_materialized_by_clicking(house: House) -> None:
    (house.store.root / "refined_images" / "bar-red" / "current.json").unlink()  # somebody lost it
    before = house.runs_of("__ASSET_JOB")
    page = house.open("/assets/refined_images?view=partitions&partition=bar-red")
    expect(page.get_by_text("Latest materialization")).to_be_visible()
    page.get_by_role("button", name="Materialize").click()
    page.get_by_role("button", name="Launch 1 run").click()
    run_id = until(lambda: [run for run in house.runs_of("__ASSET_JOB") if run not in before], 30, "a run")[0]
    assert house.stack.wait(run_id)["status"] == "SUCCESS"
    assert house.made(run_id) == {("refined_images", "bar-red"): False}
    assert house.store.current("refined_images", "bar-red") is not None
    house.open("/assets/refined_images?view=partitions&partition=bar-red")
    expect(page.get_by_text(run_id[:8])).to_be_visible()


def test_the_sensor_turns_a_touched_texture_into_one_small_run(house: House) -> None:
    page = house.open(f"/locations/packshot/sensors/{SENSOR}")
    page.locator("tr", has_text="Running").locator("label").click()
    until(house.ticks, 60, "the sensor's first look")
    before = house.runs_of("refresh_batch")
    checks((40, 90, 170)).save(house.catalogue / "bar-green" / "diffuse.png")
    run_id = until(lambda: [run for run in house.runs_of("refresh_batch") if run not in before], 60, "a run")[0]
    assert house.stack.wait(run_id)["status"] == "SUCCESS"
    made = house.made(run_id)
    assert {sku for _, sku in made} == {"bar-green"}
    assert made["product_mesh", "bar-green"]  # kept: the mesh does not depend on texture pixels
    assert not made["control_passes", "bar-green"]
    assert not made["refined_images", "bar-green"]
    seen = len(house.ticks())
    until(lambda: len(house.ticks()) >= seen + 2, 60, "two more looks")
    ticks = house.ticks()
    assert [tick["runIds"] for tick in ticks if tick["runIds"]] == [[run_id]]
    assert [tick["error"] for tick in ticks if tick["error"]] == []
    assert [run for run in house.runs_of("refresh_batch") if run not in before] == [run_id]
    house.open(f"/runs/{run_id}")
    expect(page.get_by_text("bar-green: made").first).to_be_visible()
