"""Any folder of images, scored on its own: what names tell, what is said of bad files, and what is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import cli, scoring
from pipeline.catalogue import Catalogue
from pipeline.errors import CatalogueError, SentinelError
from pipeline.scores import duplicate_keys, read_scores
from pipeline.scoring import Scored, Scorer, Unscored, find_images, identify, score_images
from pipeline.sentinel import judging_for
from pipeline.workpiece import Workpiece
from tests.house import House, house_of
from tests.small_catalogue import small_catalogue


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("scoring")
    catalogue = small_catalogue(folder / "catalogue", "mug", "mug-blue")
    (catalogue / "catalogue.yaml").write_text("scale: 0.1\nshots: [square, hero]\n")
    with house_of(catalogue, folder / "store", {"PACKSHOT_REFINER": "none", "PACKSHOT_LIGHT": "raster"}) as house:
        assert house.batch("mug", "mug-blue").success
        yield house


@pytest.fixture
def scorer(house: House) -> Scorer:
    opened = Catalogue.at(str(house.catalogue))

    def piece(sku: str) -> Workpiece:
        def no_renderer() -> None:
            raise AssertionError("passes are kept")

        return Workpiece(opened.product(sku), opened.settings, house.store, no_renderer)  # type: ignore[arg-type]

    return Scorer(opened.skus(), piece, judging_for(opened.settings, opened.root))


def picture(house: House, sku: str, shot: str) -> Path:
    return house.store.require("refined_images", sku).path(f"{shot}.png")


def bare(source: Path, target: Path) -> Path:
    """The picture without the record inside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as opened:
        Image.fromarray(np.asarray(opened.convert("RGB"))).save(target, quality=95)
    return target


