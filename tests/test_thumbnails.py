"""Pictures in Dagster's event log: small in bytes, and large enough to see."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.thumbnails import MAX_BYTES, TILE_PX, montage, write_png


@pytest.mark.parametrize(("height", "width", "shown"), [(48, 60, (192, 240)), (48, 300, (48, 300)),
                                                        (1080, 1920, (200, 356)), (200, 200, (200, 200))])
def test_a_crop_of_few_pixels_is_enlarged_and_a_photograph_is_small(tmp_path: Path, height: int, width: int,
                                                                     shown: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 200, (height, width, 3), np.uint8)  # no pixel is white
    write_png(noise, tmp_path / "crop.png")
    markdown = montage([tmp_path / "crop.png"]).md_str or ""
    assert len(markdown) <= MAX_BYTES + 100
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(markdown.partition("base64,")[2].rstrip(")")))))
    assert sheet.shape[0] == TILE_PX
    assert sheet.shape[1] == shown[1]
    inked = np.flatnonzero(sheet.mean(axis=(1, 2)) < 240)
    assert abs(int(inked[-1] - inked[0] + 1) - shown[0]) <= 2
