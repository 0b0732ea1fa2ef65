"""The embedded model whole: passes in, a product and a plate in better light out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pipeline.refine.nets import light, relief
from pipeline.refine.nets.guide import Tile, guide_of, load_tiles, worn
from pipeline.refine.nets.inputs import GRID, WORKING, Planes, planes_of
from pipeline.refine.nets.sampling import expected, sampled
from pipeline.render.types import ControlPasses

TILES = "tiles.npz"
FINE = 2                               # times WORKING: the size at which fields are spread with their guides

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Steps:
    """How each network answers: 0 with the mean of what may be, 1 to 4 with a sample in that many steps.

    ``guided``: relief lies where a tile of the material's kind says; else it is told of none.
    """

    light: int = 0
    relief: int = 4
    guided: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """Premultiplied linear product (H, W, 4) and plate (H, W, 3), in the meaning of ControlPasses."""

    product: F32
    plate: F32


class EmbeddedModel:
    """Both networks. The same passes, seed and number of threads give the same bytes on one machine."""

    def __init__(self, light_network: Any, relief_network: Any, tiles: Mapping[str, Sequence[Tile]], half: bool
                 ) -> None:
        self.light, self.relief, self.half = light_network.eval(), relief_network.eval(), half
        self.tiles = tiles

    @classmethod
    def load(cls, folder: Path, half: bool | None = None) -> EmbeddedModel:
        """Networks of a folder with ``light`` and ``relief``; ``half`` None: bfloat16 where the CPU computes in it."""
        return cls(UNet2DModel.from_pretrained(folder / "light", local_files_only=True).float(),
                   relief.ReliefNetwork.from_pretrained(folder / "relief", local_files_only=True).float(),
                   load_tiles(folder / TILES),
                   computes_in_half() if half is None else half)

    def refine(self, passes: ControlPasses, seed: int, steps: Steps, locked: F32 | None = None,
               free: F32 | None = None) -> Picture:
        """Light that was path-traced is kept as it is.

        Args:
            locked: (H, W) 0..1, where no relief may be.
            free: (H, W) 0..1 share of light and relief that is let through; 0 leaves the raster.
        """
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            planes = planes_of(passes)
            product, plate = ((planes.product, planes.plate) if passes.traced
                              else self._relit(planes, generator, steps.light))
            laid = worn(passes, self.tiles) if steps.guided else []
            guide = torch.from_numpy(guide_of(passes, laid)).permute(2, 0, 1)[None]
            factor = self._relief(planes, guide, generator, steps.relief)
            if locked is not None:
                factor = factor * (1.0 - torch.from_numpy(locked)[None, None])
            if free is not None:
                share = torch.from_numpy(free)[None, None]
                factor = factor * share
                product, plate = planes.product.lerp(product, share), planes.plate.lerp(plate, share)
            product = product * factor.exp() * planes.alpha
            whole = torch.cat([product, planes.alpha], 1)
            return Picture(_array(whole), _array(plate))

    def _relit(self, planes: Planes, generator: torch.Generator, steps: int) -> tuple[Tensor, Tensor]:
        shots = light.working(planes)

        def predict(state: Tensor, time: float) -> tuple[light.Fields, Tensor]:
            size = (len(state), light.NOISE, GRID, GRID)
            noise = torch.randn(size, generator=generator) if steps else torch.zeros(size)
            fields = light.fields_of(self.light, shots, state, noise, time)
            return fields, light.state_of(shots, *light.relit(shots, fields))

        fields = (sampled(predict, shots.raster, light.NOISE_SCALE, generator, steps) if steps
                  else expected(predict, shots.raster))
        gain, added = torch.split(_on_pixels(torch.cat([fields.gain, fields.added], 1), planes),
                                  list(light.FIELDS[:2]), 1)
        product = (planes.product * gain.exp() + added).clamp_min(0.0) * (planes.alpha > 0.0)
        height, width = planes.alpha.shape[-2:]
        rows, columns = (max(1, round(side * GRID / max(height, width))) for side in (height, width))
        white = torch.full((1, 1, 1, 1), float(planes.white))
        return product, light.relit_plate(planes.plate, fields.plate[..., :rows, :columns], white)

    def _relief(self, planes: Planes, guide: Tensor, generator: torch.Generator, steps: int) -> Tensor:
        """Log factor (1, 1, H, W)."""
        full = planes.alpha.shape[-2:]
        window = _window(planes.alpha)
        if window is None:
            return torch.zeros_like(planes.alpha)
        cut = _cut(planes, window)
        fine, coarse = relief.fine_planes(cut, _cropped(guide, window)), relief.coarse_planes(cut)
        shape = (1, 1, *fine.shape[-2:])

        def predict(state: Tensor, time: float) -> tuple[Tensor, Tensor]:
            noise = torch.randn(shape, generator=generator) if steps else torch.zeros(shape)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                answer = self.relief(state, noise, fine, coarse, torch.full((1,), time)).float()
            return answer, answer

        prior = torch.zeros(shape)
        found = (sampled(predict, prior, relief.NOISE_SCALE, generator, steps) if steps
                 else expected(predict, prior))
        found = relief.without_mean(found, cut.alpha) * relief.UNIT * cut.alpha
        whole = torch.zeros(1, 1, *full)
        rows, columns = window
        place = whole[..., rows, columns]
        place[:] = found[..., :place.shape[-2], :place.shape[-1]]
        return whole


def computes_in_half() -> bool:
    """Whether this CPU multiplies bfloat16 itself; elsewhere it would be slower than single precision."""
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(known and known())


def _on_pixels(fields: Tensor, planes: Planes) -> Tensor:
    """Fields of the grid on the picture's pixels: with guides to FINE · WORKING, then evenly over what is covered."""
    height, width = planes.alpha.shape[-2:]
    side = FINE * WORKING
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))

    def fit(plane: Tensor) -> Tensor:
        return F.pad(F.adaptive_avg_pool2d(plane, size), (0, side - size[1], 0, side - size[0]))

    alpha = fit(planes.alpha)
    normal, depth = (fit(plane * planes.alpha) / alpha.clamp_min(1e-3) * (alpha > 1e-3)
                     for plane in (planes.normal, planes.depth * (GRID / planes.frame)))
    fine = light.spread(fields, light.shares_of(alpha, normal, depth))
    weight = alpha + 1e-4
    both = torch.cat([fine * weight, weight], 1)[..., :size[0], :size[1]]
    full = F.interpolate(both, size=(height, width), mode="bilinear", align_corners=False)
    return full[:, :-1] / full[:, -1:].clamp_min(1e-6)


