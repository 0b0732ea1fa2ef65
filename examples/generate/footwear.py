"""The example catalogue's shoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.generate.colourways import GREEN_WHITE, NAVY_GUM, Colourway
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.panels import resampled
from examples.generate.sneaker import LABEL_MM, PATTERN_SCALE, UPPER_ATLAS, UPPER_SLOTS, Sneaker, sneaker
from examples.generate.sneaker_paint import BRAND, upper_map
from examples.generate.sneaker_panels import ROW_INSETS_MM
from examples.generate.trim_paint import trim_map
from pipeline.catalogue import Region

__all__ = ["GREEN_WHITE", "NAVY_GUM", "Colourway", "court_sneaker"]

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


def _regions(shoe: Sneaker) -> tuple[Region, ...]:
    width, height = LABEL_MM
    corners = np.array([(0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5)])
    regions = [Region("tongue label", "label", "tongue_textile", _points(UPPER_SLOTS["label"].uv(corners)), text=BRAND)]
    band = (ROW_INSETS_MM[1] - ROW_INSETS_MM[0] + 2 * BAND_MARGIN_MM) * PATTERN_SCALE / UPPER_ATLAS[0]
    for pattern, panels in zip(shoe.patterns, shoe.panels, strict=True):
        slot = UPPER_SLOTS[pattern.side]
        for panel in panels:
            if panel.name == "logo":
                low, high = panel.loop.min(axis=0) - 0.6, panel.loop.max(axis=0) + 0.6
                box = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
                regions.append(Region(f"{pattern.side} logo", "logo", "upper_leather", _points(slot.uv(box))))
            if panel.name in INSPECTED_SEAMS:
                for number, seam in enumerate(panel.seams):
                    suffix = f" {number + 1}" if len(panel.seams) > 1 else ""
                    regions.append(Region(f"{pattern.side} {panel.name} seam{suffix}", "stitching", "upper_leather",
                                          path=_points(slot.uv(resampled(seam, 4.0))), rows=2, width=round(band, 6)))
    return tuple(regions)


def _points(uv: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(u), 5), round(float(v), 5)) for u, v in uv)
