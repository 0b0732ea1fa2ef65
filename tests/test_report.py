"""The report page, from made-up data and from a small store; in a real browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.catalogue import Catalogue
from pipeline.delivery import SCHEMA as DELIVERY_SCHEMA
from pipeline.errors import IngestError, PackshotError
from pipeline.report import build_report, collect
from pipeline.report.images import crop_window
from pipeline.report.page import extents, quantity, region_in_words, summary
from pipeline.report.types import (
    ReportData,
    ReportError,
    ReportFacts,
    ReportImage,
    ReportMaterial,
    ReportScore,
    ReportShot,
    ReportSku,
    ReportTotals,
)
from pipeline.scores import ScoreContext, compact, evidence_path, score_rows, write_scores
from pipeline.sentinel.types import Limit, Measurement, Score, Verdict
from pipeline.store import ArtifactStore, ArtifactWriter

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
WIDTH, HEIGHT = 320, 240
BBOX = (40, 60, 120, 100)


def write_picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside = (x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2 < 80**2
    tone = np.array([40 * (seed % 5), 90, 160 - 20 * (seed % 4)])
    Image.fromarray(np.where(inside[..., None], tone, 255).astype(np.uint8)).save(path)
    return path


def score(verdict: Verdict = "pass", **changes: Any) -> ReportScore:
    base = ReportScore("colour_drift", "delta_e00_p95", "material:upper", "pass", 1.2, "dE00", 3.0, "max", 80.0, 1.0,
                       True, "The upper keeps its colour.")
    return replace(base, verdict=verdict, **changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """Three products: one with a failing shot, one clean, one in error, all with hostile names."""
    folder = tmp_path_factory.mktemp("pictures")
    before = ReportImage(write_picture(folder / "before.png", 0), "../control_passes/a/1/previews/hero/albedo.png")
    after = ReportImage(write_picture(folder / "after.png", 3), "../refined_images/a/1/hero.png")
    unlocked = ReportImage(write_picture(folder / "unlocked.png", 2), "../refined_images/a/1/hero.unlocked.png")
    failing = ReportShot(
        "hero", WIDTH, HEIGHT, "fail", 12.0, before, after,
        (score(), score("fail", value=6.5, score=12.0, bbox=BBOX, sentence=f"Drifts {HOSTILE}", evidence=after),
         score("unmeasured", check="silhouette", region="toe", value=None, score=None, coverage=0.2),
         score("not_applicable", check="label", value=None, limit=None, score=None, required=False)),
        False, "Failed colour drift.", {"preset": "embedded", "prompt": HOSTILE}, unlocked=unlocked)
    clean = ReportShot("square", WIDTH, HEIGHT, "pass", 80.0, before, after, (score(),), True, "Every check passed.")
    facts = ReportFacts("FBX, in cm", 48231, (292.0, 118.0, 104.5), "+x, 93% sure",
                        (ReportMaterial(HOSTILE, "leather", ("roughness",)),), (f"mirrored text {HOSTILE}",))
    return ReportData("Autumn", (
        ReportSku("shoe", f"Court {HOSTILE}", "footwear", (failing, clean), facts),
        ReportSku("mug", "Harbour mug", "mug", (replace(clean, name="hero"), replace(
            clean, name="raw", verdict=None, score=None, scores=(), before=None, after=None, delivered=None))),
        ReportSku("lamp", "lamp", "unknown",
                  error=ReportError("product_mesh", "zero_triangles", f"No {HOSTILE}", "Export.")),
    ), ("embedded",), "2026-11-24T07:20:00+00:00", {"Model": HOSTILE})


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return build_report(data)


class References(HTMLParser):
    """Everything a page would fetch, and every element in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "poster", "data", "action"):
                self.fetched.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    found = References(page)
    assert len(found.fetched) > 8
    assert all(source.startswith("data:image/webp;base64,") for source in found.fetched)
    assert "http://" not in page
    assert "https://" not in page
    assert "link" not in found.tags
    assert "@import" not in page
    assert not re.search(r"url\((?!data:)", page)


def test_every_product_shot_and_error_is_there(page: str, data: ReportData) -> None:
    text = References(page).text
    for sku in data.skus:
        assert sku.name in text
        assert sku.sku in text
    for phrase in ("zero_triangles", "Export.", "Failed colour drift.", "48\u202f231", "292 × 118 × 104 mm",
                   "guessed: roughness", "6.5\u202fΔE₀₀", "limit ≤ 3\u202fΔE₀₀", "No picture yet", "20% of it seen",
                   "24 November 2026, 07:20 UTC"):
        assert phrase in text