def _window(alpha: Tensor) -> tuple[slice, slice] | None:
    """Rows and columns around the product with what the network sees beside it; whole folds, maybe past the picture."""
    covered = alpha[0, 0] > 0.0
    rows, columns = covered.any(1).nonzero()[:, 0], covered.any(0).nonzero()[:, 0]
    if len(rows) == 0:
        return None
    found = []
    for line in (rows, columns):
        start = max(0, int(line[0]) - 16)
        stop = int(line[-1]) + 17
        found.append(slice(start, start + -(-(stop - start) // relief.FOLD) * relief.FOLD))
    return found[0], found[1]


def _cut(planes: Planes, window: tuple[slice, slice]) -> Planes:
    """The planes in a window; what lies past the picture is empty."""
    changed = {}
    for name in ("alpha", "product", "plate", "albedo", "diffuse", "specular", "normal", "depth", "shade", "classes",
                 "uv_turn"):
        changed[name] = _cropped(getattr(planes, name), window)
    height, width = planes.alpha.shape[-2:]
    share = max(changed["alpha"].shape[-2:]) / max(height, width)
    return Planes(**changed, up=planes.up, light=planes.light, frame=planes.frame * share, distance=planes.distance,
                  white=planes.white)


def _cropped(plane: Tensor, window: tuple[slice, slice]) -> Tensor:
    rows, columns = window
    inside = plane[..., rows, columns]
    return F.pad(inside, (0, columns.stop - columns.start - inside.shape[-1],
                          0, rows.stop - rows.start - inside.shape[-2]))


def _array(tensor: Tensor) -> F32:
    return np.ascontiguousarray(tensor[0].permute(1, 2, 0).numpy())
