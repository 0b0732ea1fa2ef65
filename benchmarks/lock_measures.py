"""How near a locked picture is to the truth: colour in regions, seams, outline, light, highlights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.measure import find_contours

from benchmarks.lock_scenes import Truth
from pipeline.colour import from_display
from pipeline.refine.lock_fields import luminance, smooth
from pipeline.refine.regions_in_picture import coverage_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

SEAM_BAND = 2                  # px on either side of a region's border
SEAM_BLOCK = 24                # px of border that are averaged
EDGE_REACH = 5.0               # px across the outline
EDGE_STEP = 0.25
FAINTEST_EDGE = 40.0           # code values; an outline fainter than this cannot be read
LOW_PASS = 1 / 24              # of the picture's long side, σ
PLAIN = 0.05                   # standard deviation of the albedo below which there is no print to see
HIGHLIGHT = 0.3                # specular share of the raster's light, print and ground together


@dataclass(frozen=True, slots=True)
class Places:
    """Where the measures look, worked out once per product."""

    region: Bools
    product: Bools
    inner: Bools                           # of the product, away from its outline
    inside_band: Bools
    outside_band: Bools
    highlight: Bools                       # in regions

    @classmethod
    def of(cls, truth: Truth) -> Places:
        passes = truth.passes
        region, product = coverage_of(passes, truth.regions) > 0.5, passes.alpha >= 1.0
        inner = ndimage.binary_erosion(product, iterations=4)
        grown = ndimage.binary_dilation(region, iterations=SEAM_BAND)
        shrunk = ndimage.binary_erosion(region, iterations=SEAM_BAND)
        gloss, matt = (smooth(luminance(light), 6.0)
                       for light in (passes.specular, passes.diffuse_albedo * passes.diffuse))
        share = gloss / np.maximum(gloss + matt, 1e-5)
        return cls(region & product, product, inner, region & ~shrunk & inner, grown & ~region & inner,
                   region & product & (share > HIGHLIGHT))


def psnr(first: NDArray[np.generic], second: NDArray[np.generic], where: Bools) -> float:
    """Decibels over code values."""
    error = float(np.mean(np.square(first[where].astype(np.float64) - second[where].astype(np.float64))))
    return 10.0 * float(np.log10(255.0**2 / max(error, 1e-6)))


def lab(picture: U8) -> F64:
    return np.asarray(rgb2lab(picture), np.float64)  # type: ignore[no-untyped-call]


def delta_e(first: F64, second: F64) -> F64:
    return np.asarray(deltaE_ciede2000(first, second), np.float64)  # type: ignore[no-untyped-call]


def seam(picture: U8, truth: Truth, places: Places) -> float:
    """ΔE00 between the error just inside and just outside a region's border, its 90th percentile along the border.

    What a flat field at the truth's local colour would look like on either side, were the step its own.
    """
    off = lab(picture) - lab(truth.picture)
    middle = lab(truth.picture)
    steps = []
    for y in range(0, off.shape[0], SEAM_BLOCK):
        for x in range(0, off.shape[1], SEAM_BLOCK):
            block = slice(y, y + SEAM_BLOCK), slice(x, x + SEAM_BLOCK)
            inside, outside = places.inside_band[block], places.outside_band[block]
            if min(inside.sum(), outside.sum()) < SEAM_BLOCK / 2:
                continue
            at = middle[block][outside].mean(axis=0)
            step = off[block][inside].mean(axis=0) - off[block][outside].mean(axis=0)
            steps.append(float(delta_e((at + step)[None], at[None])[0]))
    return float(np.percentile(steps, 90)) if steps else float("nan")


def outline_error(picture: U8, truth: Truth) -> float:
    """Pixels by which the outline is off, 95th percentile; where profiles across it fit the truth's best."""
    mine, true = picture.astype(np.float32).mean(axis=-1), truth.picture.astype(np.float32).mean(axis=-1)
    offsets = np.arange(-EDGE_REACH - 2, EDGE_REACH + 2 + EDGE_STEP, EDGE_STEP)
    found = []
    for line in find_contours(truth.alpha, 0.5):  # type: ignore[no-untyped-call]
        if len(line) < 40:
            continue
        along = ndimage.gaussian_filter1d(line, 2.0, axis=0, mode="wrap" if (line[0] == line[-1]).all() else "nearest")
        tangent = np.gradient(along, axis=0)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        places = (line[::3, None] + offsets[None, :, None] * normal[::3, None]).transpose(2, 0, 1)
        profile, model = (ndimage.map_coordinates(field, places, order=1, mode="nearest") for field in (mine, true))
        found.append(_shifts(profile, model))
    return float(np.percentile(np.concatenate(found), 95)) if found else float("nan")


def _shifts(profile: F32, model: F32) -> F64:
    """(n,) absolute shift in px that fits each of n profiles to its model."""
    count, reach = profile.shape[1], round(4.0 / EDGE_STEP)
    # Neighbouring stations share one shift: noise and texture average out.
    profile, model = (ndimage.uniform_filter1d(field, 5, axis=0) for field in (profile, model))
    core = slice(reach, count - reach)
    costs = np.stack([((profile[:, reach + step:count - reach + step] - model[:, core]) ** 2).mean(axis=1)
                      for step in range(-reach, reach + 1)], axis=1)
    best = costs.argmin(axis=1)
    middle = model[:, count // 2 - 8:count // 2 + 9]
    readable = np.abs(middle[:, 0] - middle[:, -1]) > FAINTEST_EDGE
    return np.asarray(np.abs(best - reach)[readable] * EDGE_STEP, np.float64)


def low_pass(picture: U8, where: Bools) -> F32:
    """(H, W, 3) code values, averaged over the product's own pixels."""
    sigma = LOW_PASS * max(where.shape)
    share = np.maximum(smooth(where.astype(np.float32), sigma), 1e-4)
    return np.stack([smooth(np.where(where, picture[..., c], 0.0).astype(np.float32), sigma) / share
                     for c in range(3)], axis=-1)


def highlight_print(picture: U8, truth: Truth, places: Places) -> float:
    """Contrast of the print inside highlights, as a share of the truth's; 1 is right, more is print in the gloss."""
    where = places.highlight
    if where.sum() < 200:
        return float("nan")
    albedo = luminance(truth.passes.diffuse_albedo)
    if albedo[where].std() < PLAIN:
        return float("nan")

    def slope(shown: U8) -> float:
        light = luminance(from_display(shown))
        fast_light, fast_albedo = (field - smooth(field, 6.0) for field in (light, albedo))
        return float((fast_light[where] * fast_albedo[where]).sum() / max(float((fast_albedo[where] ** 2).sum()), 1e-9))

    return slope(picture) / slope(truth.picture)
