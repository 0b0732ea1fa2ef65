"""Where a region of the texture shows in one picture.

UV is not unique: half of real products mirror theirs. So a region becomes one occurrence for
every instance of the mesh and every chart it lies on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.regions import DEFAULT_STITCH_WIDTH, in_region
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.types import BBox, Expected

_FEWEST_PIXELS = 4             # fewer are sampling crumbs at a chart's edge


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One visible copy of one region."""

    region: Region
    name: str                              # "label:tongue#1"; counts from 1 in order of size
    instance: int
    chart: int
    mask: NDArray[np.bool_]                # (h, w) pixels inside ``bbox``
    bbox: BBox
    size_px: tuple[float, float]           # width and height of the whole region at this distance, foreshortened
    view_angle_deg: float                  # between its mean normal and the viewer
    mirrored: bool                         # the picture shows it left-right reversed

    @property
    def cap_height_px(self) -> float:
        """Height of capitals, estimated from the region's height and its number of lines."""
        return self.region.cap_height(min(self.size_px))


def occurrences(expected: Expected, regions: Sequence[Region]) -> list[Occurrence]:
    """Every visible occurrence of every region, the largest of each region first.

    Found once per picture and region: several checks ask for the same.
    """
    missing = [region for region in regions if region not in expected.derived]
    if missing:
        found = _found(expected, missing)
        for region in missing:
            expected.derived[region] = found[region]
    return [occurrence for region in regions for occurrence in expected.derived[region]]


def _found(expected: Expected, regions: Sequence[Region]) -> dict[Region, list[Occurrence]]:
    seen = np.isfinite(expected.uv[..., 0]) & np.isfinite(expected.uv[..., 1]) & (expected.instance_id > 0)
    frame = bbox_of(seen)
    if frame is None:
        return {region: [] for region in regions}
    window = (slice(frame[1], frame[3]), slice(frame[0], frame[2]))
    uv, jacobian = expected.uv[window], uv_jacobian(expected, window)
    found = {}
    for region in regions:
        inside = seen[window] & _of_material(expected, region, window)
        inside[inside] = in_region(uv[inside], region)
        found[region] = _split(expected, region, inside, frame, jacobian)
    return found


def uv_jacobian(expected: Expected, window: tuple[slice, slice]) -> NDArray[np.float32]:
    """(h, w, 2, 2) d(u, v)/d(x, y) per pixel by forward differences; NaN across charts and outside."""
    uv, chart, instance = expected.uv[window], expected.chart_id[window], expected.instance_id[window]
    result = np.full((*chart.shape, 2, 2), np.nan, np.float32)
    same = (chart[:, 1:] == chart[:, :-1]) & (instance[:, 1:] == instance[:, :-1])
    result[:, :-1, :, 0] = np.where(same[..., None], uv[:, 1:] - uv[:, :-1], np.nan)
    same = (chart[1:] == chart[:-1]) & (instance[1:] == instance[:-1])
    result[:-1, :, :, 1] = np.where(same[..., None], uv[1:] - uv[:-1], np.nan)
    return result


def _of_material(expected: Expected, region: Region, window: tuple[slice, slice]) -> NDArray[np.bool_]:
    material = expected.material_id[window]
    if region.material == "*":
        return material > 0
    indices = [1 + i for i, name in enumerate(expected.material_names) if name == region.material]
    return np.isin(material, indices)


def _split(expected: Expected, region: Region, inside: NDArray[np.bool_], frame: BBox,
           jacobian: NDArray[np.float32]) -> list[Occurrence]:
    """One occurrence per instance and chart among the pixels of one region."""
    window = (slice(frame[1], frame[3]), slice(frame[0], frame[2]))
    instance, chart, normal = expected.instance_id[window], expected.chart_id[window], expected.normal[window]
    base = int(chart.max()) + 1    # one number per pair: sorting numbers is far faster than sorting rows
    pairs, counts = np.unique(instance[inside].astype(np.int64) * base + chart[inside], return_counts=True)
    keys = np.stack(np.divmod(pairs, base), axis=1)
    result: list[Occurrence] = []
    for (one_instance, one_chart), count in sorted(zip(keys.tolist(), counts.tolist(), strict=True),
                                                   key=lambda pair: (-pair[1], pair[0])):
        mask = inside & (instance == one_instance) & (chart == one_chart)
        box = bbox_of(mask)
        if count < _FEWEST_PIXELS or box is None:
            continue
        slopes = jacobian[mask]
        slopes = slopes[np.isfinite(slopes).all(axis=(1, 2))]
        mean_slope = np.median(slopes, axis=0) if len(slopes) else np.full((2, 2), np.nan)
        facing = normal[mask].mean(axis=0)
        angle = float(np.degrees(np.arccos(np.clip(facing[2] / max(float(np.linalg.norm(facing)), 1e-6), -1.0, 1.0))))
        result.append(Occurrence(
            region, f"{region.kind}:{region.name}#{len(result) + 1}", one_instance, one_chart,
            mask[box[1]:box[3], box[0]:box[2]],
            (box[0] + frame[0], box[1] + frame[1], box[2] + frame[0], box[3] + frame[1]),
            _size_px(region, mean_slope), angle, _mirrors(mean_slope)))
    return result


def _mirrors(slope: NDArray[np.float64]) -> bool:
    """Whether the picture shows the texture left-right reversed; not known is not reversed."""
    return bool(np.isfinite(slope).all() and np.linalg.det(slope) < 0)


def _size_px(region: Region, slope: NDArray[np.float64]) -> tuple[float, float]:
    """Width and height in pixels of the region's uv extent, from d(u, v)/d(x, y)."""
    points = np.asarray(region.polygon or region.path, np.float64)
    extent = points.max(axis=0) - points.min(axis=0)
    if region.kind == "stitching":
        extent = np.maximum(extent, region.width or DEFAULT_STITCH_WIDTH)
    if not np.isfinite(slope).all() or abs(np.linalg.det(slope)) < 1e-14:
        return 0.0, 0.0
    steps = np.linalg.inv(slope) * extent[None, :]  # columns: pixels across the extent in u and in v
    width, height = np.linalg.norm(steps, axis=0)
    return float(width), float(height)
