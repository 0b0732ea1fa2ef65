"""Pictures for the page: sized, cropped and written into it as data URIs."""

from __future__ import annotations

import base64
import io

from PIL import Image

from pipeline.report.types import ReportImage

WEBP_METHOD = 1            # a third of the default's time for a tenth more bytes: pages are drawn often, kept never
CROP_SIDE = 320            # px, longest side of a crop on the page
CROP_MARGIN = 0.6          # of the defect's longer side, shown around it
SMALLEST_CROP = 96         # px of the final image; a crop of a speck shows nothing


def opened(image: ReportImage | None) -> Image.Image | None:
    """Decoded RGB, or None where there is no picture."""
    if image is None:
        return None
    with Image.open(image.path) as picture:
        return picture.convert("RGB")


def fitted(picture: Image.Image, longest: int) -> Image.Image:
    """A copy whose longest side is at most ``longest`` pixels; never enlarged."""
    scale = longest / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def data_uri(picture: Image.Image, quality: int) -> str:
    """The picture as a WebP inside the page."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=WEBP_METHOD)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def crop_window(bbox: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """A square around a defect, with room to see what belongs there, inside the image.

    The window keeps its size at the border by moving inwards, unless the image is smaller than it.
    """
    x0, y0, x1, y1 = bbox
    side = max(SMALLEST_CROP, round(max(x1 - x0, y1 - y0) * (1 + 2 * CROP_MARGIN)))
    wide, high = min(side, width), min(side, height)
    left = min(max(0, (x0 + x1 - wide) // 2), width - wide)
    top = min(max(0, (y0 + y1 - high) // 2), height - high)
    return left, top, left + wide, top + high


def crop(picture: Image.Image, window: tuple[int, int, int, int], width: int, height: int) -> Image.Image:
    """``window`` of a picture that shows the same view at any size; ``width`` × ``height`` is the window's scale."""
    sx, sy = picture.width / width, picture.height / height
    box = (window[0] * sx, window[1] * sy, window[2] * sx, window[3] * sy)
    scale = CROP_SIDE / max(window[2] - window[0], window[3] - window[1])
    size = (max(1, round((window[2] - window[0]) * scale)), max(1, round((window[3] - window[1]) * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, box=box)
