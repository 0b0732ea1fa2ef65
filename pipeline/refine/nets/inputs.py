"""What the networks see of a shot: its passes as a few planes, at two scales.

Colours are coded by ``encode``, a power law close to display code, in which an error is about as visible in the
dark as in the light. Directions are in camera space. Nothing depends on how many pixels a picture has: the light
network sees it reduced to WORKING px, the relief network is told how many millimetres a pixel spans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.render.types import ControlPasses

WORKING = 256                          # px of the long side that the light network works at, always
CELL = 4                               # working px per cell of its fields
GRID = WORKING // CELL
TOE = 0.002                            # linear light added before the power law, so that its slope stays finite
# Kinds of material as far as relief and gloss tell them apart; what is in none of these is "unknown".
CLASSES: tuple[tuple[str, ...], ...] = (
    ("knit",), ("canvas", "denim", "fabric", "lace"), ("suede",), ("leather",), ("rubber", "foam"),
    ("ceramic", "porcelain", "glass"), ("plastic", "synthetic", "lacquer", "patent"),
    ("metal", "steel", "chrome", "gold", "copper", "brass"), ("paper", "cardboard"),
    ("wood", "cork", "stone", "wicker"), ("wax", "skin"))
LUMINANCE = (0.2126, 0.7152, 0.0722)   # Rec. 709
LIGHT_PLANES = 25 + len(CLASSES)
RELIEF_PLANES = 13 + len(CLASSES)


def encode(linear: Tensor) -> Tensor:
    return (linear.clamp(0.0, 8.0) + TOE) ** (1.0 / 2.2)


def decode(coded: Tensor) -> Tensor:
    return (coded.clamp_min(0.0) ** 2.2 - TOE).clamp_min(0.0)


def luminance(rgb: Tensor) -> Tensor:
    """(…, 3, H, W) → (…, 1, H, W)."""
    red, green, blue = rgb.unbind(-3)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(-3)


@dataclass(frozen=True, slots=True)
class Planes:
    """A shot's passes as tensors (1, C, H, W), holes filled so that averages mean something."""

    alpha: Tensor                      # 1
    product: Tensor                    # 3 linear, not premultiplied; 0 where there is none
    plate: Tensor                      # 3 linear, or the shadow ratio on white
    albedo: Tensor                     # 3 base colour
    diffuse: Tensor                    # 1 luminance of the light on a white card
    specular: Tensor                   # 1 luminance
    normal: Tensor                     # 3
    depth: Tensor                      # 1 metres from the product's mean, 0 outside
    shade: Tensor                      # 2 visibility, ao
    classes: Tensor                    # len(CLASSES)
    uv_turn: Tensor                    # 2 cosine and sine of twice the angle of u's direction in the picture
    up: Tensor                         # (3,) the world's up
    light: Tensor                      # (3,) where most of it comes from, times how much, relative to its mean
    frame: float                       # metres that the picture's long side spans at the product's mean depth
    distance: float                    # metres to the product's mean
    white: bool

    @property
    def mm_per_px(self) -> float:
        return 1000.0 * self.frame / max(self.alpha.shape[-2:])


def planes_of(passes: ControlPasses) -> Planes:
    """Tensors of a shot's passes; shares memory with them where it can."""
    alpha = _plane(passes.alpha)
    inside = np.isfinite(passes.depth)
    distance = float(passes.depth[inside].mean()) if inside.any() else 1.0
    projection = passes.camera.projection
    frame = 2.0 * distance * max(1.0 / projection[0, 0], 1.0 / projection[1, 1])
    normal = np.where(inside[..., None], passes.normal, np.array([0.0, 0.0, 1.0], np.float32))
    covered = alpha > 0
    return Planes(
        alpha=alpha, product=_plane(passes.product[..., :3]) / alpha.clamp_min(1e-3) * covered,
        plate=_plane(passes.plate), albedo=_plane(passes.base_color) * covered,
        diffuse=luminance(_plane(passes.diffuse)) * covered, specular=luminance(_plane(passes.specular)) * covered,
        normal=_plane(normal), depth=_plane(np.where(inside, passes.depth - distance, 0.0)),
        shade=torch.cat([_plane(passes.visibility), _plane(passes.ao)], 1) * covered,
        classes=_classes(passes), uv_turn=_uv_turn(passes.uv),
        up=torch.tensor(passes.camera.view[:3, 1].copy(), dtype=torch.float32), light=_main_light(passes),
        frame=frame, distance=distance, white=passes.white_backdrop)


def _plane(array: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return tensor[None, None] if tensor.ndim == 2 else tensor.permute(2, 0, 1)[None]


def _classes(passes: ControlPasses) -> Tensor:
    of_material = np.zeros((len(passes.material_kinds) + 1, len(CLASSES)), np.float32)
    for index, kind in enumerate(passes.material_kinds, start=1):
        for number, kinds in enumerate(CLASSES):
            of_material[index, number] = kind in kinds
    return _plane(of_material[np.minimum(passes.material_id, len(passes.material_kinds))])


def _uv_turn(uv: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    """Angle in the picture along which u grows, doubled, so that a direction and its opposite are one."""
    u = np.nan_to_num(uv[..., 0], nan=0.0)
    seen = np.isfinite(uv[..., 0])
    dx, dy = np.zeros_like(u), np.zeros_like(u)
    dx[:, :-1] = np.where(seen[:, :-1] & seen[:, 1:], u[:, 1:] - u[:, :-1], 0.0)
    dy[:-1] = np.where(seen[:-1] & seen[1:], u[1:] - u[:-1], 0.0)
    jump = np.maximum(np.abs(dx), np.abs(dy)) > 0.1      # a seam, or a repeat's border
    turn = np.where(jump, 0.0, (dx + 1j * dy) ** 2)
    size = np.abs(turn)
    turn = np.where(size > 0.0, turn / np.maximum(size, 1e-20), 0.0)
    return _plane(np.stack([turn.real, turn.imag], axis=-1).astype(np.float32))


def _main_light(passes: ControlPasses) -> Tensor:
    """(3,) l of the least-squares fit diffuse ≈ c · (1 + l·n) over the product, with |l| ≤ 2."""
    inside = np.isfinite(passes.depth) & (passes.alpha > 0.9)
    if inside.sum() < 16:
        return torch.zeros(3)
    step = max(1, int(inside.sum()) // 20000)
    normal = passes.normal[inside][::step].astype(np.float64)
    light = (passes.diffuse[inside][::step].astype(np.float64) @ np.asarray(LUMINANCE))
    design = np.concatenate([np.ones((len(normal), 1)), normal], axis=1)
    ridge = 1e-3 * len(normal) * np.diag([0.0, 1.0, 1.0, 1.0])
    found = np.linalg.solve(design.T @ design + ridge + 1e-9 * np.eye(4), design.T @ light)
    vector = found[1:] / max(abs(found[0]), 1e-3)
    return torch.tensor(vector * min(1.0, 2.0 / max(float(np.linalg.norm(vector)), 1e-6)), dtype=torch.float32)
