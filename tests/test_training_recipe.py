"""The recipe's parts: scores that are proper, states that slide, pairs that come back from their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.catalogue import OrbitCamera, Region
from tests.passes_factory import sphere_passes
from training.floor_light import completed_plate
from training.light import random_environment
from training.pairs import Pair, load, save


def sphere_pair(view: str = "full", size: int = 64) -> Pair:
    """A pair whose truth is a quarter brighter, with stripes of relief."""
    passes = sphere_passes(size, white=False)
    passes = replace(passes, shot=replace(passes.shot, camera=OrbitCamera()))
    stripes = 1.25 * np.exp(0.1 * np.sin(np.arange(size) * 2.1))[None, :, None].astype(np.float32)
    truth = passes.product.copy()
    truth[..., :3] *= stripes
    region = Region("front", "label", "upper", ((0.1, 0.1), (0.4, 0.1), (0.4, 0.3)), text="SAIL")
    return Pair("sphere", 7, view, passes, truth, passes.plate * 0.9, passes.alpha == 0, (region,),
                traced_product=passes.product, traced_plate=passes.plate, mm_per_px=1.5)


def test_a_pair_comes_back_from_its_file(tmp_path: Path) -> None:
    pair = sphere_pair()
    back = load(save(pair, tmp_path))
    assert back.regions == pair.regions
    assert (back.family, back.seed, back.view, back.mm_per_px) == ("sphere", 7, "full", 1.5)
    assert back.traced_product is not None
    np.testing.assert_allclose(back.traced_product, pair.passes.product, atol=2e-3)
    np.testing.assert_allclose(back.truth_product, pair.truth_product, atol=2e-3)
    np.testing.assert_array_equal(back.passes.depth, pair.passes.depth)
    np.testing.assert_array_equal(back.passes.material_id, pair.passes.material_id)
    np.testing.assert_allclose(back.passes.camera.projection, pair.passes.camera.projection)
    assert not list(tmp_path.glob("*.part"))


def test_an_example_holds_the_relief_and_not_the_light() -> None:
    from pipeline.refine.nets import relief
    from training.examples import prepare

    found = {name: values.astype(np.float32) for name, values in prepare(sphere_pair()).items()}
    inside = found["relief.weight"][0] > 0
    target = found["relief.target"][0][inside] * relief.UNIT
    assert abs(target.mean()) < 0.02          # a quarter brighter is light, not relief
    assert 0.03 < target.std() < 0.09         # the stripes, 0.1 / √2 less what the neighbourhood takes
    assert found["light.truth_product"].shape == found["light.product"].shape


@pytest.mark.parametrize(("name", "size", "axes"), [("light", 256, (1,)), ("relief", 128, (1, 0))])
def test_mirrored_examples_are_examples_of_mirrored_passes(name: str, size: int, axes: tuple[int, ...]) -> None:
    """What augmentation makes of a picture is what preparing its mirror image gives."""
    from training.examples import prepare
    from training.heads import HEADS, stacked

    def mirrored(image: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.flip(image, axes))

    pair = sphere_pair(size=size)
    planes: dict[str, Any] = {plane: mirrored(getattr(pair.passes, plane)) for plane in (
        "product", "plate", "alpha", "base_color", "diffuse", "specular", "visibility", "ao", "normal", "depth", "uv",
        "material_id")}
    planes["normal"] = planes["normal"] * np.array([-1.0, -1.0 if 0 in axes else 1.0, 1.0], np.float32)
    other = replace(pair, passes=replace(pair.passes, **planes), truth_product=mirrored(pair.truth_product),
                    truth_plate=mirrored(pair.truth_plate), traced_product=mirrored(pair.passes.product))
    drawn, turned = ({key.removeprefix(f"{name}."): values for key, values in prepare(either).items()
                      if key.startswith(f"{name}.")} for either in (pair, other))
    found = HEADS[name].augmented([drawn], _Always())  # type: ignore[arg-type]
    expected = stacked([turned])
    for key in sorted(found):
        if key == "coarse":                # u's direction is taken to the next pixel, which a mirror makes the last
            found[key][:, 10:12], expected[key][:, 10:12] = 0.0, 0.0
        np.testing.assert_allclose(found[key].numpy(), expected[key].numpy(), atol=6e-3, err_msg=key)


class _Always:
    """A generator whose every draw mirrors, and takes the first."""

    def random(self, size: int) -> NDArray[np.float64]:
        return np.zeros(size)

    def integers(self, high: int) -> int:
        return 0


def test_the_energy_score_is_least_for_the_truth_s_own_law() -> None:
    """Samples too narrow, too wide or off their mean score worse than samples of the right spread."""
    import torch

    from training.losses import energy_score

    torch.manual_seed(0)
    shape = (256, 1, 16, 16)
    weight = torch.ones(shape)

    def score(spread: float, offset: float) -> float:
        first, second, truth = (torch.randn(shape) for _ in range(3))
        return float(energy_score(spread * first + offset, spread * second + offset, truth, weight).mean())

    right = score(1.0, 0.0)
    assert right < min(score(0.0, 0.0), score(0.5, 0.0), score(2.0, 0.0), score(1.0, 0.5))


def test_the_spectral_distance_knows_strength_and_not_place() -> None:
    import torch

    from training.losses import spectral_distance

    torch.manual_seed(0)
    first, second = (torch.randn(1, 1, 128, 128) for _ in range(2))
    whole = torch.ones_like(first)
    assert float(spectral_distance(first, first, whole)) < 0.02
    assert float(spectral_distance(first, second, whole)) < 1.0
    assert float(spectral_distance(first * 0.5, second, whole)) == pytest.approx(6.0, abs=0.7)
    assert float(spectral_distance(first * 0.5, second, torch.zeros_like(whole))) == 0.0


def test_the_tiles_kept_are_the_most_usual_ones() -> None:
    from pipeline.refine.nets.guide import Tile
    from training.bank import central

    def waves(pitch_mm: float, size: int = 128) -> Tile:
        wave = np.sin(2 * np.pi * np.arange(size) * (20.0 / size) / pitch_mm).astype(np.float32)
        return Tile(20.0, np.tile(wave, (size, 1)), np.tile(0.1 * wave, (size, 1)))

    kept = central([waves(pitch) for pitch in (10.0, 2.0, 2.5, 2.22, 0.8)], count=2)
    assert all(np.isclose(np.abs(np.fft.rfft(tile.height[0])).argmax(), (8, 9, 10)).any() for tile in kept)


def test_states_slide_from_the_prior_to_the_picture() -> None:
    import torch

    from pipeline.refine.nets.sampling import noised, sampled, times_of

    picture, prior, noise = torch.full((1, 1, 4, 4), 3.0), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    assert torch.equal(noised(picture, prior, 0.5, noise, 0.0), picture)
    assert torch.equal(noised(picture, prior, 0.5, noise, 1.0), prior + 0.5)
    visited: list[float] = []

    def predict(state: torch.Tensor, time: float) -> tuple[torch.Tensor, torch.Tensor]:
        visited.append(time)
        return picture, picture

    assert torch.equal(sampled(predict, prior, 0.5, torch.Generator().manual_seed(1), 4), picture)
    assert visited == [1.0, 0.75, 0.5, 0.25]
    assert times_of(1) == (1.0,)
    assert times_of(2) == (1.0, 0.5)
    with pytest.raises(ValueError, match="5 steps"):
        times_of(5)


def test_a_horizon_is_no_shadow() -> None:
    drawn = np.full((16, 16, 3), 0.8, np.float32)
    traced = drawn * 0.6
    traced[4] = 0.0
    found = completed_plate(traced, drawn, np.pad(np.ones((4, 4), np.float32), 6))
    np.testing.assert_allclose(found[4], 0.8)
    np.testing.assert_allclose(found[12], 0.48, atol=1e-6)


def test_random_studios_are_bright_finite_and_their_own() -> None:
    first, again, other = (random_environment(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.radiance, again.radiance)
    assert first.sha256 != other.sha256
    assert np.isfinite(first.radiance).all()
    assert first.radiance.min() >= 0.0
