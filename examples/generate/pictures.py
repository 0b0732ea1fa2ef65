"""``python -m examples.generate.pictures``: the picture at the top of the README, from what `make demo` delivered."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageOps

from pipeline.store import ArtifactStore

OUT = Path(__file__).resolve().parent.parent.parent / "docs" / "images" / "catalogue.jpg"
# SKU, shot, left, top, width, height in pixels of the sheet; every tile is filled and cropped around its centre.
TILES = (
    ("court-sneaker-green", "hero", 0, 0, 1064, 600),
    ("mug-tidewater", "lifestyle", 1072, 0, 528, 600),
    ("court-sneaker-green", "detail", 0, 608, 394, 394),
    ("court-sneaker-navy", "lifestyle", 402, 608, 394, 394),
    ("carton-morning-oolong", "square", 804, 608, 394, 394),
    ("candle-cedar-salt", "lifestyle", 1206, 608, 394, 394),
)


def sheet(store: ArtifactStore) -> Image.Image:
    """(1002, 1600) tiles of delivered images on white."""
    width = max(left + tile_width for _, _, left, _, tile_width, _ in TILES)
    height = max(top + tile_height for _, _, _, top, _, tile_height in TILES)
    page = Image.new("RGB", (width, height), "white")
    for sku, shot, left, top, tile_width, tile_height in TILES:
        with Image.open(store.require("refined_images", sku).path(f"{shot}.png")) as image:
            page.paste(ImageOps.fit(image.convert("RGB"), (tile_width, tile_height), Image.Resampling.LANCZOS),
                       (left, top))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.generate.pictures", description=__doc__)
    parser.add_argument("--store", default="store", help="the store that `make demo` filled")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    sheet(ArtifactStore(parser.parse_args().store)).save(OUT, quality=88, subsampling=0, optimize=True)
    print(f"{OUT.name}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
