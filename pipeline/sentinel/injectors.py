"""Defects of known size, put into an image: what each check must catch, in true units.

All have the signature ``(expected, image, regions) -> image``; their sizes are keyword
arguments whose defaults are the smallest defect that must not pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from pipeline.catalogue import Region
from pipeline.colour import from_display, quantise, srgb_encode, view_transform
from pipeline.sentinel.cielab import ciede2000, lab_of, linear_of
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.occurrences import occurrences
from pipeline.sentinel.types import U8, Expected


def dent_toe(expected: Expected, image: U8, regions: Sequence[Region] = (), *, depth_px: float = 4.0,
             width_share: float = 0.05) -> U8:
    """Push the outline in by ``depth_px`` at the tip of the toe (the right-most tip where the front is unknown).

    The picture is warped, so that what lies behind the dent is the background beside it.
    ``width_share`` is the dent's standard deviation as a share of the product's extent.
    """
    direction = np.asarray(expected.toe_direction or (1.0, 0.0))
    rows, columns = np.nonzero(expected.alpha > 0.5)
    along = columns * direction[0] + rows * direction[1]
    tip = along >= along.max() - 1.0
    centre = np.array([columns[tip].mean(), rows[tip].mean()])
    sigma = max(3.0, width_share * float(np.ptp(along)))
    y, x = np.mgrid[0:image.shape[0], 0:image.shape[1]].astype(np.float64)
    shift = depth_px * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2))
    where = [y + shift * direction[1], x + shift * direction[0]]
    channels = [map_coordinates(image[..., c].astype(np.float32), where, order=1, mode="nearest") for c in range(3)]
    return quantise(np.stack(channels, axis=-1) / 255.0)


def shift_colour_left(expected: Expected, image: U8, regions: Sequence[Region] = (), *, delta_e: float = 4.0,
                      share: float = 0.5, hue_deg: float = 60.0) -> U8:
    """Shift the colour of the product's left ``share`` by a median of ``delta_e`` (CIEDE2000), lightness kept.

    The shift is one step in the a*b* plane of scene-linear light, in direction ``hue_deg``.
    """
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return image.copy()
    area = expected.alpha > 0.5
    area[:, int(box[0] + share * (box[2] - box[0])):] = False
    lab = lab_of(from_display(image[area][None])[0])
    step = np.array([0.0, np.cos(np.radians(hue_deg)), np.sin(np.radians(hue_deg))])
    low, high = 0.0, 120.0
    for _ in range(24):  # the median grows with the step's length
        middle = (low + high) / 2
        reached = float(np.median(ciede2000(lab, lab + middle * step)))
        low, high = (middle, high) if reached < delta_e else (low, middle)
    result = image.copy()
    result[area] = quantise(srgb_encode(view_transform(linear_of(lab + low * step))))
    return result


def blur_regions(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma_px: float = 1.8) -> U8:
    """Blur every label and logo by a Gaussian of ``sigma_px``, inside its own outline only."""
    area = np.zeros(expected.alpha.shape, np.float32)
    for occurrence in occurrences(expected, [region for region in regions if region.kind != "stitching"]):
        x0, y0, x1, y1 = occurrence.bbox
        area[y0:y1, x0:x1] = np.maximum(area[y0:y1, x0:x1], occurrence.mask)
    return _blend(image, blurred(image, sigma_px), gaussian_filter(area, 1.0))


def defocus(expected: Expected, image: U8, regions: Sequence[Region] = (), *, sigma_px: float = 1.5) -> U8:
    """Blur the whole image by a Gaussian of ``sigma_px``."""
    return blurred(image, sigma_px)


def blurred(image: U8, sigma_px: float) -> U8:
    """A Gaussian blur of code values, which is how a soft picture looks."""
    return quantise(gaussian_filter(image.astype(np.float32) / 255.0, (sigma_px, sigma_px, 0.0)))


def _blend(image: U8, other: U8, weight: NDArray[np.float32]) -> U8:
    mixed = image + weight[..., None] * (other.astype(np.float32) - image)
    return quantise(mixed / 255.0)
