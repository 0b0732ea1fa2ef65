"""Found regions beside those that product.yaml names: numbered, and dropped where a person has said more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Region
from pipeline.regions import DEFAULT_STITCH_WIDTH, in_region

_NAME_LENGTH = 40      # characters of what a region says
_OVERLAP = 0.15        # of the smaller of two regions
_SAMPLES = 24          # points across a polygon


def named(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Numbered by kind, with what they say: "label 1 NORTHLINE"."""
    count: Counter[str] = Counter()
    result = []
    for region in regions:
        count[region.kind] += 1
        said = " ".join(region.text.split())[:_NAME_LENGTH].rstrip()
        result.append(replace(region, name=f"{region.kind} {count[region.kind]} {said}".rstrip()))
    return tuple(result)


def beside_manifest(manifest: Sequence[Region], found: Sequence[Region], ignored: Collection[str] = ()
                    ) -> tuple[Region, ...]:
    """The manifest's regions, and those found where it says nothing. A name that it has taken is numbered on."""
    taken = {region.name for region in manifest}
    result = list(manifest)
    for region in found:
        if region.name in ignored or any(overlap(region, other) >= _OVERLAP for other in manifest):
            continue
        name, number = region.name, 2
        while name in taken:
            name, number = f"{region.name} ({number})", number + 1
        taken.add(name)
        result.append(replace(region, name=name))
    return tuple(result)


def overlap(a: Region, b: Region) -> float:
    """Share of the smaller of two regions that the other covers, 0..1; 0 on different materials."""
    if a.material != b.material and "*" not in (a.material, b.material):
        return 0.0
    shares = []
    for one, other in ((a, b), (b, a)):
        points = sample_points(one)
        shares.append(float(in_region(points, other).mean()) if len(points) else 0.0)
    return max(shares)


def sample_points(region: Region) -> NDArray[np.float64]:
    """(n, 2) uv points spread over a region's area."""
    corners = np.asarray(region.path if region.kind == "stitching" else region.polygon, np.float64)
    half = (region.width or DEFAULT_STITCH_WIDTH) / 2 if region.kind == "stitching" else 0.0
    if half:
        lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
        stations = np.linspace(0.0, lengths.sum(), 8 * _SAMPLES)
        arc = np.concatenate([[0.0], np.cumsum(lengths)])
        return np.stack([np.interp(stations, arc, corners[:, k]) for k in (0, 1)], axis=1)
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = np.stack(np.meshgrid(*(np.linspace(low[k], high[k], _SAMPLES + 2)[1:-1] for k in (0, 1))), axis=-1)
    points = grid.reshape(-1, 2)
    return np.asarray(points[in_region(points, region)])