def test_hostile_names_stay_text(page: str) -> None:
    found = References(page)
    assert found.tags.count("script") == 1
    assert not found.handlers
    assert HOSTILE in found.text


def test_the_defect_is_framed_on_the_picture_and_in_its_crop(page: str) -> None:
    left, top = 100 * BBOX[0] / WIDTH, 100 * BBOX[1] / HEIGHT
    assert f'data-number="1" style="left:{left}%;top:{top}%;width:25.0%;height:{round(4000 / HEIGHT, 3)}%"' in page
    assert ">Where<" in page
    assert ">Expected<" in page
    window = crop_window(BBOX, WIDTH, HEIGHT)
    assert f"left:{round(100 * (BBOX[0] - window[0]) / (window[2] - window[0]), 3)}%" in page


def test_the_slider_offers_the_picture_before_the_lock_where_there_is_one(page: str) -> None:
    locked, unlocked, *rest = re.findall(r'<template id="shot-.*?</template>', page, re.DOTALL)
    assert re.findall(r'<img class="(\w*)" data-side="(\w+)"', locked) == [
        ("left", "before"), ("", "unlocked"), ("right", "after")]
    assert locked.count("<select") == 2
    assert 'value="unlocked">Before the lock' in locked
    assert "The same before the lock" in locked
    assert len(rest) == 2
    assert re.findall(r'<img class="(\w*)" data-side="(\w+)"', unlocked) == [("left", "before"), ("right", "after")]
    assert "<select" not in unlocked
    assert "before the lock" not in unlocked.lower()


def test_unrefined_renders_are_called_that(page: str, data: ReportData) -> None:
    assert "Unrefined renders" not in page
    assert "No diffusion model has touched them" in build_report(replace(data, presets=("none",)))
    assert "Some of these pictures" in build_report(replace(data, presets=("embedded", "none")))


def test_summary_counts(data: ReportData) -> None:
    counted = {tile.label: tile.count for tile in summary(data)}
    assert counted == {"Products": 3, "Shots": 4, "Pass": 2, "Warning": 0, "Fail": 1, "Unmeasured": 1, "Delivered": 2,
                       "Errors": 1}


def test_equal_data_draws_an_equal_page(page: str, data: ReportData) -> None:
    assert build_report(data) == page


def test_a_large_catalogue_links_to_the_store_instead(data: ReportData) -> None:
    found = References(build_report(data, max_embedded_shots=3))
    assert {source.rsplit("/", 1)[-1] for source in found.fetched} == {"hero.png", "hero.unlocked.png", "albedo.png"}
    assert all(source.startswith("../") for source in found.fetched)


@pytest.mark.parametrize(("bbox", "window"), [
    ((100, 100, 120, 110), (62, 57, 158, 153)),     # a speck gets the smallest window
    ((0, 0, 10, 10), (0, 0, 96, 96)),               # at the corner it moves inwards
    ((310, 230, 320, 240), (224, 144, 320, 240)),
    ((0, 0, 320, 240), (0, 0, 320, 240)),           # the whole image is its own window
])
def test_crop_windows_stay_inside(bbox: tuple[int, int, int, int], window: tuple[int, int, int, int]) -> None:
    assert crop_window(bbox, WIDTH, HEIGHT) == window


