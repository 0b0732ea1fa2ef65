"""An image made again from its record, byte by byte; and what `packshot explain` tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import CatalogueError, RefineError
from pipeline.explain import read_record, told
from pipeline.refine import RefinerSettings, read_provenance
from pipeline.refining import again, save_refined
from pipeline.workpiece import Workpiece
from tests.house import House, house_of
from tests.small_catalogue import checks, small_catalogue
from tests.test_cli import Command
from tests.tiny_pipelines import save_tiny_pipeline

SETTINGS = ("scale: 0.1\nshots: [square, hero]\nnegative_prompt: blurry\n"
            "delivery: {deliver_unrefined: true, deliver_warn: true}\n")
LABEL = ("regions:\n- {name: mark, kind: logo, material: '*', "
         "polygon: [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]}\n")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_pipeline(tmp_path_factory.mktemp("model") / "sd15", controlnets=1)


def environment(model: Path, batch: int) -> dict[str, str]:
    values = {"": f"diffusers:{model}", "_STEPS": "4", "_STRENGTH": "0.5", "_LONG_SIDE": "64", "_THREADS": "1",
              "_LOCAL_FILES_ONLY": "true", "_BATCH": str(batch)}
    return {f"PACKSHOT_REFINER{name}": value for name, value in values.items()}


@pytest.fixture
def packshot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One SKU with a label, preset none."""
    with made(tmp_path_factory.mktemp("plain"), {"PACKSHOT_REFINER": "none"}, "a") as house:
        yield house


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[House]:
    """Two SKUs that shared batches of a tiny diffusion pipeline."""
    with made(tmp_path_factory.mktemp("painted"), environment(model, batch=2), "a", "b") as house:
        yield house


@contextmanager
def made(folder: Path, variables: dict[str, str], *skus: str, settings: str = SETTINGS) -> Iterator[House]:
    catalogue = small_catalogue(folder / "catalogue", *skus)
    (catalogue / "catalogue.yaml").write_text(settings)
    for sku in skus:
        (catalogue / sku / "product.yaml").write_text(LABEL)
    with house_of(catalogue, folder / "store", variables) as house:
        assert house.batch(*skus).success, house.store.errors()
        yield house


def piece_of(house: House, sku: str) -> Workpiece:
    catalogue = house.resources.catalogue.open()
    return Workpiece(catalogue.product(sku), catalogue.settings, house.store, house.resources.renderer.get)


