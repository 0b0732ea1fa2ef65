"""Likeness by CLIP: loaded by open_clip's own path from a folder, once; without a model it does not apply."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SentinelError
from pipeline.sentinel import clip, image_verdict, judge
from pipeline.sentinel.checks.semantic import NOT_CONFIGURED, semantic
from pipeline.sentinel.measuring import run_check
from pipeline.sentinel.registry import Check, check_named
from pipeline.sentinel.types import U8, Expected, Measurement
from tests.conftest import ROOT
from tests.sentinel_scene import Scene, shoe_scene
from tests.tiny_clip import save_tiny_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(clip.VARIABLE, raising=False)
    clip.load.cache_clear()
    yield
    clip.load.cache_clear()


def readings(expected: Expected, image: U8) -> dict[str, Measurement]:
    return {m.estimator: m for m in semantic(expected, image, ())}


def the_check() -> Check:
    found = check_named("semantic")
    assert found is not None
    return found


def prompted(scene: Scene, prompt: str = "a green shoe") -> Expected:
    return replace(scene.expected, shot=replace(scene.expected.shot, prompt=prompt))


def test_without_a_model_it_does_not_apply(scene: Scene) -> None:
    found = readings(scene.expected, scene.expected.display)
    assert {(m.reason, m.applicable, m.value) for m in found.values()} == {(NOT_CONFIGURED, False, None)}


def test_the_product_is_like_itself_and_less_like_noise(scene: Scene, folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                        ) -> None:
    monkeypatch.setenv(clip.VARIABLE, str(folder))
    expected = prompted(scene)
    noise = np.random.default_rng(0).integers(0, 256, expected.display.shape).astype(np.uint8)
    same, other = (readings(expected, image)["product_similarity"].value for image in (expected.display, noise))
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other is not None
    assert other < 0.999


def test_the_prompt_s_cosine_is_open_clip_s_own(scene: Scene, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip
    import torch
    from PIL import Image

    monkeypatch.setenv(clip.VARIABLE, str(folder))
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        image = model.encode_image(transform(Image.fromarray(scene.expected.display))[None], normalize=True)
        text = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(["a green shoe"]), normalize=True)
    value = readings(prompted(scene), scene.expected.display)["prompt_similarity"].value
    assert value == pytest.approx(float(image @ text.T), abs=1e-5)
    assert value != readings(prompted(scene, "a red lamp"), scene.expected.display)["prompt_similarity"].value


def test_a_shot_without_a_prompt_is_not_compared_with_one(scene: Scene, folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                          ) -> None:
    monkeypatch.setenv(clip.VARIABLE, str(folder))
    found = readings(prompted(scene, ""), scene.expected.display)
    assert "no prompt" in found["prompt_similarity"].reason
    assert found["product_similarity"].value is not None


def test_the_model_is_loaded_once(scene: Scene, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clip.VARIABLE, str(folder / "open_clip_model.safetensors"))  # its weights name it as well
    for _ in range(3):
        semantic(scene.expected, scene.expected.display, ())
    assert clip.load.cache_info().misses == 1


@pytest.mark.parametrize(("spoil", "code"), [
    (lambda folder: str(folder / "nowhere"), "clip_missing"),
    (lambda folder: _without(folder, "open_clip_model.safetensors"), "clip_unusable"),
    (lambda folder: _without(folder, "open_clip_config.json"), "clip_unusable"),
    (lambda folder: _torn(folder), "clip_unusable")], ids=["no folder", "no weights", "no config", "torn weights"])
def test_a_bad_model_is_unmeasured_and_fails_no_image(spoil, code: str, scene: Scene, folder: Path, tmp_path: Path,  # type: ignore[no-untyped-def]
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    copied = tmp_path / "clip"
    copied.mkdir()
    for file in folder.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv(clip.VARIABLE, spoil(copied))
    with pytest.raises(SentinelError) as caught:
        semantic(scene.expected, scene.expected.display, ())
    assert caught.value.code == code
    assert clip.VARIABLE in (caught.value.hint or "")
    scores = judge(run_check(the_check(), scene.expected, scene.expected.display, ()))
    assert {score.verdict for score in scores} == {"unmeasured"}
    assert all("CLIP model" in score.measurement.reason for score in scores)
    assert image_verdict(scores) == "warn"


def test_it_works_in_a_process_that_has_rendered(folder: Path) -> None:
    story = ("import os, sys\nfrom tests.render_meshes import shot, sphere, textures_of\n"
             "from pipeline.render import Renderer\nfrom pipeline.sentinel import expected_from\n"
             "from pipeline.sentinel.checks.semantic import semantic\nmesh = sphere()\n"
             "with Renderer() as renderer:\n"
             "    expected = expected_from(renderer.render(mesh, shot((64, 64)), textures_of(mesh)))\n"
             "os.environ['PACKSHOT_CLIP'] = sys.argv[1]\n"
             "print(round(semantic(expected, expected.display, ())[1].value, 4))\n")
    child = subprocess.run([sys.executable, "-c", story, str(folder)], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.split()[-1] == "1.0"


def _without(folder: Path, name: str) -> str:
    (folder / name).unlink()
    return str(folder)


def _torn(folder: Path) -> str:
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return str(folder)


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
