"""The two networks as things to be trained: their batches, losses and figures.

A part of every batch is asked for the mean (no noise, time 1, squared error), of relief with and without a guide:
those are the regression rows of the evaluation, by the same weights. The rest is asked for two samples each, scored
by the energy score.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.refine.nets import light, relief
from pipeline.refine.nets.inputs import CELL, GRID, encode
from pipeline.refine.nets.sampling import TIMES, noised
from training.losses import energy_score, spectral_distance, squared_error

Arrays = dict[str, NDArray[np.float16]]
Batch = dict[str, Tensor]
CROP = 128                             # px of a relief example
MEAN_SHARE = 10.0                      # squared errors of coded light are about a tenth of their roots
SPECTRAL_SHARE = 0.12                  # per dB, beside errors in units of relief
PLATE_SHARE = 0.5                      # of the light loss
# Planes whose sign turns when the picture is mirrored left to right, and upside down.
LIGHT_MIRRORED = (13, 33)
GUIDE = slice(2, 4)                    # the guide among the fine planes
RELIEF_MIRRORED, RELIEF_TURNED = (3, 6, 11), (4, 7, 11)


class Head(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def rate(self) -> float: ...
    @property
    def batch(self) -> int: ...

    def make(self) -> nn.Module: ...
    def load(self, folder: Path) -> nn.Module: ...
    def save(self, network: nn.Module, folder: Path) -> None: ...
    def augmented(self, examples: list[Arrays], rng: np.random.Generator | None) -> Batch: ...
    def loss(self, network: nn.Module, batch: Batch) -> Tensor: ...
    def figures(self, network: nn.Module, batch: Batch) -> dict[str, float]: ...


def stacked(examples: list[Arrays]) -> Batch:
    return {name: torch.from_numpy(np.stack([example[name] for example in examples]).astype(np.float32))
            for name in examples[0]}


def _times(count: int, regressions: int) -> Tensor:
    """Time 1 for those asked for the mean, then half of the others, the rest spread over the later times."""
    times = torch.ones(count)
    later = torch.rand(count) < 0.6
    later[:regressions] = False
    return torch.where(later, torch.tensor(TIMES[1:])[torch.randint(len(TIMES) - 1, (count,))], times)


@dataclass(frozen=True, slots=True)
class LightHead:
    name: str = "light"
    rate: float = 4e-4
    batch: int = 8

    def make(self) -> nn.Module:
        network: nn.Module = light.make_network()
        return network

    def load(self, folder: Path) -> nn.Module:
        return UNet2DModel.from_pretrained(folder, local_files_only=True).float().train()  # type: ignore[no-any-return]

    def save(self, network: nn.Module, folder: Path) -> None:
        save_half(network, folder)

    def augmented(self, examples: list[Arrays], rng: np.random.Generator | None) -> Batch:
        batch = stacked(examples)
        if rng is None:
            return batch
        turned = torch.from_numpy(rng.random(len(examples)) < 0.5)
        for name, planes in batch.items():
            if name == "shares":           # cells, their 3 × 3 neighbours and their pixels, each rows by columns
                side, fold = GRID, CELL
                apart = planes[turned].reshape(-1, side, side, 3, 3, fold, fold)
                planes[turned] = apart.flip(2, 4, 6).reshape(-1, *planes.shape[1:])
            else:
                planes[turned] = planes[turned].flip(-1)
        for plane in LIGHT_MIRRORED:
            batch["inputs"][turned, plane] *= -1.0
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        shots = _working(batch)
        count = len(shots.alpha)
        means = count // 2
        times = _times(count, means)
        truth = light.state_of(shots, batch["truth_product"], batch["truth_plate"])
        noise, own = torch.randn_like(truth), torch.randn(count, light.NOISE, GRID, GRID)
        noise[:means], own[:means] = 0.0, 0.0
        state = noised(truth, shots.raster, light.NOISE_SCALE, noise, times[:, None, None, None])
        first = self._coded(network, shots, state, own, times)
        rest = light.Working(*(getattr(shots, name)[means:] for name in light.Working.__dataclass_fields__))
        second = self._coded(network, rest, state[means:], torch.randn_like(own[means:]), times[means:])
        loss = torch.zeros(())
        weights = (shots.alpha * (batch["truth_alpha"] > 0.5), (shots.valid - shots.alpha).clamp_min(0.0))
        for layer, (share, weight, name) in enumerate(((1.0, weights[0], "truth_product"),
                                                       (PLATE_SHARE, weights[1], "truth_plate"))):
            aim = encode(batch[name])
            sampled = energy_score(first[layer][means:], second[layer], aim[means:], weight[means:])
            mean = squared_error(first[layer][:means], aim[:means], weight[:means])
            loss = loss + share * (sampled.sum() + MEAN_SHARE * mean.sum()) / count
        return loss

    def _coded(self, network: nn.Module, shots: light.Working, state: Tensor, noise: Tensor, times: Tensor
               ) -> tuple[Tensor, Tensor]:
        fields = light.fields_of(network, shots, state, noise, times)
        product, plate = light.relit(shots, fields)
        return encode(product), encode(plate)

    def figures(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """PSNR of coded values over the product: raster, mean, one sample."""
        shots = _working(batch)
        aim, weight = encode(batch["truth_product"]), shots.alpha * (batch["truth_alpha"] > 0.5)
        plain = torch.zeros(len(aim), light.NOISE, GRID, GRID)
        mean = light.relit(shots, light.fields_of(network, shots, shots.raster, plain, 1.0))
        start = shots.raster + light.NOISE_SCALE * torch.randn_like(shots.raster)
        one = light.relit(shots, light.fields_of(network, shots, start, torch.randn_like(plain), 1.0))
        plate, whole = encode(batch["truth_plate"]), shots.valid - shots.alpha
        return {"raster": _psnr(encode(shots.product), aim, weight), "mean": _psnr(encode(mean[0]), aim, weight),
                "one": _psnr(encode(one[0]), aim, weight), "raster plate": _psnr(encode(shots.plate), plate, whole),
                "mean plate": _psnr(encode(mean[1]), plate, whole)}


@dataclass(frozen=True, slots=True)
class ReliefHead:
    name: str = "relief"
    rate: float = 1e-3
    batch: int = 10

    def make(self) -> nn.Module:
        network: nn.Module = relief.ReliefNetwork()
        return network

    def load(self, folder: Path) -> nn.Module:
        return relief.ReliefNetwork.from_pretrained(folder, local_files_only=True).float().train()  # type: ignore[no-any-return]

    def save(self, network: nn.Module, folder: Path) -> None:
        save_half(network, folder)

    def augmented(self, examples: list[Arrays], rng: np.random.Generator | None) -> Batch:
        """Crops on the product; mirrored and turned at random. Without ``rng`` always the same ones."""
        crops = [_cropped(example, np.random.default_rng(number) if rng is None else rng)
                 for number, example in enumerate(examples)]
        batch = stacked(crops)
        if rng is None:
            return batch
        for axis, signs in ((-1, RELIEF_MIRRORED), (-2, RELIEF_TURNED)):
            turned = torch.from_numpy(rng.random(len(examples)) < 0.5)
            for planes in batch.values():
                planes[turned] = planes[turned].flip(axis)
            for plane in signs:
                batch["coarse"][turned, plane] *= -1.0
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Squared error of the mean; of samples the energy score, and how far their spectra are from the truth's."""
        truth, weight = batch["target"], batch["weight"]
        count = len(truth)
        means = count // 5
        times = _times(count, means)
        noise, own = torch.randn_like(truth), torch.randn_like(truth)
        noise[:means], own[:means] = 0.0, 0.0
        # A mean is over all places that threads may have: it is told of none. Nor are some of the samples.
        fine = batch["fine"].clone()
        fine[:means + (count - means) // 4, GUIDE] = 0.0
        state = noised(truth, torch.zeros_like(truth), relief.NOISE_SCALE, noise, times[:, None, None, None])
        first = network(state, own, fine, batch["coarse"], times).float()
        second = network(state[means:], torch.randn_like(own[means:]), fine[means:], batch["coarse"][means:],
                         times[means:]).float()
        found = torch.zeros(())
        for patch in (4, 8, 16):
            found = found + energy_score(first[means:], second, truth[means:], weight[means:], patch).sum() / 3.0
        apart = torch.zeros(())
        for sample in (first[means:], second):
            apart = apart + _spectral(sample, truth[means:], fine[means:], weight[means:]).sum() / 2.0
        mean = squared_error(first[:means], truth[:means], weight[:means])
        return (found + mean.sum() + SPECTRAL_SHARE * apart) / count

    def figures(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """In units: the truth's size, what the mean leaves of it, and a sample's; in dB their spectral distances."""
        truth, weight = batch["target"], batch["weight"]
        time, zero = torch.ones(len(truth)), torch.zeros_like(truth)
        plain = batch["fine"].clone()
        plain[:, GUIDE] = 0.0
        mean = network(zero, zero, plain, batch["coarse"], time).float()
        noise = torch.randn_like(truth), torch.randn_like(truth)
        one = network(*noise, batch["fine"], batch["coarse"], time).float()
        free = network(*noise, plain, batch["coarse"], time).float()

        def size(values: Tensor) -> float:
            return float(((values ** 2 * weight).sum() / weight.sum().clamp_min(1.0)).sqrt())

        def apart(values: Tensor) -> float:
            found = _spectral(values, truth, plain, weight)
            return float(found.sum() / (found > 0).sum().clamp_min(1))

        return {"truth": size(truth), "left by the mean": size(truth - mean), "sample": size(one),
                "dB": apart(zero), "mean dB": apart(mean), "sample dB": apart(one), "unguided dB": apart(free)}


def _spectral(relief_found: Tensor, truth: Tensor, fine: Tensor, weight: Tensor) -> Tensor:
    """(B,) of whole pictures: the base's own texture and the relief upon it, in units."""
    base = torch.sinh(fine[:, :1])
    return spectral_distance((base + relief_found) * weight, (base + truth) * weight, weight)


HEADS: dict[str, Head] = {"light": LightHead(), "relief": ReliefHead()}


def save_half(network: Any, folder: Path) -> None:
    """As diffusers writes a model, in half precision; ``network`` itself stays as it is.

    Diffusers notes where weights were loaded from: a folder of the machine that trained, which is nobody's business.
    """
    deepcopy(network).half().save_pretrained(folder)
    config = folder / "config.json"
    kept = {name: value for name, value in json.loads(config.read_text()).items() if name != "_name_or_path"}
    config.write_text(json.dumps(kept, indent=2) + "\n")


def _working(batch: Batch) -> light.Working:
    return light.Working(*(batch[name] for name in light.Working.__dataclass_fields__))


def _cropped(example: Arrays, rng: np.random.Generator) -> Arrays:
    """CROP × CROP pixels around one that counts, on whole folds; smaller pictures are padded with nothing."""
    height, width = example["weight"].shape[-2:]
    solid = np.argwhere(example["weight"][0, ::8, ::8] > 0)
    row, column = solid[int(rng.integers(len(solid)))] * 8 if len(solid) else (height // 2, width // 2)
    found = {}
    for name, planes in example.items():
        fold = relief.FOLD if name == "coarse" else 1
        side = CROP // fold
        top, left = (int(np.clip(at - CROP // 2, 0, max(0, extent - CROP))) // relief.FOLD * relief.FOLD // fold
                     for at, extent in ((row, height), (column, width)))
        cut = planes[:, top:top + side, left:left + side]
        found[name] = np.pad(cut, ((0, 0), (0, side - cut.shape[1]), (0, side - cut.shape[2])))
    return found


def _psnr(values: Tensor, truth: Tensor, weight: Tensor) -> float:
    square = ((values.clamp(0.0, 1.0) - truth.clamp(0.0, 1.0)) ** 2).mean(1, keepdim=True)
    return float(-10.0 * torch.log10(((square * weight).sum() / weight.sum()).clamp_min(1e-9)))