@pytest.mark.parametrize(("value", "unit", "text"), [
    (0.48, "fraction", "48\u202f%"), (0.0815, "fraction", "8.15\u202f%"), (5.8, "dE00", "5.8\u202fΔE₀₀"),
    (1.0, "px", "1\u202fpx"), (0.0, "code", "0\u202fcode"), (123.4, "px", "123\u202fpx"), (1.25, "ratio", "1.25×"),
    (0.62, "share", "62\u202f%"), (0.002, "px", "< 0.01\u202fpx"), (-0.5, "px", "-0.5\u202fpx"),
])
def test_quantities_read_well(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_sizes_and_regions_in_words() -> None:
    assert extents((292.4, 118.2, 4.26)) == "292 × 118 × 4.3 mm"
    assert extents((1840.0, 900.0, 760.0)) == "1.84 × 0.90 × 0.76 m"
    assert region_in_words("material:upper") == "upper"
    assert region_in_words("label:tongue#1") == "label tongue #1"
    assert region_in_words("stitching:quarter", "stitching_missing") == "quarter"
    assert region_in_words("image") == ""
    assert region_in_words("background", "background") == ""
    assert region_in_words("material:sole_rubber") == "sole rubber"


# A store as the assets leave it.

def scored(writer: ArtifactWriter) -> None:
    """One failing reading with a crop, one of a discarded attempt, one that passed."""
    toe = Measurement("silhouette", "deviation", "toe", 4.1, "px", 0.9, (10, 20, 60, 70),
                      np.full((24, 32, 3), 90, np.uint8))
    framing = Measurement("framing", "margin", "product", 0.1, "fraction", 1.0)
    failing = Score(toe, Limit(2.0), "fail", 10.0, -2.1, "The toe is dented by 4.1 px.")
    passing = Score(framing, Limit(0.02, direction="min"), "pass", 88.0, 0.08, "Room on all sides.")
    context = ScoreContext(sku="shoe", shot="hero", image_sha256="a", category="footwear", data_version="1",
                           sentinel_version="1", calibration_id="engineering", refiner="none", refiner_version="1",
                           seed=1, run_id="r", scored_at=datetime(2026, 11, 24, tzinfo=UTC))
    discarded = score_rows([replace(failing, score=1.0)], replace(context, attempt=1, selected=False))
    write_scores(pa.concat_tables([score_rows([failing, passing], context), discarded]), writer.path("scores.parquet"))
    write_picture(writer.path(evidence_path(toe, "hero")), 1)


@pytest.fixture
def shop(tmp_path: Path) -> tuple[ArtifactStore, Catalogue]:
    """Four SKUs: complete, only rendered, in error, and one whose folder cannot be used."""
    for sku in ("cup", "shoe", "torn"):
        (tmp_path / "catalogue" / sku).mkdir(parents=True)
        (tmp_path / "catalogue" / sku / "mesh.glb").write_bytes(b"glTF")
    (tmp_path / "catalogue" / "empty").mkdir()
    store = ArtifactStore(tmp_path / "store")
    for sku in ("cup", "shoe"):
        with store.writing("control_passes", sku, "1", {}) as pending:
            pending.writer.json("shots.json", [{"name": "hero", "width": WIDTH}])
            for kind in ("albedo", "beauty", "clay") if sku == "shoe" else ("albedo",):
                write_picture(pending.writer.path(f"previews/hero/{kind}.png"), 0)
    with store.writing("product_mesh", "shoe", "1", {}) as pending:
        pending.writer.json("report.json", {
            "format": "fbx", "source_units": "cm", "source_up": "+z", "triangles": 1200,
            "extents_mm": [290.0, 110.0, 100.0],
            "front": {"axis": "+x", "confidence": 0.93, "source": "heuristic"}, "warnings": ["no units"],
            "materials": [{"name": "upper", "kind": "leather", "guessed": ["roughness"]}]})
    with store.writing("refined_images", "shoe", "1", {}) as pending:
        write_picture(pending.writer.path("hero.png"), 2)
        write_picture(pending.writer.path("hero.unlocked.png"), 1)
        pending.writer.json("hero.json", {
            "preset": "none", "preset_version": 1, "model": "", "seed": 7, "parameters": {"strength": 0.3},
            "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"})
    with store.writing("sentinel_scores", "shoe", "1", {}) as pending:
        scored(pending.writer)
        pending.writer.json("verdicts.json", {"hero": "fail"})
    with store.writing("delivered_images", "shoe", "1", {}) as pending:
        pending.writer.json("manifest.json", {"schema": DELIVERY_SCHEMA, "images": [], "withdrawn": [{"shot": "hero"}],
                                              "withheld": [{"shot": "hero", "reason": "Failed silhouette."}]})
    store.record_error("torn", "product_mesh", IngestError("zero_triangles", "The mesh is empty.", "Export it again."))
    return store, Catalogue.at(tmp_path / "catalogue")


def test_collect_reads_as_far_as_each_sku_got(shop: tuple[ArtifactStore, Catalogue]) -> None:
    data = collect(*shop, generated_at="2026-11-24T07:20:00+00:00")
    cup, empty, shoe, torn = data.skus
    assert data.presets == ("none",)
    (rendered,) = cup.shots
    assert (rendered.verdict, rendered.after, rendered.delivered) == (None, None, None)
    assert rendered.before is not None
    folder = shop[0].require("control_passes", "cup").folder.name
    assert rendered.before.link == f"../control_passes/cup/{folder}/previews/hero/albedo.png"
    assert empty.error is not None
    assert empty.error.code == "sku_empty"
    assert torn.error == ReportError("product_mesh", "zero_triangles", "The mesh is empty.", "Export it again.")
    (hero,) = shoe.shots
    assert (hero.verdict, hero.score, hero.delivered) == ("fail", 10.0, False)
    assert hero.delivery_reason == "Failed silhouette. The image delivered before is withdrawn."
    assert (hero.width, hero.height, len(hero.scores)) == (WIDTH, HEIGHT, 2)
    assert hero.before is not None
    assert (hero.before.path.name, hero.before_label) == ("clay.png", "Untextured")
    assert hero.unlocked is not None
    assert re.fullmatch(r"\.\./refined_images/shoe/1[^/]*/hero\.unlocked\.png", hero.unlocked.link)
    assert rendered.unlocked is None
    assert hero.scores[0].evidence is not None
    assert hero.scores[0].bbox == (10, 20, 60, 70)
    assert hero.provenance == {"preset": "none", "preset_version": "1", "seed": "7", "strength": "0.3",
                               "digital_source_type": "digitalCreation"}
    assert shoe.facts is not None
    assert (shoe.facts.format, shoe.facts.front) == ("FBX, unit cm, +z up", "+x, 93% sure")


def test_a_delivery_older_than_the_verdict_says_so(shop: tuple[ArtifactStore, Catalogue]) -> None:
    store, catalogue = shop
    with store.writing("delivered_images", "shoe", "0", {}) as pending:
        pending.writer.json("manifest.json", {"schema": DELIVERY_SCHEMA, "withdrawn": [], "withheld": [],
                                              "images": [{"shot": "hero", "verdict": "pass"}]})
    (hero,) = next(sku for sku in collect(store, catalogue).skus if sku.sku == "shoe").shots
    assert (hero.delivered, hero.verdict) == (True, "fail")
    assert hero.delivery_reason == "An earlier image is out, judged pass; delivery has not run since."


def test_a_page_from_a_store(shop: tuple[ArtifactStore, Catalogue]) -> None:
    text = References(build_report(collect(*shop))).text
    for phrase in ("The toe is dented by 4.1 px.", "The mesh is empty.", "Unrefined renders.", "Held back.", "empty"):
        assert phrase in text


def test_a_damaged_artefact_becomes_that_sku_s_error(shop: tuple[ArtifactStore, Catalogue]) -> None:
    store, catalogue = shop
    (store.root / "control_passes" / "cup" / "current.json").write_text("{")
    by_sku = {sku.sku: sku for sku in collect(store, catalogue).skus}
    assert by_sku["cup"].error is not None
    assert by_sku["cup"].error.code == "manifest_damaged"
    assert by_sku["shoe"].shots


# In a browser.

PROBE = """
<script>
addEventListener("load", () => {
  const problems = [];
  addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
  const check = (name, fine) => { if (!fine) problems.push(name); };
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((e) => !e.closest("[hidden]")).length;
  const viewer = document.getElementById("viewer");
  check("opened from the address", viewer.open);
  const range = viewer.querySelector("input[type=range]");
  check("starts left of the first defect", Number(range.value) < 12.5);
  range.value = 80;
  range.dispatchEvent(new Event("input"));
  check("slider follows", getComputedStyle(viewer.querySelector(".compare")).getPropertyValue("--at") === "80%");
  const sides = [...viewer.querySelectorAll("select.side")];
  const standing = () => ["left", "right"].map((place) => [...viewer.querySelectorAll(`img.${place}:not([hidden])`)]
    .map((image) => image.dataset.side).join("+")).join(" ");
  const choose = (side, key) => { sides[side].value = key; sides[side].dispatchEvent(new Event("change")); };
  check("render beside final", standing() === "before after");
  choose(0, "unlocked");
  check("before the lock beside final", standing() === "unlocked after");
  choose(1, "unlocked");
  check("the same on both sides swaps", standing() === "after unlocked" && sides[0].value === "after");
  check("the slider says so", range.getAttribute("aria-label") === "Final on the left, before the lock on the right");
  sides[0].dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
  check("keys choose in a selector", viewer.querySelector("h2 span").textContent === "Hero");
  check("the selectors can be reached", sides.every((side) => side.tabIndex === 0) && sides.every((side) => {
    const box = side.getBoundingClientRect();
    return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === side;
  }));
  viewer.querySelector(".check .number").click();
  check("finding uncovers itself", Number(range.value) < 12.5);
  const press = (key) => viewer.querySelector("[data-close]")
    .dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  press("ArrowRight");
  check("arrow walks on", viewer.querySelector("h2 span").textContent === "Square");
  viewer.querySelector("[data-close]").click();
  check("closes", !viewer.open);
  check("all products", shown(".sku") === 3 && shown(".shot") === 4);
  document.querySelector("[data-filter=fail]").click();
  check("verdict filter", shown(".sku") === 1 && shown(".shot") === 1);
  document.querySelector("[data-filter=fail]").click();
  document.querySelector("[data-filter=error]").click();
  check("error filter", shown(".sku") === 1 && shown(".shot") === 0);
  document.querySelector("[data-filter=error]").click();
  const search = document.getElementById("search");
  search.value = "harbour hero";
  search.dispatchEvent(new Event("input"));
  check("search", shown(".sku") === 1 && shown(".shot") === 1);
  search.value = "";
  search.dispatchEvent(new Event("input"));
  const category = document.getElementById("category");
  category.value = "footwear";
  category.dispatchEvent(new Event("change"));
  check("category", shown(".sku") === 1 && shown(".shot") === 2);
  const order = document.getElementById("order");
  order.value = "worst";
  order.dispatchEvent(new Event("change"));
  check("errors first", "error" in document.querySelector(".sku").dataset);
  check("pictures decode", [...document.images].every((image) => image.loading === "lazy" || image.naturalWidth > 0));
  check("no sideways scrolling", document.documentElement.scrollWidth <= innerWidth);
  document.title = "probe:" + JSON.stringify(problems);
});
</script>
</body>"""


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium; install the Debian package to run this test")
@pytest.mark.parametrize("width", [1440, 500])
def test_in_a_browser(page: str, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", PROBE))
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--virtual-time-budget=4000",
               "--dump-dom", f"{path.as_uri()}#shoe/hero"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
    title = re.search(r"<title>probe:(.*?)</title>", done.stdout)
    assert title, "the page's own script did not run to its end"
    assert json.loads(title[1].replace("&quot;", '"')) == []


def test_a_catalogue_of_thousands_shows_those_that_need_a_look(tmp_path: Path) -> None:
    from pipeline.sentinel import judge

    root, store = tmp_path / "catalogue", ArtifactStore(tmp_path / "store")
    findings = {"good": 0.1, "worse": 1.9, "worst": 30.0, "warned": 1.2, "missing": None}
    for sku, value in findings.items():
        (root / sku).mkdir(parents=True)
        (root / sku / "mesh.obj").write_text("v 0 0 0\n")
        reading = Measurement("silhouette", "toe_deviation_max", "toe", value, "px", 1.0 if value else 0.0)
        context = ScoreContext(sku, "hero", f"sha-{sku}", "footwear", "v1", "1", "engineering-1", "none", "1", 1, "run",
                               datetime(2026, 1, 1, tzinfo=UTC))
        with store.writing("sentinel_scores", sku, "v1", {}) as out:
            write_scores(score_rows(judge([reading]), context), out.writer.path("scores.parquet"))
    for sku in ("new", "broken"):
        (root / sku).mkdir()
    store.record_error("broken", "product_mesh", PackshotError("unknown_format", "No mesh.", "Add one."))
    compact(store)
    (root / "removed").mkdir()
    data = collect(store, Catalogue.at(root), max_skus=4)
    assert [sku.sku for sku in data.skus] == ["broken", "worst", "worse", "missing"]
    assert data.totals == ReportTotals(8, 5, 1, 1, 3, 1, 1)
    html = build_report(data)
    assert "The 4 products most in need of a look, of 8." in html
    assert {tile.label: tile.count for tile in summary(data)} == {
        "Products": 8, "Shots": 5, "Pass": 1, "Warning": 1, "Fail": 3, "Unmeasured": 1, "Errors": 1}
    everything = collect(store, Catalogue.at(root), max_skus=8)
    assert everything.totals is None
    assert len(everything.skus) == 8
