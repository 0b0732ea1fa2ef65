"""The pictures of docs/day.md, taken from the real UI: ``python -m tests.screenshots --work FOLDER``.

Six products of the example catalogue at half size, and one whose file was cut short, live through a night and a day.
About ten minutes. FOLDER stands in some of the pictures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from PIL import Image, ImageEnhance
from playwright.sync_api import Locator, Page, expect

from tests.browser import browser_page
from tests.conftest import ROOT
from tests.dagster_stack import Stack, running, until
from tests.postgres import free_port

IMAGES = ROOT / "docs" / "images"
SENSOR = "catalogue_changes"
PRODUCTS = ("bottle-fjellbekk", "court-sneaker-green", "derby-brown", "mug-tidewater", "tote-kelp-crane", "vase-linnea")
BROKEN = "mug-tidewater-large"
SETTINGS = "scale: {scale}\ndelivery:\n  deliver_warn: true\n"
TOUCHED, TEXTURE = "tote-kelp-crane", "tote_diffuse.png"
# Stricter than what some images read at this size.
LIMITS = {"colour_drift.tile_delta_e": {"fail": 2.0}}
JUDGED = "mug-tidewater"


@dataclass(frozen=True)
class Day:
    """A site with its UI."""

    catalogue: Path
    stack: Stack
    page: Page

    def open(self, path: str, *shown: str) -> Page:
        """A page on which these words have appeared."""
        self.page.goto(path if "://" in path else f"{self.stack.url}{path}")
        for text in shown:
            expect(self.page.get_by_text(text).first).to_be_visible()
        return self.page

    def take(self, name: str) -> None:
        """The page as it is, once it has come to rest."""
        self.page.wait_for_timeout(1500)
        picture = IMAGES / f"day-{name}.png"
        self.page.screenshot(path=picture)
        Image.open(picture).convert("RGB").save(picture, optimize=True)
        if picture.stat().st_size > 200_000:   # photographs on it
            Image.open(picture).quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
        print(f"day-{name}", flush=True)

    def change(self, change: Callable[[], object]) -> str:
        """Change the catalogue; the id of the run that the sensor makes of it."""
        before = {run["runId"] for run in self.stack.runs()}
        change()
        run_id = until(lambda: [run["runId"] for run in self.stack.runs() if run["jobName"] == "refresh_batch"
                                and run["runId"] not in before], 120, "the sensor's run")[0]
        return str(run_id)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the catalogue and the store")
    parser.add_argument("--scale", type=float, default=0.5, help="of the shots' size")
    options = parser.parse_args(arguments)
    catalogue, store = options.work / "catalogue", options.work / "store"
    if not catalogue.exists():
        for product in PRODUCTS:
            shutil.copytree(ROOT / "examples" / "catalogue" / product, catalogue / product)
        (catalogue / "catalogue.yaml").write_text(SETTINGS.format(scale=options.scale))
        whole = (catalogue / "mug-tidewater" / "stoneware_mug.glb").read_bytes()
        (catalogue / BROKEN).mkdir()
        (catalogue / BROKEN / "stoneware_mug.glb").write_bytes(whole[: len(whole) // 2])
    environment = {**os.environ, "PACKSHOT_CATALOGUE": str(catalogue), "PACKSHOT_STORE": str(store),
                   "PACKSHOT_REFINER": "embedded", "PACKSHOT_SENSOR_SECONDS": "10"}
    subprocess.run([sys.executable, "-m", "sensors.refresh", "--night"], cwd=ROOT, env=environment, check=False)
    home = subprocess.run([sys.executable, "-m", "sensors.home", str(store)], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout.strip()
    dagster, port = str(Path(sys.executable).parent / "dagster"), free_port()
    with (running([[dagster, "dev", "-w", "workspace.yaml", "-p", str(port)]], {**environment, "DAGSTER_HOME": home},
                  port, options.work / "logs") as stack, browser_page(seconds=60) as page):
        day = Day(catalogue, stack, page)
        morning(day, store)
        changes(day)


def morning(day: Day, store: Path) -> None:
    """What the night has left."""
    page = day.open("/asset-groups/", "ingest")
    page.wait_for_timeout(2000)
    page.keyboard.press("Alt+e")               # expand all groups
    page.get_by_text("Hide navigation").click()
    day.take("graph")
    day.open("/assets/product_mesh?view=partitions", "Failed (1)")
    day.take("partitions")
    page.get_by_text(BROKEN, exact=True).first.click()
    page.get_by_text("View all historical events").click()
    page.get_by_role("dialog").get_by_role("button", name="arrow_drop_down").first.click()
    day.take("failed")
    night = [run["runId"] for run in day.stack.runs() if run["jobName"] == "refresh_batch"][-1]
    day.open(f"/runs/{night}", "STEP_FAILURE")
    page.get_by_placeholder("Filter…").fill(f"/{len(PRODUCTS) + 1}]")
    day.take("run")
    day.open("/assets/night_runs", "Latest materialization")
    day.take("night")
    day.open("/assets/refined_images?view=partitions&partition=court-sneaker-green", "Latest materialization")
    page.get_by_text("[Show Markdown]").first.click()
    day.take("image")
    day.open("/assets/sentinel_scores?view=partitions&partition=court-sneaker-green", "verdicts")
    day.take("verdicts")
    day.open((store / "report" / "index.html").resolve().as_uri())
    day.take("report")


def changes(day: Day) -> None:
    """A texture and a limit."""
    page = day.open(f"/locations/packshot/sensors/{SENSOR}", "Running")
    switch: Locator = page.locator("tr", has_text="Running")
    if not switch.get_by_role("checkbox").is_checked():
        switch.locator("label").click()
    time.sleep(15)
    run_id = day.change(lambda: _darker(day.catalogue / TOUCHED / TEXTURE))
    time.sleep(15)
    day.open(f"/locations/packshot/sensors/{SENSOR}", "1 run requested")
    day.take("sensor")
    day.stack.wait(run_id, 1800)
    day.open(f"/assets/refined_images?view=partitions&partition={TOUCHED}", run_id[:8])
    day.take("texture")
    day.stack.wait(day.change(lambda: _set_limits(day.catalogue / "catalogue.yaml")), 1800)
    day.open("/assets/sentinel_scores?view=checks&checkDetail=colour_drift", "Latest execution")
    page.get_by_role("tab", name="Partitions").nth(1).click()
    page.get_by_text(JUDGED, exact=True).first.click()
    day.take("check")
    page.get_by_text("[Show Markdown]").last.click()
    day.take("crops")


def _darker(texture: Path) -> None:
    with Image.open(texture) as image:
        darker = ImageEnhance.Brightness(image.convert("RGB")).enhance(0.85)
    darker.save(texture)


def _set_limits(settings: Path) -> None:
    said = yaml.safe_load(settings.read_text())
    settings.write_text(yaml.safe_dump({**said, "limits": LIMITS}))


if __name__ == "__main__":
    main()
