"""``packshot render``: a camera of the file, every pass as PNG, sizes and stages; and what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import cli
from pipeline.render import load_passes
from pipeline.render.pass_images import PASS_NAMES, id_color


def triangle_gltf() -> str:
    """A red-hot triangle 1 m high at the origin, seen by two cameras that share the name of a position."""
    positions = np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    uv = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0]], np.float32)
    data = positions.tobytes() + uv.tobytes()
    return json.dumps({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 1, 2]}],
        "nodes": [{"mesh": 0}, {"camera": 0, "translation": [0.0, 0.5, 2.0]},
                  {"camera": 1, "translation": [0.0, 0.5, 4.0]}],
        "cameras": [{"type": "perspective", "name": "1", "perspective": {"yfov": 1.0, "znear": 0.1}},
                    {"type": "perspective", "name": "far away", "perspective": {"yfov": 1.0, "znear": 0.1}}],
        "materials": [{"name": "paint", "pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.1, 0.1, 1.0],
                                                                 "metallicFactor": 0.0}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3",
                       "min": [-0.5, 0.0, 0.0], "max": [0.5, 1.0, 0.0]},
                      {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 24}],
        "buffers": [{"byteLength": 60, "uri": "data:application/octet-stream;base64,"
                     + base64.b64encode(data).decode()}]})


class Command:
    """Runs the command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, dict[str, object]]:
        self._monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), json.loads(self._capsys.readouterr().out)


@pytest.fixture
def packshot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "triangle.gltf").write_text(triangle_gltf())
    return tmp_path / "triangle.gltf"


def test_a_camera_of_the_file_writes_every_pass(packshot: Command, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, answer = packshot("render", file, "--camera", "gltf:0", "--size", "160x96", "--out", out)
    assert status == 0
    assert answer["images"] == [str(out / "gltf-0.png")]
    pictures = {name: np.asarray(Image.open(out / f"{name}.png")) for name in PASS_NAMES}
    assert {picture.shape[:2] for picture in pictures.values()} == {(96, 160)}
    passes = load_passes(out / "gltf-0.exr")
    about = json.loads((out / "passes.json").read_text())
    inside = passes.instance_id > 0
    assert 0.05 < inside.mean() < 0.1

    assert np.array_equal(pictures["mask"], np.where(passes.alpha > 0.5, 255, 0))
    assert pictures["depth"].dtype == np.uint16
    near, far = about["depth"]["near_m"], about["depth"]["far_m"]
    # The triangle stands square to the camera, 2 m before it.
    assert (near, far) == pytest.approx((2.0, 2.0), abs=1e-4)
    assert np.all(pictures["depth"][~inside] == 65535)
    assert np.allclose((pictures["normal"][inside].astype(float) - 128) / 127, [0.0, 0.0, 1.0], atol=0.01)
    assert np.all(pictures["material_id"][inside] == id_color(1))
    assert about["materials"] == {"1": "paint"}
    assert np.allclose(pictures["uv"][inside][:, :2] / 255, passes.uv[inside], atol=0.5 / 255 + 1e-6)
    middle = pictures["base_color"][60, 80]
    assert np.allclose(middle, [188, 89, 89], atol=1)


def test_the_size_sets_the_aspect_and_the_camera_the_height(packshot: Command, file: Path, tmp_path: Path) -> None:
    heights = []
    for size in ("96x96", "192x96"):
        assert packshot("render", file, "--camera", "gltf:0", "--size", size, "--out", tmp_path / size)[0] == 0
        mask = np.asarray(Image.open(tmp_path / size / "mask.png")) > 0
        heights.append((int(mask.any(axis=1).sum()), int(mask.any(axis=0).sum())))
    assert heights[0] == heights[1]
    assert heights[0][0] == pytest.approx(96 * 0.5 / (2 * np.tan(0.5)), abs=1.5)


def test_digits_are_a_position_even_where_a_camera_is_named_by_digits(packshot: Command, file: Path,
                                                                      tmp_path: Path) -> None:
    for camera, distance in (("gltf:0", 2.0), ("gltf:1", 4.0), ("gltf:far away", 4.0)):
        status, answer = packshot("render", file, "--camera", camera, "--size", "64x64", "--out", tmp_path / "out")
        assert status == 0, answer
        about = json.loads((tmp_path / "out" / "passes.json").read_text())
        assert about["depth"]["near_m"] == pytest.approx(distance, abs=1e-3)
    assert (tmp_path / "out" / "gltf-far-away.exr").is_file()


@pytest.mark.parametrize(("options", "code", "told"), [
    (("--camera", "gltf:2"), "camera_unknown", "0 1, 1 far away"),
    (("--camera", "gltf:side"), "camera_unknown", "0 1, 1 far away"),
    (("--camera", "side"), "camera_invalid", "gltf:0"),
    (("--camera", "gltf:0", "--size", "1024"), "size_invalid", "1024x1024"),
    (("--camera", "gltf:0", "--size", "1024x10"), "size_invalid", "64 to 8192"),
    (("--camera", "gltf:0", "--stage", "moon"), "stage_unknown", "white"),
    (("--camera", "gltf:0", "--shot", "square"), "usage", "without --camera")])
def test_what_cannot_be_rendered_is_said(packshot: Command, file: Path, tmp_path: Path, options: tuple[str, ...],
                                         code: str, told: str) -> None:
    status, answer = packshot("render", file, "--out", tmp_path / "out", *options)
    error = answer["error"]
    assert isinstance(error, dict)
    assert (status, error["code"]) == (2, code)
    assert told in error["hint"]


def test_size_and_stage_change_a_built_in_shot(packshot: Command, file: Path, tmp_path: Path) -> None:
    status, _ = packshot("render", file, "--out", tmp_path, "--shot", "square", "--size", "96x64", "--stage", "sweep")
    assert status == 0
    picture = np.asarray(Image.open(tmp_path / "square.png").convert("RGB"))
    assert picture.shape == (64, 96, 3)
    assert tuple(picture[0, 0]) != (255, 255, 255)
    assert not (tmp_path / "mask.png").exists()


def test_passes_are_not_taken_for_textures_the_next_time(packshot: Command, file: Path, tmp_path: Path) -> None:
    pictures = []
    for _ in range(2):
        assert packshot("render", file, "--camera", "gltf:0", "--size", "64x64", "--out", tmp_path / "out")[0] == 0
        pictures.append((tmp_path / "out" / "base_color.png").read_bytes())
    assert pictures[0] == pictures[1]
    status, answer = packshot("render", file, "--camera", "gltf:0", "--out", tmp_path)
    error = answer["error"]
    assert isinstance(error, dict)
    assert (status, error["code"]) == (2, "out_is_input")


def test_a_quick_look_is_the_unlit_colour_in_the_same_frame(packshot: Command, file: Path, tmp_path: Path) -> None:
    for folder, more in (("exact", ()), ("quick", ("--quick",))):
        status, _ = packshot("render", file, "--camera", "gltf:0", "--size", "96x96", "--out", tmp_path / folder, *more)
        assert status == 0
    quick = np.asarray(Image.open(tmp_path / "quick" / "gltf-0.png"))
    exact = np.asarray(Image.open(tmp_path / "exact" / "mask.png"))
    assert np.count_nonzero((quick[..., 3] > 127) != (exact > 127)) < 0.05 * np.count_nonzero(exact)
    assert np.allclose(quick[60, 48, :3], [188, 89, 89], atol=1)
    assert not (tmp_path / "quick" / "gltf-0.exr").exists()
