"""The embedded preset: what its networks can do to a picture whatever their weights, and how its files fail."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.colour import to_display
from pipeline.errors import RefineError
from pipeline.refine import RefinerSettings, identity_of, make_refiner
from pipeline.refine.embedded_weights import PACKAGED, checked, describe
from pipeline.refine.types import RefineRequest, Restraint
from tests.passes_factory import sphere_passes

F32 = NDArray[np.float32]


def checks(side: int) -> F32:
    return np.asarray((np.indices((side, side)).sum(axis=0) % 2) * 2.0 - 1.0, np.float32)


def save_model(folder: Path, strength: float, light_steps: int = 1, relief_steps: int = 4) -> Path:
    """Networks with random last layers: strength 0 changes nothing, 1 changes as much as the bounds allow."""
    import torch

    from pipeline.refine.nets.guide import Tile, save_tiles
    from pipeline.refine.nets.light import make_network
    from pipeline.refine.nets.relief import ReliefNetwork

    torch.manual_seed(3)
    light, relief = make_network(), ReliefNetwork()
    for layer in (light.conv_out, relief.end):
        torch.nn.init.normal_(layer.weight, std=0.3 * strength)
    light.half().save_pretrained(folder / "light")
    relief.half().save_pretrained(folder / "relief")
    save_tiles(folder / "tiles.npz", {"leather": [Tile(20.0, checks(32), 0.1 * checks(32))]})
    describe(folder, "random", light_steps, relief_steps)
    return folder


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("wild"), 1.0)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("still"), 0.0)


def settings(folder: Path) -> RefinerSettings:
    return RefinerSettings(preset="embedded", model=str(folder), threads=1)


def request(white: bool = True, seed: int = 5, size: int = 96, regions: tuple[Region, ...] = ()) -> RefineRequest:
    return RefineRequest(sphere_passes(size, white=white), "", seed, regions=regions)


def test_a_network_that_answers_nothing_leaves_the_raster(still: Path) -> None:
    asked = request()
    [image] = make_refiner(settings(still)).refine([asked])
    raster = to_display(asked.passes.product, asked.passes.plate, True)
    assert image.unlocked is not None
    assert np.abs(image.unlocked.astype(int) - raster).max() <= 1


def test_any_weights_leave_white_white_and_the_outline_where_it_is(wild: Path) -> None:
    asked = request()
    [image] = make_refiner(settings(wild)).refine([asked])
    far = (asked.passes.alpha == 0) & (asked.passes.plate.min(axis=-1) > 0.999)
    assert far.sum() > 100
    assert (image.pixels[far] == 255).all()
    raster = to_display(asked.passes.product, asked.passes.plate, True)
    inside = asked.passes.alpha == 1
    assert np.abs(image.pixels[inside].astype(int) - raster[inside]).mean() > 3  # it does do something


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(wild: Path) -> None:
    refiner = make_refiner(settings(wild))
    alone, again, other = (refiner.refine([request(False, seed)])[0].pixels for seed in (5, 5, 6))
    together = refiner.refine([request(False, 6), request(False, 5)])
    assert np.array_equal(alone, again)
    assert not np.array_equal(alone, other)
    assert np.array_equal(together[1].pixels, alone)
    assert np.array_equal(make_refiner(settings(wild)).refine([request(False)])[0].pixels, alone)


def test_where_it_is_restrained_the_raster_stays(wild: Path) -> None:
    refiner = make_refiner(settings(wild))
    asked = request(white=False)
    raster = to_display(asked.passes.product, asked.passes.plate, False)
    [free], [held], [half] = (refiner.refine([replace(asked, restraints=restraints)]) for restraints in (
        (), (Restraint((0, 0, 96, 40), 0.0),), (Restraint((0, 0, 96, 40), 0.5),)))
    off = [np.abs(image.unlocked[:40].astype(int) - raster[:40]).mean() for image in (held, half, free)
           if image.unlocked is not None]
    assert off[0] < 0.5
    assert off[0] < off[1] < off[2]
    assert held.unlocked is not None
    assert free.unlocked is not None
    assert np.array_equal(held.unlocked[50:], free.unlocked[50:])
    assert held.provenance["parameters"]["strength_lowered"] is True  # type: ignore[index]


def test_relief_has_no_mean_and_stays_out_of_labels(wild: Path) -> None:
    from pipeline.refine.nets.model import EmbeddedModel, Steps

    model = EmbeddedModel.load(wild, half=False)
    passes = sphere_passes(128, white=False)
    model.light = _Silent(model.light)
    plain = model.refine(passes, 1, Steps(0, 4))
    ratio = _luminance(plain.product) / np.maximum(_luminance(passes.product), 1e-4)
    inside = passes.alpha == 1
    change = np.log(ratio[inside])
    assert change.std() > 0.02
    assert abs(change.mean()) < 0.3 * change.std()
    locked = np.zeros_like(passes.alpha)
    locked[40:80] = 1.0
    held = model.refine(passes, 1, Steps(0, 4), locked)
    np.testing.assert_allclose(held.product[40:80], passes.product[40:80], atol=2e-3)
    np.testing.assert_array_equal(held.product[:40], plain.product[:40])


class _Silent:
    """A light network that changes nothing."""

    def __init__(self, network: object) -> None:
        import torch

        self.zeros = torch.zeros(1, 5, 64, 64)

    def __call__(self, x: object, time: object) -> object:
        from types import SimpleNamespace

        return SimpleNamespace(sample=self.zeros)


def _luminance(product: F32) -> F32:
    return np.asarray(product[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32), np.float32)


def test_the_relief_network_sees_60_pixels_and_no_further() -> None:
    import torch

    from pipeline.refine.nets.inputs import RELIEF_PLANES
    from pipeline.refine.nets.relief import FINE, ReliefNetwork

    torch.manual_seed(0)
    network = ReliefNetwork(channels=8).eval()
    torch.nn.init.normal_(network.end.weight, std=0.5)
    fine = torch.randn(1, FINE, 128, 128)
    state = torch.zeros(1, 1, 128, 128)
    coarse, time = torch.zeros(1, RELIEF_PLANES, 32, 32), torch.ones(1)
    changed = fine.clone()
    changed[..., 64, 64] += 5.0
    with torch.inference_mode():
        moved = (network(state, state, fine, coarse, time) - network(state, state, changed, coarse, time)).abs()[0, 0]
    rows = moved.amax(1).nonzero()[:, 0]
    assert rows.max() - rows.min() > 20
    assert rows.max() - rows.min() < 64


def test_light_does_not_leak_from_one_surface_to_another_behind_it() -> None:
    import torch

    from pipeline.refine.nets.light import shares_of, spread

    alpha = torch.ones(1, 1, 256, 256)
    normal = torch.zeros(1, 3, 256, 256)
    depth = torch.zeros(1, 1, 256, 256)
    normal[:, 2, :, :130] = 1.0
    normal[:, 0, :, 130:] = 1.0
    depth[..., 130:] = 40.0
    field = torch.zeros(1, 1, 64, 64)
    field[..., 33:] = 1.0                  # cells wholly on the right surface; cell 32 is shared
    field[..., 32] = 0.5
    fine = spread(field, shares_of(alpha, normal, depth))[0, 0, 128]
    assert float(fine[:126].max()) < 0.02
    assert float(fine[134:].min()) > 0.98


@pytest.mark.parametrize("name", ["light/diffusion_pytorch_model.safetensors", "relief/config.json", "tiles.npz",
                                  "model.json"])
def test_missing_files_are_named(wild: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(wild, tmp_path / "model"))
    (folder / name).unlink()
    with pytest.raises(RefineError) as caught:
        make_refiner(settings(folder)).refine([request()])
    assert caught.value.code == "weights_missing"
    assert name.split("/")[-1] in caught.value.message


def test_a_changed_byte_is_found_before_anything_is_loaded(wild: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(wild, tmp_path / "model"))
    path = folder / "relief" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(RefineError) as caught:
        make_refiner(settings(folder)).refine([request()])
    assert caught.value.code == "weights_damaged"


def test_weights_of_another_shape_are_a_named_error(wild: Path, tmp_path: Path) -> None:
    from pipeline.refine.nets.relief import ReliefNetwork

    folder = Path(shutil.copytree(wild, tmp_path / "model"))
    ReliefNetwork(planes=5).save_pretrained(folder / "other")
    shutil.copy(folder / "other" / "diffusion_pytorch_model.safetensors", folder / "relief")
    shutil.rmtree(folder / "other")
    describe(folder, "other", 0, 1)
    with pytest.raises(RefineError) as caught:
        make_refiner(settings(folder)).refine([request()])
    assert caught.value.code == "model_unreadable"


def test_not_a_number_is_an_error_and_no_picture(wild: Path) -> None:
    asked = request()
    broken = asked.passes.product.copy()
    broken[48, 48, 0] = np.nan
    with pytest.raises(RefineError) as caught:
        make_refiner(settings(wild)).refine([replace(asked, passes=replace(asked.passes, product=broken))])
    assert caught.value.code == "output_invalid"


def test_identity_follows_weights_and_steps(wild: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(wild, tmp_path / "model"))
    before = identity_of(settings(folder))
    text = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**text, "light_steps": 0}))
    assert identity_of(settings(folder)) != before
    assert identity_of(settings(wild)).model_sha256 == before.model_sha256


def test_the_picture_says_what_made_it(wild: Path) -> None:
    [image] = make_refiner(settings(wild)).refine([request(seed=11)])
    assert image.provenance["preset"] == "embedded"
    assert image.provenance["seed"] == 11
    assert str(image.provenance["digital_source_type"]).endswith("compositeWithTrainedAlgorithmicMedia")


def test_the_model_that_ships_is_whole_and_says_nothing_of_where_it_was_trained() -> None:
    found = checked(PACKAGED)
    assert sum(path.stat().st_size for path in PACKAGED.rglob("*") if path.is_file()) < 40e6
    assert set(found.files) >= {"light/config.json", "relief/config.json", "tiles.npz"}
    for config in PACKAGED.glob("*/config.json"):
        assert "_name_or_path" not in json.loads(config.read_text())
