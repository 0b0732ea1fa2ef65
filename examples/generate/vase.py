"""A turned porcelain vase with throwing rings. Geometry only: an STL holds nothing else."""

from __future__ import annotations

import numpy as np

from examples.generate.model import MaterialSpec, Model
from examples.generate.shapes import UvRect, bezier, filleted, lathe, part

WHOLE = UvRect(0.0, 0.0, 1.0, 1.0)


def porcelain_vase() -> Model:
    """A bellied vase, 240 mm high, 6 mm wall, with a flared lip and a foot."""
    belly = bezier([(0.047, 0.006), (0.078, 0.040), (0.108, 0.105), (0.082, 0.168), (0.034, 0.186), (0.038, 0.222)], 46)
    # Throwing rings fade out towards the foot and the neck, as the potter's rib leaves them.
    height = belly[:, 1]
    rings = 0.00055 * np.sin(2 * np.pi * height / 0.0125) * np.exp(-(((height - 0.095) / 0.05) ** 2))
    belly[:, 0] += rings
    lip = filleted([(0.038, 0.222, 0.0), (0.0475, 0.237, 0.010), (0.0485, 0.2405, 0.0014), (0.0435, 0.2405, 0.0016),
                    (0.0325, 0.222, 0.012), (0.0295, 0.205, 0.0)], 3)
    inside = bezier([(0.0295, 0.205), (0.0275, 0.180), (0.074, 0.164), (0.100, 0.105), (0.070, 0.042), (0.040, 0.014),
                     (0.0, 0.012)], 12)
    foot = filleted([(0.0, 0.003, 0.0), (0.037, 0.003, 0.001), (0.039, 0.0, 0.001), (0.0445, 0.0, 0.0016),
                     (0.047, 0.006, 0.0)], 2)
    profile = np.concatenate([foot[:-1], belly, lip[1:], inside[1:]])
    porcelain = MaterialSpec("porcelain")
    return Model("porcelain_vase", (part("vase", [lathe(profile, WHOLE, 60)], porcelain.name, 45.0),), (porcelain,))
