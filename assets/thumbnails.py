"""Pictures small enough for the event log: at most 30 kB each, inlined as markdown."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dagster import MarkdownMetadataValue, MetadataValue
from numpy.typing import NDArray
from PIL import Image

MAX_BYTES = 30_000
TILE_PX = 200


def write_png(image: NDArray[np.uint8], path: Path) -> None:
    """A preview, written for speed rather than size."""
    Image.fromarray(image).save(path, compress_level=1)


def montage(pictures: Sequence[Path]) -> MarkdownMetadataValue:
    """One row of thumbnails as markdown metadata."""
    if not pictures:
        return MetadataValue.md("no picture")
    tiles = []
    for path in pictures:
        with Image.open(path) as image:
            tile = image.convert("RGB")
            tile.thumbnail((2 * TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
            if (times := min(2 * TILE_PX // tile.width, TILE_PX // tile.height)) > 1:  # a crop of few pixels
                tile = tile.resize((tile.width * times, tile.height * times), Image.Resampling.NEAREST)
            tiles.append(tile)
    sheet = Image.new("RGB", (sum(tile.width for tile in tiles) + 6 * (len(tiles) - 1), TILE_PX), "white")
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, (TILE_PX - tile.height) // 2))
        left += tile.width + 6
    for quality in (82, 65, 45, 25):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MAX_BYTES * 3 // 4:  # base64 adds a third
            break
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return MetadataValue.md(f"![preview](data:image/jpeg;base64,{encoded})")