def files_again(house: House, sku: str, shot: str, folder: Path, configured: RefinerSettings) -> dict[str, bytes]:
    """What a record alone gives, by file name."""
    record = json.loads(house.store.require("refined_images", sku).path(f"{shot}.json").read_text())
    image, new = again(piece_of(house, sku), record, configured)
    save_refined(image, new, lambda name: folder / name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored(house: House, sku: str, shot: str) -> dict[str, bytes]:
    refined = house.store.require("refined_images", sku)
    return {name: refined.path(name).read_bytes() for name in refined.files if name.split(".")[0] == shot}


def test_an_unrefined_image_is_made_again_to_the_byte(plain: House, tmp_path: Path) -> None:
    files = files_again(plain, "a", "square", tmp_path, RefinerSettings())
    assert set(files) == {"square.png", "square.json"}
    assert files == stored(plain, "a", "square")


@pytest.mark.parametrize("sku", ["a", "b"])
def test_a_refined_image_of_a_shared_batch_is_made_again_to_the_byte(painted: House, sku: str, model: Path,
                                                                     tmp_path: Path) -> None:
    configured = RefinerSettings(preset="diffusers", model=str(model))  # where the folder is, and nothing else
    files = files_again(painted, sku, "hero", tmp_path, configured)
    assert set(files) == {"hero.png", "hero.unlocked.png", "hero.json"}
    assert files == stored(painted, sku, "hero")


def test_another_attempt_with_its_restraints_is_made_again_to_the_byte(model: Path, tmp_path: Path) -> None:
    """Random weights fail at every attempt, so what is kept is likely to be a later one."""
    guard = SETTINGS + "guard: {attempts: 4}\n"
    with made(tmp_path, environment(model, batch=2), "a", "b", settings=guard) as house:
        kept = {(sku, shot): record for sku in "ab" for shot in ("square", "hero") if (record := json.loads(
            house.store.require("refined_images", sku).path(f"{shot}.json").read_text()))["attempt"]}
        assert kept, "no later attempt was ever better"
        for (sku, shot), record in kept.items():
            told = next(each for each in record["attempts"] if each["kept"])
            assert told["restraints"]
            assert told["changed"] == ["another seed", "lower strength near the findings",
                                       "stronger lock near the findings"]
            out = tmp_path / f"{sku}-{shot}"
            out.mkdir()
            assert files_again(house, sku, shot, out, RefinerSettings(preset="diffusers", model=str(model))) == stored(
                house, sku, shot)


def test_a_record_names_everything_and_no_place_of_this_machine(painted: House, model: Path) -> None:
    refined = painted.store.require("refined_images", "b")
    record = json.loads(refined.path("hero.json").read_text())
    assert record["data_versions"] == {asset: painted.versions("b")[asset]
                                       for asset in ("product_mesh", "product_regions", "control_passes")}
    assert set(record["inputs"]) == {"b/box.obj", "b/diffuse.png"}
    assert record["settings"]["model"] == "sd15"
    assert record["batch"] == {"size": 2, "position": 1}
    assert {"torch", "diffusers", "numpy"} <= set(record["libraries"])
    assert record["command"] == "packshot refine --sku b --again hero.json --out again"
    assert str(model.parent) not in refined.path("hero.json").read_text()
    assert str(painted.catalogue) not in refined.path("hero.json").read_text()
    before = read_provenance(refined.path("hero.unlocked.png"))
    assert before["stage"] == "before the lock"
    assert before["pixels_sha256"] != record["pixels_sha256"]


def test_other_inputs_are_refused_by_name(plain: House, painted: House, model: Path, tmp_path: Path) -> None:
    record = json.loads(plain.store.require("refined_images", "a").path("square.json").read_text())
    piece = piece_of(plain, "a")
    passes = {**record["input_sha256"], "plate": "0" * 64}
    for change, code, named in (({"input_sha256": passes}, "record_differs", "pass plate"),
                                ({"regions_sha256": "0" * 64}, "record_differs", "regions"),
                                ({"preset_version": 0}, "record_differs", "preset_version"),
                                ({"sku": "b"}, "record_differs", "sku b")):
        with pytest.raises(RefineError, match=named) as refused:
            again(piece, {**record, **change}, RefinerSettings())
        assert refused.value.code == code
    with pytest.raises(RefineError, match="lacks batch, settings"):
        again(piece, {key: value for key, value in record.items() if key not in ("settings", "batch")},
              RefinerSettings())
    record = json.loads(painted.store.require("refined_images", "a").path("square.json").read_text())
    with pytest.raises(RefineError, match="sd15") as elsewhere:
        again(piece_of(painted, "a"), record, RefinerSettings())
    assert elsewhere.value.code == "model_elsewhere"
    other = save_tiny_pipeline(tmp_path / "sd15", controlnets=2)
    with pytest.raises(RefineError, match="model_sha256"):
        again(piece_of(painted, "a"), record, RefinerSettings(preset="diffusers", model=str(other)))


def test_the_command_makes_it_again_and_says_whether_it_agrees(plain: House, tmp_path: Path,
                                                               packshot: Command) -> None:
    record = plain.store.require("refined_images", "a").path("square.json")
    places = ("--catalogue", plain.catalogue, "--store", plain.store.root, "--out", tmp_path / "again", "--json")
    status, out, _ = packshot("refine", "--sku", "a", "--again", record, *places)
    assert (status, json.loads(out)["identical"]) == (0, True)
    assert (tmp_path / "again" / "square.json").read_bytes() == record.read_bytes()
    delivered = plain.store.require("delivered_images", "a").path("square.webp")
    status, out, _ = packshot("refine", "--sku", "a", "--again", delivered, *places)
    assert (status, json.loads(out)["identical"]) == (0, True), "what left the house is as good a record"
    status, out, _ = packshot("refine", "--sku", "a", "--again", record, "--shot", "square", *places)
    assert (status, json.loads(out)["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "json"])
def test_explain_tells_where_an_image_came_from(plain: House, packshot: Command, suffix: str) -> None:
    asset = "delivered_images" if suffix in ("jpg", "webp") else "refined_images"
    file = plain.store.require(asset, "a").path(f"square.{suffix}")
    status, out, _ = packshot("explain", file, "--json")
    record = json.loads(plain.store.require("refined_images", "a").path("square.json").read_text())
    assert (status, json.loads(out)) == (0, record)
    status, out, _ = packshot("explain", file)
    assert status == 0
    for phrase in ("a / square: not refined", "digitalCreation: rendered from a 3D model", "none, version",
                   f"control_passes {plain.versions('a')['control_passes']}", "a/diffuse.png sha256 ",
                   "packshot refine --sku a --again square.json"):
        assert phrase in out
    assert "None" not in out


def test_explain_of_a_refined_image(painted: House) -> None:
    refined = painted.store.require("refined_images", "a")
    text = told(read_record(refined.path("square.unlocked.png")))
    seed = read_record(refined.path("square.png"))["seed"]
    for phrase in ("a / square: refined", "before the lock", "trainedAlgorithmicMedia: painted by a trained model",
                   "blurry", "strength 0.5", "2 images, this one in place 0", f"{seed}"):
        assert phrase in text


def test_a_file_without_provenance_is_a_named_error(packshot: Command, tmp_path: Path) -> None:
    checks().save(tmp_path / "plain.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "text.json").write_text("{")
    Image.new("RGB", (4, 4)).save(tmp_path / "cut.jpg", xmp=b"<x")
    for name, code in (("plain.png", "no_provenance"), ("cut.jpg", "no_provenance"), ("other.json", "no_provenance"),
                       ("torn.png", "image_unreadable"), ("text.json", "image_unreadable"),
                       ("gone.png", "file_missing")):
        status, out, _ = packshot("explain", tmp_path / name, "--json")
        error = json.loads(out)["error"]
        assert (status, error["code"]) == (2, code)
        assert error["hint"]
    with pytest.raises(CatalogueError):
        read_record(tmp_path / "torn.png")
