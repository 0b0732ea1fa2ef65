"""The example catalogue's shoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from examples.generate.atlas import Slot
from examples.generate.colourways import GREEN_WHITE, NAVY_GUM, Colourway
from examples.generate.derby import ROWS_MM as DERBY_ROWS_MM
from examples.generate.derby import SLOTS as DERBY_SLOTS
from examples.generate.derby import derby
from examples.generate.derby_paint import derby_map
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.panels import inside, resampled
from examples.generate.sneaker import LABEL_MM, UPPER_SLOTS, Sneaker, sneaker
from examples.generate.sneaker_paint import BRAND, upper_map
from examples.generate.sneaker_panels import ROW_INSETS_MM, Panel
from examples.generate.trim_paint import trim_map
from pipeline.catalogue import Region

__all__ = ["GREEN_WHITE", "NAVY_GUM", "Colourway", "court_sneaker", "leather_derby"]

# Seams that a customer looks at; heel tab and logo carry no double rows.
INSPECTED_SEAMS = ("quarter", "eyestay", "toe cap", "counter")
BAND_MARGIN_MM = 0.9                           # of thread on either side of the rows' centre lines


def court_sneaker(colourway: Colourway) -> Model:
    """A low court sneaker with a cupsole. All colourways share its mesh."""
    shoe = sneaker()
    upper = Texture(f"court_upper_{colourway.name}", upper_map(shoe, colourway))
    trim = Texture(f"court_trim_{colourway.name}", trim_map(shoe, colourway))
    materials = (
        MaterialSpec("upper_leather", upper, roughness=0.52, metallic=0.0),
        MaterialSpec("tongue_textile", upper, roughness=0.85, metallic=0.0),
        MaterialSpec("lining_textile", trim, roughness=0.9, metallic=0.0),
        MaterialSpec("lace_textile", trim, roughness=0.9, metallic=0.0),
        MaterialSpec("sole_rubber", trim, roughness=0.6, metallic=0.0),
        MaterialSpec("eyelet_metal", base_color=colourway.eyelet, roughness=0.3, metallic=1.0),
    )
    return Model(f"court sneaker {colourway.name}", shoe.parts, materials, _regions(shoe))


def leather_derby() -> Model:
    """A brown lace-up derby with toe cap, stitched welt and stacked heel."""
    shoe = derby()
    skin = Texture("derby_diffuse", derby_map(shoe))
    materials = (
        MaterialSpec("upper_leather", skin, roughness=0.38, metallic=0.0),
        MaterialSpec("lining_leather", skin, roughness=0.8, metallic=0.0),
        MaterialSpec("lace_textile", skin, roughness=0.85, metallic=0.0),
        MaterialSpec("sole_leather", skin, roughness=0.5, metallic=0.0),
    )
    width = DERBY_ROWS_MM[1] - DERBY_ROWS_MM[0] + 2 * BAND_MARGIN_MM
    regions = [seam for pattern, panels in zip(shoe.patterns, shoe.panels, strict=True)
               for level, panel in enumerate(panels) if panel.name in ("toe cap", "quarter")
               for seam in _seams(pattern.side, panel, panels[level + 1:], DERBY_SLOTS[pattern.side], width)]
    return Model("leather derby", shoe.parts, materials, tuple(regions))


def _seams(side: str, panel: Panel, above: tuple[Panel, ...], slot: Slot, width_mm: float) -> list[Region]:
    """Double-row seams of one panel as regions of its atlas, where no panel above hides them."""
    band = round(width_mm * slot.scale / slot.size[0], 6)
    visible = [run for seam in panel.seams for run in _uncovered(resampled(seam, 1.0), above, width_mm / 2)]
    return [Region(f"{side} {panel.name} seam" + (f" {number + 1}" if len(visible) > 1 else ""), "stitching",
                   "upper_leather", path=_points(slot.uv(resampled(run, 4.0))), rows=2, width=band)
            for number, run in enumerate(visible)]


def _uncovered(seam: NDArray[np.float64], above: tuple[Panel, ...], clearance: float) -> list[NDArray[np.float64]]:
    """The runs of a seam, at least 15 mm long, that keep ``clearance`` mm from every panel above."""
    hidden = np.zeros(len(seam), bool)
    for panel in above:
        gap = np.linalg.norm(seam[:, None] - resampled(panel.loop, 0.5)[None], axis=2).min(axis=1)
        hidden |= inside(panel.loop, seam) | (gap < clearance)
    breaks = np.flatnonzero(np.diff(hidden.astype(int))) + 1
    return [run for run, lost in zip(np.split(seam, breaks), np.split(hidden, breaks), strict=True)
            if not lost[0] and len(run) >= 16]


def _regions(shoe: Sneaker) -> tuple[Region, ...]:
    width, height = LABEL_MM
    corners = np.array([(0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5)])
    regions = [Region("tongue label", "label", "tongue_textile", _points(UPPER_SLOTS["label"].uv(corners)), text=BRAND)]
    width_mm = ROW_INSETS_MM[1] - ROW_INSETS_MM[0] + 2 * BAND_MARGIN_MM
    for pattern, panels in zip(shoe.patterns, shoe.panels, strict=True):
        slot = UPPER_SLOTS[pattern.side]
        for level, panel in enumerate(panels):
            if panel.name == "logo":
                mark = _points(slot.uv(_around(panel.loop)))
                regions.append(Region(f"{pattern.side} logo", "logo", "upper_leather", mark))
            if panel.name in INSPECTED_SEAMS:
                regions += _seams(pattern.side, panel, panels[level + 1:], slot, width_mm)
    return tuple(regions)


def _around(loop: NDArray[np.float64], margin: float = 1.0) -> NDArray[np.float64]:
    """Convex hull of a shape in pattern mm, moved outwards from its middle by about ``margin`` mm."""
    corners = loop[ConvexHull(loop).vertices]
    away = corners - loop.mean(axis=0)
    moved: NDArray[np.float64] = corners + margin * away / np.linalg.norm(away, axis=1, keepdims=True)
    return moved


def _points(uv: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(u), 5), round(float(v), 5)) for u, v in uv)
