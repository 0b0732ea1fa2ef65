"""Per-pixel strength: what the map says of a shot, and what the callback holds a real pipeline to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.refine import RefineRequest, RefinerSettings, make_refiner
from pipeline.refine.diffusers_loading import load_pipeline
from pipeline.refine.diffusers_run import Job, encoded, run
from pipeline.refine.strength_map import Strengths, on_latents, strength_map, strengths_of
from pipeline.refine.types import Restraint
from tests.passes_factory import sphere_passes

F32 = NDArray[np.float32]
STRENGTHS = Strengths(product=0.7, edge=0.3)
PASSES = sphere_passes(64)
BIG = sphere_passes(256)
# The sphere's uv: u = 0.5 faces the camera, v runs from the top (0) to the bottom (1).
LABEL = Region("label", "label", "*", polygon=((0.45, 0.42), (0.55, 0.42), (0.55, 0.5), (0.45, 0.5)))
SEAM = Region("seam", "stitching", "*", path=((0.42, 0.6), (0.58, 0.6)), width=0.03)
STEPS = 8
SEED = 3


@pytest.fixture(scope="session")
def folders(tiny_sd15: Path, tiny_sdxl: Path) -> dict[str, Path]:
    return {"diffusers": tiny_sd15, "sdxl-union": tiny_sdxl}


def settings_for(preset: str, folder: Path, **changes: Any) -> RefinerSettings:
    return RefinerSettings.parse({
        "preset": preset, "model": str(folder), "controlnets": [{"drive": "depth"}], "strength": 0.75, "steps": STEPS,
        "threads": 1, "device": "cpu", **changes})


def test_labels_are_held_seams_and_silhouette_nearly_and_the_background_is_free() -> None:
    found = strength_map(BIG, (LABEL, SEAM), STRENGTHS)
    assert found.shape == (256, 256)
    assert set(np.unique(found)) == {np.float32(0), np.float32(0.3), np.float32(0.7), np.float32(1)}
    u, v = BIG.uv[..., 0], BIG.uv[..., 1]
    assert (found[(np.abs(u - 0.5) < 0.05) & (v > 0.42) & (v < 0.5)] == 0).all()
    assert (found[(np.abs(u - 0.5) < 0.07) & (np.abs(v - 0.6) < 0.01)] == np.float32(0.3)).all()
    partly = (BIG.alpha > 0) & (BIG.alpha < 1)
    assert (found[partly] == np.float32(0.3)).all()
    assert found[2, 2] == 1.0
    assert found[90, 100] == np.float32(0.7), "bare product, away from everything"
    assert np.array_equal(strength_map(BIG, (), STRENGTHS) == 0, np.zeros((256, 256), bool))


def test_a_label_on_the_silhouette_is_still_held() -> None:
    alpha = np.ones((64, 64), np.float32)
    alpha[:, :20] = 0.0
    held = np.zeros((64, 64), bool)
    held[30:34, 20:30] = True
    found = strengths_of(alpha, held, np.zeros_like(held), STRENGTHS)
    assert (found[held] == 0).all()
    assert found[10, 20] == np.float32(0.3), "a silhouette without half-covered pixels is one too"
    assert found[10, 40] == np.float32(0.7)


def test_a_latent_takes_the_lowest_strength_of_its_pixels() -> None:
    strength = np.ones((100, 150), np.float32)
    strength[41, 77] = 0.0
    grid = on_latents(strength, 19, 13)
    assert grid.shape == (13, 19)
    assert (grid == 0).sum() == 1
    assert grid[41 * 13 // 100, 77 * 19 // 150] == 0


class Watched:
    """A pipeline that writes down its latents after every step, when the callback has had its say."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.latents: list[Any] = []
        self.levels: list[Any] = []            # what the scheduler makes of (picture, noise) at the same moment
        self.original: Any = None
        self.noise: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipeline, name)

    def __call__(self, **arguments: Any) -> Any:
        import torch

        hold = arguments.pop("callback_on_step_end")
        self.original = encoded(self.pipeline, arguments["image"])
        self.noise = torch.randn(self.original.shape, generator=torch.Generator("cpu").manual_seed(SEED))

        def watch(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            result: dict[str, Any] = hold(pipeline, step, timestep, tensors)
            self.latents.append(result["latents"].clone())
            run_of = pipeline.scheduler.timesteps[-pipeline.num_timesteps:]
            last = step + 1 == len(run_of)
            self.levels.append(self.original if last else pipeline.scheduler.add_noise(
                self.original, self.noise, run_of[step + 1:step + 2]))
            return result

        return self.pipeline(**arguments, callback_on_step_end=watch)


def job_for(strength: F32) -> Job:
    start = np.clip(PASSES.product[..., :3] + 0.2, 0, 1)[None].astype(np.float32)
    return Job(["a ball"], [""], [SEED], start, [np.zeros_like(start)], [strength])


@pytest.mark.parametrize("preset", ["diffusers", "sdxl-union"])
def test_held_latents_are_the_renoised_picture_at_every_step_and_free_ones_are_not(
        folders: dict[str, Path], preset: str) -> None:
    import torch

    settings = settings_for(preset, folders[preset])
    watched = Watched(load_pipeline(settings, make_refiner(settings).identity))
    strength = np.ones((64, 64), np.float32)
    strength[:32] = 0.0
    strength[32:, :32] = 0.5
    with torch.no_grad():
        run(watched, settings, job_for(strength))
    steps = int(STEPS * 0.75)
    assert len(watched.latents) == steps
    for number, (latents, level) in enumerate(zip(watched.latents, watched.levels, strict=True)):
        assert torch.equal(latents[..., :4, :], level[..., :4, :]), f"held, step {number}"
        same = torch.equal(latents[..., 4:, :4], level[..., 4:, :4])
        assert same == (number + 1 <= steps - steps // 2), f"strength 0.5 is free for its last half, step {number}"
        assert not torch.isclose(latents[..., 4:, 4:], level[..., 4:, 4:]).any(), f"strength 1, step {number}"


@pytest.mark.parametrize("preset", ["diffusers", "sdxl-union"])
def test_a_picture_held_everywhere_is_the_autoencoder_s_copy(folders: dict[str, Path], preset: str) -> None:
    import torch

    settings = settings_for(preset, folders[preset])
    pipeline = load_pipeline(settings, make_refiner(settings).identity)
    job = job_for(np.zeros((64, 64), np.float32))
    with torch.no_grad():
        latents = encoded(pipeline, torch.from_numpy(job.starts).permute(0, 3, 1, 2))
        copy = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    expected = (copy / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(run(pipeline, settings, job), expected)


def test_the_regions_of_a_request_reach_the_pipeline(folders: dict[str, Path],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []

    def noted(pipeline: Any, settings: RefinerSettings, job: Job) -> F32:
        jobs.append(job)
        return run(pipeline, settings, job)

    monkeypatch.setattr("pipeline.refine.diffusers_controlnet.run", noted)
    settings = settings_for("diffusers", folders["diffusers"])
    request = RefineRequest(PASSES, "a ball", 1, regions=(LABEL,))
    make_refiner(settings).refine([request])
    make_refiner(settings.model_copy(update={"per_pixel_strength": False})).refine([request])
    restrained = replace(request, restraints=(Restraint((0, 0, 64, 20), 0.3),))
    for chosen in (settings, settings.model_copy(update={"per_pixel_strength": False})):
        [image] = make_refiner(chosen).refine([restrained])
        assert image.provenance["parameters"]["strength_lowered"] is True  # type: ignore[index]
    assert jobs[0].strengths is not None
    np.testing.assert_array_equal(jobs[0].strengths[0], strength_map(PASSES, (LABEL,), STRENGTHS))
    assert jobs[0].strengths[0][30, 32] == 0.0
    assert jobs[1].strengths is None
    usual, less, alone = jobs[0].strengths[0], jobs[2].strengths, jobs[3].strengths
    assert less is not None
    assert alone is not None
    np.testing.assert_allclose(less[0][:20], 0.3 * usual[:20])
    np.testing.assert_array_equal(less[0][30:], usual[30:])
    assert alone[0][10, 10] == np.float32(0.3)
    assert alone[0][40, 10] == 1.0
