"""Finds labels, logos and stitching on the diffuse maps of any product.

>>> find_regions(mesh, textures)[0]
Region(name='label 1 NORTHLINE', kind='label', ..., source='found')

Found regions hold no more than the maps show; a wrong one would make wrong verdicts, so what is doubtful is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from pipeline.catalogue import Region
from pipeline.finding.maps import Decoded, Sheet, sheets
from pipeline.finding.marks import mark_regions
from pipeline.finding.naming import beside_manifest, named, overlap
from pipeline.finding.seams import seam_regions
from pipeline.finding.text import words_on
from pipeline.mesh.types import Mesh

_SEWN_ON = 0.4     # of a seam, inside a label


def find_regions(mesh: Mesh, textures: Decoded) -> tuple[Region, ...]:
    """What a customer will check, in the order of materials, from top left to bottom right of each map."""
    found = sheets(mesh, textures)
    regions: list[Region] = []
    for group in _by_map(found):
        words = words_on(group)
        for sheet in group:
            # What is sewn around a label is part of it.
            seams = [seam for seam in seam_regions(sheet)
                     if not any(overlap(seam, word) > _SEWN_ON for word in words.regions)]
            marks = [mark for mark in mark_regions(sheet, words.regions, words.seen)
                     if not any(overlap(mark, seam) > 0 for seam in seams)]
            regions += seams + marks
        regions += words.regions
    order = {sheet.material: index for index, sheet in enumerate(found)}
    return named(sorted(regions, key=lambda region: (order[region.material], _place(region))))


def ocr_version() -> str:
    """Which models read the text: they come inside the package."""
    return metadata.version("rapidocr")


def _by_map(found: Sequence[Sheet]) -> list[list[Sheet]]:
    """Sheets of one picture are searched together."""
    groups: dict[int, list[Sheet]] = {}
    for sheet in found:
        groups.setdefault(id(sheet.image), []).append(sheet)
    return list(groups.values())


def _place(region: Region) -> tuple[float, float]:
    points = region.polygon or region.path
    return (round(min(v for _, v in points), 2), min(u for u, _ in points))


__all__ = ["beside_manifest", "find_regions", "ocr_version"]
