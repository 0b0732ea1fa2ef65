"""A damaged twin of a product image: the defects that a careless refinement leaves, each put where it belongs.

Blurred label, softened logo, a colour cast over one half, a double seam with one row. Everything is
found through the control passes, so the twin shows these defects and no others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from examples.generate.panels import inside
from pipeline.catalogue import Region
from pipeline.render.types import ControlPasses

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Damage:
    """How bad. Pixel sizes are for an image 1920 wide and scale with its width."""

    label_sigma_px: float = 3.0
    logo_sigma_px: float = 1.6
    drift_delta_e: float = 7.0                 # median ΔE00 where the cast is full
    drift_hue_deg: float = 62.0                # its direction in Lab's a, b plane: towards yellow-red
    row_clearance: float = 0.10                # share of a seam's band on either side of its middle that stays


def damage_twin(image: NDArray[np.uint8], passes: ControlPasses, regions: Sequence[Region],
                damage: Damage = Damage()) -> NDArray[np.uint8]:
    """The image with all four defects; (H, W, 3) uint8 sRGB in and out, of the passes' size.

    ``regions`` are the product's: its labels, the most visible logo and the most visible seam are damaged.
    """
    if image.shape[:2] != passes.alpha.shape:
        raise ValueError(f"image of {image.shape[:2]} and passes of {passes.alpha.shape} differ in size")
    scale = image.shape[1] / 1920
    result = image.astype(np.float64)
    seams = _most_visible_seam(passes, regions)
    for seam in seams:
        result = _with_one_row(result, passes, seam, damage.row_clearance, scale)
    for label in (region for region in regions if region.kind == "label"):
        result = _blurred(result, covered(passes, label), damage.label_sigma_px * scale)
    logos = [covered(passes, region) for region in regions if region.kind == "logo"]
    if logos:
        result = _blurred(result, max(logos, key=np.count_nonzero), damage.logo_sigma_px * scale)
    result = _drifted(result, passes, damage)
    return np.clip(result + 0.5, 0, 255).astype(np.uint8)


def covered(passes: ControlPasses, region: Region) -> Mask:
    """(H, W) the pixels that show a label or logo."""
    mask = _of_material(passes, region)
    mask[mask] = inside(np.array(region.polygon), passes.uv[mask].astype(np.float64))
    return mask


def seam_offset(passes: ControlPasses, seam: Region) -> F64:
    """(H, W) distance from a seam's centre line in shares of its band's width; NaN beyond one width.

    Positive to the left of the path as it runs, in the texture as seen.
    """
    offset = np.full(passes.alpha.shape, np.nan)
    path = np.array(seam.path)
    near = _of_material(passes, seam)
    uv = passes.uv[near].astype(np.float64)
    close = ((uv > path.min(axis=0) - seam.width) & (uv < path.max(axis=0) + seam.width)).all(axis=1)
    near[near] = close
    uv = uv[close]
    start, step = path[:-1], np.diff(path, axis=0)
    along = np.clip(((uv[:, None] - start) * step).sum(axis=2) / (step * step).sum(axis=1), 0.0, 1.0)
    away = uv[:, None] - (start + along[..., None] * step)
    distance = np.linalg.norm(away, axis=2)
    nearest = distance.argmin(axis=1)
    pick = np.arange(len(uv))
    left = away[pick, nearest, 0] * step[nearest, 1] - away[pick, nearest, 1] * step[nearest, 0] > 0
    signed = distance[pick, nearest] / seam.width * np.where(left, 1.0, -1.0)
    # Beyond the path's ends the nearest point is the end itself: that is no longer the seam.
    ends = ((nearest == 0) & (along[:, 0] <= 0)) | ((nearest == len(step) - 1) & (along[:, -1] >= 1))
    offset[near] = np.where((np.abs(signed) > 1.0) | ends, np.nan, signed)
    return offset


def _of_material(passes: ControlPasses, region: Region) -> Mask:
    mask = np.isfinite(passes.uv[..., 0])
    if region.material != "*":
        mask &= passes.material_id == 1 + passes.material_names.index(region.material)
    return mask


def _most_visible_seam(passes: ControlPasses, regions: Sequence[Region]) -> list[Region]:
    """The pieces of the seam that covers most pixels; a seam's pieces differ in their number only."""
    groups: dict[str, list[Region]] = {}
    for region in regions:
        if region.kind == "stitching" and region.rows == 2:
            groups.setdefault(re.sub(r" \d+$", "", region.name), []).append(region)
    if not groups:
        return []
    return max(groups.values(), key=lambda pieces: sum(int(np.isfinite(seam_offset(passes, piece)).sum())
                                                       for piece in pieces))


def _with_one_row(image: F64, passes: ControlPasses, seam: Region, clearance: float, scale: float) -> F64:
    """Fill the row left of the seam's path with the leather beside it."""
    offset = seam_offset(passes, seam)
    with np.errstate(invalid="ignore"):
        row = (offset > clearance) & (offset < 0.5)
        leather = (offset >= 0.5) & (offset < 0.8)
    beside = _smooth_within(image, leather, 5.0 * scale)
    feather = gaussian_filter(row.astype(np.float64), 0.6 * scale)[..., None]
    return image + (beside - image) * feather


def _blurred(image: F64, mask: Mask, sigma: float) -> F64:
    """Blur inside a mask with what is inside it, so that nothing bleeds in from beyond."""
    return np.where(mask[..., None], _smooth_within(image, mask, sigma), image)


def _smooth_within(image: F64, mask: Mask, sigma: float) -> F64:
    """(H, W, 3) Gaussian mean of the masked pixels near each pixel; the image itself where there are none."""
    weight = gaussian_filter(mask.astype(np.float64), sigma)[..., None]
    total = gaussian_filter(image * mask[..., None], (sigma, sigma, 0))
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), image)


def _drifted(image: F64, passes: ControlPasses, damage: Damage) -> F64:
    """A colour cast over the left half of the product, fading out across its middle."""
    columns = np.flatnonzero(passes.mask.any(axis=0))
    left, width = columns[0], columns[-1] - columns[0]
    place = np.clip((left + 0.58 * width - np.arange(image.shape[1])) / (0.16 * width), 0.0, 1.0)
    share = (place * place * (3 - 2 * place))[None] * passes.alpha
    lab = rgb2lab(image / 255.0)
    full = (share > 0.99) & passes.mask
    direction = np.radians(damage.drift_hue_deg)
    cast = np.array([0.0, np.cos(direction), np.sin(direction)])
    low, high = 0.0, 40.0
    for _ in range(18):                        # ΔE00 grows with the shift; halve until it fits
        shift = (low + high) / 2
        seen = rgb2lab(lab2rgb(lab[full] + shift * cast))
        difference = deltaE_ciede2000(lab[full], seen)  # type: ignore[no-untyped-call]
        if float(np.median(difference)) < damage.drift_delta_e:
            low = shift
        else:
            high = shift
    changed = lab2rgb(lab + share[..., None] * low * cast) * 255.0
    return np.where(share[..., None] > 0, changed, image)
