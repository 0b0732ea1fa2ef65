"""What products are made of: a kind of ``pipeline.mesh.materials`` to a tile of its surface.

    tile = SURFACES["canvas"](np.random.default_rng(7))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from training.materials.fibrous import cardboard, cork, paper, wood
from training.materials.hard import ceramic, lacquer, metal, plastic
from training.materials.knit import knit
from training.materials.leather import leather, suede
from training.materials.rubber import foam, rubber
from training.materials.tile import Tile, slope_rms
from training.materials.woven import canvas, denim, fabric

SURFACES: Mapping[str, Callable[[np.random.Generator], Tile]] = {
    "canvas": canvas, "denim": denim, "fabric": fabric, "lace": canvas, "knit": knit,
    "leather": leather, "synthetic": leather, "suede": suede,
    "rubber": rubber, "foam": foam,
    "plastic": plastic, "lacquer": lacquer, "ceramic": ceramic, "porcelain": ceramic,
    "metal": metal, "steel": metal, "brass": metal, "copper": metal,
    "paper": paper, "cardboard": cardboard, "wood": wood, "cork": cork,
}

__all__ = ["SURFACES", "Tile", "slope_rms"]
