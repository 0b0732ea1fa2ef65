"""Control passes on disk: nothing is lost, nothing depends on the clock, damage is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from pipeline.catalogue import EmbeddedCameraRef, Instance, OrbitCamera, Shot, SolvedCamera
from pipeline.errors import StoreError
from pipeline.render import Renderer, load_passes, preview_images, save_passes
from pipeline.render.exr import shot_from_dict, shot_to_dict
from pipeline.render.types import ControlPasses
from tests.render_meshes import box, shot, sphere, textures_of

HALF = ("R", "plate.G", "product.A", "base_color.R", "diffuse_albedo.G", "diffuse.B", "specular.R", "emissive.R",
        "visibility.Y", "ao.Y", "normal.X", "normal_geometric.Z")
FLOAT = ("depth.Z", "uv.U", "uv.V")
UINT = ("instance_id.ID", "material_id.ID", "chart_id.ID")


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


@pytest.fixture(scope="module")
def passes(renderer: Renderer) -> ControlPasses:
    mesh = box()
    a_shot = replace(shot((128, 96), "sweep"), prompt="on paper, “quoted”", framed_region=None)
    return renderer.render(mesh, a_shot, textures_of(mesh))


def test_every_pass_comes_back_as_it_was(passes: ControlPasses, tmp_path: Path) -> None:
    save_passes(passes, tmp_path / "hero.exr")
    loaded = load_passes(tmp_path / "hero.exr")
    for field in fields(ControlPasses):
        before, after = getattr(passes, field.name), getattr(loaded, field.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype, field.name
            assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), field.name
        elif field.name != "camera":
            assert before == after, field.name
    assert np.array_equal(loaded.camera.view, passes.camera.view)
    assert np.array_equal(loaded.camera.projection, passes.camera.projection)


def test_layers_have_their_contracted_names_and_widths(passes: ControlPasses, tmp_path: Path) -> None:
    save_passes(passes, tmp_path / "hero.exr")
    file = OpenEXR.File(str(tmp_path / "hero.exr"), separate_channels=True)
    kinds = {name: channel.pixels.dtype for part in file.parts for name, channel in part.channels.items()}
    assert {kinds[name] for name in HALF} == {np.dtype(np.float16)}
    assert {kinds[name] for name in FLOAT} == {np.dtype(np.float32)}
    assert {kinds[name] for name in UINT} == {np.dtype(np.uint32)}
    header = file.parts[0].header
    assert header["packshot.passes"] == 1
    assert header["packshot.stage"] == passes.stage_hash
    assert np.allclose(header["worldToCamera"].T, passes.camera.view, atol=1e-6)


def test_the_same_passes_give_the_same_file(passes: ControlPasses, tmp_path: Path) -> None:
    for name in ("a.exr", "b.exr"):
        save_passes(passes, tmp_path / name)
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_empty_frames_are_kept_too(passes: ControlPasses, tmp_path: Path) -> None:
    blank = {field.name: np.zeros_like(getattr(passes, field.name)) for field in fields(ControlPasses)
             if isinstance(getattr(passes, field.name), np.ndarray)}
    blank["depth"] += np.inf
    blank["uv"] += np.nan
    save_passes(replace(passes, **blank), tmp_path / "empty.exr")
    assert not load_passes(tmp_path / "empty.exr").alpha.any()


@pytest.mark.parametrize("camera", [
    OrbitCamera(azimuth_deg=1.5), EmbeddedCameraRef("left"),
    SolvedCamera(((1.0, 0.0, 0.0, 0.25),) * 4, ((0.0, 1.0, 0.0, 0.5),) * 4)])
def test_shots_survive_as_json(camera: OrbitCamera | EmbeddedCameraRef | SolvedCamera) -> None:
    a_shot = Shot("x", camera, 10, 20, "sweep", instances=(Instance(mirrored=True), Instance()), prompt="prompt",
                  framed_region="logo")
    assert shot_from_dict(shot_to_dict(a_shot)) == a_shot


def test_damaged_and_foreign_files_are_named(passes: ControlPasses, tmp_path: Path) -> None:
    path = tmp_path / "hero.exr"
    save_passes(passes, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(StoreError, match=r"hero\.exr") as caught:
        load_passes(path)
    assert caught.value.code == "passes_unreadable"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"R": np.zeros((4, 4), np.float32)}).write(str(path))
    with pytest.raises(StoreError) as caught:
        load_passes(path)
    assert caught.value.code == "passes_schema"


def test_a_place_that_takes_no_file_is_named(passes: ControlPasses, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"hero\.exr") as caught:
        save_passes(passes, tmp_path / "absent" / "hero.exr")
    assert caught.value.code == "store_unwritable"


def test_previews_are_small_pictures_of_every_pass(renderer: Renderer) -> None:
    mesh = sphere()
    pictures = preview_images(renderer.render(mesh, shot((600, 300)), textures_of(mesh)))
    assert {"beauty", "clay", "albedo", "normal", "depth", "ids", "diffuse", "visibility"} <= set(pictures)
    for name, picture in pictures.items():
        assert picture.dtype == np.uint8, name
        assert picture.shape == ((300, 600, 3) if name in ("beauty", "clay") else (150, 300, 3)), name
        assert picture.std() > 2, name
