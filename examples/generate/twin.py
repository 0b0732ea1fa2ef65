"""``python -m examples.generate.twin``: the damaged twin of the sneaker's hero image.

Renders the example sneaker's hero shot as the pipeline does, damages it in four known ways, and
writes it beside the catalogue. ``packshot score`` then has to find what is wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.generate.damage import damage_twin
from pipeline.catalogue import Catalogue, Region
from pipeline.colour import to_display
from pipeline.lone_file import open_file
from pipeline.render.tracing import light_here, open_renderer
from pipeline.render.types import ControlPasses
from pipeline.shots import shots_for

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue"
SKU, SHOT = "court-sneaker-green", "hero"
TWIN = CATALOGUE.parent / "damaged" / f"{SKU}-{SHOT}.jpg"


def hero() -> tuple[NDArray[np.uint8], ControlPasses, tuple[Region, ...]]:
    """The undamaged hero image (1080, 1920, 3), its passes and the product's regions."""
    catalogue = Catalogue.at(CATALOGUE)
    product = catalogue.product(SKU)
    [shot] = [s for s in shots_for(product, catalogue.settings, product.regions) if s.name == SHOT]
    opened = open_file(CATALOGUE / SKU / product.mesh_file, manifest=product.manifest,
                       description=product.description, category=product.category)
    with open_renderer(light_here("auto")) as renderer:
        passes = renderer.render(opened.mesh, shot, opened.textures)
    return to_display(passes.product, passes.plate, passes.white_backdrop), passes, product.regions


def main() -> None:
    image, passes, regions = hero()
    TWIN.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(damage_twin(image, passes, regions)).save(TWIN, quality=95, subsampling=0)
    print(f"{TWIN.name}: {TWIN.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