def damaged(source: Path, target: Path) -> Path:
    bare(source, target)
    pixels = np.asarray(Image.open(target)).copy()
    pixels[:, : pixels.shape[1] // 2] = pixels[:, : pixels.shape[1] // 2][..., [1, 0, 2]]
    Image.fromarray(pixels).save(target)
    return target


@pytest.mark.parametrize(("name", "found"), [
    ("mug/square.png", ("mug", "square")), ("mug-square.png", ("mug", "square")),
    ("mug-blue-hero.jpg", ("mug-blue", "hero")), ("mug_blue/mug-blue_hero.png", ("mug-blue", "hero")),
    ("mug-blue/v1/hero.webp", ("mug-blue", "hero")), ("mug/mug.square.png", ("mug", "square")),
    ("mug/mug-blue-square.png", ("mug-blue", "square")),
])
def test_names_tell_sku_and_shot(scorer: Scorer, house: House, tmp_path: Path, name: str, found: tuple[str, str]
                                 ) -> None:
    path = bare(picture(house, *found), tmp_path / name)
    assert identify(path, tmp_path, scorer) == found


@pytest.mark.parametrize("name", ["square.png", "mug-side.png", "cup/square.png", "mugsquare.png", "mug/side.png"])
def test_names_that_tell_too_little_are_refused(scorer: Scorer, house: House, tmp_path: Path, name: str) -> None:
    path = bare(picture(house, "mug", "square"), tmp_path / name)
    with pytest.raises(CatalogueError) as caught:
        identify(path, tmp_path, scorer)
    assert caught.value.code == "image_unmatched"


def test_the_record_inside_tells_where_the_name_does_not(scorer: Scorer, house: House, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0042.png"
    shutil.copy(picture(house, "mug-blue", "hero"), path)
    assert identify(path, tmp_path, scorer) == ("mug-blue", "hero")


def test_bad_files_stop_nothing(scorer: Scorer, house: House, tmp_path: Path) -> None:
    bare(picture(house, "mug", "square"), tmp_path / "mug" / "square.png")
    damaged(picture(house, "mug-blue", "square"), tmp_path / "mug-blue" / "square.png")
    (tmp_path / "mug" / "hero.png").write_bytes(b"no picture")
    Image.new("RGB", (50, 40)).save(tmp_path / "mug-blue" / "hero.png")
    bare(picture(house, "mug", "square"), tmp_path / "whatever.png")
    bare(picture(house, "mug", "square"), tmp_path / "evidence" / "mug-square.png")
    bare(picture(house, "mug", "square"), tmp_path / "mug" / "square.unlocked.png")
    (tmp_path / "notes.txt").write_text("no image")
    results = list(score_images(find_images(tmp_path), tmp_path, scorer))
    scored = {(each.sku, each.shot): each for each in results if isinstance(each, Scored)}
    assert {key: each.verdict for key, each in scored.items()} == {("mug", "square"): "warn",
                                                                  ("mug-blue", "square"): "fail"}
    assert scored["mug", "square"].action == "deliver"
    assert scored["mug-blue", "square"].action != "deliver"
    good, bad = scored["mug", "square"].score, scored["mug-blue", "square"].score
    assert good is not None
    assert bad is not None
    assert good > 50 > bad
    failed = {each.path.name if each.path.parent == tmp_path else f"{each.path.parent.name}/{each.path.name}":
              each.error.code for each in results if isinstance(each, Unscored)}
    assert failed == {"mug/hero.png": "image_unreadable", "mug-blue/hero.png": "image_size",
                      "whatever.png": "image_unmatched"}


def test_a_catalogue_without_artefacts_says_so_for_each_image(scorer: Scorer, house: House, tmp_path: Path) -> None:
    from tests.small_catalogue import add_box
    add_box(house.catalogue, "new")
    try:
        path = bare(picture(house, "mug", "square"), tmp_path / "new-square.png")
        opened = Catalogue.at(str(house.catalogue))
        fresh = Scorer(opened.skus(), scorer.piece, scorer.judging)
        [result] = score_images([path], tmp_path, fresh)
        assert isinstance(result, Unscored)
        assert result.error.hint
    finally:
        shutil.rmtree(house.catalogue / "new")


def packshot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
             ) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def test_the_command_scores_a_folder(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "shoot", tmp_path / "out"
    for sku in ("mug", "mug-blue"):
        shutil.copy(picture(house, sku, "square"), bare(picture(house, sku, "square"), folder / f"{sku}-square.png"))
    status, text, err = packshot(monkeypatch, capsys, "score", folder, "--out", out)
    assert status == 0
    assert "2 scored, 0 of them failed; 0 not scored" in text
    assert "engineering limits alone" in text
    assert "[2/2]" in err
    damaged(picture(house, "mug", "hero"), folder / "mug-hero.png")
    (folder / "mug-side.jpg").write_bytes(b"")
    status, text, _ = packshot(monkeypatch, capsys, "score", folder, "--out", out, "--json")
    answer = json.loads(text)
    assert status == 1
    assert {(each["sku"], each["shot"]): each["verdict"] for each in answer["images"]} == {
        ("mug", "square"): "warn", ("mug-blue", "square"): "warn", ("mug", "hero"): "fail"}
    assert [each["error"]["code"] for each in answer["unscored"]] == ["image_unmatched"]
    table = read_scores(out / "scores.parquet")
    assert table.num_rows == sum(len(each["scores"]) for each in answer["images"])
    assert duplicate_keys(table) == []
    crops = {row["evidence_path"] for row in table.to_pylist() if row["evidence_path"]}
    assert crops
    assert all((out / crop).is_file() for crop in crops)
    assert set(table["refiner"].to_pylist()) == {"none", ""}
    assert "mug" in (out / "index.html").read_text()
    status, text, _ = packshot(monkeypatch, capsys, "score", folder)
    assert "not scored: mug-side.jpg" in text
    assert text.index("mug-hero.png") < text.index("mug-square.png")  # worst first


def test_an_empty_folder_is_bad_input(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = packshot(monkeypatch, capsys, "score", tmp_path, "--json")
    assert (status, json.loads(text)["error"]["code"]) == (2, "no_images")


def test_rows_of_nothing_are_an_empty_table(scorer: Scorer) -> None:
    from datetime import UTC, datetime
    assert scoring.rows_of([], scorer.judging, datetime.now(UTC)).num_rows == 0


def test_sizes_are_not_guessed(scorer: Scorer, house: House, tmp_path: Path) -> None:
    path = tmp_path / "mug-square.png"
    Image.new("RGB", (200, 200)).save(path)
    with pytest.raises(SentinelError) as caught:
        scoring.score_image(path, scorer.piece("mug"), "square", scorer)
    assert caught.value.code == "image_size"
