"""Reference photos in the graph: a shot where it is sure, a question where it is not, and nothing else held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.mesh import ingest_file
from pipeline.render import load_passes
from pipeline.scores import read_scores
from tests.house import House, house_of
from tests.photographed import Staged, ellipse, seen_mask, staged
from tests.small_catalogue import checks, small_catalogue

SIDE = 400
MANIFEST = "front: +z\nup: +y\n"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """A brown box of the same shape as the SKUs' own."""
    mesh = ingest_file(small_catalogue(tmp_path_factory.mktemp("one"), "a") / "a" / "box.obj").mesh
    return staged(seen_mask(mesh, SIDE, 25.0, 38.0))


@pytest.fixture
def house(tmp_path: Path, photo: Staged) -> Iterator[House]:
    catalogue = small_catalogue(tmp_path / "catalogue", "a", "b")
    (catalogue / "catalogue.yaml").write_text("scale: 0.5\nshots: [{name: square, width: 128, height: 128}]\n"
                                              "delivery: {deliver_unrefined: true}\nregions_found: false\n")
    for sku in ("a", "b"):
        (catalogue / sku / "product.yaml").write_text(MANIFEST)
    folder = catalogue / "a" / "reference"
    folder.mkdir()
    (folder / "On boards.jpg").write_bytes(photo.jpeg())
    with house_of(catalogue, tmp_path / "store", {"PACKSHOT_REFINER": "none", "PACKSHOT_LIGHT": "raster"}) as opened:
        yield opened


def test_an_accepted_photo_is_a_shot_like_any_other(house: House, photo: Staged) -> None:
    assert house.batch("a", "b").success
    shots = house.store.require("refined_images", "a").metadata["shots"]
    assert shots == ["square", "photo-on-boards"]
    with Image.open(house.store.require("refined_images", "a").path("photo-on-boards.png")) as picture:
        made = np.asarray(picture)
    solved = house.store.require("reference_shots", "a")
    with Image.open(solved.path("photo-on-boards.photo.png")) as picture:
        before = np.asarray(picture)
    passes = load_passes(house.store.require("control_passes", "a").path("photo-on-boards.exr"))
    assert passes.replaced is not None
    assert np.array_equal(passes.replaced.photo, before)
    both = passes.replaced.mask & passes.mask
    assert both.sum() / (passes.replaced.mask | passes.mask).sum() > 0.93
    assert np.abs(made[:20].astype(int) - before[:20]).max() <= 1     # far from the product it is the photo
    assert np.abs(made[both].astype(float).mean(axis=0) - before[both].mean(axis=0)).max() > 15
    rows = read_scores(house.store.require("sentinel_scores", "a").path("scores.parquet")).to_pylist()
    verdicts = {(row["shot"], row["estimator"]): row["verdict"] for row in rows if row["check"] == "photo"}
    assert verdicts[("photo-on-boards", "plate_delta_e")] == "pass"
    assert verdicts[("photo-on-boards", "ghost")] in ("pass", "not_applicable")
    assert verdicts[("square", "ghost")] == "not_applicable"
    record = house.store.require("refined_images", "a").json("photo-on-boards.json")
    assert record["digital_source_type"].endswith("compositeSynthetic")
    assert "a/reference/On boards.jpg" in record["inputs"]
    # A SKU without photos says so and has no other shots.
    assert house.store.require("reference_shots", "b").json("shots.json") == []
    assert house.store.require("refined_images", "b").metadata["shots"] == ["square"]


def test_only_what_a_photo_touches_is_made_again(house: House, photo: Staged) -> None:
    assert house.batch("a").success
    before = house.versions("a")
    # A changed texture leaves the photo's shot as it was solved.
    checks((160, 60, 90)).save(house.catalogue / "a" / "diffuse.png")
    assert house.batch("a").success
    after = house.versions("a")
    assert after["reference_shots"] == before["reference_shots"]
    assert after["control_passes"] != before["control_passes"]
    # A hint is an input, and the mesh is not made again for it.
    (house.catalogue / "a" / "reference" / "On boards.yaml").write_text("light: 90\nwhite: '#f6e7d0'\n")
    assert house.batch("a").success
    hinted = house.versions("a")
    assert hinted["product_mesh"] == before["product_mesh"]
    assert hinted["reference_shots"] != before["reference_shots"]
    shot = house.store.require("reference_shots", "a").json("shots.json")[0]
    assert shot["light"]["azimuth_deg"] == pytest.approx(90, abs=25)
    red, green, blue = shot["light"]["tint"]
    assert red > green > blue
    # Without the photo its shot is gone, and so is its image.
    (house.catalogue / "a" / "reference" / "On boards.jpg").unlink()
    assert house.batch("a").success
    assert house.store.require("refined_images", "a").metadata["shots"] == ["square"]


def test_a_refused_photo_asks_and_stops_nothing(house: House) -> None:
    folder = house.catalogue / "a" / "reference"
    round_thing = staged(ellipse(SIDE, 0.2, 0.2))
    (folder / "plate.jpg").write_bytes(round_thing.jpeg())
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    assert house.batch("a").success
    artifact = house.store.require("reference_shots", "a")
    told = artifact.metadata["photos"]
    assert told["photo-on-boards"]["accepted"]
    assert told["photo-plate"]["problem"]["code"] == "pose_unsure"
    assert "photo-plate.sheet.png" in artifact.files
    assert told["photo-broken"]["problem"]["code"] == "photo_unreadable"
    assert house.store.require("refined_images", "a").metadata["shots"] == ["square", "photo-on-boards"]
    shown = house.last("reference_shots", "a").metadata
    assert "refused" in str(shown["photos"].value)
    assert "data:image/jpeg" in str(shown["candidates"].value)
    page = house.publish()
    assert page.success
    assert "reference/plate.jpg is not used" in (house.store.root / "report" / "index.html").read_text()
