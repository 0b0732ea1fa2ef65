"""Regions of the texture become soft masks of the picture: as large as they look, one per instance and chart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.refine.regions_in_picture import coverage_of, regions_in_picture
from tests.sentinel_scene import LABEL, LOGO, REGIONS, SEAM, shoe_scene

PASSES = shoe_scene().passes


def test_a_label_covers_its_area_to_a_fraction_of_a_pixel() -> None:
    [label] = regions_in_picture(PASSES, [LABEL])
    width, height = 0.22 * 0.84 * 480, 0.18 * 0.60 * 400
    assert float(label.coverage.sum()) == pytest.approx(width * height, rel=0.01)
    edge = (label.coverage > 0.0) & (label.coverage < 1.0)
    assert 0.01 < edge.mean() < 0.1


def test_masks_are_soft_and_stay_on_the_product() -> None:
    whole = coverage_of(PASSES, REGIONS)
    assert whole.shape == PASSES.alpha.shape
    assert (whole <= PASSES.alpha + 1e-6).all()
    assert len(np.unique(whole)) > 5


def test_kinds_are_apart() -> None:
    assert {seen.region.kind for seen in regions_in_picture(PASSES, REGIONS, ["stitching"])} == {"stitching"}
    assert coverage_of(PASSES, REGIONS, ["label"]).sum() < coverage_of(PASSES, REGIONS).sum()


def test_one_occurrence_for_every_instance() -> None:
    instance = PASSES.instance_id.copy()
    instance[:, 350:] *= 2
    found = regions_in_picture(replace(PASSES, instance_id=instance), [LOGO])
    assert sorted(seen.instance for seen in found) == [1, 2]
    left, right = (seen.full(PASSES.alpha.shape) for seen in sorted(found, key=lambda seen: seen.instance))
    assert left[:, 352:].max() == 0.0
    assert right[:, :349].max() == 0.0


def test_another_material_is_not_the_regions() -> None:
    assert regions_in_picture(PASSES, [replace(SEAM, material="sole")]) == []


def test_a_wrap_of_the_texture_smears_nothing() -> None:
    """Where u jumps from 1 to 0 inside a chart, the pixels beside the jump are no part of the label between."""
    shifted = PASSES.uv.copy()
    shifted[..., 0] = (shifted[..., 0] + 0.5) % 1.0
    polygon = tuple(((u + 0.5) % 1.0, v) for u, v in LOGO.polygon)
    [moved] = regions_in_picture(replace(PASSES, uv=shifted), [replace(LOGO, polygon=polygon)])
    [plain] = regions_in_picture(PASSES, [LOGO])
    assert np.abs(moved.full(PASSES.alpha.shape) - plain.full(PASSES.alpha.shape)).max() <= 0.25


def test_a_picture_without_the_product_has_none() -> None:
    empty = replace(PASSES, alpha=np.zeros_like(PASSES.alpha), chart_id=np.zeros_like(PASSES.chart_id))
    assert regions_in_picture(empty, REGIONS) == []
    assert coverage_of(empty, REGIONS).max() == 0.0
