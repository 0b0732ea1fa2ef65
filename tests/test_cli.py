"""The packshot command: what it prints, its exit status, and errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import cli
from pipeline.errors import RenderError
from tests.house import House, house_of
from tests.small_catalogue import box_obj, checks, small_catalogue


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("shop")
    with house_of(small_catalogue(root / "catalogue", "a"), root / "store") as opened:
        assert opened.batch("a").success
        yield opened


class Command:
    """Runs the command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = self._capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def packshot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_doctor_reports_this_machine(packshot: Command, house: House) -> None:
    status, out, _ = packshot("doctor", "--json")
    report = json.loads(out)
    assert status == 0
    assert report["ready"] is True
    names = {item["name"] for item in report["examined"]}
    assert names >= {"Python", "OpenGL", "torch", "store", "catalogue", "refiner"}


def test_doctor_fails_where_something_is_missing(packshot: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_REFINER", "no-such-preset")
    status, out, _ = packshot("doctor", "--catalogue", "/nowhere")
    assert status == 1
    assert out.count("MISSING") == 2
    assert "PACKSHOT_CATALOGUE" in out


def test_doctor_does_not_mind_an_extra_that_is_absent(packshot: Command, house: House, monkeypatch: pytest.MonkeyPatch
                                                      ) -> None:
    def absent() -> None:
        raise RenderError("pathtrace_missing", "The path tracer is not installed: mitsuba.", "Install the extra.")

    monkeypatch.setattr("pipeline.doctor.probe", absent)
    status, out, _ = packshot("doctor")
    assert status == 0
    assert "-        path tracer The path tracer is not installed" in out
    assert "MISSING" not in out


def test_add_makes_a_folder_that_the_description_explains(packshot: Command, tmp_path: Path) -> None:
    (tmp_path / "loose.obj").write_text(box_obj())
    checks().save(tmp_path / "skin.png")
    (tmp_path / "shop").mkdir()
    arguments = ("add", "--sku", "s1", "--mesh", tmp_path / "loose.obj", "--texture", tmp_path / "skin.png",
                 "--describe", "green and white court sneaker", "--catalogue", tmp_path / "shop", "--json")
    status, out, _ = packshot(*arguments)
    assert (status, json.loads(out)["category"]) == (0, "footwear")
    status, out, _ = packshot(*arguments)
    assert (status, json.loads(out)["error"]["code"]) == (2, "sku_exists")


def test_ingest_reports_a_mesh_and_refuses_a_bad_one(packshot: Command, tmp_path: Path) -> None:
    (tmp_path / "box.obj").write_text(box_obj())
    status, out, _ = packshot("ingest", tmp_path / "box.obj", "--out", tmp_path / "out", "--json")
    assert (status, json.loads(out)["report"]["triangles"]) == (0, 12)
    assert (tmp_path / "out" / "mesh.npz").is_file()
    (tmp_path / "bad.stl").write_bytes(b"solid?")
    status, out, _ = packshot("ingest", tmp_path / "bad.stl", "--out", tmp_path / "out", "--json")
    error = json.loads(out)["error"]
    assert (status, set(error)) == (2, {"code", "message", "hint"})
    status, _, err = packshot("ingest", tmp_path / "bad.stl", "--out", tmp_path / "out")
    assert status == 2
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_render_makes_pictures_of_a_lone_file(packshot: Command, tmp_path: Path) -> None:
    (tmp_path / "box.obj").write_text(box_obj())
    checks().save(tmp_path / "diffuse.png")
    status, out, _ = packshot("render", tmp_path / "box.obj", "--out", tmp_path / "out", "--shot", "square",
                              "--scale", "0.1", "--exr", "--json")
    assert status == 0
    [image] = json.loads(out)["images"]
    with Image.open(image) as opened:
        assert opened.size == (108, 108)
        assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert (tmp_path / "out" / "square.exr").is_file()
    status, out, _ = packshot("explain", image, "--json")
    assert json.loads(out)["preset"] == "none"


def test_score_passes_our_own_image_and_fails_a_damaged_one(packshot: Command, house: House, tmp_path: Path) -> None:
    image = house.store.require("refined_images", "a").path("square.png")
    status, out, _ = packshot("score", image, "--sku", "a", "--shot", "square", "--json")
    assert status == 0
    assert json.loads(out)["verdict"] == "warn", "a hundred pixels are few for a shop, and nothing else is wrong"
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("RGB")).copy()
    pixels[:, : pixels.shape[1] // 2] = pixels[:, : pixels.shape[1] // 2][..., [1, 0, 2]]  # green turns red on the left
    Image.fromarray(pixels).save(tmp_path / "made-elsewhere.png")
    status, out, _ = packshot("score", tmp_path / "made-elsewhere.png", "--sku", "a", "--shot", "square", "--json")
    judged = json.loads(out)
    assert (status, judged["verdict"]) == (1, "fail")
    assert "colour_drift" in {row["check"] for row in judged["scores"] if row["verdict"] == "fail"}
    Image.new("RGB", (7, 7)).save(tmp_path / "small.png")
    status, out, _ = packshot("score", tmp_path / "small.png", "--sku", "a", "--shot", "square", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "image_size")
    status, out, _ = packshot("score", tmp_path / "small.png", "--sku", "a", "--shot", "sqare", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "shot_unknown")


def test_refine_tries_a_preset_outside_the_pipeline(packshot: Command, house: House, tmp_path: Path) -> None:
    status, out, _ = packshot("refine", "--sku", "a", "--out", tmp_path, "--json")
    assert status == 0
    [made] = json.loads(out)["images"]
    with Image.open(made) as one, Image.open(house.store.require("refined_images", "a").path("square.png")) as two:
        assert np.array_equal(np.asarray(one), np.asarray(two))
    status, out, _ = packshot("refine", "--sku", "a", "--out", tmp_path, "--preset", "nonsense", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "preset_unknown")


def test_explain_lists_every_check_with_its_limits(packshot: Command) -> None:
    found = {entry["check"]: entry for entry in json.loads(packshot("explain", "--json")[1])["checks"]}
    assert {"silhouette", "colour_drift", "texture", "artefacts", "delivery"} <= set(found)
    assert all(entry["limits"] and entry["what"] for entry in found.values())


def test_report_and_verify(packshot: Command, house: House) -> None:
    status, out, _ = packshot("report", "--json")
    assert status == 0
    assert Path(json.loads(out)["report"]).is_file()
    status, out, _ = packshot("verify", "--json")
    assert (status, json.loads(out)["findings"], json.loads(out)["artifacts"]) == (0, [], 7)


def test_bad_usage_is_json_under_json(packshot: Command, tmp_path: Path) -> None:
    for arguments in (("score",), ("doctor", "--nonsense"),
                      ("render", "x.obj", "--out", tmp_path, "--scale", 9)):
        status, out, _ = packshot(*arguments, "--json")
        assert (status, json.loads(out)["error"]["code"]) == (2, "usage")


def test_a_file_where_a_folder_is_meant_is_said_in_a_line(packshot: Command, house: House, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    status, _, err = packshot("refine", "--sku", "a", "--out", tmp_path / "taken")
    assert status == 2
    assert "Traceback" not in err
    status, out, _ = packshot("doctor", "--catalogue", tmp_path / "taken")
    assert (status, out.count("MISSING")) == (1, 1)


def test_no_store_yet_says_what_to_run(packshot: Command, house: House, tmp_path: Path) -> None:
    checks().save(tmp_path / "any.png")
    status, _, err = packshot("score", tmp_path / "any.png", "--sku", "a", "--shot", "square",
                              "--store", tmp_path / "none")
    assert status == 2
    assert "hint:" in err
