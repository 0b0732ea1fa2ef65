"""Ground that a diffusion model paints: a real pipeline, tiny and untrained, really loaded and run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import RefineError
from pipeline.inpainting import VARIABLE, DiffusionFill
from pipeline.reference.backplate import backplate
from pipeline.reference.fill import filled
from pipeline.refine.weights import Known
from tests.photographed import ellipse

SIDE = 160


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_pipelines import save_tiny_pipeline

    return save_tiny_pipeline(tmp_path_factory.mktemp("inpainting") / "tiny", controlnets=0)


@pytest.fixture
def painter(model: Path) -> DiffusionFill:
    found = DiffusionFill.from_environment({VARIABLE: str(model)})
    assert found is not None
    return found


def grain() -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    return (1.0 + 0.1 * rng.standard_normal((SIDE, SIDE, 3))).astype(np.float32)


def test_it_paints_the_hole_and_nothing_else(painter: DiffusionFill) -> None:
    texture, hole = grain(), ellipse(SIDE, 0.6, 0.3)
    painted = painter(texture, hole, ~hole)
    assert (painted[~hole] == texture[~hole]).all()
    pieced = filled(texture, hole, ~hole)
    changed = (np.abs(painted - pieced).max(axis=-1) > 1e-3) & hole
    assert changed.sum() > 0.9 * hole.sum()          # several tiles of 64 px: all of it is the model's
    assert (painter(texture, hole, ~hole) == painted).all()
    assert painted.min() >= 0.0


def test_a_plate_is_painted_where_ours_leaves_the_old_place_free(painter: DiffusionFill) -> None:
    rng = np.random.default_rng(4)
    photo = np.clip(150 + 8 * rng.standard_normal((SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    old, new = ellipse(SIDE, 0.7, 0.4), ellipse(SIDE, 0.5, 0.3)
    light = np.ones((SIDE, SIDE), np.float32)
    pieced, painted = (backplate(photo, old, new, light, 0.7 * SIDE, fill) for fill in (filled, painter))
    differ = (pieced.pixels != painted.pixels).any(axis=-1)
    assert differ[old & ~new].mean() > 0.5
    assert not differ[~painted.hole].any()


def test_nothing_uncovered_needs_no_model(tmp_path: Path) -> None:
    nothing = np.zeros((SIDE, SIDE), np.bool_)
    texture = grain()
    assert (DiffusionFill(str(tmp_path / "not there"), Known("gone"))(texture, nothing, ~nothing) == texture).all()


def test_what_paints_is_known_by_its_content(model: Path, painter: DiffusionFill, tmp_path: Path) -> None:
    assert DiffusionFill.from_environment({}) is None
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    moved = DiffusionFill.from_environment({VARIABLE: str(copy)})
    assert moved is not None
    assert moved.identity == painter.identity
    [weights] = (copy / "unet").glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    other = DiffusionFill.from_environment({VARIABLE: str(copy)})
    assert other is not None
    assert other.identity != painter.identity


@pytest.mark.parametrize(("damage", "code"), [("unet", "model_incompatible"), ("pickle", "weights_unsafe"),
                                             ("cut", "weights_truncated"), ("index", "model_incompatible")])
def test_a_folder_that_will_not_do_is_a_typed_error(model: Path, tmp_path: Path, damage: str, code: str) -> None:
    copy = tmp_path / damage
    shutil.copytree(model, copy)
    [weights] = (copy / "unet").glob("*.safetensors")
    if damage == "unet":
        shutil.rmtree(copy / "unet")
    elif damage == "pickle":
        weights.rename(copy / "unet" / "diffusion_pytorch_model.bin")
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        (copy / "model_index.json").unlink()
    hole = ellipse(SIDE, 0.4, 0.3)
    with pytest.raises(RefineError) as caught:
        DiffusionFill(str(copy), Known(copy.name))(grain(), hole, ~hole)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_model_that_is_nowhere_is_named_at_once() -> None:
    with pytest.raises(RefineError) as caught:
        DiffusionFill.from_environment({VARIABLE: "/nowhere/at all"})
    assert caught.value.code == "model_missing"
