"""The damaged twin: four defects, each where its region lies and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.color import deltaE_ciede2000, rgb2lab

from examples.generate.damage import Damage, covered, damage_twin, seam_offset
from pipeline.catalogue import Region
from pipeline.render.types import ControlPasses
from tests.passes_factory import sphere_passes

SIZE = (960, 540)
BAND = 0.06


@pytest.fixture(scope="module")
def passes() -> ControlPasses:
    return sphere_passes(SIZE, white=False)


def uv_at(passes: ControlPasses, x: float, y: float) -> NDArray[np.float64]:
    """uv at a place of the product's bounding box, 0..1 from its left and top."""
    rows, columns = np.flatnonzero(passes.mask.any(axis=1)), np.flatnonzero(passes.mask.any(axis=0))
    uv = passes.uv[round(rows[0] + y * (rows[-1] - rows[0])), round(columns[0] + x * (columns[-1] - columns[0]))]
    return np.asarray(uv, np.float64)


def patch(name: str, kind: str, passes: ControlPasses, x: float, y: float) -> Region:
    u, v = uv_at(passes, x, y)
    corners = ((u - 0.05, v - 0.05), (u + 0.05, v - 0.05), (u + 0.05, v + 0.05), (u - 0.05, v + 0.05))
    return Region(name, kind, "*", tuple((float(a), float(b)) for a, b in corners))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def regions(passes: ControlPasses) -> tuple[Region, ...]:
    left, right = uv_at(passes, 0.62, 0.72), uv_at(passes, 0.90, 0.72)
    v = (left[1] + right[1]) / 2
    path = tuple((float(u), float(v)) for u in np.linspace(left[0], right[0], 9))
    return (patch("label", "label", passes, 0.75, 0.3), patch("logo", "logo", passes, 0.8, 0.5),
            Region("seam", "stitching", "*", path=path, rows=2, width=BAND))


@pytest.fixture(scope="module")
def image(passes: ControlPasses, regions: tuple[Region, ...]) -> NDArray[np.uint8]:
    """Light leather with a fine check everywhere, and two dark rows along the seam."""
    uv = np.nan_to_num(passes.uv)
    check = ((uv[..., 0] * 90).astype(int) + (uv[..., 1] * 90).astype(int)) % 2
    grey = np.where(check, 205, 165)
    off = (uv[..., 1] - regions[2].path[0][1]) / BAND
    grey = np.where(np.abs(np.abs(off) - 0.28) < 0.1, 60, np.where(np.abs(off) < 0.9, 185, grey))
    grey = np.where(passes.mask, grey, 240)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def twin(image: NDArray[np.uint8], passes: ControlPasses, regions: tuple[Region, ...]) -> NDArray[np.uint8]:
    return damage_twin(image, passes, regions)


def test_backdrop_and_untouched_leather_stay(image: NDArray[np.uint8], twin: NDArray[np.uint8],
                                             passes: ControlPasses, regions: tuple[Region, ...]) -> None:
    changed = (image != twin).any(axis=2)
    assert not changed[passes.alpha == 0].any()
    columns = np.flatnonzero(passes.mask.any(axis=0))
    right = np.arange(SIZE[0])[None] > columns[0] + 0.6 * (columns[-1] - columns[0])
    known = covered(passes, regions[0]) | covered(passes, regions[1]) | np.isfinite(seam_offset(passes, regions[2]))
    feathered = binary_dilation(known, iterations=3)
    assert not changed[right & passes.mask & ~feathered].any()


def test_label_loses_more_than_the_logo(image: NDArray[np.uint8], twin: NDArray[np.uint8], passes: ControlPasses,
                                        regions: tuple[Region, ...]) -> None:
    kept = []
    for region in regions[:2]:
        mask = covered(passes, region)
        assert mask.sum() > 200
        kept.append(float(twin[mask][:, 1].std() / image[mask][:, 1].std()))
    assert kept[0] < 0.55
    assert kept[0] < 0.8 * kept[1]
    assert kept[1] < 0.9


def test_one_of_two_rows_is_gone(image: NDArray[np.uint8], twin: NDArray[np.uint8], passes: ControlPasses,
                                 regions: tuple[Region, ...]) -> None:
    offset = seam_offset(passes, regions[2])

    def row(picture: NDArray[np.uint8], at: float) -> float:
        with np.errstate(invalid="ignore"):
            return float(np.median(picture[np.abs(offset - at) < 0.06]))

    assert row(image, 0.28) == row(image, -0.28) == 60
    assert row(twin, -0.28) == 60
    assert row(twin, 0.28) > 150


def test_left_half_drifts_by_the_given_difference(image: NDArray[np.uint8], twin: NDArray[np.uint8],
                                                  passes: ControlPasses) -> None:
    columns = np.flatnonzero(passes.mask.any(axis=0))
    left = passes.mask & (passes.alpha > 0.99) & (np.arange(SIZE[0])[None] < columns[0] + 0.38 * np.ptp(columns))
    difference = deltaE_ciede2000(rgb2lab(image[left]), rgb2lab(twin[left]))  # type: ignore[no-untyped-call]
    assert 6.5 < float(np.median(difference)) < 7.5


def test_same_damage_every_time(image: NDArray[np.uint8], twin: NDArray[np.uint8], passes: ControlPasses,
                                regions: tuple[Region, ...]) -> None:
    assert np.array_equal(twin, damage_twin(image, passes, regions))
    assert not np.array_equal(twin, damage_twin(image, passes, regions, Damage(label_sigma_px=5.0)))


def test_sizes_must_agree(image: NDArray[np.uint8], passes: ControlPasses) -> None:
    with pytest.raises(ValueError, match="differ in size"):
        damage_twin(image[:-1], passes, ())
